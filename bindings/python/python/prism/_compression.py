"""Values compressed with zstd. A compressed value is a zstd frame, which its first four bytes tell; any other value is
as it was given. A value that is no frame of ours but begins like one is compressed whatever its size, so that each is
read as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import zstandard

from prism.codec import Codec

if TYPE_CHECKING:
    from prism.codec import BytesLike

Given = TypeVar("Given")
Got = TypeVar("Got")

# What every zstd frame begins with: RFC 8878, section 3.1.1.
_MAGIC: Final = b"\x28\xb5\x2f\xfd"

# Shorter values hardly shrink: a frame alone takes some 13 bytes.
_BYTES_MIN: Final = 128

# What a value may have before it is compressed and after it was read, so that a small frame cannot fill the memory.
_BYTES_MAX: Final = 64 * 1024 * 1024

# zstd's own default.
_LEVEL: Final = 3


def compressed(codec: Codec[Given, Got]) -> Codec[Given, Got]:
    """The same codec, whose bytes are compressed if that makes them fewer."""

    def encode(value: Given) -> BytesLike:
        return _shrunk(bytes(codec.encode(value)))

    def decode(value: bytes) -> Got:
        return codec.decode(_restored(value))

    return Codec(encode, decode)


def _shrunk(value: bytes) -> bytes:
    looks_compressed = value.startswith(_MAGIC)
    if len(value) < _BYTES_MIN and not looks_compressed:
        return value
    if len(value) > _BYTES_MAX:
        raise ValueError(f"the value has {len(value)} bytes; with compression, the limit is {_BYTES_MAX}")
    frame = zstandard.compress(value, _LEVEL)
    return frame if looks_compressed or len(frame) < len(value) else value


def _restored(value: bytes) -> bytes:
    if not value.startswith(_MAGIC):
        return value
    # -1 if the frame, which another program wrote, does not say.
    size = zstandard.frame_content_size(value)
    if size > _BYTES_MAX:
        raise ValueError(f"the compressed value has {size} bytes; the limit is {_BYTES_MAX}")
    return zstandard.decompress(value, max_output_size=_BYTES_MAX)
