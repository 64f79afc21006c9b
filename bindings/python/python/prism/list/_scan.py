"""Which lists there are."""

from __future__ import annotations

from typing import Generic

from prism._handle import Handle
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got
from prism.scan import Scan, SyncScan


class Scans(Handle[Given, Got], Generic[Given, Got]):
    """Which lists there are."""

    __slots__ = ()

    def lists(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> Scan[tuple[str, int]]:
        """An async iterator of the (list key, length) of every list whose key begins with `prefix`.

        If the connection is lost midway, it resumes at the last token, and a list may repeat. Breaking out of the
        loop resets its stream.

        Args:
            prefix: 0 to 4,096 bytes. Empty: all lists.
            namespace: The namespace.
            limit: The maximum number of lists to return. 0: all.
            resume: The `resume_token()` of an earlier iterator of this kind, to continue there.
            timeout: Seconds for all of it. None: no limit, but an error if nothing arrives for 60 s.
        """
        return Scan(
            self._calls,
            self._calls.scan(self._client.lists, prefix, limit, resume, self._in(namespace), timeout),
        )

    async def count_lists(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """The number of lists whose keys begin with `prefix`; of all lists if it is empty."""
        return await self._calls.run(self._client.count_lists, prefix, self._in(namespace), timeout)


class SyncScans(Handle[Given, Got], Generic[Given, Got]):
    """`Scans` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def lists(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> SyncScan[tuple[str, int]]:
        """An iterator of the (list key, length) of every list whose key begins with `prefix`.

        If the connection is lost midway, it resumes at the last token, and a list may repeat. Dropping the iterator
        resets its stream.

        Args:
            prefix: 0 to 4,096 bytes. Empty: all lists.
            namespace: The namespace.
            limit: The maximum number of lists to return. 0: all.
            resume: The `resume_token()` of an earlier iterator of this kind, to continue there.
            timeout: Seconds for all of it. None: no limit, but an error if nothing arrives for 60 s.
        """
        return SyncScan(
            self._calls,
            self._calls.scan(self._client.lists, prefix, limit, resume, self._in(namespace), timeout),
        )

    def count_lists(
        self,
        prefix: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """The number of lists whose keys begin with `prefix`; of all lists if it is empty."""
        return self._calls.wait(self._client.count_lists, prefix, self._in(namespace), timeout)
