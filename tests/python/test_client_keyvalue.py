"""Values by key, through a gateway."""

import asyncio
import time

import pytest
from prism import PrismClient, SyncPrismClient
from prism.errors import InvalidArgumentError, KeyNotFoundError

VALUE_BYTES_MAX = 4 * 1024 * 1024 - 16 * 1024


async def gone(client: PrismClient, key: str) -> None:
    """Returns once `key` no longer exists; fails after a minute."""
    async with asyncio.timeout(60):
        while await client.keyvalue.exists(key):  # noqa: ASYNC110 - the server does not notify
            await asyncio.sleep(0.02)


async def test_set_get(client: PrismClient, key: str) -> None:
    await client.keyvalue.set(key, b"test-value")
    assert await client.keyvalue.get(key) == b"test-value"


async def test_delete(client: PrismClient, key: str) -> None:
    await client.keyvalue.set(key, b"data")
    assert await client.keyvalue.delete(key) is True
    assert await client.keyvalue.delete(key) is False
    with pytest.raises(KeyNotFoundError):
        await client.keyvalue.get(key)


async def test_exists(client: PrismClient, key: str) -> None:
    assert await client.keyvalue.exists(key) is False
    await client.keyvalue.set(key, b"")
    assert await client.keyvalue.exists(key) is True


async def test_ttl(client: PrismClient, key: str) -> None:
    begun = time.monotonic()
    await client.keyvalue.set(key, b"soon", ttl_seconds=1)
    exists = await client.keyvalue.exists(key)
    assert exists is True or time.monotonic() >= begun + 0.99
    await gone(client, key)
    assert time.monotonic() >= begun + 0.99, "the key expired early"


async def test_a_replaced_key_lives_by_its_new_ttl(client: PrismClient, key: str) -> None:
    await client.keyvalue.set(key, b"1", ttl_seconds=1)
    await client.keyvalue.set(key, b"2")
    await client.keyvalue.set(key + "witness", b"", ttl_seconds=1)
    await gone(client, key + "witness")
    assert await client.keyvalue.get(key) == b"2"


async def test_scan(client: PrismClient, key: str) -> None:
    for name in ("user:1", "user:2", "post:1"):
        await client.keyvalue.set(key + name, name.encode())
    found = {name: value async for name, value in client.keyvalue.scan(key + "user:")}
    assert found == {key + "user:1": b"user:1", key + "user:2": b"user:2"}


async def test_scan_options(client: PrismClient, key: str) -> None:
    names = [f"{key}{index:04}" for index in range(1000)]
    await asyncio.gather(*(client.keyvalue.set(name, b"v") for name in names))
    keyvalue = client.keyvalue
    assert [name async for name in keyvalue.scan_keys(key)] == names
    assert [name async for name, _ in keyvalue.scan(key, limit=3)] == names[:3]
    assert [name async for name in keyvalue.scan_keys(key, start_after=names[996])] == names[997:]
    assert [name async for name, _ in keyvalue.scan(key, "default", 2, start_after=names[4])] == names[5:7]
    assert await keyvalue.count(key) == 1000


async def test_a_scan_continues_at_its_token(client: PrismClient, sync_client: SyncPrismClient, key: str) -> None:
    names = [f"{key}{index:04}" for index in range(1000)]
    await asyncio.gather(*(client.keyvalue.set(name, b"v") for name in names))
    scan = client.keyvalue.scan_keys(key)
    returned, last = 0, scan.resume_token()
    assert last is None
    tokens = 0
    async for _ in scan:
        returned += 1
        token = scan.resume_token()
        if token != last:
            tokens, last = tokens + 1, token
            assert [name async for name in client.keyvalue.scan_keys(key, resume=token)] == names[returned:]
            assert list(sync_client.keyvalue.scan_keys(key, resume=token)) == names[returned:]
    assert tokens > 1


