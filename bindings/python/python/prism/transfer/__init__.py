"""Copies of keys and lists: `client.namespace("orders").export()` and `import_items`, and their synchronous twins."""

from __future__ import annotations

from typing import Generic

from prism.codec import Given, Got
from prism.imported import Imported
from prism.transfer._export import Export, SyncExport
from prism.transfer._import import Import, SyncImport
from prism.transfer._item import Item, KeyItem, ListPart

__all__ = ["Imported", "Item", "KeyItem", "ListPart", "SyncTransferAPI", "TransferAPI"]


class TransferAPI(Export[Given, Got], Import[Given, Got], Generic[Given, Got]):
    """Copies of keys and lists."""

    __slots__ = ()


class SyncTransferAPI(SyncExport[Given, Got], SyncImport[Given, Got], Generic[Given, Got]):
    """`TransferAPI` for code without an event loop: the same names and keywords."""

    __slots__ = ()
