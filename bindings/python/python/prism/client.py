"""The clients: `PrismClient` for asyncio, and `SyncPrismClient`, its twin with the same names and keywords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from prism import _native
from prism._completions import CALLS, call
from prism._namespace import DEFAULT_NAMESPACE
from prism._tokens import Tokens
from prism.backend import BackendAPI, SyncBackendAPI
from prism.codec import BYTES, BytesLike, Codec, Given, Got
from prism.errors import InvalidArgumentError
from prism.keyvalue import KeyValueAPI, SyncKeyValueAPI
from prism.list import ListAPI, SyncListAPI
from prism.transfer import SyncTransferAPI, TransferAPI

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from os import PathLike
    from types import TracebackType
    from typing import Self

    from prism._completions import Calls
    from prism.scan import Scan, SyncScan


class PrismClient:
    """A client of one gateway.

    Creating one does no I/O: it connects when first used, and reconnects when a connection is lost. It may be shared by
    tasks, threads and event loops. A forked child opens its own connections.

    Cancelling a task resets the call for which it waits; a write may still have been applied.
    """

    keyvalue: KeyValueAPI[BytesLike, bytes]
    """Values by key, in the namespace `default` unless a call names another."""
    list: ListAPI[BytesLike, bytes]
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
        stall_timeout: float | None = None,
        connect_timeout: float | None = None,
        connections: int | None = None,
        scan_connections: int | None = None,
        in_flight_max: int | None = None,
        attempts_max: int | None = None,
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
            stall_timeout: Seconds that a scan may wait for its next entry. None: 60 s.
            connect_timeout: Seconds for one attempt to connect: resolving the name and trying every address. None: 5 s.
            connections: The maximum number of connections for calls, 1 to 64. None: 2.
            scan_connections: The maximum number of connections for scans, 1 to 64; each carries 64 scans. None: 2.
            in_flight_max: The maximum number of calls in flight; further ones wait within their timeout. None: 1,024.
            attempts_max: The maximum number of attempts of one call, including the first. Only what cannot be applied
                twice is repeated. None: 5.
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
            stall_timeout=stall_timeout,
            connect_timeout=connect_timeout,
            connections=connections,
            scan_connections=scan_connections,
            in_flight_max=in_flight_max,
            attempts_max=attempts_max,
            traces=traces,
        )
        self.keyvalue = KeyValueAPI(self._client, DEFAULT_NAMESPACE, self._calls, BYTES)
        self.list = ListAPI(self._client, DEFAULT_NAMESPACE, self._calls, BYTES)

    @overload
    def namespace(
        self, name: str, *, codec: None = ..., compression: Literal["zstd"] | None = ...
    ) -> Namespace[BytesLike, bytes]: ...
    @overload
    def namespace(
        self, name: str, *, codec: Codec[Given, Got], compression: Literal["zstd"] | None = ...
    ) -> Namespace[Given, Got]: ...
    def namespace(
        self, name: str, *, codec: Codec[Any, Any] | None = None, compression: Literal["zstd"] | None = None
    ) -> Namespace[Any, Any]:
        """A handle whose calls go to the namespace `name`.

        Args:
            name: 1 to 64 of `a-z 0-9 -`, starting with a letter.
            codec: How values become bytes, and back: `prism.UTF8`, `prism.JSON`, or a `prism.Codec` of your own. None:
                values are bytes.
            compression: `"zstd"` stores values of 128 bytes and more as zstd frames, if that makes them smaller, and
                reads both. Every reader must then use it. Needs `zstandard`, which the extra `zstd` installs.
        """
        return Namespace(self._client, name, self._calls, _codec(codec or BYTES, compression))

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


class Namespace(KeyValueAPI[Given, Got], TransferAPI[Given, Got], BackendAPI[Given, Got], Generic[Given, Got]):
    """One namespace of a `PrismClient`. The verbs of `keyvalue` are its own, too: `namespace.get(key)`."""

    __slots__ = ("keyvalue", "list", "name")

    name: str
    """The namespace's name."""
    keyvalue: KeyValueAPI[Given, Got]
    """Values by key."""
    list: ListAPI[Given, Got]
    """Ordered lists."""

    def __init__(self, client: _native.Client, name: str, calls: Calls, codec: Codec[Given, Got]) -> None:
        super().__init__(client, name, calls, codec)
        self.name = name
        self.keyvalue = KeyValueAPI(client, name, calls, codec)
        self.list = ListAPI(client, name, calls, codec)

    def lists(
        self,
        prefix: str = "",
        limit: int = 0,
        *,
        resume: BytesLike | None = None,
        timeout: float | None = None,
    ) -> Scan[tuple[str, int]]:
        """`list.lists` of this namespace."""
        return self.list.lists(prefix, limit=limit, resume=resume, timeout=timeout)


