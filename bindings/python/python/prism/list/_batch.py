"""Many values per call, and pops that wait. Each call is atomic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal

from prism._handle import Handle
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got

if TYPE_CHECKING:
    from collections.abc import Iterable


class Batch(Handle[Given, Got], Generic[Given, Got]):
    """Many values per call, and pops that wait. Each call is atomic."""

    __slots__ = ()

    async def push_many(
        self,
        list_key: str,
        values: Iterable[Given],
        namespace: str = DEFAULT_NAMESPACE,
        *,
        end: Literal["left", "right"] = "right",
        max_len: int | None = None,
        timeout: float | None = None,
    ) -> int:
        """Adds values at one end, one after another, in one step, and returns the new length. Creates the list if
        necessary.

        Args:
            list_key: 1 to 4,096 bytes of UTF-8.
            values: 0 to 1,000 values, of 4 MiB together.
            namespace: The namespace.
            end: Where to add them. After `a, b, c` at the left end, the list begins with `c, b, a`.
            max_len: How many values the list may have afterwards, at least 1: as many as are over it are removed at
                the other end, in the same step. None: any number.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            InvalidArgumentError: More values or bytes than one call may have (`BATCH_TOO_LARGE`,
                `MESSAGE_TOO_LARGE`).
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        encoded = [self._encode(value) for value in values]
        return await self._calls.run(
            self._client.push_many, list_key, encoded, end, max_len, self._in(namespace), timeout
        )

    async def pop_many(
        self,
        list_key: str,
        count: int,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        end: Literal["left", "right"] = "left",
        timeout: float | None = None,
    ) -> list[Got]:
        """Removes and returns up to `count` values at one end, in the order in which single pops would return them.

        Args:
            list_key: 1 to 4,096 bytes of UTF-8.
            count: 1 to 1,000. Fewer are returned if there are no more, or if no more fit into 4 MiB.
            namespace: The namespace.
            end: Where to remove them.
            timeout: Seconds for the whole call. None: the client's, 2 s.
        """
        values = await self._calls.run(self._client.pop_many, list_key, count, end, self._in(namespace), timeout)
        return [self._decode(value) for value in values]

    async def blocking_pop_left(
        self,
        list_key: str,
        wait: float,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """Removes and returns the value at the left end (the head), and waits for one; None if none came in time.

        Those who wait are served in the order in which they came. A server that is restarted ends the wait early;
        the client then asks again until `wait` is over. A value on its way to a caller that has gone returns to the
        list, unless it has arrived there.

        Args:
            list_key: 1 to 4,096 bytes of UTF-8.
            wait: Seconds to wait for a value, 0 to 300.
            namespace: The namespace.
            timeout: Seconds for the call itself, in addition to `wait`. None: the client's, 2 s.

        Raises:
            InvalidArgumentError: `wait` is more than 300 (`WAIT_INVALID`).
        """
        return self._decoded(
            await self._calls.run(self._client.blocking_pop, list_key, wait, "left", self._in(namespace), timeout)
        )

    async def blocking_pop_right(
        self,
        list_key: str,
        wait: float,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """The same as `blocking_pop_left` at the right end (the tail)."""
        return self._decoded(
            await self._calls.run(self._client.blocking_pop, list_key, wait, "right", self._in(namespace), timeout)
        )


class SyncBatch(Handle[Given, Got], Generic[Given, Got]):
    """`Batch` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def push_many(
        self,
        list_key: str,
        values: Iterable[Given],
        namespace: str = DEFAULT_NAMESPACE,
        *,
        end: Literal["left", "right"] = "right",
        max_len: int | None = None,
        timeout: float | None = None,
    ) -> int:
        """Adds values at one end, one after another, in one step, and returns the new length. Creates the list if
        necessary.

        Args:
            list_key: 1 to 4,096 bytes of UTF-8.
            values: 0 to 1,000 values, of 4 MiB together.
            namespace: The namespace.
            end: Where to add them. After `a, b, c` at the left end, the list begins with `c, b, a`.
            max_len: How many values the list may have afterwards, at least 1: as many as are over it are removed at
                the other end, in the same step. None: any number.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            InvalidArgumentError: More values or bytes than one call may have (`BATCH_TOO_LARGE`,
                `MESSAGE_TOO_LARGE`).
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        encoded = [self._encode(value) for value in values]
        return self._calls.wait(self._client.push_many, list_key, encoded, end, max_len, self._in(namespace), timeout)

    def pop_many(
        self,
        list_key: str,
        count: int,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        end: Literal["left", "right"] = "left",
        timeout: float | None = None,
    ) -> list[Got]:
        """Removes and returns up to `count` values at one end, in the order in which single pops would return them.

        Args:
            list_key: 1 to 4,096 bytes of UTF-8.
            count: 1 to 1,000. Fewer are returned if there are no more, or if no more fit into 4 MiB.
            namespace: The namespace.
            end: Where to remove them.
            timeout: Seconds for the whole call. None: the client's, 2 s.
        """
        values = self._calls.wait(self._client.pop_many, list_key, count, end, self._in(namespace), timeout)
        return [self._decode(value) for value in values]

    def blocking_pop_left(
        self,
        list_key: str,
        wait: float,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """Removes and returns the value at the left end (the head), and waits for one; None if none came in time.

        Those who wait are served in the order in which they came. A server that is restarted ends the wait early;
        the client then asks again until `wait` is over. A value on its way to a caller that has gone returns to the
        list, unless it has arrived there.

        Args:
            list_key: 1 to 4,096 bytes of UTF-8.
            wait: Seconds to wait for a value, 0 to 300.
            namespace: The namespace.
            timeout: Seconds for the call itself, in addition to `wait`. None: the client's, 2 s.

        Raises:
            InvalidArgumentError: `wait` is more than 300 (`WAIT_INVALID`).
        """
        return self._decoded(
            self._calls.wait(self._client.blocking_pop, list_key, wait, "left", self._in(namespace), timeout)
        )

    def blocking_pop_right(
        self,
        list_key: str,
        wait: float,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """The same as `blocking_pop_left` at the right end (the tail)."""
        return self._decoded(
            self._calls.wait(self._client.blocking_pop, list_key, wait, "right", self._in(namespace), timeout)
        )
