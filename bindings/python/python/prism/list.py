"""Ordered lists: `client.list`, and its synchronous twin.

A list exists while it holds a value. A list key is 1 to 4,096 bytes of UTF-8, a value 0 to 4 MiB - 16 KiB; the server
checks both. Pushes and pops are atomic, and never retried if they may have been applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prism._namespace import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from prism import _native
    from prism._completions import Calls


class ListAPI:
    """Ordered lists of values."""

    __slots__ = ("_calls", "_client", "_namespace")

    def __init__(self, client: _native.Client, namespace: str, calls: Calls) -> None:
        self._calls = calls
        self._client = client
        self._namespace = namespace

    async def push_left(
        self,
        list_key: str,
        value: bytes | bytearray | memoryview,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Adds `value` at the left end (the head) and returns the new length. Creates the list if necessary.

        Raises:
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return await self._calls.run(self._client.push_left, list_key, value, namespace, timeout)

    async def push_right(
        self,
        list_key: str,
        value: bytes | bytearray | memoryview,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Adds `value` at the right end (the tail) and returns the new length. Creates the list if necessary.

        Raises:
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return await self._calls.run(self._client.push_right, list_key, value, namespace, timeout)

    async def pop_left(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bytes | None:
        """Removes and returns the value at the left end (the head); None if the list does not exist."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return await self._calls.run(self._client.pop_left, list_key, namespace, timeout)

    async def pop_right(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bytes | None:
        """Removes and returns the value at the right end (the tail); None if the list does not exist."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return await self._calls.run(self._client.pop_right, list_key, namespace, timeout)

    async def length(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """The number of values in the list; 0 if it does not exist."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return await self._calls.run(self._client.length, list_key, namespace, timeout)


class SyncListAPI:
    """`ListAPI` for code without an event loop: the same names and keywords."""

    __slots__ = ("_calls", "_client", "_namespace")

    def __init__(self, client: _native.Client, namespace: str, calls: Calls) -> None:
        self._calls = calls
        self._client = client
        self._namespace = namespace

    def push_left(
        self,
        list_key: str,
        value: bytes | bytearray | memoryview,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Adds `value` at the left end (the head) and returns the new length. Creates the list if necessary.

        Raises:
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return self._calls.wait(self._client.push_left, list_key, value, namespace, timeout)

    def push_right(
        self,
        list_key: str,
        value: bytes | bytearray | memoryview,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Adds `value` at the right end (the tail) and returns the new length. Creates the list if necessary.

        Raises:
            ResourceExhaustedError: The backend is full; the list is unchanged.
        """
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return self._calls.wait(self._client.push_right, list_key, value, namespace, timeout)

    def pop_left(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bytes | None:
        """Removes and returns the value at the left end (the head); None if the list does not exist."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return self._calls.wait(self._client.pop_left, list_key, namespace, timeout)

    def pop_right(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bytes | None:
        """Removes and returns the value at the right end (the tail); None if the list does not exist."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return self._calls.wait(self._client.pop_right, list_key, namespace, timeout)

    def length(
        self,
        list_key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """The number of values in the list; 0 if it does not exist."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return self._calls.wait(self._client.length, list_key, namespace, timeout)
