"""Values under a lease, through a gateway."""

import asyncio
import threading

import pytest
from prism import JSON, UTF8, PrismClient, SyncPrismClient
from prism.errors import InvalidArgumentError, LeaseEndedError, PrismError


async def test_a_block_that_ends_removes_its_values(client: PrismClient, key: str) -> None:
    await client.list.push_many(key, [b"a", b"b", b"c"])
    async with client.list.reserve(key, count=2) as reserved:
        assert list(reserved) == [b"a", b"b"]
        assert (len(reserved), reserved[-1], reserved[:1]) == (2, b"b", [b"a"])
        assert reserved.deliveries == [1, 1]
        assert await client.list.length(key) == 1, "reserved values are no part of the list"
        assert repr(reserved) == "<Lease of 2 values>"
    async with client.list.reserve(key, from_right=True) as reserved:
        assert list(reserved) == [b"c"]
    async with client.list.reserve(key) as reserved:
        assert not reserved and reserved.deliveries == []
        assert (await reserved.ack(), await reserved.release()) == (0, 0)
        await reserved.extend(1)


async def test_an_exception_returns_them_at_once_and_goes_on(client: PrismClient, key: str) -> None:
    await client.list.push_many(key, [b"a", b"b"])
    for delivery in (1, 2):
        with pytest.raises(ZeroDivisionError):
            async with client.list.reserve(key, lease=3600, count=5) as reserved:
                assert (list(reserved), reserved.deliveries) == ([b"a", b"b"], [delivery] * 2)
                raise ZeroDivisionError
    assert await client.list.range(key) == [b"a", b"b"]


async def test_a_block_that_is_cancelled_returns_them(client: PrismClient, key: str) -> None:
    await client.list.push_right(key, b"a")
    begun = asyncio.Event()

    async def work() -> None:
        async with client.list.reserve(key, lease=3600):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await client.list.range(key) == [b"a"]


async def test_a_closed_coroutine_leaves_them_to_the_end_of_the_lease(client: PrismClient, key: str) -> None:
    await client.list.push_right(key, b"a")
    reservation = client.list.reserve(key, lease=0.5)
    await reservation.__aenter__()
    with pytest.raises(StopIteration):  # It ends without waiting for anything.
        reservation.__aexit__(GeneratorExit, GeneratorExit(), None).send(None)
    assert await client.list.blocking_pop_left(key, wait=60) == b"a"


async def test_a_lease_that_has_ended_is_an_error(client: PrismClient, key: str) -> None:
    await client.list.push_right(key, b"a")
    with pytest.raises(LeaseEndedError) as ended:
        async with client.list.reserve(key, lease=0.05):
            # It waits for the value that the lease returns.
            assert await client.list.blocking_pop_left(key, wait=60) == b"a"
    assert (ended.value.reason, ended.value.code, ended.value.key) == ("LEASE_ENDED", "NOT_FOUND", key)
    assert ended.value.operation == "list.ack"
    assert isinstance(ended.value, LookupError) and not isinstance(ended.value, KeyError)

    # A release that fails does not hide why it was tried.
    await client.list.push_right(key, b"a")
    with pytest.raises(ZeroDivisionError):
        async with client.list.reserve(key, lease=0.05):
            assert await client.list.blocking_pop_left(key, wait=60) == b"a"
            raise ZeroDivisionError

    # By hand, the error is told once: the end of the block does nothing.
    await client.list.push_right(key, b"a")
    async with client.list.reserve(key, lease=0.05) as reserved:
        assert await client.list.blocking_pop_left(key, wait=60) == b"a"
        for call in (reserved.ack(), reserved.extend(1), reserved.release()):
            with pytest.raises(LeaseEndedError):
                await call


async def test_by_hand(client: PrismClient, key: str) -> None:
    await client.list.push_many(key, [b"a", b"b"])
    async with client.list.reserve(key, lease=1) as reserved:
        await reserved.extend(3600)
        async with client.list.reserve(key, lease=3600) as other:
            assert await other.release() == 1
            assert await client.list.range(key) == [b"b"]
        assert await reserved.ack() == 1
        with pytest.raises(LeaseEndedError):
            await reserved.ack()
    with pytest.raises(ZeroDivisionError):
        async with client.list.reserve(key) as reserved:
            await reserved.ack()
            raise ZeroDivisionError
    assert await client.list.length(key) == 0, "what is acknowledged does not return"


async def test_values_that_fail_too_often_move_away(client: PrismClient, key: str) -> None:
    dead = key + "dead"
    await client.list.push_right(key, b"poison")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with client.list.reserve(key, max_deliveries=2, dead_letter=dead) as reserved:
                assert list(reserved) == [b"poison"]
                raise ZeroDivisionError
    async with client.list.reserve(key, max_deliveries=2, dead_letter=dead) as reserved:
        assert not reserved
    assert await client.list.clear(dead) == 1


