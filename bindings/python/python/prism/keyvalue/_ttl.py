"""Times to live, without touching the value."""

from __future__ import annotations

from typing import Generic

from prism._handle import Handle
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got


class Ttl(Handle[Given, Got], Generic[Given, Got]):
    """Times to live, without touching the value."""

    __slots__ = ()

    async def get_ttl(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> float | None:
        """Returns the seconds that `key` has left to live; None if it does not expire.

        Raises:
            KeyNotFoundError: The key does not exist or has expired.
        """
        return await self._calls.run(self._client.get_ttl, key, self._in(namespace), timeout)

    async def expire(
        self,
        key: str,
        ttl_seconds: float,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Gives `key` a new time to live, counted from now, and returns whether the key exists.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            ttl_seconds: 0.001 to 3,153,600,000, rounded up to milliseconds.
            namespace: The namespace.
            timeout: Seconds for the whole call. None: the client's, 2 s.
        """
        return await self._calls.run(self._client.expire, key, ttl_seconds, self._in(namespace), timeout)

    async def persist(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Removes the time to live of `key`, and returns whether it had one; False also if the key does not exist."""
        return await self._calls.run(self._client.persist, key, self._in(namespace), timeout)


class SyncTtl(Handle[Given, Got], Generic[Given, Got]):
    """`Ttl` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def get_ttl(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> float | None:
        """Returns the seconds that `key` has left to live; None if it does not expire.

        Raises:
            KeyNotFoundError: The key does not exist or has expired.
        """
        return self._calls.wait(self._client.get_ttl, key, self._in(namespace), timeout)

    def expire(
        self,
        key: str,
        ttl_seconds: float,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Gives `key` a new time to live, counted from now, and returns whether the key exists.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            ttl_seconds: 0.001 to 3,153,600,000, rounded up to milliseconds.
            namespace: The namespace.
            timeout: Seconds for the whole call. None: the client's, 2 s.
        """
        return self._calls.wait(self._client.expire, key, ttl_seconds, self._in(namespace), timeout)

    def persist(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Removes the time to live of `key`, and returns whether it had one; False also if the key does not exist."""
        return self._calls.wait(self._client.persist, key, self._in(namespace), timeout)
