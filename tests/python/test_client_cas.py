"""Conditional writes, counters and times to live, through a gateway."""

import hashlib

import pytest
from prism import PrismClient, SyncPrismClient
from prism.errors import (
    CounterOverflowError,
    FailedPreconditionError,
    InvalidArgumentError,
    KeyNotFoundError,
    OutOfRangeError,
)


async def test_a_default_replaces_the_error(client: PrismClient, key: str) -> None:
    keyvalue = client.keyvalue
    assert await keyvalue.get(key, default=None) is None
    assert await keyvalue.get(key, default=b"d") == b"d"
    assert await keyvalue.get_and_delete(key, default="none") == "none"
    await keyvalue.set(key, b"")
    assert await keyvalue.get(key, default=None) == b""
    assert await keyvalue.get_and_delete(key, default=None) == b""
    with pytest.raises(KeyNotFoundError) as raised:
        await keyvalue.get_and_delete(key)
    error = raised.value
    assert (error.code, error.reason, error.operation) == ("NOT_FOUND", "KEY_NOT_FOUND", "keyvalue.get_and_delete")
    assert (error.key, error.namespace) == (key, "default")


async def test_a_condition_decides(client: PrismClient, key: str) -> None:
    keyvalue = client.keyvalue
    assert await keyvalue.set_if_absent(key, b"1", ttl_seconds=60) is True
    assert await keyvalue.set_if_absent(key, b"2") is False
    assert await keyvalue.get(key) == b"1"
    digest = hashlib.sha256(b"1").digest()
    assert await keyvalue.set_if(key, b"1", absent=True) is False
    assert await keyvalue.set_if(key, b"1", present=True) is True
    assert await keyvalue.set_if(key, b"1", equals=b"2") is False
    assert await keyvalue.set_if(key, b"1", equals=bytearray(b"1")) is True
    assert await keyvalue.set_if(key, b"1", equals_sha256=digest) is True
    assert await keyvalue.set_if(key, b"1", differs=b"1") is False
    assert await keyvalue.set_if(key, b"2", differs=b"2", return_current=True) == (True, b"1")
    assert await keyvalue.set_if(key, b"3", equals=b"1", return_current=True) == (False, b"2")
    assert await keyvalue.set_if(key + "x", b"3", present=True, return_current=True) == (False, None)
    assert await keyvalue.delete_if(key, equals=b"1") is False
    assert await keyvalue.delete_if(key, equals=b"2", return_current=True) == (True, b"2")
    assert await keyvalue.delete_if(key, present=True) is False
    assert await keyvalue.get_and_set(key, b"a") is None
    assert await keyvalue.get_and_set(key, b"b", ttl_seconds=1.5) == b"a"


async def test_exactly_one_condition_is_given(client: PrismClient, key: str) -> None:
    for call in (
        client.keyvalue.set_if(key, b"v"),
        client.keyvalue.set_if(key, b"v", absent=True, equals=b"1"),
        client.keyvalue.delete_if(key),
        client.keyvalue.set_if(key, b"v", equals_sha256=b"short"),
    ):
        with pytest.raises(InvalidArgumentError) as refused:
            await call
        assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "CONDITION_INVALID")


async def test_a_counter(client: PrismClient, key: str) -> None:
    keyvalue = client.keyvalue
    assert await keyvalue.increment(key) == 1
    assert await keyvalue.increment(key, -5) == -4
    assert await keyvalue.get(key) == b"-4"
    assert await keyvalue.get_ttl(key) is None
    assert await keyvalue.increment(key + "x", delta=2, initial=40, ttl_seconds=60) == 42
    left = await keyvalue.get_ttl(key + "x")
    assert left is not None and 0 < left <= 60
    for kind in (OverflowError, OutOfRangeError, CounterOverflowError):
        with pytest.raises(kind):
            await keyvalue.increment(key, -(2**63))
    with pytest.raises(InvalidArgumentError) as refused:
        await keyvalue.increment(key, 2**63)
    assert (refused.value.code, refused.value.field) == ("INVALID_ARGUMENT", "delta")
    await keyvalue.set(key, b"one")
    with pytest.raises(FailedPreconditionError) as failed:
        await keyvalue.increment(key)
    assert failed.value.reason == "NOT_A_NUMBER"


async def test_times_to_live(client: PrismClient, key: str) -> None:
    keyvalue = client.keyvalue
    await keyvalue.set(key, b"v", ttl_seconds=90.25)
    left = await keyvalue.get_ttl(key)
    assert left is not None and 30 < left <= 90.25
    assert await keyvalue.expire(key, 7200.5) is True
    left = await keyvalue.get_ttl(key)
    assert left is not None and 7000 < left <= 7200.5
    assert await keyvalue.persist(key) is True
    assert await keyvalue.persist(key) is False
    assert await keyvalue.get_ttl(key) is None
    assert await keyvalue.expire(key + "x", 1) is False
    assert await keyvalue.persist(key + "x") is False
    with pytest.raises(KeyNotFoundError):
        await keyvalue.get_ttl(key + "x")
    for ttl in (0, 0.0, -1.5, float("inf"), float("nan")):
        with pytest.raises(InvalidArgumentError):
            await keyvalue.expire(key, ttl)
        with pytest.raises(InvalidArgumentError):
            await keyvalue.set(key, b"v", ttl_seconds=ttl)
    with pytest.raises(TypeError, match="ttl_seconds must be int or float"):
        await keyvalue.expire(key, None)  # type: ignore[arg-type]


async def test_a_handle_has_the_verbs_itself(client: PrismClient, key: str) -> None:
    handle = client.namespace("other")
    assert await handle.set_if_absent(key, b"v", ttl_seconds=60) is True
    assert await handle.get(key) == b"v"
    assert await handle.keyvalue.get(key) == b"v"
    assert await handle.get_many([key]) == {key: b"v"}
    assert await client.keyvalue.exists(key) is False
    assert await handle.delete(key) is True


def test_the_sync_twin_does_the_same(sync_client: SyncPrismClient, key: str) -> None:
    keyvalue = sync_client.keyvalue
    assert keyvalue.set_if_absent(key, b"1") is True
    assert keyvalue.set_if(key, b"2", equals=b"1", return_current=True) == (True, b"1")
    assert keyvalue.delete_if(key, equals=b"1") is False
    assert keyvalue.get_and_set(key, b"3") == b"2"
    assert keyvalue.expire(key, 60) is True
    assert keyvalue.get_ttl(key) is not None
    assert keyvalue.persist(key) is True
    assert keyvalue.get_and_delete(key) == b"3"
    assert keyvalue.get(key, default=7) == 7
    assert keyvalue.increment(key, 2) == 2
