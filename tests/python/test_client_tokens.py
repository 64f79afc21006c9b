"""Which token is sent, where it may go, and what happens when it is refused."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prism import PrismClient, SyncPrismClient
from prism.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    PermissionDeniedError,
    PrismError,
    UnauthenticatedError,
)

from conftest import TIMEOUT, Run, eventually
from guarded_gateway import GuardedGateway

SECRET = "s3cret"


@pytest.fixture
def guarded() -> Iterator[GuardedGateway]:
    with GuardedGateway(SECRET) as gateway:
        yield gateway


class Rotating:
    """Returns `token-1`, `token-2` and so on."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        return f"token-{self.asked}"


def shown(error: BaseException) -> str:
    """All that a log may show of an error, which contains no token."""
    text = f"{error} {error!r} {vars(error)}"
    assert SECRET not in text
    return text


async def test_a_refused_token_and_a_missing_right_have_exceptions_of_their_own(guarded: GuardedGateway) -> None:
    async with PrismClient(guarded.address, token=f"not-{SECRET}", timeout=TIMEOUT) as client:
        with pytest.raises(UnauthenticatedError) as refused:
            await client.keyvalue.exists("k")
    assert refused.value.code == "UNAUTHENTICATED" and not refused.value.retryable
    shown(refused.value)
    guarded.denies = True
    async with PrismClient(guarded.address, token=SECRET, timeout=TIMEOUT) as client:
        with pytest.raises(PermissionDeniedError) as denied:
            await client.keyvalue.exists("k")
        assert SECRET not in repr(client) + repr(vars(client))
    assert denied.value.code == "PERMISSION_DENIED"
    shown(denied.value)
    assert isinstance(refused.value, PermissionError) and isinstance(denied.value, PermissionError)


async def test_a_function_is_asked_again_when_its_token_is_refused(guarded: GuardedGateway) -> None:
    source = Rotating()
    async with PrismClient(guarded.address, token=source, timeout=TIMEOUT) as client:
        guarded.accepted = "token-1"
        assert await client.keyvalue.exists("k")
        guarded.accepted = "token-2"
        assert await client.keyvalue.exists("k")
        assert await client.keyvalue.exists("k")
        guarded.accepted = "token-3"
        assert [key async for key in client.keyvalue.scan_keys()] == ["a", "b", "c"]
        assert source.asked == 3
        guarded.accepted = "none of them"
        with pytest.raises(UnauthenticatedError) as refused:
            await client.keyvalue.exists("k")
        assert source.asked == 4, "once for a call"
        assert refused.value.__cause__ is None


async def test_calls_in_flight_share_an_answer(guarded: GuardedGateway) -> None:
    source = Rotating()
    async with PrismClient(guarded.address, token=source, timeout=TIMEOUT) as client:
        guarded.accepted = "token-2"
        assert all(await asyncio.gather(*(client.keyvalue.exists(f"k{number}") for number in range(100))))
    assert source.asked == 2


async def test_a_coroutine_runs_on_the_loop_of_the_call(guarded: GuardedGateway) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def source() -> str:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return SECRET

    async with PrismClient(guarded.address, token=source, timeout=TIMEOUT, traces=True) as client:
        assert await client.keyvalue.exists("k")
        assert [key async for key in client.namespace("n").keyvalue.scan_keys()] == ["a", "b", "c"]
    assert loops == [asyncio.get_running_loop()]


async def test_a_slow_function_costs_the_call_no_more_than_its_timeout(guarded: GuardedGateway) -> None:
    ready = threading.Event()

    def source() -> str:
        ready.wait()
        return SECRET

    async with PrismClient(guarded.address, token=source) as client:
        with pytest.raises(DeadlineExceededError):
            await client.keyvalue.exists("k", timeout=0.05)
        ready.set()
        assert await client.keyvalue.exists("k", timeout=TIMEOUT)


async def test_what_the_function_raises_is_the_cause(guarded: GuardedGateway) -> None:
    class SealedError(Exception):
        pass

    def source() -> str:
        raise SealedError(SECRET)

    async with PrismClient(guarded.address, token=source, timeout=TIMEOUT) as client:
        with pytest.raises(UnauthenticatedError, match="SealedError") as failed:
            await client.keyvalue.exists("k")
        assert isinstance(failed.value.__cause__, SealedError)
        shown(failed.value)
        with pytest.raises(UnauthenticatedError, match="SealedError"):
            await anext(client.keyvalue.scan_keys())
    for wrong, why in [(b"bytes", "TypeError"), (f"{SECRET}\n{SECRET}", "visible ASCII"), ("", "empty")]:
        async with PrismClient(guarded.address, token=lambda: wrong, timeout=TIMEOUT) as client:  # type: ignore  # noqa: B023
            with pytest.raises(UnauthenticatedError, match=why) as failed:
                await client.keyvalue.exists("k")
            shown(failed.value)
    assert guarded.sent == []


