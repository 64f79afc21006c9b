"""A gateway, by grpcio, that serves nobody but who has its token, and records the tokens that it was sent."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc

# ExistsResponse{exists: true}, and a KeyResponse{key: "k"} for each of three keys.
EXISTS = b"\x08\x01"
KEYS = [b"\x0a\x01a", b"\x0a\x01b", b"\x0a\x01c"]


class GuardedGateway(grpc.GenericRpcHandler):
    def __init__(self, accepted: str, credentials: grpc.ServerCredentials | None = None) -> None:
        self.accepted = accepted
        self.denies = False
        self.sent: list[str | None] = []
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(32), handlers=[self])
        if credentials is None:
            port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self.port = port
        self.address = f"127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop(None).wait()

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method.endswith("/ScanKeys"):
            return grpc.unary_stream_rpc_method_handler(self._scan)
        if handler_call_details.method.endswith("/Import"):
            return grpc.stream_stream_rpc_method_handler(self._import)
        return grpc.unary_unary_rpc_method_handler(self._exists)

    def _exists(self, request: bytes, context: Any) -> bytes:
        self._check(context)
        return EXISTS

    def _scan(self, request: bytes, context: Any) -> Iterator[bytes]:
        self._check(context)
        yield from KEYS

    def _import(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        self._check(context)
        yield from ()

    def _check(self, context: Any) -> None:
        sent = dict(context.invocation_metadata()).get("authorization")
        with self._lock:
            self.sent.append(sent)
        if sent != f"Bearer {self.accepted}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is not known")
        if self.denies:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no right to do that")
