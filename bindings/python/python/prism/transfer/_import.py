"""Keys and lists into a namespace."""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic

from prism._handle import MISSING, Handle, Missing
from prism.codec import Given, Got
from prism.errors import PrismError
from prism.imported import Imported
from prism.scan import SyncScan
from prism.transfer._item import KeyItem, to_native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prism import _native
    from prism.codec import BytesLike
    from prism.transfer._item import Item

# The maximum number of items in a batch: enough that the batch's own cost no longer matters.
_BATCH_ITEMS_MAX: Final = 256

# A batch gets no further item once its values have this many bytes.
_BATCH_BYTES_MAX: Final = 1024 * 1024


class _Batches(Generic[Given]):
    """Items on their way from the application's iterator to the native half, in batches."""

    __slots__ = ("_batch", "_bytes", "_encode", "_failure", "_given", "_is_over", "_whole")

    def __init__(self, encode: Callable[[Given], BytesLike]) -> None:
        self._encode = encode
        self._batch: list[_native._Item] = []
        self._bytes = 0
        self._is_over = False
        # The exception of the iterator.
        self._failure: Exception | None = None
        # The number of items, and of those up to the last one that does not leave a list open.
        self._given = self._whole = 0

    @contextmanager
    def settles(self) -> Iterator[None]:
        """Raises the iterator's exception after the import in the block, if all that was given whole is stored."""
        try:
            yield
        except PrismError as error:
            # An import that ends within a list is refused for that alone.
            if self._failure is None:
                raise
            if error.imported is None or error.imported.items < self._whole:
                raise error from self._failure
        if self._failure is not None:
            raise self._failure

    def _needs_more(self) -> bool:
        return not self._is_over and len(self._batch) < _BATCH_ITEMS_MAX and self._bytes < _BATCH_BYTES_MAX

    def _add(self, item: Item[Given] | Missing) -> None:
        """Adds an item; `MISSING` is the end."""
        if isinstance(item, Missing):
            self._is_over = True
            return
        native, size = to_native(item, self._encode)
        self._batch.append(native)
        self._bytes += size
        self._given += 1
        if isinstance(item, KeyItem) or item.last:
            self._whole = self._given

    def _fail(self, failure: Exception) -> None:
        self._failure = failure
        self._is_over = True

    def _take(self) -> list[_native._Item]:
        batch, self._batch, self._bytes = self._batch, [], 0
        return batch


class _Source(_Batches[Given], Generic[Given]):
    """The items of an iterable of either kind."""

    __slots__ = ("_items", "_sync_items")

    def __init__(
        self, items: AsyncIterable[Item[Given]] | Iterable[Item[Given]], encode: Callable[[Given], BytesLike]
    ) -> None:
        super().__init__(encode)
        if isinstance(items, SyncScan):
            raise TypeError(
                "items must not be a SyncScan, which would block the event loop: "
                "import the export of a PrismClient, or with a SyncPrismClient"
            )
        self._items = aiter(items) if isinstance(items, AsyncIterable) else None
        self._sync_items = iter(()) if isinstance(items, AsyncIterable) else iter(items)

    async def batch(self) -> list[_native._Item]:
        """The next items; none at the end and after an exception."""
        while self._needs_more():
            try:
                if self._items is None:
                    self._add(next(self._sync_items, MISSING))
                else:
                    self._add(await anext(self._items, MISSING))
            except Exception as failure:
                self._fail(failure)
        return self._take()