async def test_a_reserve_waits_for_its_value(client: PrismClient, key: str) -> None:
    # The wait is longer than the call may take: its deadline counts in addition.
    async with client.list.reserve(key, wait=0.4, timeout=0.3) as reserved:
        assert not reserved

    async def reserve() -> list[bytes]:
        async with client.list.reserve(key, wait=60) as reserved:
            return list(reserved)

    waiting = asyncio.create_task(reserve())
    await asyncio.sleep(0)
    await client.list.push_left(key, b"late")
    assert await waiting == [b"late"]


async def test_what_is_out_of_range_is_refused(client: PrismClient, key: str) -> None:
    for arguments, reason, field in (
        ({"lease": 0}, "LEASE_INVALID", "lease_millis"),
        ({"lease": 43_201}, "LEASE_INVALID", "lease_millis"),
        ({"lease": -1}, None, "lease"),
        ({"count": 0}, "LIMIT_INVALID", "count"),
        ({"count": 1001}, "BATCH_TOO_LARGE", "count"),
        ({"count": -1}, None, "count"),
        ({"wait": 300.5}, "WAIT_INVALID", "wait"),
        ({"wait": float("inf")}, "WAIT_INVALID", "wait"),
        ({"max_deliveries": 3}, None, "dead_letter"),
        ({"dead_letter": "dead"}, None, "max_deliveries"),
        ({"max_deliveries": 0, "dead_letter": "dead"}, "LIMIT_INVALID", "max_deliveries"),
    ):
        with pytest.raises(InvalidArgumentError) as refused:
            async with client.list.reserve(key, **arguments):  # type: ignore[arg-type]
                pass
        assert (refused.value.reason, refused.value.field) == (reason, field), arguments
    with pytest.raises(TypeError, match=r"^count must be int, not str"):
        async with client.list.reserve(key, count="1"):  # type: ignore[arg-type]
            pass
    reservation = client.list.reserve(key)
    for _ in range(2):
        async with reservation:
            with pytest.raises(RuntimeError, match="in use"):
                async with reservation:
                    pass


def test_values_follow_the_codec(sync_client: SyncPrismClient, key: str) -> None:
    jobs = sync_client.namespace("default", codec=JSON).list
    jobs.push_many(key, [{"id": 1}, [2]])
    with jobs.reserve(key, count=2) as reserved:
        assert list(reserved) == [{"id": 1}, [2]]
    sync_client.list.push_right(key, b"\xff")
    text = sync_client.namespace("default", codec=UTF8).list
    with pytest.raises(UnicodeDecodeError), text.reserve(key, lease=3600):
        pass
    assert sync_client.list.pop_left(key) == b"\xff", "what cannot be decoded returns"


def test_the_sync_twin_does_the_same(sync_client: SyncPrismClient, key: str) -> None:
    jobs = sync_client.list
    jobs.push_many(key, [b"a", b"b"])
    with jobs.reserve(key, lease=3600) as reserved, jobs.reserve(key, from_right=True) as other:
        assert (list(reserved), list(other), reserved.deliveries) == ([b"a"], [b"b"], [1])
        reserved.extend(60)
        assert other.release() == 1
    with pytest.raises(KeyboardInterrupt), jobs.reserve(key, lease=3600):
        raise KeyboardInterrupt
    assert jobs.range(key) == [b"b"]
    with pytest.raises(LeaseEndedError), jobs.reserve(key, lease=0.05):
        assert jobs.blocking_pop_left(key, wait=60) == b"b"
    jobs.push_right(key, b"c")
    with jobs.reserve(key) as reserved:
        assert reserved.ack() == 1
        with pytest.raises(LeaseEndedError):
            reserved.release()
    with jobs.reserve(key) as reserved:
        assert not reserved and (reserved.ack(), reserved.release()) == (0, 0)
        reserved.extend(1)
    reservation = jobs.reserve(key)
    with reservation, pytest.raises(RuntimeError, match="in use"), reservation:
        pass


def test_workers_share_a_queue_and_lose_nothing(sync_client: SyncPrismClient, key: str) -> None:
    done: list[bytes] = []

    def work(fails: bool) -> None:
        while True:
            try:
                with sync_client.list.reserve(key, lease=3600, count=3) as reserved:
                    if not reserved:
                        return
                    if fails and 1 in reserved.deliveries:
                        raise RuntimeError("a bad day")
                    done.extend(reserved)
            except RuntimeError as error:
                assert not isinstance(error, PrismError)

    values = [b"%d" % number for number in range(30)]
    sync_client.list.push_many(key, values)
    workers = [threading.Thread(target=work, args=(number == 0,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    work(fails=False)
    assert sorted(done) == sorted(values)


async def test_another_namespace_and_its_handle(client: PrismClient, key: str) -> None:
    other = client.namespace("other").list
    await other.push_many(key, [b"a", b"b"])
    async with client.list.reserve(key, "other") as first, other.reserve(key) as second:
        assert (list(first), list(second)) == ([b"a"], [b"b"])
    assert await other.length(key) == 0
