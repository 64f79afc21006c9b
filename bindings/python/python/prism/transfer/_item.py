"""What is copied: a key, or a part of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from prism import _native
    from prism.codec import BytesLike

T = TypeVar("T")
Value = TypeVar("Value", covariant=True)


@dataclass(frozen=True, slots=True)
class KeyItem(Generic[Value]):
    """A key and its value."""

    key: str
    value: Value
    ttl_seconds_left: float | None = None
    """Seconds until the key expires. None: it does not."""
    taken_at_unix_millis: int | None = None
    """When it was read, in milliseconds since 1970-01-01 UTC. None: not known."""


@dataclass(frozen=True, slots=True)
class ListPart(Generic[Value]):
    """A list, or a part of one: a long list comes in parts, in order."""

    list_key: str
    values: Sequence[Value]
    """From left to right."""
    part: int = 0
    """The number of the part, from 0."""
    last: bool = True
    """Whether it is the list's last part."""
    taken_at_unix_millis: int | None = None
    """When it was read, in milliseconds since 1970-01-01 UTC. None: not known."""


Item: TypeAlias = KeyItem[Value] | ListPart[Value]
"""A key, or a part of a list."""


def to_native(item: Item[T], encode: Callable[[T], BytesLike]) -> tuple[_native._Item, int]:
    """What the native half takes for an item, and how many bytes its values have."""
    if isinstance(item, KeyItem):
        value = encode(item.value)
        return (item.key, value, item.ttl_seconds_left, item.taken_at_unix_millis), _size(value)
    if isinstance(item, ListPart):
        values = [encode(value) for value in item.values]
        native = (item.list_key, values, item.part, item.last, item.taken_at_unix_millis)
        return native, sum(map(_size, values))
    raise TypeError(f"an item must be KeyItem or ListPart, not {type(item).__name__}")


def of_native(item: Any, decode: Callable[[bytes], T]) -> Item[T]:
    """The item that the native half has returned."""
    if len(item) == 4:
        key, value, left, taken_at = item
        return KeyItem(key, decode(value), left, taken_at)
    list_key, values, part, last, taken_at = item
    return ListPart(list_key, tuple(map(decode, values)), part, last, taken_at)


def _size(value: BytesLike) -> int:
    return memoryview(value).nbytes
