"""What a scan returns: `client.keyvalue.scan`, `scan_keys`, `client.list.lists` and `namespace.export`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from operator import length_hint
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from prism._completions import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from prism import _native
    from prism._completions import Calls

T = TypeVar("T")


def _same(item: Any) -> Any:
    return item


class Scan(AsyncIterator[T], Generic[T]):
    """The entries of a scan. Dropping it, as `break` does, resets its stream."""

    __slots__ = ("_ahead", "_batch", "_behind", "_calls", "_made", "_scan")

    def __init__(self, calls: Calls, scan: _native.Scan[Any], made: Callable[[Any], T] = _same) -> None:
        self._calls = calls
        self._scan = scan
        self._made = made
        self._batch: Iterator[Any] = iter(())
        # The tokens behind the batch and in front of it.
        self._ahead = self._behind = scan.resume_token()

    def __aiter__(self) -> Scan[T]:
        return self

    async def __anext__(self) -> T:
        for item in self._batch:
            return self._made(item)
        while True:
            await self._calls.part(self._scan.fetch)
            batch = call(self._scan.take)
            if batch is None:
                continue  # another task took it
            self._batch = iter(batch)
            self._behind, self._ahead = self._ahead, self._scan.resume_token()
            for item in self._batch:
                return self._made(item)
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

    __slots__ = ("_ahead", "_batch", "_behind", "_calls", "_made", "_scan")

    def __init__(self, calls: Calls, scan: _native.Scan[Any], made: Callable[[Any], T] = _same) -> None:
        self._calls = calls
        self._scan = scan
        self._made = made
        self._batch: Iterator[Any] = iter(())
        # The tokens behind the batch and in front of it.
        self._ahead = self._behind = scan.resume_token()

    def __iter__(self) -> SyncScan[T]:
        return self

    def __next__(self) -> T:
        for item in self._batch:
            return self._made(item)
        while True:
            self._calls.wait_part(self._scan.fetch)
            batch = call(self._scan.take)
            if batch is None:
                continue  # another thread took it
            self._batch = iter(batch)
            self._behind, self._ahead = self._ahead, self._scan.resume_token()
            for item in self._batch:
                return self._made(item)
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