def test_sync_calls_have_plain_functions(guarded: GuardedGateway) -> None:
    source = Rotating()
    with SyncPrismClient(guarded.address, token=source, timeout=TIMEOUT) as client:
        guarded.accepted = "token-2"
        assert client.keyvalue.exists("k")
        guarded.accepted = "token-3"
        assert list(client.keyvalue.scan_keys()) == ["a", "b", "c"]
    assert source.asked == 3

    async def coroutine() -> str:
        return SECRET

    with SyncPrismClient(guarded.address, token=coroutine, timeout=TIMEOUT) as client:  # type: ignore[arg-type]
        with pytest.raises(UnauthenticatedError, match="TypeError") as failed:
            client.keyvalue.exists("k")
        assert "not awaitable" in str(failed.value.__cause__)


def test_a_scan_outlives_its_client(guarded: GuardedGateway) -> None:
    scan = SyncPrismClient(guarded.address, token=lambda: SECRET, timeout=TIMEOUT).keyvalue.scan_keys()
    gc.collect()
    assert list(scan) == ["a", "b", "c"]


def test_the_thread_ends_with_its_client(guarded: GuardedGateway) -> None:
    client = SyncPrismClient(guarded.address, token=lambda: SECRET, timeout=TIMEOUT)
    assert client.keyvalue.exists("k")

    def serving() -> bool:
        return any(thread.name == "prism-token" for thread in threading.enumerate())

    assert serving()
    del client
    gc.collect()
    assert eventually(lambda: not serving())


async def test_a_file_is_read_again(guarded: GuardedGateway, tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with PrismClient(guarded.address, token_file=file, timeout=TIMEOUT) as client:
        with pytest.raises(UnauthenticatedError, match="No such file") as missing:
            await client.keyvalue.exists("k")
        assert str(file) in str(missing.value)
        file.write_text(f"{SECRET}\n")
        assert await client.keyvalue.exists("k")
        file.write_text("another\n")
        guarded.accepted = "another"
        assert await client.keyvalue.exists("k")
    with SyncPrismClient(guarded.address, token_file=str(file), timeout=TIMEOUT) as sync_client:
        assert sync_client.keyvalue.exists("k")


@pytest.mark.parametrize("client", [PrismClient, SyncPrismClient])
def test_what_is_no_token_is_refused_at_once(client: type[PrismClient | SyncPrismClient], tmp_path: Path) -> None:
    for wrong in ("", f"{SECRET} {SECRET}", f"{SECRET}\n", f"{SECRET}\u00fc"):
        with pytest.raises(InvalidArgumentError, match="token") as refused:
            client("localhost:8980", token=wrong)
        shown(refused.value)
    with pytest.raises(InvalidArgumentError, match="both"):
        client("localhost:8980", token=SECRET, token_file=tmp_path)
    with pytest.raises(TypeError, match=r"^token must be str, not bytes"):
        client("localhost:8980", token=b"bytes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^token_file must be str or path-like, not int"):
        client("localhost:8980", token_file=1)  # type: ignore[arg-type]


def test_no_token_leaves_this_machine_in_plaintext() -> None:
    for settings in ({"token": SECRET}, {"token": lambda: SECRET}, {"token_file": "/nowhere"}):
        with pytest.raises(PrismError, match="insecure_token") as refused:
            PrismClient("gateway.example:8980", **settings)  # type: ignore[arg-type]
        assert isinstance(refused.value, InvalidArgumentError)
        shown(refused.value)
        PrismClient("gateway.example:8980", insecure_token=True, **settings)  # type: ignore[arg-type]


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")
from prism import SyncPrismClient
asked = []
def source():
    asked.append(os.getpid())
    return sys.argv[2]
client = SyncPrismClient(sys.argv[1], token=source, timeout=60)
assert client.keyvalue.exists("k")
child = os.fork()
assert client.keyvalue.exists("k")
assert list(client.keyvalue.scan_keys()) == ["a", "b", "c"]
if child == 0:
    assert os.getpid() in asked
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert asked == [os.getpid()]
"""


def test_a_forked_child_asks_for_itself(guarded: GuardedGateway, python: Run) -> None:
    ran = python(FORK, guarded.address, SECRET)
    assert (ran.returncode, ran.stderr) == (0, "")


EXITS = """
import sys, threading
from prism import SyncPrismClient
client = SyncPrismClient(sys.argv[1], token=lambda: threading.Event().wait() and "", timeout=60)
threading.Thread(target=lambda: client.keyvalue.exists("k"), daemon=True).start()
other = SyncPrismClient(sys.argv[1], token=lambda: sys.argv[2], timeout=60)
assert other.keyvalue.exists("k")
"""


def test_a_process_ends_while_its_function_hangs(guarded: GuardedGateway, python: Run) -> None:
    for _ in range(10):
        ran = python(EXITS, guarded.address, SECRET)
        assert (ran.returncode, ran.stderr) == (0, "")
