"""Values by key, one key per call."""

from __future__ import annotations

from typing import Generic, TypeVar, overload

from prism._handle import MISSING, Handle, Missing
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got

D = TypeVar("D")


class Basic(Handle[Given, Got], Generic[Given, Got]):
    """Values by key, one key per call."""

    __slots__ = ()

    async def set(
        self,
        key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: float | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Stores `value` under `key`, replacing the key's value and its time to live.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            value: 0 to 4 MiB - 16 KiB; copied at once.
            namespace: The namespace.
            ttl_seconds: Seconds until the key expires, 0.001 to 3,153,600,000, rounded up to milliseconds. None:
                never.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            ResourceExhaustedError: The backend is full; the key keeps its previous value.
        """
        value_bytes = self._encode(value)
        await self._calls.run(self._client.set, key, value_bytes, ttl_seconds, self._in(namespace), timeout)

    @overload
    async def get(self, key: str, namespace: str = ..., *, timeout: float | None = ...) -> Got: ...
    @overload
    async def get(self, key: str, namespace: str = ..., *, default: D, timeout: float | None = ...) -> Got | D: ...
    async def get(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        default: D | Missing = MISSING,
        timeout: float | None = None,
    ) -> Got | D:
        """Returns the value of `key`.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            namespace: The namespace.
            default: What to return if the key does not exist.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            KeyNotFoundError: The key does not exist or has expired, and there is no `default`.
        """
        if default is MISSING:
            return self._decode(await self._calls.run(self._client.get, key, self._in(namespace), timeout))
        value = await self._calls.run(self._client.find, key, self._in(namespace), timeout)
        return default if value is None else self._decode(value)

    async def delete(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Removes `key` and returns whether it existed. A missing key is not an error."""
        return await self._calls.run(self._client.delete, key, self._in(namespace), timeout)

    async def exists(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Whether `key` exists and has not expired."""
        return await self._calls.run(self._client.exists, key, self._in(namespace), timeout)


class SyncBasic(Handle[Given, Got], Generic[Given, Got]):
    """`Basic` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def set(
        self,
        key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: float | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Stores `value` under `key`, replacing the key's value and its time to live.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            value: 0 to 4 MiB - 16 KiB; copied at once.
            namespace: The namespace.
            ttl_seconds: Seconds until the key expires, 0.001 to 3,153,600,000, rounded up to milliseconds. None:
                never.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            ResourceExhaustedError: The backend is full; the key keeps its previous value.
        """
        value_bytes = self._encode(value)
        self._calls.wait(self._client.set, key, value_bytes, ttl_seconds, self._in(namespace), timeout)

    @overload
    def get(self, key: str, namespace: str = ..., *, timeout: float | None = ...) -> Got: ...
    @overload
    def get(self, key: str, namespace: str = ..., *, default: D, timeout: float | None = ...) -> Got | D: ...
    def get(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        default: D | Missing = MISSING,
        timeout: float | None = None,
    ) -> Got | D:
        """Returns the value of `key`.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            namespace: The namespace.
            default: What to return if the key does not exist.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            KeyNotFoundError: The key does not exist or has expired, and there is no `default`.
        """
        if default is MISSING:
            return self._decode(self._calls.wait(self._client.get, key, self._in(namespace), timeout))
        value = self._calls.wait(self._client.find, key, self._in(namespace), timeout)
        return default if value is None else self._decode(value)

    def delete(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Removes `key` and returns whether it existed. A missing key is not an error."""
        return self._calls.wait(self._client.delete, key, self._in(namespace), timeout)

    def exists(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Whether `key` exists and has not expired."""
        return self._calls.wait(self._client.exists, key, self._in(namespace), timeout)
