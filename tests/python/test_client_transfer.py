"""Copies of keys and lists, between the namespaces of a gateway."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator

import pytest
from prism import JSON, UTF8, Imported, Item, KeyItem, ListPart, Namespace, PrismClient, SyncPrismClient
from prism.codec import BytesLike
from prism.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    NamespaceNotFoundError,
    UnauthenticatedError,
    UnavailableError,
)

from conftest import TIMEOUT, eventually
from guarded_gateway import GuardedGateway
from silent_gateway import SilentGateway

MIB = 1024 * 1024

Pair = tuple[Namespace[BytesLike, bytes], Namespace[BytesLike, bytes]]


@pytest.fixture
async def pair(address: str, key: str) -> AsyncIterator[Pair]:
    """Two namespaces. What begins with `key` is removed from both afterwards."""
    async with PrismClient(address, timeout=TIMEOUT) as client:
        both = client.namespace("default"), client.namespace("other")
        yield both
        for namespace in both:
            await namespace.delete_prefix(key)
            for list_key in [list_key async for list_key, _ in namespace.lists(key)]:
                await namespace.list.clear(list_key)


def plain(items: Iterable[Item[bytes]]) -> list[Item[bytes]]:
    """The items without what depends on the time."""
    return [
        KeyItem(item.key, item.value, None if item.ttl_seconds_left is None else 0.0)
        if isinstance(item, KeyItem)
        else ListPart(item.list_key, item.values, item.part, item.last)
        for item in items
    ]


async def test_keys_and_lists_are_copied_with_times_to_live(pair: Pair, key: str) -> None:
    here, there = pair
    await here.set(key + "a", b"\0\xff", ttl_seconds=100.5)
    await here.set(key + "b", b"")
    await here.list.push_many(key + "l", [b"1", b"2"])
    began = time.time() * 1000
    exported = [item async for item in here.export(key)]
    assert plain(exported) == [
        KeyItem(key + "a", b"\0\xff", 0.0),
        KeyItem(key + "b", b""),
        ListPart(key + "l", (b"1", b"2")),
    ]
    for item in exported:
        assert item.taken_at_unix_millis is not None and abs(item.taken_at_unix_millis - began) < 60_000
    await there.list.push_right(key + "l", b"replaced")
    assert await there.import_items(here.export(key)) == Imported(items=3, skipped=0)
    assert await there.get_many([key + "a", key + "b"]) == {key + "a": b"\0\xff", key + "b": b""}
    left = await there.get_ttl(key + "a")
    assert left is not None and 40 < left <= 100.5
    assert await there.get_ttl(key + "b") is None
    assert await there.list.range(key + "l") == [b"1", b"2"]


async def test_the_twin_copies_alike(pair: Pair, address: str, key: str) -> None:
    with SyncPrismClient(address, timeout=TIMEOUT) as client:
        here, there = client.namespace("default"), client.namespace("other")
        here.set(key + "a", b"v")
        here.list.push_right(key + "l", b"1")
        export = here.export(key)
        assert there.import_items(export) == Imported(2, 0)
        assert plain(there.export(key)) == plain(here.export(key)) != []
        token = export.resume_token()
        assert token is not None and list(here.export(key, resume=token)) == []


async def test_any_iterable_can_be_imported(pair: Pair, key: str) -> None:
    here, _ = pair

    async def slowly() -> AsyncIterator[Item[bytes]]:
        for name in "abc":
            await asyncio.sleep(0)
            yield KeyItem(key + name, b"slow")

    def generated() -> Iterator[Item[bytearray]]:
        for number in range(1000):
            yield KeyItem(f"{key}{number}", bytearray(b"v"))

    assert await here.import_items([]) == Imported(0, 0)
    assert await here.import_items(slowly()) == Imported(3, 0)
    assert await here.import_items(generated()) == Imported(1000, 0)
    assert await here.import_items((ListPart(key + "l", [b"1", bytearray(b"2")]),)) == Imported(1, 0)
    assert await here.count(key) == 1003
    assert await here.list.range(key + "l") == [b"1", b"2"]


async def test_times_to_live_are_seconds_with_fractions(pair: Pair, key: str) -> None:
    here, _ = pair
    for seconds in (90.3, 1234.567, 86_400 * 365 * 50 + 0.001):
        item = KeyItem(key, b"v", seconds)
        assert await here.import_items([item]) == Imported(1, 0)
        left = await here.get_ttl(key)
        assert left is not None and seconds - 60 < left <= seconds
    for wrong in (-1.0, float("nan")):
        with pytest.raises(InvalidArgumentError, match="ttl_seconds_left") as refused:
            await here.import_items([KeyItem(key, b"v", wrong)])
        assert refused.value.field == "ttl_seconds_left"


async def test_what_exists_may_stay(pair: Pair, key: str) -> None:
    here, _ = pair
    await here.set(key + "a", b"old")
    items = [KeyItem(key + "a", b"new"), KeyItem(key + "b", b"new")]
    assert await here.import_items(items, if_absent=True) == Imported(items=2, skipped=1)
    assert await here.get_many([key + "a", key + "b"]) == {key + "a": b"old", key + "b": b"new"}
    assert await here.import_items(items) == Imported(2, 0)
    assert await here.get(key + "a") == b"new"


async def test_a_time_to_live_counts_from_the_export_if_asked(pair: Pair, key: str) -> None:
    here, _ = pair
    an_hour_ago = int(time.time() * 1000) - 3_600_000
    items = [KeyItem(key + "expired", b"v", 1800.0, an_hour_ago), KeyItem(key + "left", b"v", 7200.0, an_hour_ago)]
    assert await here.import_items(items, deadline=True) == Imported(items=2, skipped=1)
    assert not await here.exists(key + "expired")
    left = await here.get_ttl(key + "left")
    assert left is not None and left <= 3600
    with pytest.raises(InvalidArgumentError) as refused:
        await here.import_items([KeyItem(key, b"v", 1800.0)], deadline=True)
    assert refused.value.field == "taken_at_unix_millis"


async def test_a_long_list_comes_in_parts(pair: Pair, key: str) -> None:
    here, there = pair
    values = [bytes([number]) * 3 * MIB for number in range(3)]
    for value in values:
        await here.list.push_right(key, value)
    parts = [part async for part in here.export(key) if isinstance(part, ListPart)]
    assert [part.part for part in parts] == [0, 1, 2]
    assert [part.last for part in parts] == [False, False, True]
    # A list that begins again is stored once.
    assert await there.import_items(parts[:2] + parts) == Imported(5, 0)
    assert await there.list.range(key) == values


async def test_an_export_continues_at_its_token(pair: Pair, key: str) -> None:
    here, _ = pair
    names = [f"{key}{number:04}" for number in range(1000)]
    await here.set_many({name: b"v" for name in names})
    export = here.export(key)
    returned, tokens, last = 0, 0, export.resume_token()
    assert last is None
    async for _ in export:
        returned += 1
        if (token := export.resume_token()) != last:
            tokens, last = tokens + 1, token
            rest = [item.key async for item in here.export(key, resume=token) if isinstance(item, KeyItem)]
            assert rest == names[returned:]
    assert (returned, tokens > 1) == (1000, True)
    with pytest.raises(InvalidArgumentError) as refused:
        await anext(here.export(key + "x", resume=last))
    assert refused.value.reason == "RESUME_INVALID"


async def test_values_go_through_the_codecs(address: str, pair: Pair, key: str) -> None:
    async with PrismClient(address, timeout=TIMEOUT) as client:
        text, json = client.namespace("default", codec=UTF8), client.namespace("other", codec=JSON)
        await text.set(key + "a", "ä")
        await text.list.push_many(key + "l", ["x", "y"])
        assert await json.import_items(text.export(key)) == Imported(2, 0)
        assert await json.get(key + "a") == "ä"
        assert await json.list.range(key + "l") == ["x", "y"]
        assert await client.keyvalue.get(key + "a", "other") == '"ä"'.encode()


async def test_a_failed_import_tells_what_is_stored(pair: Pair, key: str) -> None:
    here, _ = pair
    good = [KeyItem(f"{key}{number:04}", b"v") for number in range(700)]
    with pytest.raises(InvalidArgumentError) as refused:
        await here.import_items([*good, KeyItem("", b"v"), KeyItem(key + "after", b"v")])
    assert (refused.value.reason, refused.value.namespace) == ("KEY_INVALID", "default")
    assert refused.value.imported == Imported(700, 0)
    assert "700 items" in str(refused.value)
    assert await here.count(key) == 700
    with pytest.raises(InvalidArgumentError) as refused:
        await here.import_items([*good, ListPart(key, [b"v"], last=False)])
    assert (refused.value.field, refused.value.imported) == ("item.list_part.last", Imported(700, 0))
    with pytest.raises(InvalidArgumentError) as refused:
        await here.import_items([good[0], KeyItem(key + "large", bytes(5 * MIB))])
    assert (refused.value.reason, refused.value.imported) == ("MESSAGE_TOO_LARGE", Imported(1, 0))
    assert not await here.exists(key + "large")


async def test_what_came_before_an_item_that_the_client_refuses_is_stored(
    pair: Pair, address: str, key: str
) -> None:
    here, _ = pair
    good = [KeyItem(f"{key}{number:04}", b"v") for number in range(300)]
    part = ListPart(key, [b"1"], last=False)
    wrong = KeyItem(key + "wrong", b"v", float("nan"))
    with SyncPrismClient(address, timeout=TIMEOUT) as client:
        for items in ([*good, wrong, KeyItem(key + "after", b"v")], [*good, part, wrong]):
            with pytest.raises(InvalidArgumentError, match="300 items") as refused:
                await here.import_items(items)
            assert (refused.value.field, refused.value.imported) == ("ttl_seconds_left", Imported(300, 0))
            assert refused.value.namespace == "default"
            assert await here.delete_prefix(key) == 300
            with pytest.raises(InvalidArgumentError, match="300 items") as refused:
                client.namespace("default").import_items(items)
            assert refused.value.imported == Imported(300, 0)
            assert await here.delete_prefix(key) == 300
    assert await here.list.length(key) == 0
    for mistyped in ((key, b"v"), KeyItem(7, b"v"), KeyItem(key, b"v", "now")):
        with pytest.raises(TypeError):
            await here.import_items([*good, mistyped])
        assert await here.delete_prefix(key) == 300


async def test_a_synchronous_export_does_not_block_an_event_loop(pair: Pair, address: str, key: str) -> None:
    here, _ = pair
    await here.set(key, b"v")
    with SyncPrismClient(address, timeout=TIMEOUT) as client:
        export = client.namespace("default").export(key)
        with pytest.raises(TypeError, match="SyncScan, which would block the event loop"):
            await here.import_items(export)
        assert [item.key for item in export if isinstance(item, KeyItem)] == [key], "nothing was taken from it"


async def test_what_an_iterator_returned_before_it_raised_is_stored(pair: Pair, address: str, key: str) -> None:
    here, _ = pair

    def failing(*after: Item[bytes]) -> Iterator[Item[bytes]]:
        for number in range(300):
            yield KeyItem(f"{key}{number:04}", b"v")
        yield from after
        raise LookupError("no more")

    async def failing_later() -> AsyncIterator[Item[bytes]]:
        for item in failing():
            yield item

    for items in (failing(), failing_later(), failing(ListPart(key, [b"1"], last=False))):
        with pytest.raises(LookupError, match="no more"):
            await here.import_items(items)
        assert await here.delete_prefix(key) == 300
    assert await here.list.length(key) == 0
    with SyncPrismClient(address, timeout=TIMEOUT) as client, pytest.raises(LookupError, match="no more"):
        client.namespace("default").import_items(failing())
    assert await here.delete_prefix(key) == 300
    # What was given whole is not stored: that comes first.
    with pytest.raises(InvalidArgumentError) as refused:
        await here.import_items(failing(KeyItem("", b"v")))
    assert refused.value.imported == Imported(300, 0)
    assert isinstance(refused.value.__cause__, LookupError)


async def test_a_copy_whose_export_fails_continues_at_its_token(pair: Pair, key: str) -> None:
    here, there = pair
    names = [f"{key}{number:04}" for number in range(1000)]
    await here.set_many({name: b"v" for name in names})
    export = here.export(key)

    async def cut() -> AsyncIterator[Item[bytes]]:
        async for item in export:
            yield item
            if isinstance(item, KeyItem) and item.key == names[600]:
                raise UnavailableError("lost")

    with pytest.raises(UnavailableError, match="lost"):
        await there.import_items(cut())
    imported = await there.import_items(here.export(key, resume=export.resume_token()))
    assert imported.items < 1000
    assert [name async for name in there.scan_keys(key)] == names


async def test_wrong_items_and_arguments_are_refused(pair: Pair, address: str, key: str) -> None:
    here, _ = pair
    for wrong, message in (
        ([(key, b"v")], "an item must be KeyItem or ListPart, not tuple"),
        ([KeyItem(key, "text")], "bytes-like"),
        ([KeyItem(7, b"v")], "key must be str, not int"),
        ([ListPart(key, "text")], "bytes-like"),
        ([ListPart(key, [b"v"], "0")], "part must be int, not str"),
        ([KeyItem(key, b"v", None, "now")], "taken_at_unix_millis must be int, not str"),
        (7, "not iterable"),
    ):
        with pytest.raises(TypeError, match=message):
            await here.import_items(wrong)
        with SyncPrismClient(address) as client, pytest.raises(TypeError, match=message):
            client.namespace("default").import_items(wrong)
    with pytest.raises(TypeError, match="prefix must be str"):
        here.export(7)
    with pytest.raises(TypeError, match="if_absent must be bool"):
        await here.import_items([], if_absent="yes")
    assert not await here.exists(key)
    async with PrismClient(address) as client:
        nowhere = client.namespace("nowhere")
        with pytest.raises(NamespaceNotFoundError):
            await anext(nowhere.export())
        with pytest.raises(NamespaceNotFoundError) as refused:
            await nowhere.import_items([])
        assert refused.value.imported == Imported(0, 0)


async def test_a_timeout_ends_an_import_and_an_export(silent: SilentGateway) -> None:
    async with PrismClient(silent.address) as client:
        namespace = client.namespace("default")
        with pytest.raises(DeadlineExceededError) as ended:
            await namespace.import_items([KeyItem("k", b"v")], timeout=0.1)
        assert ended.value.imported == Imported(0, 0)
        with pytest.raises(DeadlineExceededError):
            await anext(namespace.export(timeout=0.1))
    with SyncPrismClient(silent.address) as client, pytest.raises(DeadlineExceededError):
        client.namespace("default").import_items([KeyItem("k", b"v")], timeout=0.1)


async def test_a_cancelled_import_resets_its_stream(silent: SilentGateway) -> None:
    async with PrismClient(silent.address) as client:
        task = asyncio.create_task(client.namespace("default").import_items([KeyItem("k", b"v")]))
        assert await asyncio.to_thread(eventually, lambda: silent.asked() == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(eventually, lambda: silent.reset() == 1)


async def test_a_refused_token_is_renewed_for_an_import() -> None:
    with GuardedGateway("second") as guarded:
        tokens = iter(["first", "second", "third"])
        async with PrismClient(guarded.address, token=lambda: next(tokens), timeout=TIMEOUT) as client:
            assert await client.namespace("default").import_items([]) == Imported(0, 0)
        assert guarded.sent == ["Bearer first", "Bearer second"]

        def failing() -> str:
            raise OSError("no token")

        async with PrismClient(guarded.address, token=failing, timeout=TIMEOUT) as client:
            with pytest.raises(UnauthenticatedError) as refused:
                await client.namespace("default").import_items([])
            assert isinstance(refused.value.__cause__, OSError)
