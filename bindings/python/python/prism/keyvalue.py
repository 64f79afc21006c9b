"""Values by key: `client.keyvalue`, and its synchronous twin.

A key is 1 to 4,096 bytes of UTF-8, a value 0 to 4 MiB - 16 KiB; the server checks both. Every method accepts a
`namespace`, which must be configured at the gateway, and a `timeout` in seconds for the whole call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from operator import length_hint
from typing import TYPE_CHECKING, Generic, TypeVar

from prism._completions import call
from prism._namespace import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from prism import _native
    from prism._completions import Calls

T = TypeVar("T")


class KeyValueAPI:
    """Values by key."""

    __slots__ = ("_calls", "_client", "_namespace")

    def __init__(self, client: _native.Client, namespace: str, calls: Calls) -> None:
        self._calls = calls
        self._client = client
        self._namespace = namespace

    async def set(
        self,
        key: str,
        value: bytes | bytearray | memoryview,
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: int | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Stores `value` under `key`, replacing the key's value and its time to live.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            value: 0 to 4 MiB - 16 KiB; copied at once.
            namespace: The namespace.
            ttl_seconds: Seconds until the key expires, 1 to 3,153,600,000. None: never.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            ResourceExhaustedError: The backend is full; the key keeps its previous value.
        """
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        await self._calls.run(self._client.set, key, value, namespace, ttl_seconds, timeout)

    async def get(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bytes:
        """Returns the value of `key`.

        Raises:
            KeyNotFoundError: The key does not exist or has expired.
        """
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return await self._calls.run(self._client.get, key, namespace, timeout)

    async def delete(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Removes `key` and returns whether it existed. A missing key is not an error."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return await self._calls.run(self._client.delete, key, namespace, timeout)

    async def exists(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Whether `key` exists and has not expired."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return await self._calls.run(self._client.exists, key, namespace, timeout)

    async def count(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """The number of live keys that begin with `prefix`; all keys if it is empty."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return await self._calls.run(self._client.count, prefix, namespace, timeout)

    def scan(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        start_after: str | None = None,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> Scan[tuple[str, bytes]]:
        """An async iterator of the (key, value) of every key that begins with `prefix`.

        Keys arrive in ascending byte order if the backend is ordered. If the connection is lost midway, such a scan
        resumes after the last key; one of a backend that is not ordered but resumable resumes at the last token, and
        a key may repeat. Breaking out of the loop resets its stream.

        Args:
            prefix: 0 to 4,096 bytes. Empty: all keys.
            namespace: The namespace.
            limit: The maximum number of keys to return. 0: all.
            start_after: Only keys greater than this one. Needs an ordered backend.
            resume: The `resume_token()` of an earlier scan, to continue there: a scan of the same kind, namespace and
                prefix. Not together with `start_after`.
            timeout: Seconds for the whole scan. None: no limit, but an error if nothing arrives for 60 s.

        Raises:
            InvalidArgumentError: `resume` is not a token of this scan (`RESUME_INVALID`).
            AbortedError: The backend has lost its data since the scan began, or since the token was issued
                (`SCAN_INTERRUPTED`).
        """
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return Scan(
            self._calls, self._calls.scan(self._client.scan, prefix, namespace, limit, start_after, resume, timeout)
        )

    def scan_keys(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        start_after: str | None = None,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> Scan[str]:
        """Like `scan`, without the values."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return Scan(
            self._calls,
            self._calls.scan(self._client.scan_keys, prefix, namespace, limit, start_after, resume, timeout),
        )


class SyncKeyValueAPI:
    """`KeyValueAPI` for code without an event loop: the same names and keywords."""

    __slots__ = ("_calls", "_client", "_namespace")

    def __init__(self, client: _native.Client, namespace: str, calls: Calls) -> None:
        self._calls = calls
        self._client = client
        self._namespace = namespace

    def set(
        self,
        key: str,
        value: bytes | bytearray | memoryview,
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: int | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Stores `value` under `key`, replacing the key's value and its time to live.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            value: 0 to 4 MiB - 16 KiB; copied at once.
            namespace: The namespace.
            ttl_seconds: Seconds until the key expires, 1 to 3,153,600,000. None: never.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            ResourceExhaustedError: The backend is full; the key keeps its previous value.
        """
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        self._calls.wait(self._client.set, key, value, namespace, ttl_seconds, timeout)

    def get(self, key: str, namespace: str = DEFAULT_NAMESPACE, *, timeout: float | None = None) -> bytes:
        """Returns the value of `key`.

        Raises:
            KeyNotFoundError: The key does not exist or has expired.
        """
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return self._calls.wait(self._client.get, key, namespace, timeout)

    def delete(self, key: str, namespace: str = DEFAULT_NAMESPACE, *, timeout: float | None = None) -> bool:
        """Removes `key` and returns whether it existed. A missing key is not an error."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return self._calls.wait(self._client.delete, key, namespace, timeout)

    def exists(self, key: str, namespace: str = DEFAULT_NAMESPACE, *, timeout: float | None = None) -> bool:
        """Whether `key` exists and has not expired."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return self._calls.wait(self._client.exists, key, namespace, timeout)

    def count(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """The number of live keys that begin with `prefix`; all keys if it is empty."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return self._calls.wait(self._client.count, prefix, namespace, timeout)

    def scan(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        start_after: str | None = None,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> SyncScan[tuple[str, bytes]]:
        """An iterator of the (key, value) of every key that begins with `prefix`.

        Keys arrive in ascending byte order if the backend is ordered. If the connection is lost midway, such a scan
        resumes after the last key; one of a backend that is not ordered but resumable resumes at the last token, and
        a key may repeat. Dropping the iterator resets its stream.

        Args:
            prefix: 0 to 4,096 bytes. Empty: all keys.
            namespace: The namespace.
            limit: The maximum number of keys to return. 0: all.
            start_after: Only keys greater than this one. Needs an ordered backend.
            resume: The `resume_token()` of an earlier scan, to continue there: a scan of the same kind, namespace and
                prefix. Not together with `start_after`.
            timeout: Seconds for the whole scan. None: no limit, but an error if nothing arrives for 60 s.

        Raises:
            InvalidArgumentError: `resume` is not a token of this scan (`RESUME_INVALID`).
            AbortedError: The backend has lost its data since the scan began, or since the token was issued
                (`SCAN_INTERRUPTED`).
        """
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return SyncScan(
            self._calls, self._calls.scan(self._client.scan, prefix, namespace, limit, start_after, resume, timeout)
        )

    def scan_keys(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        start_after: str | None = None,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> SyncScan[str]:
        """Like `scan`, without the values."""
        namespace = self._namespace if namespace is DEFAULT_NAMESPACE else namespace
        return SyncScan(
            self._calls,
            self._calls.scan(self._client.scan_keys, prefix, namespace, limit, start_after, resume, timeout),
        )


class Scan(AsyncIterator[T], Generic[T]):
    """The entries of a scan. Dropping it, as `break` does, resets its stream."""

    __slots__ = ("_ahead", "_batch", "_behind", "_calls", "_scan")

    def __init__(self, calls: Calls, scan: _native.Scan[T]) -> None:
        self._calls = calls
        self._scan = scan
        self._batch: Iterator[T] = iter(())
        # The tokens behind the batch and in front of it.
        self._ahead = self._behind = scan.resume_token()

    def __aiter__(self) -> Scan[T]:
        return self

    async def __anext__(self) -> T:
        for item in self._batch:
            return item
        while True:
            await self._calls.fetch(self._scan)
            batch = call(self._scan.take)
            if batch is None:
                continue  # another task took it
            self._batch = iter(batch)
            self._behind, self._ahead = self._ahead, self._scan.resume_token()
            for item in self._batch:
                return item
            raise StopAsyncIteration

    def resume_token(self) -> bytes | None:
        """The last token among the entries that this scan has returned, or the one that it began with.

        A later scan with `resume=` continues there: it returns everything that has not been returned up to then. Some
        hundred entries share a token, so those returned since the last one are returned again; if the backend is not
        ordered, any other key may repeat, too. A token is valid for as long as the backend has its data, and may be
        stored.

        Returns:
            At most 8 KiB. None if the backend is not resumable, or before the first token.
        """
        return self._behind if length_hint(self._batch) else self._ahead

    async def aclose(self) -> None:
        """Ends the scan and resets its stream."""
        self._ahead = self.resume_token()
        self._batch = iter(())
        self._scan.close()


class SyncScan(Iterator[T], Generic[T]):
    """The entries of a scan. Dropping it resets its stream."""

    __slots__ = ("_ahead", "_batch", "_behind", "_calls", "_scan")

    def __init__(self, calls: Calls, scan: _native.Scan[T]) -> None:
        self._calls = calls
        self._scan = scan
        self._batch: Iterator[T] = iter(())
        # The tokens behind the batch and in front of it.
        self._ahead = self._behind = scan.resume_token()

    def __iter__(self) -> SyncScan[T]:
        return self

    def __next__(self) -> T:
        for item in self._batch:
            return item
        while True:
            self._calls.wait_for(self._scan)
            batch = call(self._scan.take)
            if batch is None:
                continue  # another thread took it
            self._batch = iter(batch)
            self._behind, self._ahead = self._ahead, self._scan.resume_token()
            for item in self._batch:
                return item
            raise StopIteration

    def resume_token(self) -> bytes | None:
        """The last token among the entries that this scan has returned, or the one that it began with.

        A later scan with `resume=` continues there: it returns everything that has not been returned up to then. Some
        hundred entries share a token, so those returned since the last one are returned again; if the backend is not
        ordered, any other key may repeat, too. A token is valid for as long as the backend has its data, and may be
        stored.

        Returns:
            At most 8 KiB. None if the backend is not resumable, or before the first token.
        """
        return self._behind if length_hint(self._batch) else self._ahead

    def close(self) -> None:
        """Ends the scan and resets its stream."""
        self._ahead = self.resume_token()
        self._batch = iter(())
        self._scan.close()
