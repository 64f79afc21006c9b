"""Prism, the data-access gateway: an asyncio client and its synchronous twin.

from prism import PrismClient

async with PrismClient("localhost:8980") as client:
    await client.keyvalue.set("user:1", b"alice")
    value = await client.keyvalue.get("user:1")
"""

from prism import errors
from prism.backend import BackendAPI, Capabilities, Durability, SyncBackendAPI, Usage
from prism.client import Namespace, PrismClient, SyncNamespace, SyncPrismClient
from prism.codec import BYTES, JSON, UTF8, Codec
from prism.errors import PrismError
from prism.keyvalue import KeyValueAPI, SyncKeyValueAPI
from prism.list import Lease, ListAPI, Reservation, SyncLease, SyncListAPI, SyncReservation
from prism.scan import Scan, SyncScan
from prism.transfer import Imported, Item, KeyItem, ListPart, SyncTransferAPI, TransferAPI

__all__ = [
    "BYTES",
    "JSON",
    "UTF8",
    "BackendAPI",
    "Capabilities",
    "Codec",
    "Durability",
    "Imported",
    "Item",
    "KeyItem",
    "KeyValueAPI",
    "Lease",
    "ListAPI",
    "ListPart",
    "Namespace",
    "PrismClient",
    "PrismError",
    "Reservation",
    "Scan",
    "SyncBackendAPI",
    "SyncKeyValueAPI",
    "SyncLease",
    "SyncListAPI",
    "SyncNamespace",
    "SyncPrismClient",
    "SyncReservation",
    "SyncScan",
    "SyncTransferAPI",
    "TransferAPI",
    "Usage",
    "errors",
]
