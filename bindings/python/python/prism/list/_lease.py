"""Values under a lease, and the `with` blocks that end it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, overload

from prism.codec import Got
from prism.errors import LeaseEndedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from prism import _native
    from prism._completions import Calls

_Terms: TypeAlias = tuple[float, int, float, str, int | None, str | None]


@dataclass(frozen=True, slots=True)
class Place(Generic[Got]):
    """Where the values of a lease come from, and how its calls are made."""

    calls: Calls
    client: _native.Client
    decode: Callable[[bytes], Got]
    list_key: str
    namespace: str
    timeout: float | None


class _Reserved(Sequence[Got], Generic[Got]):
    __slots__ = ("_calls", "_client", "_deliveries", "_is_settled", "_list_key", "_rest", "_token", "_values")

    def __init__(self, place: Place[Got], token: bytes, reserved: list[tuple[bytes, int]]) -> None:
        self._calls = place.calls
        self._client = place.client
        self._list_key = place.list_key
        self._rest = (place.namespace, place.timeout)
        self._token = token
        self._deliveries = [deliveries for _, deliveries in reserved]
        self._values: list[Got] = []
        self._is_settled = not reserved

    @property
    def deliveries(self) -> list[int]:
        """How often each value has been delivered, this time included."""
        return self._deliveries

    @overload
    def __getitem__(self, index: int) -> Got: ...
    @overload
    def __getitem__(self, index: slice) -> list[Got]: ...
    def __getitem__(self, index: int | slice) -> Got | list[Got]:
        return self._values[index]

    def __len__(self) -> int:
        return len(self._values)

    @contextmanager
    def _settles(self, *, has_ended: bool = True) -> Iterator[None]:
        """Notes whether the lease has ended after a call. A call that failed otherwise may be made again."""
        try:
            yield
        except LeaseEndedError:
            self._is_settled = True
            raise
        self._is_settled = self._is_settled or has_ended

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._values)} values>"


class Lease(_Reserved[Got], Generic[Got]):
    """The values that `async with client.list.reserve(…)` has reserved: a sequence, which is empty if none came.

    The end of the block acknowledges them, or releases them after an exception, unless `ack` or `release` has been
    called.
    """

    __slots__ = ()

    async def ack(self) -> int:
        """Removes the values for good, and returns how many. The end of the block then does nothing.

        Raises:
            LeaseEndedError: The lease has ended: the values may be delivered again.
        """
        if not self._deliveries:
            return 0
        with self._settles():
            return await self._calls.run(self._client.ack, self._list_key, self._token, *self._rest)

    async def extend(self, seconds: float) -> None:
        """Lets the lease end `seconds` from now: 0.001 to 43,200, which is 12 hours.

        Raises:
            LeaseEndedError: The lease has ended: the values may be delivered again.
        """
        if not self._deliveries:
            return
        with self._settles(has_ended=False):
            await self._calls.run(self._client.extend, self._list_key, self._token, seconds, *self._rest)

    async def release(self) -> int:
        """Returns the values to the list at once, and returns how many. The end of the block then does nothing.

        Raises:
            LeaseEndedError: The lease has ended: the values have returned already.
        """
        if not self._deliveries:
            return 0
        with self._settles():
            return await self._calls.run(self._client.release, self._list_key, self._token, *self._rest)


class SyncLease(_Reserved[Got], Generic[Got]):
    """`Lease` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def ack(self) -> int:
        """Removes the values for good, and returns how many. The end of the block then does nothing.

        Raises:
            LeaseEndedError: The lease has ended: the values may be delivered again.
        """
        if not self._deliveries:
            return 0
        with self._settles():
            return self._calls.wait(self._client.ack, self._list_key, self._token, *self._rest)

    def extend(self, seconds: float) -> None:
        """Lets the lease end `seconds` from now: 0.001 to 43,200, which is 12 hours.

        Raises:
            LeaseEndedError: The lease has ended: the values may be delivered again.
        """
        if not self._deliveries:
            return
        with self._settles(has_ended=False):
            self._calls.wait(self._client.extend, self._list_key, self._token, seconds, *self._rest)

    def release(self) -> int:
        """Returns the values to the list at once, and returns how many. The end of the block then does nothing.

        Raises:
            LeaseEndedError: The lease has ended: the values have returned already.
        """
        if not self._deliveries:
            return 0
        with self._settles():
            return self._calls.wait(self._client.release, self._list_key, self._token, *self._rest)


class Reservation(Generic[Got]):
    """Reserves values when an `async with` block begins, and settles the lease when it ends: see `ListAPI.reserve`."""

    __slots__ = ("_calls", "_client", "_lease", "_place", "_terms")

    def __init__(self, place: Place[Got], terms: _Terms) -> None:
        self._calls = place.calls
        self._client = place.client
        self._place = place
        self._terms = terms
        self._lease: Lease[Got] | None = None

    async def __aenter__(self) -> Lease[Got]:
        if self._lease is not None:
            raise RuntimeError("this reservation is in use: call reserve once for each block")
        place = self._place
        token, reserved = await self._calls.run(
            self._client.reserve, place.list_key, *self._terms, place.namespace, place.timeout
        )
        lease = Lease(place, token, reserved)
        try:
            lease._values += [place.decode(value) for value, _ in reserved]
        except BaseException:
            with suppress(Exception):
                await lease.release()
            raise
        self._lease = lease
        return lease

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        lease, self._lease = self._lease, None
        # A coroutine that is closed cannot wait for a call: the values return when the lease ends.
        if lease is None or lease._is_settled or kind is GeneratorExit:
            return
        if kind is None:
            await lease.ack()
            return
        with suppress(Exception):
            await lease.release()


class SyncReservation(Generic[Got]):
    """`Reservation` for code without an event loop: a `with` block."""

    __slots__ = ("_calls", "_client", "_lease", "_place", "_terms")

    def __init__(self, place: Place[Got], terms: _Terms) -> None:
        self._calls = place.calls
        self._client = place.client
        self._place = place
        self._terms = terms
        self._lease: SyncLease[Got] | None = None

    def __enter__(self) -> SyncLease[Got]:
        if self._lease is not None:
            raise RuntimeError("this reservation is in use: call reserve once for each block")
        place = self._place
        token, reserved = self._calls.wait(
            self._client.reserve, place.list_key, *self._terms, place.namespace, place.timeout
        )
        lease = SyncLease(place, token, reserved)
        try:
            lease._values += [place.decode(value) for value, _ in reserved]
        except BaseException:
            with suppress(Exception):
                lease.release()
            raise
        self._lease = lease
        return lease

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        lease, self._lease = self._lease, None
        if lease is None or lease._is_settled:
            return
        if kind is None:
            lease.ack()
            return
        with suppress(Exception):
            lease.release()
