"""What the backend of a namespace promises and holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal

from prism._handle import Handle
from prism.codec import Given, Got

__all__ = ["BackendAPI", "Capabilities", "Durability", "SyncBackendAPI", "Usage"]


@dataclass(frozen=True, slots=True)
class Durability:
    """What an acknowledged write survives."""

    level: Literal["none", "periodic", "every_write", "replicated"]
    """`none`: nothing that ends the backend. `periodic`: the end of the backend; at the end of its machine, the writes
    of the last `period_seconds` are lost. `every_write`: the end of the machine. `replicated`: the loss of the machine,
    as each write is at `replicas` other servers before it is acknowledged."""
    period_seconds: float | None = None
    """With `periodic`."""
    replicas: int | None = None
    """With `replicated`."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend promises beyond the interfaces that it serves."""

    ordered: bool
    """Scans return keys in ascending byte order; `start_after`, `before` and `reverse` work."""
    scan_exactly_once: bool
    """A key that was set before a scan began, and is not deleted until it ends, appears in it exactly once."""
    exact_count: bool
    """`count` is exact while nothing changes."""
    linearizable: bool
    """Calls on one key, and calls on one list, take effect one at a time, each between its start and its end."""
    in_memory: bool
    """A warning: all data is in memory, and lost when the backend ends."""
    resumable: bool
    """Scans have resume tokens."""
    evicts: bool
    """A warning: keys may vanish before their time to live is over, for example because memory is short."""
    idempotent_retries: bool
    """The client repeats calls that change one key or list, such as pushes and pops, without applying them twice."""
    durability: Durability | None
    """What an acknowledged write survives. None: the backend does not know."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a backend holds. What it does not count is None."""

    keys: int | None
    """Keys in the namespace, including expired ones that are not freed yet."""
    lists: int | None
    """Lists in the namespace."""
    backend_bytes: int | None
    """Bytes that the whole backend uses, for all of its namespaces."""
    backend_bytes_max: int | None
    """The maximum number of bytes that it may use."""


class BackendAPI(Handle[Given, Got], Generic[Given, Got]):
    """What the backend of a namespace promises and holds."""

    __slots__ = ()

    async def capabilities(self, *, timeout: float | None = None) -> Capabilities:
        """Returns what the backend of this namespace promises.

        Raises:
            UnimplementedError: The backend declares nothing, which means that it promises nothing.
        """
        return _capabilities(await self._calls.run(self._client.capabilities, self._namespace, timeout))

    async def usage(self, *, timeout: float | None = None) -> Usage:
        """Returns what the backend of this namespace holds. The call is cheap.

        Raises:
            UnimplementedError: The backend does not report it.
        """
        return Usage(**await self._calls.run(self._client.usage, self._namespace, timeout))


class SyncBackendAPI(Handle[Given, Got], Generic[Given, Got]):
    """`BackendAPI` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def capabilities(self, *, timeout: float | None = None) -> Capabilities:
        """Returns what the backend of this namespace promises.

        Raises:
            UnimplementedError: The backend declares nothing, which means that it promises nothing.
        """
        return _capabilities(self._calls.wait(self._client.capabilities, self._namespace, timeout))

    def usage(self, *, timeout: float | None = None) -> Usage:
        """Returns what the backend of this namespace holds. The call is cheap.

        Raises:
            UnimplementedError: The backend does not report it.
        """
        return Usage(**self._calls.wait(self._client.usage, self._namespace, timeout))


def _capabilities(facts: dict[str, Any]) -> Capabilities:
    durability = facts.pop("durability")
    return Capabilities(**facts, durability=durability and Durability(*durability))
