"""What every handle of a namespace has: the client, the namespace, and how values become bytes."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Generic

from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prism import _native
    from prism._completions import Calls
    from prism.codec import BytesLike, Codec


class Missing(Enum):
    """The type of `MISSING`, which is its only value."""

    MISSING = "missing"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "..."


MISSING: Final = Missing.MISSING
"""The default of an argument for which None is a value like any other."""


class Handle(Generic[Given, Got]):
    """What the verbs of an interface stand on."""

    __slots__ = ("_calls", "_client", "_decode", "_encode", "_namespace")

    def __init__(self, client: _native.Client, namespace: str, calls: Calls, codec: Codec[Given, Got]) -> None:
        self._calls = calls
        self._client = client
        self._namespace = namespace
        self._encode = codec.encode
        self._decode = codec.decode

    def _in(self, namespace: str) -> str:
        """The namespace of a call: its own argument, or that of the handle."""
        return self._namespace if namespace is DEFAULT_NAMESPACE else namespace

    def _encoded(self, value: Given | Missing) -> BytesLike | None:
        return None if value is MISSING else self._encode(value)

    def _decoded(self, value: bytes | None) -> Got | None:
        return None if value is None else self._decode(value)


def listed(items: Iterable[str], name: str) -> list[str]:
    """The items as a list. A single `str`, which would be taken for its letters, is refused."""
    if isinstance(items, str):
        raise TypeError(f"{name} must be an iterable of str, not str")
    return list(items)
