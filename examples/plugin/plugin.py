"""A Prism plugin in Python: KeyValue, basic and scan, from a dictionary.

    pip install -r requirements.txt
    python plugin.py localhost:50060
    prism conformance localhost:50060
"""

import math
import secrets
import sys
import threading
import time
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

sys.path.append(str(Path(__file__).parents[2] / "proto"))
basic = grpc.protos("interfaces/keyvalue_basic.proto")
scans = grpc.protos("interfaces/keyvalue_scan.proto")
declared = grpc.protos("interfaces/capabilities.proto")

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
VALUE_BYTES_MAX = MESSAGE_BYTES_MAX - 16 * 1024
TTL_SECONDS_MAX = 100 * 365 * 24 * 60 * 60
NEVER = float("inf")
EPOCH = str(secrets.randbits(63))  # The data is lost with the process: a resumed scan must notice.

lock = threading.Lock()
# By namespace and key: the value, and when it expires, on the monotonic clock. An expired key is never shown, and is freed once
# it is set or deleted.
stored = {}


class Refused(Exception):
    """An error of the contract: its code and reason, what is wrong, and facts such as the field and its limit."""

    def __init__(self, code, reason, message, **facts):
        metadata = {name: str(fact) for name, fact in facts.items()}
        info = error_details_pb2.ErrorInfo(domain="prism", reason=reason, metadata=metadata)
        details = any_pb2.Any()
        details.Pack(info)
        self.status = rpc_status.to_status(status_pb2.Status(code=code, message=message, details=[details]))


def require(condition, reason, message, **facts):
    if not condition:
        raise Refused(code_pb2.INVALID_ARGUMENT, reason, message, **facts)


def require_size(reason, field, value, low, high):
    size = len(value)
    message = f"{field} has {size} bytes; expected {low} to {high}"
    require(low <= size <= high, reason, message, field=field, limit=high, size=size)


def namespace_of(request):
    name = request.namespace or "default"
    valid = len(name) <= 64 and name[0].isalpha() and all(c in "abcdefghijklmnopqrstuvwxyz0123456789-" for c in name)
    message = "the name of a namespace has 1 to 64 of a-z 0-9 -, and starts with a letter"
    require(valid, "NAMESPACE_INVALID", message, field="namespace")
    return name


def key_of(request):
    require_size("KEY_INVALID", "key", request.key.encode(), 1, 4096)
    return namespace_of(request), request.key


def live(name, key):
    """The value of a key and when it expires; None if it is missing or has expired."""
    value, expires = stored.get((name, key), (None, 0))
    return (value, expires) if expires > time.monotonic() else None


def left(expires, with_ttl):
    """The milliseconds that a key has left to live, rounded up; None if it does not expire, or if nobody asked."""
    return math.ceil((expires - time.monotonic()) * 1000) if with_ttl and expires != NEVER else None


def expiry_of(request):
    """When the key of a Set expires."""
    given = [field for field in ("ttl_seconds", "ttl_millis") if request.HasField(field)]
    require(len(given) < 2, "TTL_INVALID", "ttl_seconds and ttl_millis cannot be given together", field="ttl_millis")
    for field in given:
        unit = 1 if field == "ttl_seconds" else 1000
        ttl, limit = getattr(request, field), TTL_SECONDS_MAX * unit
        require(1 <= ttl <= limit, "TTL_INVALID", f"{field} is {ttl}; expected 1 to {limit}", field=field, limit=limit)
        return time.monotonic() + ttl / unit
    return NEVER


def set_(request):
    place = key_of(request)
    require_size("VALUE_TOO_LARGE", "value", request.value, 0, VALUE_BYTES_MAX)
    expires = expiry_of(request)
    with lock:
        stored[place] = (request.value, expires)
    return basic.SetResponse(success=True)


def get(request):
    found = live(*key_of(request))
    if found is None:
        raise Refused(code_pb2.NOT_FOUND, "KEY_NOT_FOUND", "the key does not exist")
    value, expires = found
    return basic.GetResponse(value=value, ttl_millis_left=left(expires, request.with_ttl))


def delete(request):
    place = key_of(request)
    with lock:
        found = live(*place) is not None
        stored.pop(place, None)
    return basic.DeleteResponse(found=found)


def exists(request):
    return basic.ExistsResponse(exists=live(*key_of(request)) is not None)


