"""How an import ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the items of an import."""

    items: int
    """The number of items that have been dealt with: all up to this one."""
    skipped: int
    """How many of them were skipped, because their key or list exists or because they have expired. After an
    interruption, items that the import itself has created may be among them."""
