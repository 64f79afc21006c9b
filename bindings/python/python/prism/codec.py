"""How values become bytes, and back: `client.namespace("orders", codec=prism.JSON)`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

BytesLike: TypeAlias = bytes | bytearray | memoryview
Given = TypeVar("Given")
Got = TypeVar("Got")


class Codec(Generic[Given, Got]):
    """Two functions: one makes bytes of what is given, the other makes of bytes what is returned.

    What they raise is raised by the call. `equals` and `differs` compare the bytes, and so does `list.remove`, so the
    same value must always become the same bytes.
    """

    __slots__ = ("decode", "encode")

    encode: Callable[[Given], BytesLike]
    """Makes bytes of a value that is stored."""
    decode: Callable[[bytes], Got]
    """Makes a value of bytes that were stored."""

    def __init__(self, encode: Callable[[Given], BytesLike], decode: Callable[[bytes], Got]) -> None:
        self.encode = encode
        self.decode = decode


def _same(value: BytesLike) -> BytesLike:
    return value


def _same_bytes(value: bytes) -> bytes:
    return value


def _to_json(value: Any) -> bytes:
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode()


def _to_utf8(value: str) -> bytes:
    return value.encode()


def _from_utf8(value: bytes) -> str:
    return value.decode()


BYTES: Final[Codec[BytesLike, bytes]] = Codec(_same, _same_bytes)
"""Values are bytes, and stay as they are: the default."""

UTF8: Final[Codec[str, str]] = Codec(_to_utf8, _from_utf8)
"""Values are `str`, stored as UTF-8."""

JSON: Final[Codec[Any, Any]] = Codec(_to_json, json.loads)
"""Values are what JSON can hold, stored as UTF-8 with sorted keys and no spaces. `NaN` and infinity are refused."""
