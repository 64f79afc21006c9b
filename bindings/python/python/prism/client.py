"""The clients: `PrismClient` for asyncio, and `SyncPrismClient`, its twin with the same names and keywords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prism import _native
from prism._completions import CALLS, call
from prism._namespace import DEFAULT_NAMESPACE
from prism._tokens import Tokens
from prism.errors import InvalidArgumentError
from prism.keyvalue import KeyValueAPI, SyncKeyValueAPI
from prism.list import ListAPI, SyncListAPI

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from os import PathLike
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
        token: str | Callable[[], str | Awaitable[str]] | None = None,
        token_file: str | PathLike[str] | None = None,
        insecure_token: bool = False,
        tls: bool = False,
        ca_file: str | PathLike[str] | None = None,
        certificate_file: str | PathLike[str] | None = None,
        key_file: str | PathLike[str] | None = None,
        server_name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
        traces: bool = False,
    ) -> None:
        """
        Args:
            proxy_address: `host:port`, `https://host:port` for TLS, `http://host:port`, or `unix:PATH`.
            token: Sent with each call as `authorization: Bearer TOKEN`: one word of visible ASCII. Or a function that
                returns it, plain or `async`. The function is called by the first call, and again when the gateway
                answers UNAUTHENTICATED; the call is then sent once more. Calls in flight share its result. A plain
                function runs in a thread of the client's own, an `async` one on the event loop of the last call. It has
                30 s.
            token_file: A file whose only word is the token, at most 16 KiB. It is read again once a second, and when
                the gateway answers UNAUTHENTICATED; the call is then sent once more. Not together with `token`.
            insecure_token: Whether the token may be sent in plaintext to another machine, where whoever is on the way
                can read and use it.
            tls: Whether to connect with TLS; `https://` and each of the following imply it. There is no falling back to
                plaintext.
            ca_file: The CAs that sign the gateway's certificate, in PEM. None: the system's. This file and the
                following two are read again for a new connection when they have changed.
            certificate_file: A certificate that identifies this client, in PEM. Needs `key_file`.
            key_file: The certificate's private key, in PEM.
            server_name: The name that the gateway's certificate must have. None: the host of the address, `localhost`
                for a Unix socket.
            metadata: Sent with each call: lower-case names, values of visible ASCII.
            timeout: Seconds for a call that does not set its own. None: 2 s.
            traces: Whether each call creates an OpenTelemetry span, through the tracer provider that the application
                has set. Needs `opentelemetry-api`, which the extra `traces` installs.

        Raises:
            ImportError: `traces` is true and `opentelemetry-api` is not installed.
            InvalidArgumentError: An argument is invalid, or a token would be sent in plaintext to another machine.
        """
        self.proxy_address = proxy_address
        self._client, self._calls = _made(
            proxy_address,
            token=token,
            token_file=token_file,
            insecure_token=insecure_token,
            tls=tls,
            ca_file=ca_file,
            certificate_file=certificate_file,
            key_file=key_file,
            server_name=server_name,
            metadata=metadata,
            timeout=timeout,
            traces=traces,
        )
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
        token: str | Callable[[], str] | None = None,
        token_file: str | PathLike[str] | None = None,
        insecure_token: bool = False,
        tls: bool = False,
        ca_file: str | PathLike[str] | None = None,
        certificate_file: str | PathLike[str] | None = None,
        key_file: str | PathLike[str] | None = None,
        server_name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
        traces: bool = False,
    ) -> None:
        """The same as `PrismClient`, but a function for `token` is a plain one."""
        self.proxy_address = proxy_address
        self._client, self._calls = _made(
            proxy_address,
            token=token,
            token_file=token_file,
            insecure_token=insecure_token,
            tls=tls,
            ca_file=ca_file,
            certificate_file=certificate_file,
            key_file=key_file,
            server_name=server_name,
            metadata=metadata,
            timeout=timeout,
            traces=traces,
        )
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


def _made(
    proxy_address: str,
    *,
    token: str | Callable[[], str | Awaitable[str]] | None,
    token_file: str | PathLike[str] | None,
    insecure_token: bool,
    tls: bool,
    ca_file: str | PathLike[str] | None,
    certificate_file: str | PathLike[str] | None,
    key_file: str | PathLike[str] | None,
    server_name: str | None,
    metadata: Mapping[str, str] | None,
    timeout: float | None,
    traces: bool,
) -> tuple[_native.Client, Calls]:
    """The native client, and how its calls are made."""
    if token is not None and token_file is not None:
        message = "token and token_file cannot both be given"
        raise InvalidArgumentError(message, code="INVALID_ARGUMENT", field="token_file")
    source = token if callable(token) else None
    fixed = None if callable(token) else token
    asks = source is not None
    client = call(
        _native.Client,
        proxy_address,
        fixed,
        token_file,
        asks,
        insecure_token,
        tls,
        ca_file,
        certificate_file,
        key_file,
        server_name,
        metadata,
        timeout,
    )
    calls = CALLS if source is None else Tokens(client, source)
    if traces:
        try:
            from prism._traces import Traces
        except ImportError as error:
            raise ImportError("traces need opentelemetry-api: pip install 'opentelemetry-api>=1.20'") from error
        calls = Traces(proxy_address, calls)
    return client, calls
