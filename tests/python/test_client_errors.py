"""What a failed call raises."""

import asyncio
import pickle
import socket
from collections.abc import Awaitable, Callable
from types import MappingProxyType

import prism.errors
import pytest
from prism import PrismClient, PrismError, SyncPrismClient
from prism.errors import (
    ClientClosedError,
    DeadlineExceededError,
    InvalidArgumentError,
    KeyNotFoundError,
    NamespaceNotFoundError,
    UnavailableError,
)

from conftest import TIMEOUT
from silent_gateway import SilentGateway


async def test_a_missing_key_is_a_key_error_that_reads_well(client: PrismClient, key: str) -> None:
    with pytest.raises(KeyError) as raised:
        await client.keyvalue.get(key)
    error = raised.value
    assert isinstance(error, KeyNotFoundError)
    assert (error.code, error.reason, error.operation) == ("NOT_FOUND", "KEY_NOT_FOUND", "keyvalue.get")
    assert (error.key, error.namespace, error.retryable) == (key, "default", False)
    assert str(error) == error.message
    assert key not in str(error)
    assert not str(error).startswith(("'", '"'))


async def test_a_missing_namespace_is_not_a_missing_key(client: PrismClient) -> None:
    with pytest.raises(NamespaceNotFoundError) as raised:
        await client.keyvalue.get("k", namespace="not-configured")
    assert (raised.value.reason, raised.value.namespace) == ("NAMESPACE_NOT_FOUND", "not-configured")
    assert not isinstance(raised.value, KeyError)


async def test_broken_rules_are_value_errors_with_their_facts(client: PrismClient, key: str) -> None:
    with pytest.raises(ValueError) as raised:
        await client.keyvalue.set(key, b"v", ttl_seconds=0)
    error = raised.value
    assert isinstance(error, InvalidArgumentError)
    assert (error.reason, error.field) == ("TTL_INVALID", "ttl_seconds")
    with pytest.raises(InvalidArgumentError):
        await client.keyvalue.set(key, b"v", ttl_seconds=10**30)
    with pytest.raises(InvalidArgumentError) as too_long:
        await client.keyvalue.get("k" * 4097)
    assert (too_long.value.reason, too_long.value.limit, too_long.value.size) == ("KEY_INVALID", 4096, 4097)
    for limit in (-1, -(10**30)):
        with pytest.raises(InvalidArgumentError) as negative:
            _ = [entry async for entry in client.keyvalue.scan(key, limit=limit)]
        assert negative.value.reason == "LIMIT_INVALID"
    assert [entry async for entry in client.keyvalue.scan(key, limit=10**30)] == []


async def test_a_wrong_type_is_a_type_error_that_names_the_argument(client: PrismClient) -> None:
    keyvalue = client.keyvalue
    wrong: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        ("key", lambda: keyvalue.get(1)),  # type: ignore[arg-type]
        ("key", lambda: keyvalue.get(b"k")),  # type: ignore[arg-type]
        ("value", lambda: keyvalue.set("k", "text")),  # type: ignore[arg-type]
        ("value", lambda: keyvalue.set("k", 1)),  # type: ignore[arg-type]
        ("namespace", lambda: keyvalue.get("k", None)),  # type: ignore[arg-type]
        ("ttl_seconds", lambda: keyvalue.set("k", b"", ttl_seconds="1")),  # type: ignore[arg-type]
        ("timeout", lambda: keyvalue.get("k", timeout="1")),  # type: ignore[arg-type]
        ("prefix", lambda: keyvalue.count(1)),  # type: ignore[arg-type]
        ("list_key", lambda: client.list.length(1)),  # type: ignore[arg-type]
    ]
    for name, call in wrong:
        with pytest.raises(TypeError, match=f"^{name} must be "):
            await call()
    with pytest.raises(TypeError, match=r"^limit must be int, not str"):
        keyvalue.scan(limit="1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^proxy_address must be str"):
        PrismClient(8980)  # type: ignore[arg-type]
    for metadata in ("x-team", ["x-team"], 1):
        with pytest.raises(TypeError, match=r"^metadata must be a mapping, not "):
            PrismClient("localhost:8980", metadata=metadata)  # type: ignore[arg-type]
    for pair in ({1: "orders"}, {"x-team": b"orders"}):
        with pytest.raises(TypeError, match=r"^a (name|value) in metadata must be str, not "):
            PrismClient("localhost:8980", metadata=pair)  # type: ignore[arg-type]


async def test_what_cannot_be_sent_is_refused(client: PrismClient) -> None:
    for timeout in (-1.0, float("nan")):
        with pytest.raises(InvalidArgumentError) as wrong:
            await client.keyvalue.get("k", timeout=timeout)
        assert (wrong.value.code, wrong.value.field) == ("INVALID_ARGUMENT", "timeout")
    with pytest.raises(InvalidArgumentError) as wrong:
        await client.keyvalue.get("\udc80")
    assert (wrong.value.code, wrong.value.field) == ("INVALID_ARGUMENT", "key")
    for unusable in ("no port", "localhost", "https://localhost", ""):
        with pytest.raises(InvalidArgumentError):
            PrismClient(unusable)
    with pytest.raises(InvalidArgumentError) as refused:
        PrismClient("localhost:8980", token="s3cret\n")
    assert "s3cret" not in str(refused.value)


