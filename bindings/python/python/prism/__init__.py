"""Prism, the data-access gateway: an asyncio client and its synchronous twin.

from prism import PrismClient

async with PrismClient("localhost:8980") as client:
    await client.keyvalue.set("user:1", b"alice")
    value = await client.keyvalue.get("user:1")
"""

from prism import errors
from prism.client import Namespace, PrismClient, SyncNamespace, SyncPrismClient
from prism.errors import PrismError
from prism.keyvalue import KeyValueAPI, Scan, SyncKeyValueAPI, SyncScan
from prism.list import ListAPI, SyncListAPI

__all__ = [
    "KeyValueAPI",
    "ListAPI",
    "Namespace",
    "PrismClient",
    "PrismError",
    "Scan",
    "SyncKeyValueAPI",
    "SyncListAPI",
    "SyncNamespace",
    "SyncPrismClient",
    "SyncScan",
    "errors",
]
