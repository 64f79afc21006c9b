"""Every call of KeyValue and List, and expiry, against a running gateway.

    prism dev
    pip install -v ./bindings/python
    python examples/demo.py [ADDRESS]

Its keys and lists begin with a prefix of their own and are removed at the end, so that it can run again, and beside
others. Every answer is checked: the demo ends with 0 only if all are as promised.
"""

import asyncio
import contextlib
import sys
import time
import uuid

from prism import PrismClient, PrismError
from prism.errors import KeyNotFoundError

# How long the demo waits for a key with a time to live of a second to go, in seconds.
EXPIRY_PATIENCE = 10

PREFIX = f"demo-{uuid.uuid4()}:"


class UnexpectedAnswerError(Exception):
    """The gateway did not answer as promised."""


def check(what: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise UnexpectedAnswerError(f"{what} should be {expected!r}, and is {actual!r}")


async def show_keyvalue(client: PrismClient) -> None:
    print("\n=== KeyValue ===")
    keyvalue = client.keyvalue
    users, alice, bob = PREFIX + "user:", PREFIX + "user:alice", PREFIX + "user:bob"

    print("\n1. Set two keys ...")
    await keyvalue.set(alice, b'{"name": "Alice", "age": 30}')
    await keyvalue.set(bob, b'{"name": "Bob", "age": 25}')
    print("   ✓ user:alice and user:bob are set")

    print("\n2. Get a value ...")
    value = await keyvalue.get(alice)
    check("the value of user:alice", value, b'{"name": "Alice", "age": 30}')
    print(f"   ✓ user:alice = {value.decode()}")

    print("\n3. Scan, scan keys and count the prefix user: ...")
    found = []
    async for key, value in keyvalue.scan(users):
        print(f"   ✓ {key.removeprefix(PREFIX)} = {value.decode()}")
        found.append(key)
    check("the keys of the scan", sorted(found), [alice, bob])
    keys = [key async for key in keyvalue.scan_keys(users, limit=1)]
    check("the number of keys in a scan limited to one", len(keys), 1)
    print(f"   ✓ the first key is {keys[0].removeprefix(PREFIX)}")
    check("the count", await keyvalue.count(users), 2)
    print("   ✓ 2 keys are counted")

    await show_expiry(client, PREFIX + "session:123")

    print("\n5. Delete a key ...")
    check("whether user:bob was deleted", await keyvalue.delete(bob), True)
    print("   ✓ user:bob is deleted")
    check("whether user:bob was deleted again", await keyvalue.delete(bob), False)
    print("   ✓ deleting it again finds nothing")
    try:
        await keyvalue.get(bob)
    except KeyNotFoundError as error:
        print(f"   ✓ getting it fails: {error}")
    else:
        raise UnexpectedAnswerError("user:bob is still there")


async def show_expiry(client: PrismClient, session: str) -> None:
    print("\n4. Set a key that lives for 1 hour ...")
    await client.keyvalue.set(session, b"temporary", ttl_seconds=3600)
    check("whether session:123 exists", await client.keyvalue.exists(session), True)
    print("   ✓ session:123 exists: True")
    print("   Setting it again, to live for 1 second ...")
    await client.keyvalue.set(session, b"temporary", ttl_seconds=1)
    print("   Waiting for it to expire ...")
    begun = time.monotonic()
    while await client.keyvalue.exists(session):
        if time.monotonic() - begun > EXPIRY_PATIENCE:
            raise UnexpectedAnswerError(f"session:123 is still there after {EXPIRY_PATIENCE} s")
        await asyncio.sleep(0.1)
    print("   ✓ session:123 exists: False")


async def show_list(client: PrismClient) -> None:
    print("\n=== List ===")
    queue, stack = PREFIX + "queue", PREFIX + "stack"

    print("\n1. A queue, first in, first out: push right, pop left ...")
    for task in (b"task-1", b"task-2", b"task-3"):
        await client.list.push_right(queue, task)
    length = await client.list.push_left(queue, b"task-0, which is urgent")
    check("the length after the pushes", length, 4)
    check("the length", await client.list.length(queue), 4)
    print(f"   ✓ the queue holds {length}: three pushed at the right, an urgent one at the left")
    order = []
    while (popped := await client.list.pop_left(queue)) is not None:
        print(f"   ✓ processed {popped.decode()}")
        order.append(popped)
    check("the order", order, [b"task-0, which is urgent", b"task-1", b"task-2", b"task-3"])

    print("\n2. A stack, last in, first out: push right, pop right ...")
    for page in (b"page-1", b"page-2", b"page-3"):
        await client.list.push_right(stack, page)
    print(f"   ✓ the stack holds {await client.list.length(stack)}")
    order = []
    while (popped := await client.list.pop_right(stack)) is not None:
        print(f"   ✓ popped {popped.decode()}")
        order.append(popped)
    check("the order", order, [b"page-3", b"page-2", b"page-1"])
    check("the length of the emptied stack", await client.list.length(stack), 0)


async def clean_up(client: PrismClient) -> None:
    """Removes what a run leaves, also one that failed midway."""
    async for key in client.keyvalue.scan_keys(PREFIX):
        await client.keyvalue.delete(key)
    for name in ("queue", "stack"):
        while await client.list.pop_left(PREFIX + name) is not None:
            pass


async def demo(address: str) -> None:
    print(f"Prism at {address}")
    async with PrismClient(address) as client:
        try:
            await show_keyvalue(client)
            await show_list(client)
        except BaseException:
            # What failed is told, not that cleaning up after it fails, too.
            with contextlib.suppress(PrismError):
                await clean_up(client)
            raise
        await clean_up(client)


def main() -> int:
    address = sys.argv[1] if len(sys.argv) > 1 else "localhost:8980"
    try:
        asyncio.run(demo(address))
    except (PrismError, UnexpectedAnswerError) as error:
        print(f"\n❌ The demo failed: {error}", file=sys.stderr)
        return 1
    print("\n✅ The demo is complete: every answer was as promised.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
