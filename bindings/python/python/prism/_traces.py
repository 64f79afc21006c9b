"""OpenTelemetry spans of calls, created through the tracer provider that the application has set.

Names and attributes are those of https://opentelemetry.io/docs/specs/semconv/rpc/grpc/. None contains a key or a value.
"""

from __future__ import annotations

from asyncio import CancelledError
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, cast

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from prism import _native
from prism._completions import Calls
from prism.errors import PrismError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.trace import Span

T = TypeVar("T")
V = TypeVar("V")
_Ts = TypeVarTuple("_Ts")

# The gRPC method of each native verb, after `prism.interfaces.`.
_METHODS = {
    "set": "keyvalue.KeyValueBasicInterface/Set",
    "get": "keyvalue.KeyValueBasicInterface/Get",
    "find": "keyvalue.KeyValueBasicInterface/Get",
    "delete": "keyvalue.KeyValueBasicInterface/Delete",
    "exists": "keyvalue.KeyValueBasicInterface/Exists",
    "get_many": "keyvalue.KeyValueBatchInterface/BatchGet",
    "set_many": "keyvalue.KeyValueBatchInterface/BatchSet",
    "delete_many": "keyvalue.KeyValueBatchInterface/BatchDelete",
    "set_if": "keyvalue.KeyValueCasInterface/SetIf",
    "set_if_absent": "keyvalue.KeyValueCasInterface/SetIf",
    "delete_if": "keyvalue.KeyValueCasInterface/DeleteIf",
    "get_and_set": "keyvalue.KeyValueCasInterface/GetAndSet",
    "get_and_delete": "keyvalue.KeyValueCasInterface/GetAndDelete",
    "increment": "keyvalue.KeyValueCounterInterface/Increment",
    "scan": "keyvalue.KeyValueScanInterface/Scan",
    "scan_keys": "keyvalue.KeyValueScanInterface/ScanKeys",
    "delete_prefix": "keyvalue.KeyValueScanInterface/DeletePrefix",
    "count": "keyvalue.KeyValueScanInterface/Count",
    "get_ttl": "keyvalue.KeyValueTtlInterface/GetTtl",
    "expire": "keyvalue.KeyValueTtlInterface/Expire",
    "persist": "keyvalue.KeyValueTtlInterface/Persist",
    "push_left": "list.ListBasicInterface/PushLeft",
    "push_right": "list.ListBasicInterface/PushRight",
    "pop_left": "list.ListBasicInterface/PopLeft",
    "pop_right": "list.ListBasicInterface/PopRight",
    "length": "list.ListBasicInterface/Length",
    "push_many": "list.ListBatchInterface/PushMany",
    "pop_many": "list.ListBatchInterface/PopMany",
    "blocking_pop": "list.ListBlockingInterface/BlockingPop",
    "reserve": "list.ListReserveInterface/Reserve",
    "ack": "list.ListReserveInterface/Ack",
    "extend": "list.ListReserveInterface/Extend",
    "release": "list.ListReserveInterface/Release",
    "get_at": "list.ListIndexingInterface/GetAt",
    "set_at": "list.ListIndexingInterface/SetAt",
    "remove": "list.ListIndexingInterface/Remove",
    "range": "list.ListRangeInterface/GetRange",
    "trim": "list.ListRangeInterface/Trim",
    "clear": "list.ListRangeInterface/Clear",
    "lists": "list.ListScanInterface/ScanLists",
    "count_lists": "list.ListScanInterface/CountLists",
    "export": "transfer.TransferInterface/Export",
    "import_items": "transfer.TransferInterface/Import",
    "capabilities": "capabilities.CapabilitiesInterface/GetCapabilities",
    "usage": "usage.UsageInterface/GetUsage",
}


