"""Compressed values."""

import os

import pytest
import zstandard
from prism import JSON, PrismClient, SyncPrismClient

MAGIC = b"\x28\xb5\x2f\xfd"


async def test_what_shrinks_is_stored_as_a_zstd_frame(client: PrismClient, key: str) -> None:
    small = client.namespace("default", compression="zstd")
    text = b"abc" * 1000
    await small.set(key, text)
    stored = await client.keyvalue.get(key)
    assert stored.startswith(MAGIC) and len(stored) < 100
    assert zstandard.decompress(stored) == text
    assert await small.get(key) == text
    assert await small.get_many([key]) == {key: text}
    assert [value async for _, value in small.scan(key)] == [text]
    assert await small.set_if(key, b"short", equals=text) is True
    assert await small.list.push_many(key, [text, b"short"]) == 2
    assert await small.list.range(key) == [text, b"short"]


async def test_what_does_not_shrink_is_stored_as_it_is(client: PrismClient, key: str) -> None:
    small = client.namespace("default", compression="zstd")
    for value in (b"", b"short", os.urandom(1000), bytearray(b"bytearray"), memoryview(b"abcd")[::2]):
        await small.set(key, value)
        assert await client.keyvalue.get(key) == bytes(value)
        assert await small.get(key) == bytes(value)
    assert await small.increment(key + "n") == 1, "a number stays a number"


def test_what_looks_compressed_is_read_as_it_was_written(sync_client: SyncPrismClient, key: str) -> None:
    small = sync_client.namespace("default", compression="zstd")
    for value in (MAGIC, MAGIC + b"no frame", zstandard.compress(b"a frame of the application")):
        small.set(key, value)
        assert small.get(key) == value


def test_json_is_compressed_too(sync_client: SyncPrismClient, key: str) -> None:
    rows = sync_client.namespace("default", codec=JSON, compression="zstd")
    value = [{"name": "chair", "price": number} for number in range(100)]
    rows.set(key, value)
    assert rows.get(key) == value
    assert len(sync_client.keyvalue.get(key)) < 1000


def test_a_frame_that_would_fill_the_memory_is_refused(sync_client: SyncPrismClient, key: str) -> None:
    small = sync_client.namespace("default", compression="zstd")
    sync_client.keyvalue.set(key, zstandard.compress(bytes(65 << 20)))
    with pytest.raises(ValueError, match="the limit is 67108864"):
        small.get(key)
    with pytest.raises(ValueError, match="the limit is 67108864"):
        small.set(key, bytes(65 << 20))
    with pytest.raises(ValueError, match="compression must be"):
        sync_client.namespace("default", compression="gzip")  # type: ignore[call-overload]
