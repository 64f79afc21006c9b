"""Which namespace a call uses: its own argument, or that of its handle."""

from typing import Final


class _Default(str):
    """The default of every `namespace=`. It reads `default`, but differs from that name given explicitly, which matters
    on the handle of another namespace."""

    __slots__ = ()


DEFAULT_NAMESPACE: Final[str] = _Default("default")