class Traces(Calls):
    """Makes the calls of one client, each within a span whose `traceparent` is sent to the gateway."""

    def __init__(self, proxy_address: str, calls: Calls) -> None:
        self._calls = calls
        self._tracer = trace.get_tracer("prism-client")
        self._propagator = TraceContextTextMapPropagator()
        self._server = _server(proxy_address)

    async def run(self, verb: Callable[[_native.Completions, *_Ts], _native._Ticket[T]], *arguments: *_Ts) -> T:
        span, traced = self._begin(verb, arguments)
        with _ends(span):
            return await self._calls.run(traced, *arguments)

    def wait(self, verb: Callable[[None, *_Ts], T], *arguments: *_Ts) -> T:
        span, traced = self._begin(verb, arguments)
        with _ends(span):
            return self._calls.wait(traced, *arguments)

    def scan(self, verb: Callable[[*_Ts], _native.Scan[T]], *arguments: *_Ts) -> _native.Scan[T]:
        span, traced = self._begin(verb, arguments)
        scan = _Scan(span)
        try:
            scan.native = self._calls.scan(traced, *arguments)
        except PrismError as error:
            _end(span, error.code)
            raise
        return cast("_native.Scan[T]", scan)

    @contextmanager
    def imports(self, verb: Callable[[*_Ts], _native.Import], *arguments: *_Ts) -> Iterator[_native.Import]:
        span, traced = self._begin(verb, arguments)
        with _ends(span), self._calls.imports(traced, *arguments) as opened:
            yield opened

    async def part(self, verb: Callable[[_native.Completions, *_Ts], _native._Ticket[T]], *arguments: *_Ts) -> T:
        return await self._calls.part(verb, *arguments)

    def wait_part(self, verb: Callable[[None, *_Ts], T], *arguments: *_Ts) -> T:
        return self._calls.wait_part(verb, *arguments)

    def _begin(self, verb: V, arguments: tuple[Any, ...]) -> tuple[Span, V]:
        native: Any = verb  # a bound method of `_native.Client`
        name = native.__name__
        method = "prism.interfaces." + _METHODS[name]
        attributes = {
            "rpc.system.name": "grpc",
            "rpc.method": method,
            "prism.namespace": str(arguments[-2]),  # the last but the timeout
            **self._server,
        }
        span = self._tracer.start_span(method, kind=trace.SpanKind.CLIENT, attributes=attributes)
        headers: dict[str, str] = {}
        self._propagator.inject(headers, trace.set_span_in_context(span))
        return span, getattr(native.__self__.with_metadata(headers), name)


class _Scan:
    """A native scan in a span, which ends with it. A scan that is closed or dropped early counts as cancelled."""

    __slots__ = ("native", "span")

    native: _native.Scan[Any]

    def __init__(self, span: Span) -> None:
        self.span = span

    def fetch(self, completions: Any) -> Any:
        return self.native.fetch(completions)

    def take(self) -> list[Any] | None:
        try:
            batch = self.native.take()
        except _native.Failure as failure:
            _end(self.span, failure.args[0]["code"])
            raise
        if batch is not None and not batch:
            _end(self.span, "OK")
        return batch

    def resume_token(self) -> bytes | None:
        return self.native.resume_token()

    def close(self) -> None:
        self.native.close()
        _end(self.span, "CANCELLED")

    def __del__(self) -> None:
        _end(self.span, "CANCELLED")


@contextmanager
def _ends(span: Span) -> Iterator[None]:
    """Ends the span of a call with the call."""
    try:
        yield
    except PrismError as error:
        _end(span, error.code)
        raise
    except (CancelledError, GeneratorExit):
        _end(span, "CANCELLED")
        raise
    except BaseException as error:
        # An argument of the wrong type, or Ctrl-C: no server was involved.
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(trace.StatusCode.ERROR)
        span.end()
        raise
    _end(span, "OK")


def _end(span: Span, code: str) -> None:
    """Ends a span that has not ended yet."""
    if span.is_recording():
        span.set_attribute("rpc.response.status_code", code)
        if code not in ("OK", "CANCELLED"):
            span.set_attribute("error.type", code)
            span.set_status(trace.StatusCode.ERROR)
        span.end()


def _server(proxy_address: str) -> dict[str, str | int]:
    address = proxy_address.removeprefix("http://").removeprefix("https://").rstrip("/")
    if address.startswith("unix:"):
        return {"server.address": address.removeprefix("unix:")}
    host, _, port = address.rpartition(":")
    return {"server.address": host.strip("[]"), "server.port": int(port)}
