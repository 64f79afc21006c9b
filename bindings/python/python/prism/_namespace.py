"""Which namespace a call goes to: its own argument, or that of the handle it is made on."""

from typing import Final


class _Default(str):
    """The default of every `namespace=`. It reads `default`, and can still be told from that name said out loud, which
    matters on the handle of another namespace."""

    __slots__ = ()


DEFAULT_NAMESPACE: Final[str] = _Default("default")