def matching(request, reverse=False):
    """The live keys with the prefix, in byte order, with their values, and when they expire."""
    name = namespace_of(request)
    require_size("KEY_INVALID", "prefix", request.prefix.encode(), 0, 4096)
    with lock:
        keys = [key for space, key in stored if space == name and key.startswith(request.prefix)]
    keys.sort(key=str.encode, reverse=reverse)
    for key in keys:
        found = live(name, key)
        if found is not None:
            yield key, *found


def ranged(request):
    require(request.limit >= 0, "LIMIT_INVALID", f"limit is {request.limit}; expected 0 or more", field="limit")
    after, before = b"", b"\xff"  # Below and above every key: no UTF-8 has a byte FF.
    if request.HasField("start_after"):
        after = request.start_after.encode()
        require_size("KEY_INVALID", "start_after", after, 1, 4096)
    if request.HasField("before"):
        before = request.before.encode()
        require_size("KEY_INVALID", "before", before, 1, 4096)
    items = (item for item in matching(request, request.reverse) if after < item[0].encode() < before)
    for sent, (key, value, expires) in enumerate(items, start=1):
        yield key, value, left(expires, request.with_ttl)
        if sent == request.limit:
            break


def scan(request):
    return (scans.ScanResponse(key=key, value=value, ttl_millis_left=ttl) for key, value, ttl in ranged(request))


def scan_keys(request):
    return (scans.KeyResponse(key=key, ttl_millis_left=ttl) for key, _, ttl in ranged(request))


def delete_prefix(request):
    require(request.limit >= 0, "LIMIT_INVALID", f"limit is {request.limit}; expected 0 or more", field="limit")
    name, deleted = namespace_of(request), 0
    for key, _, _ in matching(request):
        with lock:
            deleted += stored.pop((name, key), None) is not None
        yield scans.DeletePrefixResponse(deleted=deleted)
        if deleted == request.limit:
            break


def count(request):
    return scans.CountResponse(count=sum(1 for _ in matching(request)))


def capabilities(_):
    return declared.GetCapabilitiesResponse(ordered=True, exact_count=True, linearizable=True, in_memory=True)


def message_of(kind, requests, context):
    """The only message of a call. grpcio itself answers one that is absent or malformed with another code."""
    message = next(requests, None)
    require(message is not None, "MALFORMED_REQUEST", "the request contains no message")
    require_size("MESSAGE_TOO_LARGE", "message", message, 0, MESSAGE_BYTES_MAX)
    if (context.time_remaining() or 1) < 0:
        raise Refused(code_pb2.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the deadline passed", applied="no")
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise Refused(code_pb2.INVALID_ARGUMENT, "MALFORMED_REQUEST", f"not a {kind.__name__}: {error}") from error


def unary(kind, call):
    def handle(requests, context):
        try:
            return call(message_of(kind, requests, context)).SerializeToString()
        except Refused as refused:
            context.abort_with_status(refused.status)

    return grpc.stream_unary_rpc_method_handler(handle)


def streaming(kind, call):
    def handle(requests, context):
        try:
            context.send_initial_metadata([("prism-epoch", EPOCH)])
            for item in call(message_of(kind, requests, context)):
                yield item.SerializeToString()
        except Refused as refused:
            context.abort_with_status(refused.status)

    return grpc.stream_stream_rpc_method_handler(handle)


INTERFACES = {
    "prism.interfaces.keyvalue.KeyValueBasicInterface": {
        "Set": unary(basic.SetRequest, set_),
        "Get": unary(basic.GetRequest, get),
        "Delete": unary(basic.DeleteRequest, delete),
        "Exists": unary(basic.ExistsRequest, exists),
    },
    "prism.interfaces.keyvalue.KeyValueScanInterface": {
        "Scan": streaming(scans.ScanRequest, scan),
        "ScanKeys": streaming(scans.ScanKeysRequest, scan_keys),
        "DeletePrefix": streaming(scans.DeletePrefixRequest, delete_prefix),
        "Count": unary(scans.CountRequest, count),
    },
    "prism.interfaces.capabilities.CapabilitiesInterface": {
        "GetCapabilities": unary(declared.GetCapabilitiesRequest, capabilities),
    },
}

# grpcio refuses a message that is too large with another code, so what is a little too large must arrive.
OPTIONS = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 2 * MESSAGE_BYTES_MAX)]


def main(address):
    server = grpc.server(futures.ThreadPoolExecutor(64), options=OPTIONS)
    healthy = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    for name, methods in INTERFACES.items():
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, methods)])
        healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
    port = server.add_insecure_port(address)
    server.start()
    print(f"plugin.py ready grpc={address.rpartition(':')[0]}:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50060")
