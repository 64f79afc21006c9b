"""Lists, through a gateway."""

import asyncio
import time

import pytest
from prism import PrismClient, SyncPrismClient
from prism.errors import IndexOutOfRangeError, InvalidArgumentError, OutOfRangeError

from conftest import eventually
from silent_gateway import SilentGateway


async def test_list_fifo(client: PrismClient, key: str) -> None:
    for number, value in enumerate((b"first", b"second", b"third"), start=1):
        assert await client.list.push_right(key, value) == number
    assert await client.list.length(key) == 3
    assert await client.list.pop_left(key) == b"first"
    assert await client.list.pop_left(key) == b"second"
    assert await client.list.pop_left(key) == b"third"
    assert await client.list.pop_left(key) is None


async def test_list_stack(client: PrismClient, key: str) -> None:
    for value in (b"first", b"second", b"third"):
        await client.list.push_right(key, value)
    assert await client.list.pop_right(key) == b"third"
    assert await client.list.pop_right(key) == b"second"
    assert await client.list.pop_right(key) == b"first"
    assert await client.list.pop_right(key) is None


async def test_push_left_puts_first(client: PrismClient, key: str) -> None:
    await client.list.push_left(key, b"second")
    assert await client.list.push_left(key, b"first") == 2
    assert await client.list.pop_left(key) == b"first"


async def test_an_empty_value_is_not_an_empty_list(client: PrismClient, key: str) -> None:
    await client.list.push_left(key, b"")
    assert await client.list.pop_left(key) == b""
    assert await client.list.pop_left(key) is None
    assert await client.list.length(key) == 0


def test_the_sync_twin_does_the_same(sync_client: SyncPrismClient, key: str) -> None:
    assert sync_client.list.push_right(key, b"b") == 1
    assert sync_client.list.push_left(key, bytearray(b"a")) == 2
    assert sync_client.list.length(key) == 2
    assert sync_client.list.pop_left(key) == b"a"
    assert sync_client.list.pop_right(key) == b"b"
    assert sync_client.list.pop_right(key) is None


async def test_many_values_at_either_end(client: PrismClient, key: str) -> None:
    lists = client.list
    assert await lists.push_many(key, [b"a", b"b", b"c"]) == 3
    assert await lists.push_many(key, (value for value in (b"x", b"y")), end="left", max_len=4) == 4
    assert await lists.range(key) == [b"y", b"x", b"a", b"b"]
    assert await lists.pop_many(key, 2, end="right") == [b"b", b"a"]
    assert await lists.pop_many(key, 1000) == [b"y", b"x"]
    assert await lists.pop_many(key, 1) == []
    with pytest.raises(InvalidArgumentError) as refused:
        await lists.push_many(key, [b"v"] * 1001)
    assert refused.value.reason == "BATCH_TOO_LARGE"
    with pytest.raises(InvalidArgumentError) as refused:
        await lists.push_many(key, [b"v"], end="middle")  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.field) == ("INVALID_ARGUMENT", "end")


async def test_a_list_by_index(client: PrismClient, key: str) -> None:
    lists = client.list
    await lists.push_many(key, [b"a", b"b", b"a", b"c", b"a"])
    assert await lists.range(key, 1, -2) == [b"b", b"a", b"c"]
    assert await lists.get_at(key, -2) == b"c"
    assert await lists.get_at(key, 5) is None
    await lists.set_at(key, 1, b"B")
    for kind in (IndexError, OutOfRangeError, IndexOutOfRangeError):
        with pytest.raises(kind):
            await lists.set_at(key, 5, b"v")
    assert await lists.remove(key, b"a", -1) == 1
    assert await lists.remove(key, b"a") == 2
    assert await lists.trim(key, 0, 0) == 1
    assert await lists.range(key) == [b"B"]
    assert await lists.clear(key) == 1
    assert await lists.clear(key) == 0


async def test_lists_are_found(client: PrismClient, key: str) -> None:
    for name, length in (("a", 1), ("b", 2)):
        await client.list.push_many(key + name, [b"v"] * length)
    assert {name: length async for name, length in client.list.lists(key)} == {key + "a": 1, key + "b": 2}
    assert [length async for _, length in client.namespace("default").lists(key + "b")] == [2]
    assert await client.list.count_lists(key) == 2
    for name in ("a", "b"):
        await client.list.clear(key + name)


async def test_a_pop_waits_for_its_value(client: PrismClient, key: str) -> None:
    lists = client.list
    await lists.push_many(key, [b"a", b"b"])
    assert await lists.blocking_pop_right(key, wait=60) == b"b"
    assert await lists.blocking_pop_left(key, 0) == b"a"
    assert await lists.blocking_pop_left(key, wait=0) is None
    begun = time.monotonic()
    # The wait is longer than the call may take: its deadline counts in addition.
    assert await lists.blocking_pop_left(key, wait=0.4, timeout=0.3) is None
    assert time.monotonic() - begun >= 0.4
    waiting = asyncio.create_task(lists.blocking_pop_left(key, wait=60))
    await asyncio.sleep(0)
    await lists.push_left(key, b"late")
    assert await waiting == b"late"
    for wait in (300.5, float("inf")):
        with pytest.raises(InvalidArgumentError) as refused:
            await lists.blocking_pop_left(key, wait=wait)
        assert (refused.value.reason, refused.value.field, refused.value.limit) == ("WAIT_INVALID", "wait", 300)
    with pytest.raises(InvalidArgumentError) as refused:
        await lists.blocking_pop_left(key, wait=-1)
    assert (refused.value.code, refused.value.field) == ("INVALID_ARGUMENT", "wait")


async def test_a_cancelled_pop_resets_its_call(silent: SilentGateway) -> None:
    async with PrismClient(silent.address) as client:
        waiting = asyncio.create_task(client.list.blocking_pop_left("k", wait=300))
        assert await asyncio.to_thread(eventually, lambda: silent.asked() == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await asyncio.to_thread(eventually, lambda: silent.reset() == 1)


def test_the_sync_twin_does_the_rest_too(sync_client: SyncPrismClient, key: str) -> None:
    lists = sync_client.list
    assert lists.push_many(key, [b"a", b"b", b"c"]) == 3
    assert lists.range(key, 0, 1) == [b"a", b"b"]
    assert lists.get_at(key, 0) == b"a"
    lists.set_at(key, 0, b"A")
    assert lists.remove(key, b"A", 1) == 1
    assert lists.trim(key, 0, -1) == 2
    assert list(lists.lists(key)) == [(key, 2)]
    assert lists.blocking_pop_left(key, wait=1) == b"b"
    assert lists.blocking_pop_right(key, wait=1) == b"c"
    assert lists.blocking_pop_right(key, wait=0.01) is None
    assert lists.pop_many(key, 1) == []
    assert lists.clear(key) == 0
    assert lists.count_lists(key) == 0
