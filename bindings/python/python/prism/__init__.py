"""Prism, the data-access gateway: an asyncio client and its synchronous twin.

from prism import PrismClient

async with PrismClient("localhost:8980") as client:
    await client.keyvalue.set("user:1", b"alice")
    value = await client.keyvalue.get("user:1")
"""

from prism import errors
from prism.client import Namespace, PrismClient, SyncNamespace, SyncPrismClient
from prism.codec import BYTES, JSON, UTF8, Codec
from prism.errors import PrismError
from prism.keyvalue import KeyValueAPI, SyncKeyValueAPI
from prism.list import Lease, ListAPI, Reservation, SyncLease, SyncListAPI, SyncReservation
from prism.scan import Scan, SyncScan

__all__ = [
    "BYTES",
    "JSON",
    "UTF8",
    "Codec",
    "KeyValueAPI",
    "Lease",
    "ListAPI",
    "Namespace",
    "PrismClient",
    "PrismError",
    "Reservation",
    "Scan",
    "SyncKeyValueAPI",
    "SyncLease",
    "SyncListAPI",
    "SyncNamespace",
    "SyncPrismClient",
    "SyncReservation",
    "SyncScan",
    "errors",
]
