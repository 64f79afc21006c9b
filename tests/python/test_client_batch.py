"""Many keys per call: split, in order, and each item for itself."""

import pickle

import pytest
from prism import PrismClient, SyncPrismClient
from prism.errors import InvalidArgumentError, UnavailableError

from silent_gateway import SilentGateway


async def test_batches_of_any_size_are_split(client: PrismClient, key: str) -> None:
    keyvalue = client.keyvalue
    names = [f"{key}{number:04}" for number in range(2500)]
    await keyvalue.set_many({name: name.encode() for name in names}, ttl_seconds=3600)
    asked = [*reversed(names), key + "missing"]
    values = await keyvalue.get_many(iter(asked))
    assert list(values) == asked, "in the order asked"
    assert all(values[name] == name.encode() for name in names)
    assert values[key + "missing"] is None
    assert await keyvalue.get_ttl(names[2499]) is not None
    assert await keyvalue.delete_many([names[0], key + "missing", names[1]]) == 2
    assert await keyvalue.delete_prefix(key, limit=98) == 98
    assert await keyvalue.delete_prefix(key) == 2400
    assert await keyvalue.get_many([]) == {}
    await keyvalue.set_many([])
    assert await keyvalue.delete_many(()) == 0


async def test_large_values_are_split_by_size(client: PrismClient, key: str) -> None:
    large = bytes(1 << 20)
    names = [f"{key}{number}" for number in range(6)]
    await client.keyvalue.set_many((name, large) for name in names)
    assert await client.keyvalue.get_many(names) == dict.fromkeys(names, large)


async def test_one_failing_item_fails_nothing_else_and_is_told(client: PrismClient, key: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        await client.keyvalue.set_many([(key + "a", b"1"), ("", b"2"), (key + "b", bytes(5 << 20)), (key + "c", b"3")])
    error = raised.value
    assert (error.reason, error.key, error.operation) == ("KEY_INVALID", "", "keyvalue.batch_set")
    assert error.batch is not None
    assert error.batch.applied == (key + "a", key + "c")
    reasons = {name: failed.reason for name, failed in error.batch.not_applied.items()}
    assert reasons == {"": "KEY_INVALID", key + "b": "MESSAGE_TOO_LARGE"}
    assert error.batch.uncertain == {}
    assert "of 4 items, 2 succeeded, 2 were not applied" in str(error)
    assert await client.keyvalue.get(key + "c") == b"3"
    copy = pickle.loads(pickle.dumps(error))
    assert copy.batch.applied == error.batch.applied
    with pytest.raises(InvalidArgumentError) as raised:
        await client.keyvalue.get_many([key + "a", ""])
    assert raised.value.batch is not None
    assert raised.value.batch.applied == (key + "a",)


async def test_a_lost_part_is_uncertain_and_the_rest_is_not_sent(silent: SilentGateway) -> None:
    names = [f"k{number}" for number in range(1500)]
    async with PrismClient(silent.address) as client:
        with pytest.raises(TimeoutError) as raised:
            await client.keyvalue.set_many(dict.fromkeys(names, b"v"), timeout=0.2)
    batch = raised.value.batch  # type: ignore[attr-defined]
    assert (list(batch.uncertain), list(batch.not_applied)) == (names[:1000], names[1000:])
    assert "not sent" in str(batch.not_applied["k1000"])


async def test_a_gateway_that_is_down_has_applied_nothing() -> None:
    async with PrismClient("127.0.0.1:1", attempts_max=1) as client:
        with pytest.raises(UnavailableError) as raised:
            await client.keyvalue.delete_many(["a", "b"])
    assert raised.value.batch is not None
    assert list(raised.value.batch.not_applied) == ["a", "b"]


async def test_what_is_no_iterable_of_keys_is_a_type_error(client: PrismClient) -> None:
    with pytest.raises(TypeError, match="keys must be an iterable of str, not str"):
        await client.keyvalue.get_many("key")
    with pytest.raises(TypeError, match="a key must be str, not int"):
        await client.keyvalue.delete_many([1])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="a value must be bytes-like, not str"):
        await client.keyvalue.set_many({"k": "text"})  # type: ignore[dict-item]


async def test_scans_in_both_directions_and_with_times_to_live(client: PrismClient, key: str) -> None:
    keyvalue = client.keyvalue
    a, b, c, d = names = [key + name for name in "abcd"]
    await keyvalue.set_many(dict.fromkeys(names, b"v"))
    await keyvalue.expire(b, 3600)
    assert [name async for name in keyvalue.scan_keys(key, reverse=True)] == [d, c, b, a]
    assert [name async for name in keyvalue.scan_keys(key, before=d, reverse=True, limit=2)] == [c, b]
    assert [name async for name, _ in keyvalue.scan(key, start_after=a, before=d)] == [b, c]
    found = {name: left async for name, value, left in keyvalue.scan(key, with_ttl=True) if value == b"v"}
    assert list(found) == names
    assert [name for name, left in found.items() if left is not None and 0 < left <= 3600] == [b]


def test_the_sync_twin_does_the_same(sync_client: SyncPrismClient, key: str) -> None:
    keyvalue = sync_client.keyvalue
    keyvalue.set_many({key + "a": b"1", key + "b": b"2"})
    assert keyvalue.get_many([key + "b", key + "x", key + "a"]) == {key + "b": b"2", key + "x": None, key + "a": b"1"}
    assert list(keyvalue.scan_keys(key, reverse=True)) == [key + "b", key + "a"]
    assert [left for _, _, left in keyvalue.scan(key, with_ttl=True)] == [None, None]
    with pytest.raises(InvalidArgumentError) as raised:
        keyvalue.delete_many([key + "a", ""])
    assert raised.value.batch is not None and raised.value.batch.applied == (key + "a",)
    assert keyvalue.delete_prefix(key) == 1