class _SyncSource(_Batches[Given], Generic[Given]):
    """`_Source` for code without an event loop."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[Item[Given]], encode: Callable[[Given], BytesLike]) -> None:
        super().__init__(encode)
        self._items = iter(items)

    def batch(self) -> list[_native._Item]:
        """The next items; none at the end and after an exception."""
        while self._needs_more():
            try:
                self._add(next(self._items, MISSING))
            except Exception as failure:
                self._fail(failure)
        return self._take()


class Import(Handle[Given, Got], Generic[Given, Got]):
    """Keys and lists into a namespace."""

    __slots__ = ()

    async def import_items(
        self,
        items: AsyncIterable[Item[Given]] | Iterable[Item[Given]],
        *,
        if_absent: bool = False,
        deadline: bool = False,
        timeout: float | None = None,
    ) -> Imported:
        """Stores keys and lists, such as those of an export, and returns how many there were:

            await client.namespace("archive").import_items(client.namespace("orders").export())

        Items are stored in the order in which they come. A list in parts is stored with its last part, and nobody sees
        it before; a part 0 begins it again. Items are sent many at a time: 256, or 1 MiB. If the connection is lost
        midway, the import goes on with what was not acknowledged.

        If the iterator raises, what it has returned is stored first, except for a list that lacks its last part; then
        its exception goes on. So an export that failed may be continued at its `resume_token()`.

        Args:
            items: `KeyItem` and `ListPart`, from an iterable of either kind.
            if_absent: Leave existing keys and lists as they are, instead of replacing them.
            deadline: Let times to live count from `taken_at_unix_millis`, and leave out what has expired since. The
                clocks of both backends decide.
            timeout: Seconds for the whole import. None: no limit, but an error if nothing is acknowledged for 60 s.

        Raises:
            PrismError: Its `imported` tells what was acknowledged before. That is stored; what came later may be.
            InvalidArgumentError: An item breaks a rule: a key or value out of bounds, or a part out of order.
            TypeError: An item, or what it has, is of a wrong type. What came before is stored. Or `items` is a
                `SyncScan`, which would block the event loop.
            ResourceExhaustedError: The backend is full, or a list in parts has more than 128 MiB.
            UnimplementedError: The backend cannot import.
        """
        source = _Source(items, self._encode)
        with (
            source.settles(),
            self._calls.imports(self._client.import_items, if_absent, deadline, self._namespace, timeout) as opened,
        ):
            while batch := await source.batch():
                await self._calls.part(opened.send, batch)
            return Imported(*await self._calls.part(opened.finish))


class SyncImport(Handle[Given, Got], Generic[Given, Got]):
    """`Import` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def import_items(
        self,
        items: Iterable[Item[Given]],
        *,
        if_absent: bool = False,
        deadline: bool = False,
        timeout: float | None = None,
    ) -> Imported:
        """Stores keys and lists, such as those of an export, and returns how many there were:

            client.namespace("archive").import_items(client.namespace("orders").export())

        Items are stored in the order in which they come. A list in parts is stored with its last part, and nobody sees
        it before; a part 0 begins it again. Items are sent many at a time: 256, or 1 MiB. If the connection is lost
        midway, the import goes on with what was not acknowledged.

        If the iterator raises, what it has returned is stored first, except for a list that lacks its last part; then
        its exception goes on. So an export that failed may be continued at its `resume_token()`.

        Args:
            items: `KeyItem` and `ListPart`.
            if_absent: Leave existing keys and lists as they are, instead of replacing them.
            deadline: Let times to live count from `taken_at_unix_millis`, and leave out what has expired since. The
                clocks of both backends decide.
            timeout: Seconds for the whole import. None: no limit, but an error if nothing is acknowledged for 60 s.

        Raises:
            PrismError: Its `imported` tells what was acknowledged before. That is stored; what came later may be.
            InvalidArgumentError: An item breaks a rule: a key or value out of bounds, or a part out of order.
            TypeError: An item, or what it has, is of a wrong type. What came before is stored.
            ResourceExhaustedError: The backend is full, or a list in parts has more than 128 MiB.
            UnimplementedError: The backend cannot import.
        """
        source = _SyncSource(items, self._encode)
        with (
            source.settles(),
            self._calls.imports(self._client.import_items, if_absent, deadline, self._namespace, timeout) as opened,
        ):
            while batch := source.batch():
                self._calls.wait_part(opened.send, batch)
            return Imported(*self._calls.wait_part(opened.finish))
