"""Values by key: `client.keyvalue`, and its synchronous twin.

A key is 1 to 4,096 bytes of UTF-8, a value 0 to 4 MiB - 16 KiB; the server checks both. Every method accepts a
`namespace`, which must be configured at the gateway, and a `timeout` in seconds for the whole call.
"""

from __future__ import annotations

from prism.codec import Given, Got
from prism.keyvalue._basic import Basic, SyncBasic
from prism.keyvalue._batch import Batch, SyncBatch
from prism.keyvalue._cas import Cas, SyncCas
from prism.keyvalue._counter import Counter, SyncCounter
from prism.keyvalue._scan import Scans, SyncScans
from prism.keyvalue._swap import Swap, SyncSwap
from prism.keyvalue._ttl import SyncTtl, Ttl
from prism.scan import Scan, SyncScan

__all__ = ["KeyValueAPI", "Scan", "SyncKeyValueAPI", "SyncScan"]


class KeyValueAPI(
    Basic[Given, Got],
    Cas[Given, Got],
    Swap[Given, Got],
    Counter[Given, Got],
    Ttl[Given, Got],
    Batch[Given, Got],
    Scans[Given, Got],
):
    """Values by key."""

    __slots__ = ()


class SyncKeyValueAPI(
    SyncBasic[Given, Got],
    SyncCas[Given, Got],
    SyncSwap[Given, Got],
    SyncCounter[Given, Got],
    SyncTtl[Given, Got],
    SyncBatch[Given, Got],
    SyncScans[Given, Got],
):
    """`KeyValueAPI` for code without an event loop: the same names and keywords."""

    __slots__ = ()
