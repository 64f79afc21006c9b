"""Event loops of every kind, and tasks that are cancelled."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable

import pytest
import uvloop
from prism import PrismClient, SyncPrismClient
from prism.errors import AbortedError, ClientClosedError, UnavailableError

from conftest import TIMEOUT, eventually
from silent_gateway import SilentGateway


def descriptors() -> int:
    import os

    return len(os.listdir("/proc/self/fd"))


def test_loops_one_after_another_with_one_client(address: str, key: str) -> None:
    client = PrismClient(address, timeout=TIMEOUT)

    async def use(number: int) -> None:
        await client.keyvalue.set(key, str(number).encode())
        assert await client.keyvalue.get(key) == str(number).encode()

    asyncio.run(use(-1))
    open_before = descriptors()
    for number in range(100):
        asyncio.run(use(number))
    assert descriptors() <= open_before + 2, "a loop that is gone left its descriptor behind"


def test_loops_one_after_another_with_new_clients(address: str, key: str) -> None:
    async def use() -> None:
        async with PrismClient(address, timeout=TIMEOUT) as client:
            await client.keyvalue.set(key, b"v")

    asyncio.run(use())
    open_before = descriptors()
    for _ in range(50):
        asyncio.run(use())
    assert eventually(lambda: descriptors() <= open_before + 2), "a closed client left its connections behind"


def test_many_loops_at_once_share_a_client(address: str, key: str) -> None:
    client = PrismClient(address, timeout=TIMEOUT)
    failures: list[BaseException] = []

    async def use(name: str) -> None:
        for number in range(50):
            await client.keyvalue.set(key + name, str(number).encode())
            values = await asyncio.gather(*(client.keyvalue.get(key + name) for _ in range(8)))
            assert values == [str(number).encode()] * 8

    def work(name: str) -> None:
        try:
            asyncio.run(use(name))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_threads_share_a_sync_client(sync_client: SyncPrismClient, key: str) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(100):
                sync_client.keyvalue.set(key + name, str(number).encode())
                assert sync_client.keyvalue.get(key + name) == str(number).encode()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


class NoReaderLoop(asyncio.SelectorEventLoop):
    """A loop that cannot watch descriptors, like Windows' default."""

    def add_reader(self, fd: object, callback: object, *args: object) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("factory", [asyncio.SelectorEventLoop, uvloop.new_event_loop, NoReaderLoop])