async def test_a_closed_scan_tells_the_token_behind_what_it_returned(client: PrismClient, key: str) -> None:
    names = [f"{key}{index:04}" for index in range(600)]
    await asyncio.gather(*(client.keyvalue.set(name, b"v") for name in names))
    scan = client.keyvalue.scan(key)
    async for name, _ in scan:
        if name == names[300]:
            break
    open_token = scan.resume_token()
    await scan.aclose()
    assert scan.resume_token() == open_token
    rest = [name async for name, _ in client.keyvalue.scan(key, resume=open_token)]
    assert rest == names[-len(rest) :]
    assert len(rest) > 299, "nothing that was not returned is left out"
    assert client.keyvalue.scan(key, resume=open_token).resume_token() == open_token


async def test_a_token_of_another_scan_is_refused(client: PrismClient, key: str) -> None:
    await client.keyvalue.set(key, b"v")
    scan = client.keyvalue.scan(key)
    async for _ in scan:
        pass
    token = scan.resume_token()
    assert token is not None
    for refused in (
        client.keyvalue.scan(key, resume=b"no token"),
        client.keyvalue.scan(key + "x", resume=token),
        client.keyvalue.scan(key, start_after=key, resume=bytearray(token)),
    ):
        with pytest.raises(InvalidArgumentError) as raised:
            async for _ in refused:
                pass
        assert (raised.value.reason, raised.value.field) == ("RESUME_INVALID", "resume")
    with pytest.raises(TypeError, match="resume must be bytes-like"):
        client.keyvalue.scan(key, resume="text")  # type: ignore[arg-type]


async def test_values_may_be_any_bytes_like(client: PrismClient, key: str) -> None:
    for value in (b"bytes", bytearray(b"bytearray"), memoryview(b"xmemoryviewx")[1:-1], memoryview(b"abcd")[::2]):
        await client.keyvalue.set(key, value)
        stored = await client.keyvalue.get(key)
        assert type(stored) is bytes
        assert stored == bytes(value)


async def test_the_largest_value_fits_and_one_over_does_not(client: PrismClient, key: str) -> None:
    largest = bytes(VALUE_BYTES_MAX)
    await client.keyvalue.set(key, largest)
    assert await client.keyvalue.get(key) == largest
    with pytest.raises(InvalidArgumentError) as refused:
        await client.keyvalue.set(key, largest + b"x")
    assert (refused.value.reason, refused.value.limit) == ("VALUE_TOO_LARGE", VALUE_BYTES_MAX)
    with pytest.raises(InvalidArgumentError) as refused:
        await client.keyvalue.set(key, bytes(5 * 1024 * 1024))
    assert refused.value.reason == "MESSAGE_TOO_LARGE"


async def test_keys_are_unicode(client: PrismClient, key: str) -> None:
    await client.keyvalue.set(key + "schlüssel-鍵-🔑", b"v")
    assert [name async for name in client.keyvalue.scan_keys(key)] == [key + "schlüssel-鍵-🔑"]


async def test_a_handle_has_its_own_default_namespace(client: PrismClient, key: str) -> None:
    handle = client.namespace("default")
    await handle.keyvalue.set(key, b"v")
    assert await client.keyvalue.get(key) == b"v"
    assert await client.namespace("not-configured").keyvalue.get(key, "default") == b"v"
    assert await client.namespace("not-configured").keyvalue.get(key, namespace="default") == b"v"


def test_the_sync_twin_does_the_same(sync_client: SyncPrismClient, key: str) -> None:
    keyvalue = sync_client.keyvalue
    keyvalue.set(key + "a", b"1", ttl_seconds=60)
    keyvalue.set(key + "b", b"2")
    assert keyvalue.get(key + "a") == b"1"
    assert keyvalue.exists(key + "b") is True
    assert list(keyvalue.scan(key)) == [(key + "a", b"1"), (key + "b", b"2")]
    assert list(keyvalue.scan_keys(key, limit=1)) == [key + "a"]
    assert keyvalue.count(key) == 2
    assert keyvalue.delete(key + "a") is True
    with pytest.raises(KeyNotFoundError):
        keyvalue.get(key + "a")
