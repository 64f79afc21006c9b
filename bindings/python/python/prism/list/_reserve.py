"""Values reserved for a worker, which are lost neither with it nor on the way."""

from __future__ import annotations

from typing import Generic

from prism._handle import Handle
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got
from prism.list._lease import Place, Reservation, SyncReservation


class Reserve(Handle[Given, Got], Generic[Given, Got]):
    """Values reserved for a worker."""

    __slots__ = ()

    def reserve(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        lease: float = 30.0,
        count: int = 1,
        wait: float = 0.0,
        max_deliveries: int | None = None,
        dead_letter: str | None = None,
        from_right: bool = False,
        timeout: float | None = None,
    ) -> Reservation[Got]:
        """Reserves values in an `async with` block, so that a worker that dies loses none of them:

            async with client.list.reserve("jobs", lease=60, wait=30) as jobs:
                for job in jobs:
                    ...

        Reserved values are no part of the list. If the block ends, they are removed for good; if it raises, they return
        to the end they came from, and the exception goes on. If neither happens in time, because the process died or
        was slow, the lease ends and they return by themselves. A value may thus be delivered more than once.

        The block gets a `Lease`: a sequence of the values, in the order in which single pops would return them, or
        nothing if none came. Its `deliveries` tell how often each has been delivered; `extend(seconds)`, `ack()` and
        `release()` change or end the lease before the block ends.

        Args:
            list_key: 1 to 4,096 bytes of UTF-8.
            namespace: The namespace.
            lease: Seconds that the values stay reserved, 0.001 to 43,200, which is 12 hours.
            count: The maximum number of values, 1 to 1,000. Fewer are reserved if no more fit into 4 MiB.
            wait: Seconds to wait for a first value, 0 to 300. A server that is restarted ends the wait early.
            max_deliveries: How often a value is delivered at most; then it moves to `dead_letter`. None: without limit.
            dead_letter: The list that takes such values, at its right end. Given with `max_deliveries`, or not at all.
            from_right: Take the values from the right end (the tail).
            timeout: Seconds for each call, in addition to `wait`. None: the client's, 2 s.

        Raises:
            LeaseEndedError: The lease had ended when the block did: the values may be delivered again.
            InvalidArgumentError: An argument is out of range (`LEASE_INVALID`, `LIMIT_INVALID`, `BATCH_TOO_LARGE`,
                `WAIT_INVALID`).
            ResourceExhaustedError: The backend has no room for the lease; the list is unchanged.
        """
        place = Place(self._calls, self._client, self._decode, list_key, self._in(namespace), timeout)
        end = "right" if from_right else "left"
        return Reservation(place, (lease, count, wait, end, max_deliveries, dead_letter))


class SyncReserve(Handle[Given, Got], Generic[Given, Got]):
    """`Reserve` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def reserve(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        lease: float = 30.0,
        count: int = 1,
        wait: float = 0.0,
        max_deliveries: int | None = None,
        dead_letter: str | None = None,
        from_right: bool = False,
        timeout: float | None = None,
    ) -> SyncReservation[Got]:
        """Reserves values in a `with` block, so that a worker that dies loses none of them:

            with client.list.reserve("jobs", lease=60, wait=30) as jobs:
                for job in jobs:
                    ...

        Reserved values are no part of the list. If the block ends, they are removed for good; if it raises, they return
        to the end they came from, and the exception goes on. If neither happens in time, because the process died or
        was slow, the lease ends and they return by themselves. A value may thus be delivered more than once.

        The block gets a `SyncLease`: a sequence of the values, in the order in which single pops would return them, or
        nothing if none came. Its `deliveries` tell how often each has been delivered; `extend(seconds)`, `ack()` and
        `release()` change or end the lease before the block ends.

        Args:
            list_key: 1 to 4,096 bytes of UTF-8.
            namespace: The namespace.
            lease: Seconds that the values stay reserved, 0.001 to 43,200, which is 12 hours.
            count: The maximum number of values, 1 to 1,000. Fewer are reserved if no more fit into 4 MiB.
            wait: Seconds to wait for a first value, 0 to 300. A server that is restarted ends the wait early.
            max_deliveries: How often a value is delivered at most; then it moves to `dead_letter`. None: without limit.
            dead_letter: The list that takes such values, at its right end. Given with `max_deliveries`, or not at all.
            from_right: Take the values from the right end (the tail).
            timeout: Seconds for each call, in addition to `wait`. None: the client's, 2 s.

        Raises:
            LeaseEndedError: The lease had ended when the block did: the values may be delivered again.
            InvalidArgumentError: An argument is out of range (`LEASE_INVALID`, `LIMIT_INVALID`, `BATCH_TOO_LARGE`,
                `WAIT_INVALID`).
            ResourceExhaustedError: The backend has no room for the lease; the list is unchanged.
        """
        place = Place(self._calls, self._client, self._decode, list_key, self._in(namespace), timeout)
        end = "right" if from_right else "left"
        return SyncReservation(place, (lease, count, wait, end, max_deliveries, dead_letter))
