"""The clients: `PrismClient` for asyncio, and `SyncPrismClient`, its twin with the same names and keywords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prism import _native
from prism._completions import CALLS, call
from prism._namespace import DEFAULT_NAMESPACE
from prism.keyvalue import KeyValueAPI, SyncKeyValueAPI
from prism.list import ListAPI, SyncListAPI

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from prism._completions import Calls


class PrismClient:
    """A client of one gateway.

    Creating one does no I/O: it connects when first used, and reconnects when a connection is lost. It may be shared by
    tasks, threads and event loops. A forked child opens its own connections.

    Cancelling a task resets the call for which it waits; a write may still have been applied.
    """

    keyvalue: KeyValueAPI
    """Values by key, in the namespace `default` unless a call names another."""
    list: ListAPI
    """Ordered lists, in the namespace `default` unless a call names another."""

    def __init__(
        self,
        proxy_address: str,
        *,
        token: str | None = None,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
        traces: bool = False,
    ) -> None:
        """
        Args:
            proxy_address: `host:port`, `http://host:port` or `unix:PATH`.
            token: Sent with each call as `authorization: Bearer TOKEN`.
            metadata: Sent with each call: lower-case names, values of visible ASCII.
            timeout: Seconds for a call that does not set its own. None: 2 s.
            traces: Whether each call creates an OpenTelemetry span, through the tracer provider that the application
                has set. Needs `opentelemetry-api`, which the extra `traces` installs.

        Raises:
            ImportError: `traces` is true and `opentelemetry-api` is not installed.
            InvalidArgumentError: An argument is invalid.
        """
        self.proxy_address = proxy_address
        self._client = call(_native.Client, proxy_address, token, metadata, timeout)
        self._calls = _calls(proxy_address, traces)
        self.keyvalue = KeyValueAPI(self._client, DEFAULT_NAMESPACE, self._calls)
        self.list = ListAPI(self._client, DEFAULT_NAMESPACE, self._calls)

    def namespace(self, name: str) -> Namespace:
        """A handle whose calls go to the namespace `name`: 1 to 64 of `a-z 0-9 -`, starting with a letter."""
        return Namespace(self._client, name, self._calls)

    async def close(self) -> None:
        """Closes the client: further calls raise `ClientClosedError`. Calls in flight are not interrupted."""
        self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class Namespace:
    """One namespace of a `PrismClient`."""

    __slots__ = ("keyvalue", "list", "name")

    name: str
    """The namespace's name."""
    keyvalue: KeyValueAPI
    """Values by key."""
    list: ListAPI
    """Ordered lists."""

    def __init__(self, client: _native.Client, name: str, calls: Calls) -> None:
        self.name = name
        self.keyvalue = KeyValueAPI(client, name, calls)
        self.list = ListAPI(client, name, calls)


class SyncPrismClient:
    """`PrismClient` for code without an event loop. A call releases the interpreter's lock and responds to Ctrl-C."""

    keyvalue: SyncKeyValueAPI
    """Values by key, in the namespace `default` unless a call names another."""
    list: SyncListAPI
    """Ordered lists, in the namespace `default` unless a call names another."""

    def __init__(
        self,
        proxy_address: str,
        *,
        token: str | None = None,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
        traces: bool = False,
    ) -> None:
        """The same as `PrismClient`."""
        self.proxy_address = proxy_address
        self._client = call(_native.Client, proxy_address, token, metadata, timeout)
        self._calls = _calls(proxy_address, traces)
        self.keyvalue = SyncKeyValueAPI(self._client, DEFAULT_NAMESPACE, self._calls)
        self.list = SyncListAPI(self._client, DEFAULT_NAMESPACE, self._calls)

    def namespace(self, name: str) -> SyncNamespace:
        """A handle whose calls go to the namespace `name`: 1 to 64 of `a-z 0-9 -`, starting with a letter."""
        return SyncNamespace(self._client, name, self._calls)

    def close(self) -> None:
        """Closes the client: further calls raise `ClientClosedError`. Calls in flight are not interrupted."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class SyncNamespace:
    """One namespace of a `SyncPrismClient`."""

    __slots__ = ("keyvalue", "list", "name")

    name: str
    """The namespace's name."""
    keyvalue: SyncKeyValueAPI
    """Values by key."""
    list: SyncListAPI
    """Ordered lists."""

    def __init__(self, client: _native.Client, name: str, calls: Calls) -> None:
        self.name = name
        self.keyvalue = SyncKeyValueAPI(client, name, calls)
        self.list = SyncListAPI(client, name, calls)


def _calls(proxy_address: str, traces: bool) -> Calls:
    if not traces:
        return CALLS
    try:
        from prism._traces import Traces
    except ImportError as error:
        raise ImportError("traces need opentelemetry-api: pip install 'opentelemetry-api>=1.20'") from error
    return Traces(proxy_address)
