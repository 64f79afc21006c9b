"""Numbers that are changed without being read first."""

from __future__ import annotations

from typing import Generic

from prism._handle import Handle
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got


class Counter(Handle[Given, Got], Generic[Given, Got]):
    """Numbers that are changed without being read first."""

    __slots__ = ()

    async def increment(
        self,
        key: str,
        delta: int = 1,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        initial: int = 0,
        ttl_seconds: float | None = None,
        timeout: float | None = None,
    ) -> int:
        """Adds `delta` to the number at `key` and returns the sum. The number is stored as decimal text.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            delta: 64 bits; may be negative.
            namespace: The namespace.
            initial: What a missing key counts as.
            ttl_seconds: Seconds until the key expires, as in `set`, if the call creates it. None: never.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            FailedPreconditionError: The value is not a number (`NOT_A_NUMBER`).
            CounterOverflowError: The sum does not fit into 64 bits; nothing has changed.
            ResourceExhaustedError: The backend is full; nothing has changed.
        """
        return await self._calls.run(
            self._client.increment, key, delta, initial, ttl_seconds, self._in(namespace), timeout
        )


class SyncCounter(Handle[Given, Got], Generic[Given, Got]):
    """`Counter` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def increment(
        self,
        key: str,
        delta: int = 1,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        initial: int = 0,
        ttl_seconds: float | None = None,
        timeout: float | None = None,
    ) -> int:
        """Adds `delta` to the number at `key` and returns the sum. The number is stored as decimal text.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            delta: 64 bits; may be negative.
            namespace: The namespace.
            initial: What a missing key counts as.
            ttl_seconds: Seconds until the key expires, as in `set`, if the call creates it. None: never.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            FailedPreconditionError: The value is not a number (`NOT_A_NUMBER`).
            CounterOverflowError: The sum does not fit into 64 bits; nothing has changed.
            ResourceExhaustedError: The backend is full; nothing has changed.
        """
        return self._calls.wait(self._client.increment, key, delta, initial, ttl_seconds, self._in(namespace), timeout)
