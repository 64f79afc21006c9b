"""Values pushed and popped at either end."""

from __future__ import annotations

from typing import Generic

from prism._handle import Handle
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got


class Basic(Handle[Given, Got], Generic[Given, Got]):
    """Values pushed and popped at either end."""

    __slots__ = ()

    async def push_left(
        self,
        list_key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Adds `value` at the left end (the head) and returns the new length. Creates the list if necessary.

        Raises:
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        value_bytes = self._encode(value)
        return await self._calls.run(self._client.push_left, list_key, value_bytes, self._in(namespace), timeout)

    async def push_right(
        self,
        list_key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Adds `value` at the right end (the tail) and returns the new length. Creates the list if necessary.

        Raises:
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        value_bytes = self._encode(value)
        return await self._calls.run(self._client.push_right, list_key, value_bytes, self._in(namespace), timeout)

    async def pop_left(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """Removes and returns the value at the left end (the head); None if the list does not exist."""
        return self._decoded(await self._calls.run(self._client.pop_left, list_key, self._in(namespace), timeout))

    async def pop_right(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """Removes and returns the value at the right end (the tail); None if the list does not exist."""
        return self._decoded(await self._calls.run(self._client.pop_right, list_key, self._in(namespace), timeout))

    async def length(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """The number of values in the list; 0 if it does not exist."""
        return await self._calls.run(self._client.length, list_key, self._in(namespace), timeout)


class SyncBasic(Handle[Given, Got], Generic[Given, Got]):
    """`Basic` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def push_left(
        self,
        list_key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Adds `value` at the left end (the head) and returns the new length. Creates the list if necessary.

        Raises:
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        value_bytes = self._encode(value)
        return self._calls.wait(self._client.push_left, list_key, value_bytes, self._in(namespace), timeout)

    def push_right(
        self,
        list_key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Adds `value` at the right end (the tail) and returns the new length. Creates the list if necessary.

        Raises:
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        value_bytes = self._encode(value)
        return self._calls.wait(self._client.push_right, list_key, value_bytes, self._in(namespace), timeout)

    def pop_left(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """Removes and returns the value at the left end (the head); None if the list does not exist."""
        return self._decoded(self._calls.wait(self._client.pop_left, list_key, self._in(namespace), timeout))

    def pop_right(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """Removes and returns the value at the right end (the tail); None if the list does not exist."""
        return self._decoded(self._calls.wait(self._client.pop_right, list_key, self._in(namespace), timeout))

    def length(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """The number of values in the list; 0 if it does not exist."""
        return self._calls.wait(self._client.length, list_key, self._in(namespace), timeout)
