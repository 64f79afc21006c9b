"""Lists, through a gateway."""

from prism import PrismClient, SyncPrismClient


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
