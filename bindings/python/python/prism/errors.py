"""The exceptions of failed calls: each a `PrismError`, and also the builtin exception that fits.

The text never contains a key or a value; the attributes say what the call was about. The kind of failure decides the
class, the attribute `reason` is more specific: a name of the list in `proto/errors.proto`, such as `KEY_NOT_FOUND`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prism.imported import Imported

__all__ = [
    "AbortedError",
    "BatchOutcome",
    "CallCancelledError",
    "ClientClosedError",
    "CounterOverflowError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "IndexOutOfRangeError",
    "InternalError",
    "InvalidArgumentError",
    "KeyNotFoundError",
    "LeaseEndedError",
    "NamespaceNotFoundError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "PrismError",
    "ResourceExhaustedError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
]


class PrismError(Exception):
    """A call failed, or a client could not be created."""

    code: str
    """The gRPC status code by name: `NOT_FOUND`."""
    reason: str | None
    """Why, by name: `KEY_NOT_FOUND`. None if neither the gateway nor the backend gave a reason."""
    operation: str
    """The operation: `keyvalue.get`, or `client` for a setting."""
    namespace: str | None
    """The namespace of the call."""
    key: str | None
    """The key or list key of the call; None for scans and counts."""
    retryable: bool
    """Whether the same call may succeed later, and repeating it cannot apply it twice."""
    field: str | None
    """The field of the request that breaks a rule."""
    limit: int | None
    """The limit that was exceeded."""
    size: int | None
    """The size that exceeded it."""
    batch: BatchOutcome | None
    """How each item ended, if this is the first error of a batch."""
    imported: Imported | None
    """What was acknowledged before, if an import failed: it is stored, and what came later may be."""

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
        batch: BatchOutcome | None = None,
        imported: Imported | None = None,
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
        self.batch = batch
        self.imported = imported

    # KeyError would quote the text, and OSError has its own format.
    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """How the items of a batch ended, by key."""

    applied: tuple[str, ...]
    """The keys of the items that succeeded."""
    not_applied: dict[str, PrismError]
    """The items that certainly were not applied, each with its error."""
    uncertain: dict[str, PrismError]
    """The items that may have been applied or not, each with its error: the call that carried them was lost."""


class KeyNotFoundError(PrismError, KeyError):
    """The key does not exist or has expired."""


class LeaseEndedError(PrismError, LookupError):
    """The lease has ended, or was acknowledged, released or cleared: its values may be delivered again."""


class InvalidArgumentError(PrismError, ValueError):
    """An argument or a setting breaks a rule; the same call will fail again."""


class FailedPreconditionError(PrismError):
    """The configuration does not allow the call: the interface is not served, or the namespace is read-only."""


class NamespaceNotFoundError(FailedPreconditionError):
    """The gateway's configuration does not list the namespace."""


class UnavailableError(PrismError, ConnectionError):
    """The gateway or the backend cannot be reached, or was lost. Unless `retryable`, a write may have been applied."""


class DeadlineExceededError(PrismError, TimeoutError):
    """The call's deadline passed. A write may still have been applied."""


class ResourceExhaustedError(PrismError):
    """A limit was reached: memory, rate, or calls in flight."""


class UnauthenticatedError(PrismError, PermissionError):
    """The token is missing, unknown or expired, or there is none to send: its file or function failed."""


class PermissionDeniedError(PrismError, PermissionError):
    """The caller is known, but has no right to make the call."""


class UnimplementedError(PrismError, NotImplementedError):
    """The backend does not offer what was requested."""


class OutOfRangeError(PrismError):
    """What was asked for is outside of what there is; nothing has changed."""


class IndexOutOfRangeError(OutOfRangeError, IndexError):
    """The list has no such index; nothing has changed."""


class CounterOverflowError(OutOfRangeError, OverflowError):
    """The sum does not fit into 64 bits; nothing has changed."""


class AbortedError(PrismError):
    """The operation cannot be completed; it may be started over: a scan whose backend lost its data midway."""


class CallCancelledError(PrismError):
    """The server cancelled the call. A write may still have been applied."""


class ClientClosedError(PrismError, RuntimeError):
    """The client was closed before the call."""


class InternalError(PrismError, RuntimeError):
    """A bug in the server, or an invalid response."""
