"""Parts of lists, and single values within them."""

from __future__ import annotations

from typing import Generic

from prism._handle import Handle
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got


class Parts(Handle[Given, Got], Generic[Given, Got]):
    """Parts of lists, and single values within them.

    Indices count from 0 at the left end, or from -1 at the right end, and both ends of a range are included: 0 to -1
    is the whole list.
    """

    __slots__ = ()

    async def range(
        self,
        list_key: str,
        start: int = 0,
        stop: int = -1,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> list[Got]:
        """Returns the values from index `start` to index `stop`, both included, from left to right.

        What is outside of the list is left out. A long range is read in pages: if the list changes meanwhile, values
        may be missed or repeated.
        """
        values = await self._calls.run(self._client.range, list_key, start, stop, self._in(namespace), timeout)
        return [self._decode(value) for value in values]

    async def trim(
        self,
        list_key: str,
        start: int,
        stop: int,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Removes all values outside of the range, both ends of which stay, in one step. Returns the new length."""
        return await self._calls.run(self._client.trim, list_key, start, stop, self._in(namespace), timeout)

    async def clear(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Removes the list in one step, and returns how many values it had. A missing list is not an error."""
        return await self._calls.run(self._client.clear, list_key, self._in(namespace), timeout)

    async def get_at(
        self,
        list_key: str,
        index: int,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """Returns the value at an index; None if the list has no such index."""
        return self._decoded(await self._calls.run(self._client.get_at, list_key, index, self._in(namespace), timeout))

    async def set_at(
        self,
        list_key: str,
        index: int,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> None:
        """Replaces the value at an index.

        Raises:
            IndexOutOfRangeError: The list has no such index; nothing has changed.
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        value_bytes = self._encode(value)
        await self._calls.run(self._client.set_at, list_key, index, value_bytes, self._in(namespace), timeout)

    async def remove(
        self,
        list_key: str,
        value: Given,
        count: int = 0,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Removes values that are equal to `value`, in one step, and returns how many. The cost grows with the list.

        Args:
            list_key: 1 to 4,096 bytes of UTF-8.
            value: The value, compared byte by byte.
            count: Positive: at most so many, the leftmost first. Negative: at most so many, the rightmost first. 0:
                all.
            namespace: The namespace.
            timeout: Seconds for the whole call. None: the client's, 2 s.
        """
        value_bytes = self._encode(value)
        return await self._calls.run(self._client.remove, list_key, value_bytes, count, self._in(namespace), timeout)


class SyncParts(Handle[Given, Got], Generic[Given, Got]):
    """`Parts` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def range(
        self,
        list_key: str,
        start: int = 0,
        stop: int = -1,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> list[Got]:
        """Returns the values from index `start` to index `stop`, both included, from left to right.

        What is outside of the list is left out. A long range is read in pages: if the list changes meanwhile, values
        may be missed or repeated.
        """
        values = self._calls.wait(self._client.range, list_key, start, stop, self._in(namespace), timeout)
        return [self._decode(value) for value in values]

    def trim(
        self,
        list_key: str,
        start: int,
        stop: int,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Removes all values outside of the range, both ends of which stay, in one step. Returns the new length."""
        return self._calls.wait(self._client.trim, list_key, start, stop, self._in(namespace), timeout)

    def clear(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Removes the list in one step, and returns how many values it had. A missing list is not an error."""
        return self._calls.wait(self._client.clear, list_key, self._in(namespace), timeout)

    def get_at(
        self,
        list_key: str,
        index: int,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """Returns the value at an index; None if the list has no such index."""
        return self._decoded(self._calls.wait(self._client.get_at, list_key, index, self._in(namespace), timeout))

    def set_at(
        self,
        list_key: str,
        index: int,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> None:
        """Replaces the value at an index.

        Raises:
            IndexOutOfRangeError: The list has no such index; nothing has changed.
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        value_bytes = self._encode(value)
        self._calls.wait(self._client.set_at, list_key, index, value_bytes, self._in(namespace), timeout)

    def remove(
        self,
        list_key: str,
        value: Given,
        count: int = 0,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Removes values that are equal to `value`, in one step, and returns how many. The cost grows with the list.

        Args:
            list_key: 1 to 4,096 bytes of UTF-8.
            value: The value, compared byte by byte.
            count: Positive: at most so many, the leftmost first. Negative: at most so many, the rightmost first. 0:
                all.
            namespace: The namespace.
            timeout: Seconds for the whole call. None: the client's, 2 s.
        """
        value_bytes = self._encode(value)
        return self._calls.wait(self._client.remove, list_key, value_bytes, count, self._in(namespace), timeout)