async def test_metadata_is_any_mapping(address: str, key: str) -> None:
    async with PrismClient(address, metadata=MappingProxyType({"x-team": "orders"}), timeout=TIMEOUT) as client:
        await client.keyvalue.set(key, b"v")
    with pytest.raises(InvalidArgumentError, match="X Team"):
        PrismClient(address, metadata=MappingProxyType({"X Team": "orders"}))


def test_settings_are_refused_by_name() -> None:
    for name in ("connections", "scan_connections", "in_flight_max", "attempts_max"):
        for wrong in (0, -1, 2**70):
            with pytest.raises(InvalidArgumentError, match=name) as refused:
                PrismClient("localhost:8980", **{name: wrong})  # type: ignore[arg-type]
            assert refused.value.code == "INVALID_ARGUMENT"
        with pytest.raises(TypeError, match=f"^{name} must be int, not str"):
            PrismClient("localhost:8980", **{name: "2"})  # type: ignore[arg-type]
    for name in ("timeout", "stall_timeout", "connect_timeout"):
        with pytest.raises(InvalidArgumentError) as refused:
            SyncPrismClient("localhost:8980", **{name: -1.0})  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.field) == ("INVALID_ARGUMENT", name)
    with pytest.raises(TypeError, match=r"^tls must be bool, not str"):
        PrismClient("localhost:8980", tls="yes")  # type: ignore[arg-type]


async def test_a_scan_that_stalls_fails_after_the_clients_limit(silent: SilentGateway) -> None:
    silent.begin_scans = True
    async with PrismClient(silent.address, stall_timeout=0.05, attempts_max=1) as client:
        scan = client.keyvalue.scan("p")
        assert await anext(scan) == ("first", b"1")
        with pytest.raises(DeadlineExceededError, match="no entry arrived for 50ms"):
            await anext(scan)


async def test_an_endless_timeout_is_allowed(client: PrismClient, key: str) -> None:
    await client.keyvalue.set(key, b"v", timeout=float("inf"))
    assert await client.keyvalue.get(key, timeout=10**9) == b"v"


async def test_silence_is_a_timeout_error(silent: SilentGateway) -> None:
    async with PrismClient(silent.address) as client:
        with pytest.raises(TimeoutError) as raised:
            await client.keyvalue.get("k", timeout=0.05)
        assert isinstance(raised.value, DeadlineExceededError)
    async with PrismClient(silent.address, timeout=0.05) as client:
        with pytest.raises(DeadlineExceededError):
            await client.list.push_left("k", b"v")


async def test_a_gateway_that_is_down_is_a_connection_error() -> None:
    with socket.socket() as bound:
        # Nobody else can use the port, and nobody listens on it.
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        async with PrismClient(address, timeout=60) as client:
            with pytest.raises(ConnectionError) as raised:
                await client.list.push_left("k", b"v")
    assert isinstance(raised.value, UnavailableError)
    assert raised.value.retryable is True, "it was never sent"
    assert address in str(raised.value)


async def test_a_closed_client_says_so(address: str) -> None:
    client = PrismClient(address)
    async with client:
        pass
    with pytest.raises(ClientClosedError):
        await client.keyvalue.get("k")
    with pytest.raises(ClientClosedError):
        _ = [entry async for entry in client.keyvalue.scan()]
    await client.close()


def test_every_exception_is_exported_and_pickles() -> None:
    for name in prism.errors.__all__:
        error_class = getattr(prism.errors, name)
        if error_class is prism.errors.BatchOutcome:
            continue
        assert issubclass(error_class, PrismError)
        error = error_class("text", code="NOT_FOUND", key="k")
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is error_class
        assert (str(copy), copy.code, copy.key) == ("text", "NOT_FOUND", "k")


def test_sync_errors_are_the_same(sync_client: SyncPrismClient, key: str) -> None:
    with pytest.raises(KeyNotFoundError) as raised:
        sync_client.keyvalue.get(key)
    assert raised.value.key == key
    with pytest.raises(TypeError, match=r"^value must be bytes-like, not str"):
        sync_client.keyvalue.set(key, "text")  # type: ignore[arg-type]


async def test_a_task_may_catch_the_error_of_one_call_among_many(client: PrismClient, key: str) -> None:
    await client.keyvalue.set(key, b"v")
    results = await asyncio.gather(
        *(client.keyvalue.get(key if number % 2 else f"{key}{number}") for number in range(100)),
        return_exceptions=True,
    )
    assert [result for result in results if isinstance(result, bytes)] == [b"v"] * 50
    assert [result.key for result in results if isinstance(result, KeyNotFoundError)] == [
        f"{key}{number}" for number in range(0, 100, 2)
    ]