class SyncPrismClient:
    """`PrismClient` for code without an event loop. A call releases the interpreter's lock and responds to Ctrl-C."""

    keyvalue: SyncKeyValueAPI[BytesLike, bytes]
    """Values by key, in the namespace `default` unless a call names another."""
    list: SyncListAPI[BytesLike, bytes]
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
        stall_timeout: float | None = None,
        connect_timeout: float | None = None,
        connections: int | None = None,
        scan_connections: int | None = None,
        in_flight_max: int | None = None,
        attempts_max: int | None = None,
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
            stall_timeout=stall_timeout,
            connect_timeout=connect_timeout,
            connections=connections,
            scan_connections=scan_connections,
            in_flight_max=in_flight_max,
            attempts_max=attempts_max,
            traces=traces,
        )
        self.keyvalue = SyncKeyValueAPI(self._client, DEFAULT_NAMESPACE, self._calls, BYTES)
        self.list = SyncListAPI(self._client, DEFAULT_NAMESPACE, self._calls, BYTES)

    @overload
    def namespace(
        self, name: str, *, codec: None = ..., compression: Literal["zstd"] | None = ...
    ) -> SyncNamespace[BytesLike, bytes]: ...
    @overload
    def namespace(
        self, name: str, *, codec: Codec[Given, Got], compression: Literal["zstd"] | None = ...
    ) -> SyncNamespace[Given, Got]: ...
    def namespace(
        self, name: str, *, codec: Codec[Any, Any] | None = None, compression: Literal["zstd"] | None = None
    ) -> SyncNamespace[Any, Any]:
        """A handle whose calls go to the namespace `name`.

        Args:
            name: 1 to 64 of `a-z 0-9 -`, starting with a letter.
            codec: How values become bytes, and back: `prism.UTF8`, `prism.JSON`, or a `prism.Codec` of your own. None:
                values are bytes.
            compression: `"zstd"` stores values of 128 bytes and more as zstd frames, if that makes them smaller, and
                reads both. Every reader must then use it. Needs `zstandard`, which the extra `zstd` installs.
        """
        return SyncNamespace(self._client, name, self._calls, _codec(codec or BYTES, compression))

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


class SyncNamespace(
    SyncKeyValueAPI[Given, Got], SyncTransferAPI[Given, Got], SyncBackendAPI[Given, Got], Generic[Given, Got]
):
    """One namespace of a `SyncPrismClient`. The verbs of `keyvalue` are its own, too: `namespace.get(key)`."""

    __slots__ = ("keyvalue", "list", "name")

    name: str
    """The namespace's name."""
    keyvalue: SyncKeyValueAPI[Given, Got]
    """Values by key."""
    list: SyncListAPI[Given, Got]
    """Ordered lists."""

    def __init__(self, client: _native.Client, name: str, calls: Calls, codec: Codec[Given, Got]) -> None:
        super().__init__(client, name, calls, codec)
        self.name = name
        self.keyvalue = SyncKeyValueAPI(client, name, calls, codec)
        self.list = SyncListAPI(client, name, calls, codec)

    def lists(
        self,
        prefix: str = "",
        limit: int = 0,
        *,
        resume: BytesLike | None = None,
        timeout: float | None = None,
    ) -> SyncScan[tuple[str, int]]:
        """`list.lists` of this namespace."""
        return self.list.lists(prefix, limit=limit, resume=resume, timeout=timeout)


def _codec(codec: Codec[Given, Got], compression: str | None) -> Codec[Given, Got]:
    """The codec of a handle."""
    if compression is None:
        return codec
    if compression != "zstd":
        message = 'compression must be "zstd" or None'
        raise InvalidArgumentError(message, code="INVALID_ARGUMENT", field="compression")
    try:
        from prism._compression import compressed
    except ImportError as error:
        raise ImportError("compression needs zstandard: pip install 'zstandard>=0.23'") from error
    return compressed(codec)


def _made(
    proxy_address: str,
    *,
    token: str | Callable[[], str | Awaitable[str]] | None,
    token_file: str | PathLike[str] | None,
    traces: bool,
    **settings: Any,
) -> tuple[_native.Client, Calls]:
    """The native client, and how its calls are made."""
    if token is not None and token_file is not None:
        message = "token and token_file cannot both be given"
        raise InvalidArgumentError(message, code="INVALID_ARGUMENT", field="token_file")
    source = token if callable(token) else None
    settings["token"] = None if callable(token) else token
    settings["token_file"] = token_file
    client = call(_native.Client, proxy_address, source is not None, settings)
    calls = CALLS if source is None else Tokens(client, source)
    if traces:
        try:
            from prism._traces import Traces
        except ImportError as error:
            raise ImportError("traces need opentelemetry-api: pip install 'opentelemetry-api>=1.20'") from error
        calls = Traces(proxy_address, calls)
    return client, calls
