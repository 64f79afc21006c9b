"""One measurement of one Python client: calls of one kind, so many at once, for a time; prints JSON.

    clients.py --client wheel --address HOST:PORT --concurrency 64 --loop uvloop --seconds 3

`grpc-aio` and `grpc-sync` use stubs that grpcio-tools generated into the folder `--stubs`.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

KEY = "bench-python"
VALUE = b"x" * 100
BATCH = [f"batch:{number}" for number in range(100)]
WARMUP_SECONDS = 0.3

AsyncGet = Callable[[], Awaitable[object]]
SyncGet = Callable[[], object]


@contextlib.asynccontextmanager
async def wheel(address: str) -> AsyncIterator[AsyncGet]:
    from prism import PrismClient

    async with PrismClient(address) as client:
        keyvalue = client.keyvalue
        await keyvalue.set(KEY, VALUE)
        yield lambda: keyvalue.get(KEY)


@contextlib.asynccontextmanager
async def grpc_aio(address: str) -> AsyncIterator[AsyncGet]:
    import grpc.aio
    import interfaces.keyvalue_basic_pb2 as messages
    import interfaces.keyvalue_basic_pb2_grpc as stubs

    async with grpc.aio.insecure_channel(address) as channel:
        stub = stubs.KeyValueBasicInterfaceStub(channel)
        await stub.Set(messages.SetRequest(key=KEY, value=VALUE))

        async def get() -> bytes:
            return (await stub.Get(messages.GetRequest(key=KEY), timeout=2)).value

        yield get


@contextlib.asynccontextmanager
async def wheel_get_many(address: str) -> AsyncIterator[AsyncGet]:
    from prism import PrismClient

    async with PrismClient(address) as client:
        keyvalue = client.keyvalue
        await keyvalue.set_many({key: VALUE for key in BATCH})

        async def get() -> bytes:
            return the_same(list((await keyvalue.get_many(BATCH)).values()))

        yield get


@contextlib.asynccontextmanager
async def grpc_aio_gets(address: str) -> AsyncIterator[AsyncGet]:
    import grpc.aio
    import interfaces.keyvalue_basic_pb2 as messages
    import interfaces.keyvalue_basic_pb2_grpc as stubs

    async with grpc.aio.insecure_channel(address) as channel:
        stub = stubs.KeyValueBasicInterfaceStub(channel)
        for key in BATCH:
            await stub.Set(messages.SetRequest(key=key, value=VALUE))

        async def get() -> bytes:
            calls = (stub.Get(messages.GetRequest(key=key), timeout=2) for key in BATCH)
            return the_same([answer.value for answer in await asyncio.gather(*calls)])

        yield get


def the_same(values: list[bytes | None]) -> bytes:
    """The value of a batch whose values must all be the same."""
    if values != [VALUE] * len(BATCH):
        sys.exit("a batch returned wrong values")
    return VALUE


@contextlib.asynccontextmanager
async def redis_asyncio(address: str) -> AsyncIterator[AsyncGet]:
    import redis.asyncio

    async with redis.asyncio.Redis.from_url(f"redis://{address}") as client:
        await client.set(KEY, VALUE)
        yield lambda: client.get(KEY)


@contextlib.contextmanager
def wheel_sync(address: str) -> Iterator[SyncGet]:
    from prism import SyncPrismClient

    with SyncPrismClient(address) as client:
        keyvalue = client.keyvalue
        keyvalue.set(KEY, VALUE)
        yield lambda: keyvalue.get(KEY)


@contextlib.contextmanager
def grpc_sync(address: str) -> Iterator[SyncGet]:
    import grpc
    import interfaces.keyvalue_basic_pb2 as messages
    import interfaces.keyvalue_basic_pb2_grpc as stubs

    with grpc.insecure_channel(address) as channel:
        stub = stubs.KeyValueBasicInterfaceStub(channel)
        stub.Set(messages.SetRequest(key=KEY, value=VALUE))
        yield lambda: stub.Get(messages.GetRequest(key=KEY), timeout=2).value


ASYNC_CLIENTS = {
    "wheel": wheel,
    "grpc-aio": grpc_aio,
    "redis-asyncio": redis_asyncio,
    "wheel-get-many": wheel_get_many,
    "grpc-aio-gets": grpc_aio_gets,
}
SYNC_CLIENTS = {"wheel-sync": wheel_sync, "grpc-sync": grpc_sync}


def check(value: object) -> None:
    if value != VALUE:
        sys.exit("a get returned the wrong value")


async def measure_async(client: str, address: str, concurrency: int, seconds: float) -> dict[str, object]:
    async with ASYNC_CLIENTS[client](address) as get:
        check(await get())

        async def worker(until: float, times: list[float]) -> None:
            now = time.perf_counter()
            while now < until:
                begun = now
                value = await get()
                now = time.perf_counter()
                times.append(now - begun)
                if value != VALUE:
                    check(value)

        async def run(duration: float) -> list[list[float]]:
            times: list[list[float]] = [[] for _ in range(concurrency)]
            until = time.perf_counter() + duration
            await asyncio.gather(*(worker(until, own) for own in times))
            return times

        await run(WARMUP_SECONDS)
        wall, cpu = time.perf_counter(), time.process_time()
        times = await run(seconds)
        return outcome(times, time.perf_counter() - wall, time.process_time() - cpu)


def measure_sync(client: str, address: str, concurrency: int, seconds: float) -> dict[str, object]:
    with SYNC_CLIENTS[client](address) as get:
        check(get())
        failures: list[BaseException] = []

        def worker(until: float, times: list[float]) -> None:
            try:
                now = time.perf_counter()
                while now < until:
                    begun = now
                    value = get()
                    now = time.perf_counter()
                    times.append(now - begun)
                    if value != VALUE:
                        raise ValueError("a get returned the wrong value")
            except BaseException as failure:
                failures.append(failure)

        def run(duration: float) -> list[list[float]]:
            times: list[list[float]] = [[] for _ in range(concurrency)]
            until = time.perf_counter() + duration
            threads = [threading.Thread(target=worker, args=(until, own)) for own in times]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if failures:
                raise failures[0]
            return times

        run(WARMUP_SECONDS)
        wall, cpu = time.perf_counter(), time.process_time()
        times = run(seconds)
        return outcome(times, time.perf_counter() - wall, time.process_time() - cpu)


def outcome(times: list[list[float]], wall: float, cpu: float) -> dict[str, object]:
    counts = collections.Counter(round(one * 1e6) for own in times for one in own)
    requests = sum(counts.values())
    return {
        "requests": requests,
        "requests_per_second": requests / wall,
        "cpu_us": cpu * 1e6 / max(requests, 1),
        "histogram": sorted(counts.items()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", required=True, choices=[*ASYNC_CLIENTS, *SYNC_CLIENTS])
    parser.add_argument("--address", required=True)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--stubs", default=None)
    args = parser.parse_args()
    if args.stubs:
        sys.path.insert(0, args.stubs)
    if args.client in SYNC_CLIENTS:
        measured = measure_sync(args.client, args.address, args.concurrency, args.seconds)
    else:
        import uvloop

        factory = uvloop.new_event_loop if args.loop == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            measured = runner.run(measure_async(args.client, args.address, args.concurrency, args.seconds))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
