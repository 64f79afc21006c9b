"""Keys and lists out of a namespace."""

from __future__ import annotations

from typing import Any, Generic

from prism._handle import Handle
from prism.codec import Given, Got
from prism.scan import Scan, SyncScan
from prism.transfer._item import Item, of_native


class Export(Handle[Given, Got], Generic[Given, Got]):
    """Keys and lists out of a namespace."""

    __slots__ = ()

    def export(
        self,
        prefix: str = "",
        *,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> Scan[Item[Got]]:
        """An async iterator of the keys and then the lists that begin with `prefix`: each a `KeyItem` or a `ListPart`.

        Each key, and each part of a list, is what it was at one moment; the whole is not a snapshot. Values that are
        reserved are left out.

        If the connection is lost midway, the export resumes at its last token, and nothing is returned twice; only if
        the backend is not resumable, and there are more than 10,000 keys, some may be. A list within which that happens
        begins again with part 0: what came of it before is to be forgotten, as `import_items` does. An export that
        fails is not complete. Breaking out of
        the loop resets its stream.

        Args:
            prefix: 0 to 4,096 bytes, of keys and list keys alike. Empty: everything.
            resume: The `resume_token()` of an earlier export of this namespace and prefix, to continue there.
            timeout: Seconds for the whole export. None: no limit, but an error if nothing arrives for 60 s.

        Raises:
            InvalidArgumentError: `resume` is not a token of this export (`RESUME_INVALID`).
            AbortedError: The backend has lost its data since the export began, or since the token was issued
                (`SCAN_INTERRUPTED`).
            UnimplementedError: The backend cannot be exported.
        """
        scan = self._calls.scan(self._client.export, prefix, resume, self._namespace, timeout)
        return Scan(self._calls, scan, self._item)

    def _item(self, item: Any) -> Item[Got]:
        """What is returned of an item: its values are decoded."""
        return of_native(item, self._decode)


class SyncExport(Handle[Given, Got], Generic[Given, Got]):
    """`Export` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def export(
        self,
        prefix: str = "",
        *,
        resume: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
    ) -> SyncScan[Item[Got]]:
        """An iterator of the keys and then the lists that begin with `prefix`: each a `KeyItem` or a `ListPart`.

        Each key, and each part of a list, is what it was at one moment; the whole is not a snapshot. Values that are
        reserved are left out.

        If the connection is lost midway, the export resumes at its last token, and nothing is returned twice; only if
        the backend is not resumable, and there are more than 10,000 keys, some may be. A list within which that happens
        begins again with part 0: what came of it before is to be forgotten, as `import_items` does. An export that
        fails is not complete. Dropping the
        iterator resets its stream.

        Args:
            prefix: 0 to 4,096 bytes, of keys and list keys alike. Empty: everything.
            resume: The `resume_token()` of an earlier export of this namespace and prefix, to continue there.
            timeout: Seconds for the whole export. None: no limit, but an error if nothing arrives for 60 s.

        Raises:
            InvalidArgumentError: `resume` is not a token of this export (`RESUME_INVALID`).
            AbortedError: The backend has lost its data since the export began, or since the token was issued
                (`SCAN_INTERRUPTED`).
            UnimplementedError: The backend cannot be exported.
        """
        scan = self._calls.scan(self._client.export, prefix, resume, self._namespace, timeout)
        return SyncScan(self._calls, scan, self._item)

    def _item(self, item: Any) -> Item[Got]:
        """What is returned of an item: its values are decoded."""
        return of_native(item, self._decode)