def test_every_sort_of_loop(address: str, key: str, factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def use() -> None:
        async with PrismClient(address, timeout=TIMEOUT) as client:
            await client.keyvalue.set(key, b"v")
            for _ in range(3):
                assert await asyncio.gather(*(client.keyvalue.get(key) for _ in range(100))) == [b"v"] * 100
            assert [name async for name in client.keyvalue.scan_keys(key)] == [key]

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(use())


async def test_a_cancelled_task_resets_its_call(silent: SilentGateway) -> None:
    async with PrismClient(silent.address) as client:
        tasks = [asyncio.create_task(client.keyvalue.get("k", timeout=600)) for _ in range(20)]
        assert await asyncio.to_thread(eventually, lambda: silent.asked() == 20)
        assert silent.reset() == 0
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        assert await asyncio.to_thread(eventually, lambda: silent.reset() == 20)


async def test_an_asyncio_timeout_resets_its_call(silent: SilentGateway) -> None:
    async with PrismClient(silent.address) as client:
        task = asyncio.create_task(client.list.push_left("k", b"v", timeout=600))
        assert await asyncio.to_thread(eventually, lambda: silent.asked() == 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await task
        assert await asyncio.to_thread(eventually, lambda: silent.reset() == 1)


async def test_a_closed_coroutine_resets_its_call(silent: SilentGateway) -> None:
    async with PrismClient(silent.address) as client:
        call = client.list.push_left("k", b"v", timeout=600)
        call.send(None)
        assert await asyncio.to_thread(eventually, lambda: silent.asked() == 1)
        call.close()
        assert await asyncio.to_thread(eventually, lambda: silent.reset() == 1)


async def test_breaking_out_of_a_scan_resets_it(silent: SilentGateway) -> None:
    silent.begin_scans = True
    async with PrismClient(silent.address) as client:
        async for entry in client.keyvalue.scan("p"):
            assert entry == ("first", b"1")
            break
        assert await asyncio.to_thread(eventually, lambda: silent.reset() == 1)

        silent.with_values = False
        scan = client.keyvalue.scan_keys("p")
        assert await anext(scan) == "first"
        await scan.aclose()
        assert await asyncio.to_thread(eventually, lambda: silent.reset() == 2)
        with pytest.raises(StopAsyncIteration):
            await anext(scan)


async def test_a_scan_that_resumes_in_other_data_is_aborted(silent: SilentGateway) -> None:
    silent.begin_scans = True
    async with PrismClient(silent.address) as client:
        scan = client.keyvalue.scan("p")
        assert await anext(scan) == ("first", b"1")
        silent.hang_up()
        with pytest.raises(AbortedError) as raised:
            await anext(scan)
        assert (raised.value.code, raised.value.reason) == ("ABORTED", "SCAN_INTERRUPTED")
        assert raised.value.retryable is True, "it may be started over"


async def test_a_scan_survives_giving_up_on_its_next_entry(silent: SilentGateway) -> None:
    silent.begin_scans = True
    async with PrismClient(silent.address) as client:
        scan = client.keyvalue.scan("p")
        assert await anext(scan) == ("first", b"1")
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(scan), 0.02)
        assert silent.reset() == 0, "the scan goes on"
        del scan
        assert await asyncio.to_thread(eventually, lambda: silent.reset() == 1)


async def test_no_entry_is_lost_by_giving_up(client: PrismClient, key: str) -> None:
    names = [f"{key}{index:04}" for index in range(600)]
    await asyncio.gather(*(client.keyvalue.set(name, b"v") for name in names))
    found: list[str] = []
    scan = client.keyvalue.scan_keys(key)
    gave_up = 0
    while True:
        waiting = asyncio.ensure_future(anext(scan, None))
        await asyncio.sleep(0)
        if gave_up < 500 and not waiting.done():
            gave_up += 1
            waiting.cancel()
            for _ in range(gave_up % 7):
                await asyncio.sleep(0)
        try:
            name = await waiting
        except asyncio.CancelledError:
            continue
        if name is None:
            break
        found.append(name)
    assert found == names
    assert gave_up > 0


async def test_tasks_may_share_a_scan(client: PrismClient, key: str) -> None:
    names = [f"{key}{index:04}" for index in range(1000)]
    await asyncio.gather(*(client.keyvalue.set(name, b"v") for name in names))
    scan = client.keyvalue.scan_keys(key)

    async def read() -> list[str]:
        return [name async for name in scan]

    parts = await asyncio.gather(*(read() for _ in range(4)))
    assert sorted(name for part in parts for name in part) == names


def test_a_loop_closed_with_calls_pending_is_collected(silent: SilentGateway) -> None:
    client = PrismClient(silent.address)

    async def leave() -> None:
        task = asyncio.ensure_future(client.keyvalue.get("k", timeout=0.2))
        await asyncio.to_thread(eventually, lambda: silent.asked() > 0)
        task.cancel()

    loop = asyncio.new_event_loop()
    future = None

    async def begin() -> None:
        nonlocal future
        future = asyncio.ensure_future(client.keyvalue.get("k", timeout=0.2))
        await asyncio.sleep(0)

    loop.run_until_complete(begin())
    loop.close()
    gone = weakref.ref(loop)
    # A task that nobody awaits complains when it is collected, which is what is tested here.
    assert future is not None
    future._log_destroy_pending = False  # type: ignore[attr-defined]
    del loop, future
    gc.collect()
    assert gone() is None
    asyncio.run(leave())


async def test_clients_are_collected_with_their_connections(address: str, key: str) -> None:
    open_before = descriptors()
    for _ in range(20):
        client = PrismClient(address, timeout=TIMEOUT)
        await client.keyvalue.set(key, b"v")
        del client
    gc.collect()
    assert await asyncio.to_thread(eventually, lambda: descriptors() <= open_before + 2)


async def test_calls_under_way_outlive_close(address: str, key: str) -> None:
    client = PrismClient(address, timeout=TIMEOUT)
    await client.keyvalue.set(key, b"v")
    under_way = [asyncio.ensure_future(client.keyvalue.get(key)) for _ in range(10)]
    await asyncio.sleep(0)
    await client.close()
    results = await asyncio.gather(*under_way, return_exceptions=True)
    assert all(result == b"v" or isinstance(result, ClientClosedError) for result in results)


async def test_a_gateway_that_goes_away_is_noticed(silent: SilentGateway) -> None:
    async with PrismClient(silent.address) as client:
        task = asyncio.create_task(client.list.push_left("k", b"v", timeout=30))
        # It asks what the backend promises, and pushes once it cannot find out.
        for asked in (1, 2):
            assert await asyncio.to_thread(eventually, lambda asked=asked: silent.asked() == asked)
            silent.hang_up()
        with pytest.raises(UnavailableError) as raised:
            await task
        assert raised.value.retryable is False, "it may have been applied"
