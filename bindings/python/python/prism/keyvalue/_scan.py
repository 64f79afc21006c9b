"""Many keys by their common prefix."""

from __future__ import annotations

from typing import Any, Generic, Literal, overload

from prism._handle import Handle
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got
from prism.scan import Scan, SyncScan


class Scans(Handle[Given, Got], Generic[Given, Got]):
    """Many keys by their common prefix."""

    __slots__ = ()

    async def count(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """The number of live keys that begin with `prefix`; all keys if it is empty."""
        return await self._calls.run(self._client.count, prefix, self._in(namespace), timeout)

    @overload
    def scan(
        self,
        prefix: str = ...,
        namespace: str = ...,
        limit: int = ...,
        *,
        start_after: str | None = ...,
        before: str | None = ...,
        reverse: bool = ...,
        with_ttl: Literal[False] = ...,
        resume: bytes | bytearray | memoryview | None = ...,
        timeout: float | None = ...,
    ) -> Scan[tuple[str, Got]]: ...
    @overload
    def scan(
        self,
        prefix: str = ...,
        namespace: str = ...,
        limit: int = ...,
        *,
        start_after: str | None = ...,
        before: str | None = ...,
        reverse: bool = ...,
        with_ttl: Literal[True],
        resume: bytes | bytearray | memoryview | None = ...,
        timeout: float | None = ...,
    ) -> Scan[tuple[str, Got, float | None]]: ...

    def scan(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        start_after: str | None = None,
        before: str | None = None,
        reverse: bool = False,
        with_ttl: bool = False,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> Scan[Any]:
        """An async iterator of the (key, value) of every key that begins with `prefix`.

        Keys arrive in ascending byte order if the backend is ordered. If the connection is lost midway, such a scan
        resumes behind the last key; one of a backend that is not ordered but resumable, or that began with a token,
        resumes at the last token, and a key may repeat. Breaking out of the loop resets its stream.

        Args:
            prefix: 0 to 4,096 bytes. Empty: all keys.
            namespace: The namespace.
            limit: The maximum number of keys to return. 0: all.
            start_after: Only keys greater than this one. Needs an ordered backend.
            before: Only keys less than this one. Needs an ordered backend.
            reverse: From the greatest key to the least. Needs an ordered backend.
            with_ttl: Return (key, value, seconds left to live); None for a key that does not expire.
            resume: The `resume_token()` of an earlier scan, to continue there: a scan of the same kind, namespace,
                prefix and direction. Not together with `start_after` or `before`.
            timeout: Seconds for the whole scan. None: no limit, but an error if nothing arrives for 60 s.

        Raises:
            InvalidArgumentError: `resume` is not a token of this scan (`RESUME_INVALID`).
            AbortedError: The backend has lost its data since the scan began, or since the token was issued
                (`SCAN_INTERRUPTED`).
        """
        scan = self._calls.scan(
            self._client.scan,
            prefix,
            limit,
            start_after,
            before,
            reverse,
            with_ttl,
            resume,
            self._in(namespace),
            timeout,
        )
        return Scan(self._calls, scan, self._entry)

    def scan_keys(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        start_after: str | None = None,
        before: str | None = None,
        reverse: bool = False,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> Scan[str]:
        """Like `scan`, without the values."""
        scan = self._calls.scan(
            self._client.scan_keys,
            prefix,
            limit,
            start_after,
            before,
            reverse,
            resume,
            self._in(namespace),
            timeout,
        )
        return Scan(self._calls, scan)

    def _entry(self, entry: Any) -> Any:
        """What is returned of an entry: its value is decoded."""
        key, value, *rest = entry
        return (key, self._decode(value), *rest)


class SyncScans(Handle[Given, Got], Generic[Given, Got]):
    """`Scans` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def count(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """The number of live keys that begin with `prefix`; all keys if it is empty."""
        return self._calls.wait(self._client.count, prefix, self._in(namespace), timeout)

    @overload
    def scan(
        self,
        prefix: str = ...,
        namespace: str = ...,
        limit: int = ...,
        *,
        start_after: str | None = ...,
        before: str | None = ...,
        reverse: bool = ...,
        with_ttl: Literal[False] = ...,
        resume: bytes | bytearray | memoryview | None = ...,
        timeout: float | None = ...,
    ) -> SyncScan[tuple[str, Got]]: ...
    @overload
    def scan(
        self,
        prefix: str = ...,
        namespace: str = ...,
        limit: int = ...,
        *,
        start_after: str | None = ...,
        before: str | None = ...,
        reverse: bool = ...,
        with_ttl: Literal[True],
        resume: bytes | bytearray | memoryview | None = ...,
        timeout: float | None = ...,
    ) -> SyncScan[tuple[str, Got, float | None]]: ...

    def scan(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        start_after: str | None = None,
        before: str | None = None,
        reverse: bool = False,
        with_ttl: bool = False,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> SyncScan[Any]:
        """An iterator of the (key, value) of every key that begins with `prefix`.

        Keys arrive in ascending byte order if the backend is ordered. If the connection is lost midway, such a scan
        resumes behind the last key; one of a backend that is not ordered but resumable, or that began with a token,
        resumes at the last token, and a key may repeat. Dropping the iterator resets its stream.

        Args:
            prefix: 0 to 4,096 bytes. Empty: all keys.
            namespace: The namespace.
            limit: The maximum number of keys to return. 0: all.
            start_after: Only keys greater than this one. Needs an ordered backend.
            before: Only keys less than this one. Needs an ordered backend.
            reverse: From the greatest key to the least. Needs an ordered backend.
            with_ttl: Return (key, value, seconds left to live); None for a key that does not expire.
            resume: The `resume_token()` of an earlier scan, to continue there: a scan of the same kind, namespace,
                prefix and direction. Not together with `start_after` or `before`.
            timeout: Seconds for the whole scan. None: no limit, but an error if nothing arrives for 60 s.

        Raises:
            InvalidArgumentError: `resume` is not a token of this scan (`RESUME_INVALID`).
            AbortedError: The backend has lost its data since the scan began, or since the token was issued
                (`SCAN_INTERRUPTED`).
        """
        scan = self._calls.scan(
            self._client.scan,
            prefix,
            limit,
            start_after,
            before,
            reverse,
            with_ttl,
            resume,
            self._in(namespace),
            timeout,
        )
        return SyncScan(self._calls, scan, self._entry)

    def scan_keys(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        start_after: str | None = None,
        before: str | None = None,
        reverse: bool = False,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> SyncScan[str]:
        """Like `scan`, without the values."""
        scan = self._calls.scan(
            self._client.scan_keys,
            prefix,
            limit,
            start_after,
            before,
            reverse,
            resume,
            self._in(namespace),
            timeout,
        )
        return SyncScan(self._calls, scan)

    def _entry(self, entry: Any) -> Any:
        """What is returned of an entry: its value is decoded."""
        key, value, *rest = entry
        return (key, self._decode(value), *rest)
