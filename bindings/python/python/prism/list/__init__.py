"""Ordered lists: `client.list`, and its synchronous twin.

A list exists while it holds a value. A list key is 1 to 4,096 bytes of UTF-8, a value 0 to 4 MiB - 16 KiB; the server
checks both. Pushes and pops are atomic; if they may have been
applied, they are retried only where the backend keeps answers.
"""

from __future__ import annotations

from prism.codec import Given, Got
from prism.list._basic import Basic, SyncBasic
from prism.list._batch import Batch, SyncBatch
from prism.list._lease import Lease, Reservation, SyncLease, SyncReservation
from prism.list._parts import Parts, SyncParts
from prism.list._reserve import Reserve, SyncReserve
from prism.list._scan import Scans, SyncScans

__all__ = ["Lease", "ListAPI", "Reservation", "SyncLease", "SyncListAPI", "SyncReservation"]


class ListAPI(Basic[Given, Got], Batch[Given, Got], Parts[Given, Got], Reserve[Given, Got], Scans[Given, Got]):
    """Ordered lists of values."""

    __slots__ = ()


class SyncListAPI(
    SyncBasic[Given, Got],
    SyncBatch[Given, Got],
    SyncParts[Given, Got],
    SyncReserve[Given, Got],
    SyncScans[Given, Got],
):
    """`ListAPI` for code without an event loop: the same names and keywords."""

    __slots__ = ()
