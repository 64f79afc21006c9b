"""What a failed call raises: a `PrismError`, and also the builtin exception that fits.

The text never holds a key or a value; the attributes say what the call was about. The class is chosen by the kind of
failure, the attribute `reason` tells more: a name of the closed list in `proto/errors.proto`, such as `KEY_NOT_FOUND`.
"""

__all__ = [
    "AbortedError",
    "CallCancelledError",
    "ClientClosedError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "InternalError",
    "InvalidArgumentError",
    "KeyNotFoundError",
    "NamespaceNotFoundError",
    "PermissionDeniedError",
    "PrismError",
    "ResourceExhaustedError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
]


class PrismError(Exception):
    """A call failed, or a client could not be made."""

    code: str
    """The gRPC status code by name: `NOT_FOUND`."""
    reason: str | None
    """Why, by name: `KEY_NOT_FOUND`. None where neither the gateway nor the backend said so."""
    operation: str
    """What was being done: `keyvalue.get`, or `client` for a setting."""
    namespace: str | None
    """The namespace of the call."""
    key: str | None
    """The key or list key of the call; None for scans and counts."""
    retryable: bool
    """Whether the same call may succeed later and cannot be applied twice by repeating it."""
    field: str | None
    """The field of the request that breaks a rule."""
    limit: int | None
    """The limit that was exceeded."""
    size: int | None
    """What exceeded it."""

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "UNKNOWN",
        reason: str | None = None,
        operation: str = "client",
        namespace: str | None = None,
        key: str | None = None,
        retryable: bool = False,
        field: str | None = None,
        limit: int | None = None,
        size: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.operation = operation
        self.namespace = namespace
        self.key = key
        self.retryable = retryable
        self.field = field
        self.limit = limit
        self.size = size

    # KeyError would show the text in quotes, OSError its own way.
    def __str__(self) -> str:
        return self.message


class KeyNotFoundError(PrismError, KeyError):
    """There is no live key of that name."""


class InvalidArgumentError(PrismError, ValueError):
    """An argument or a setting breaks a rule; the same call will fail again."""


class FailedPreconditionError(PrismError):
    """The configuration does not allow the call: the interface is not served, or the namespace is read-only."""


class NamespaceNotFoundError(FailedPreconditionError):
    """The gateway's configuration does not list the namespace."""


class UnavailableError(PrismError, ConnectionError):
    """The gateway or the backend cannot be reached, or was lost. If not `retryable`, a write may have been applied."""


class DeadlineExceededError(PrismError, TimeoutError):
    """The call's time was up. A write may still have been applied."""


class ResourceExhaustedError(PrismError):
    """A limit was met: memory, rate, or calls in flight."""


class UnauthenticatedError(PrismError, PermissionError):
    """The token is missing or not known."""


class PermissionDeniedError(PrismError, PermissionError):
    """The token does not allow the call."""


class UnimplementedError(PrismError, NotImplementedError):
    """The backend does not offer what was asked for."""


class AbortedError(PrismError):
    """The operation cannot be completed and may be started over: a scan whose backend lost its data midway."""


class CallCancelledError(PrismError):
    """The other side cancelled the call. A write may still have been applied."""


class ClientClosedError(PrismError, RuntimeError):
    """The client was closed before the call."""


class InternalError(PrismError, RuntimeError):
    """A bug on the other side, or an answer that is no answer."""
