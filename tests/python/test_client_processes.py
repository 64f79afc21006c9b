"""Forks, signals and exits: each program runs in a separate process."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import Run, eventually
from silent_gateway import SilentGateway

FORK = """
import asyncio, ctypes, gc, os, sys
from prism import PrismClient, SyncPrismClient
address, key = os.environ["PRISM_ADDRESS"], sys.argv[1]
# C's own runs no hook of os.register_at_fork, as a server that forks in C does not.
fork = ctypes.PyDLL(None).fork if "in C" in sys.argv else os.fork
client, sync_client = PrismClient(address, timeout=60), SyncPrismClient(address, timeout=60)

async def use(value):
    await client.keyvalue.set(key, value)
    assert await client.keyvalue.get(key) == value
    assert [name async for name in client.keyvalue.scan_keys(key)] == [key]

asyncio.run(use(b"parent"))
assert sync_client.keyvalue.get(key) == b"parent"
begun = sync_client.keyvalue.scan(key)
assert next(begun) == (key, b"parent")
for _ in range(3):
    child = fork()
    if child == 0:
        try:
            assert sync_client.keyvalue.get(key) == b"parent"
            with SyncPrismClient(address, timeout=60) as own:
                assert own.keyvalue.get(key) == b"parent"
            asyncio.run(use(b"child"))
            sync_client.keyvalue.set(key, b"parent")
            for forgotten in (client, sync_client):
                del forgotten
            begun.close()
            del client, sync_client, begun
            gc.collect()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    # The parent's connections are as they were.
    assert sync_client.keyvalue.get(key) == b"parent"
    asyncio.run(use(b"parent"))
sync_client.keyvalue.delete(key)
print("done")
"""

FORK_UNDER_LOAD = """
import os, sys, threading
from prism import SyncPrismClient
address, key = os.environ["PRISM_ADDRESS"], sys.argv[1]
client = SyncPrismClient(address, timeout=60)
client.keyvalue.set(key, b"v")
stop = threading.Event()
failures = []

def load():
    try:
        while not stop.is_set():
            assert client.keyvalue.get(key) == b"v"
    except BaseException as error:
        failures.append(error)

threads = [threading.Thread(target=load) for _ in range(4)]
for thread in threads:
    thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert client.keyvalue.get(key) == b"v"
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
stop.set()
for thread in threads:
    thread.join()
assert failures == [], failures
client.keyvalue.delete(key)
print("done")
"""

MULTIPROCESSING = """
import multiprocessing, os, sys
from prism import SyncPrismClient
address, key = os.environ["PRISM_ADDRESS"], sys.argv[1]
client = SyncPrismClient(address, timeout=60)

def work(number):
    client.keyvalue.set(f"{key}{number}", b"v")
    return client.keyvalue.get(f"{key}{number}")

if __name__ == "__main__":
    client.keyvalue.set(key, b"v")
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(work, range(40)) == [b"v"] * 40
    for number in range(40):
        assert client.keyvalue.delete(f"{key}{number}")
    client.keyvalue.delete(key)
    print("done")
"""


# Python 3.12 and later warn about any fork of a process with threads, which is what is tested here.
@pytest.mark.parametrize(
    "program", [(FORK,), (FORK, "in C"), (FORK_UNDER_LOAD,), (MULTIPROCESSING,)], ids=["once", "in C", "load", "pool"]
)
def test_a_forked_child_connects_anew(python: Run, key: str, program: tuple[str, ...]) -> None:
    text, *how = program
    ran = python("import warnings; warnings.simplefilter('ignore')\n" + text, key, *how)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "done\n", "")


# What belongs to the parent is refused in the child: a loop, a scan, and a call that a signal's handler interrupts.
FORK_AND_GO_ON = """
import asyncio, os, signal, sys, threading
from prism import SyncPrismClient, PrismClient
client, beside = SyncPrismClient(sys.argv[1]), PrismClient(sys.argv[1])
loop = asyncio.new_event_loop()

async def call():
    await asyncio.wait([asyncio.ensure_future(beside.keyvalue.get("k", timeout=600))], timeout=0)

loop.run_until_complete(call())

def handler(signum, frame):
    global child
    child = os.fork()
    if child != 0:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        raise KeyboardInterrupt
    signal.alarm(60)  # ends a child that hangs

signal.signal(signal.SIGUSR1, handler)
print("waiting", flush=True)
try:
    client.keyvalue.get("k", timeout=600)
except KeyboardInterrupt:
    sys.exit(0)
except RuntimeError as error:
    assert child == 0 and "after a fork" in str(error), error
try:
    loop.run_until_complete(beside.keyvalue.get("k", timeout=600))
except RuntimeError as error:
    assert "after a fork" in str(error), error
    os._exit(3)
"""


def test_a_forked_child_is_told_what_it_cannot_use(silent: SilentGateway) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORK_AND_GO_ON, silent.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        assert eventually(lambda: silent.asked() == 2)
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == "3\n"
        assert process.wait(60) == 0


# A shell that starts tests in the background makes them ignore SIGINT.
SYNC_WAIT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from prism import SyncPrismClient
client = SyncPrismClient(sys.argv[1])
print("waiting", flush=True)
try:
    client.keyvalue.get("k", timeout=600)
except KeyboardInterrupt:
    print("interrupted", flush=True)
sys.stdin.read()
"""


def test_ctrl_c_ends_a_sync_call_promptly(silent: SilentGateway) -> None:
    command = [sys.executable, "-c", SYNC_WAIT, silent.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        assert eventually(lambda: silent.asked() == 1)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - sent < 30
        assert eventually(lambda: silent.reset() == 1)
        process.stdin.close()
        assert process.wait(60) == 0


# The other thread starts once the call waits, and interrupts it after many turns.
SYNC_WAIT_BESIDE = """
import signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from prism import SyncPrismClient
client = SyncPrismClient(sys.argv[1])
def turns():
    sys.stdin.readline()
    for _ in range(10_000):
        time.sleep(0)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
threading.Thread(target=turns, daemon=True).start()
try:
    client.keyvalue.get("k", timeout=60)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_sync_call_lets_other_threads_run(silent: SilentGateway) -> None:
    command = [sys.executable, "-c", SYNC_WAIT_BESIDE, silent.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert eventually(lambda: silent.asked() == 1)
        output, _ = process.communicate("begin\n")
    assert (process.returncode, output) == (0, "interrupted\n")


README = Path(__file__).parents[2] / "bindings" / "python" / "README.md"


def test_the_example_of_the_readme_runs(python: Run, address: str) -> None:
    example = README.read_text().split("```python\n")[1].split("```")[0]
    assert "localhost:8980" in example
    # A busy machine is not a failure.
    ran = python(example.replace("localhost:8980", address).replace("timeout=0.5", "timeout=60"))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == ["b'alice'", "user:1 b'alice'", "b'first'", "missing KEY_NOT_FOUND"]


# As in the README.
GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, gevent.hub, sys
from prism import PrismError, SyncPrismClient
from prism.errors import UnavailableError
gevent.hub.Hub.NOT_ERROR += (PrismError,)
client = SyncPrismClient(sys.argv[1], attempts_max=1)

def get():
    try:
        gevent.get_hub().threadpool.apply(client.keyvalue.get, ("k",), {"timeout": 600})
    except UnavailableError as error:
        print(error.code)

calls = [gevent.spawn(get) for _ in range(5)]
gevent.sleep(0)
print("the hub turns", flush=True)
gevent.joinall(calls)
"""


def test_greenlets_call_at_once_by_gevents_thread_pool(silent: SilentGateway) -> None:
    command = [sys.executable, "-c", GEVENT, silent.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "the hub turns\n"
        assert eventually(lambda: silent.asked() == 5)
        silent.hang_up()
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "UNAVAILABLE\n" * 5, "")


# Lets threads switch at every opportunity, even while the interpreter ends.
RESTLESS = "import sys; sys.setswitchinterval(1e-6)"

EXITS = [
    # Calls in flight on a loop that is stopped, and a client that is never closed.
    """
import asyncio, os, sys
from prism import PrismClient
client = PrismClient(os.environ["PRISM_ADDRESS"])
async def main():
    await client.keyvalue.exists("k")
    tasks = [asyncio.ensure_future(client.keyvalue.get("k")) for _ in range(20)]
    await asyncio.sleep(0)
    os.environ.get("X") or sys.exit(0)
asyncio.run(main())
""",
    # Daemon threads that wait in a call.
    """
import os, threading
from prism import SyncPrismClient
client = SyncPrismClient(os.environ["PRISM_ADDRESS"])
def load():
    while True:
        client.keyvalue.exists("k")
for _ in range(4):
    threading.Thread(target=load, daemon=True).start()
client.keyvalue.exists("k")
""",
    # An event loop in a daemon thread, with a scan and calls in flight.
    """
import asyncio, os, threading
from prism import PrismClient, SyncPrismClient
started = threading.Event()
async def load():
    client = PrismClient(os.environ["PRISM_ADDRESS"])
    scan = client.keyvalue.scan("")
    await anext(scan, None)
    started.set()
    while True:
        await asyncio.gather(*(client.keyvalue.exists("k") for _ in range(10)))
threading.Thread(target=lambda: asyncio.run(load()), daemon=True).start()
started.wait()
""",
    # Only an import, and a client that never connects.
    """
from prism import PrismClient, SyncPrismClient
clients = PrismClient("localhost:1"), SyncPrismClient("localhost:1")
""",
]


def test_200_short_processes_end_cleanly(python: Run) -> None:
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        ran = list(pool.map(python, [RESTLESS + EXITS[number % len(EXITS)] for number in range(200)]))
    failed = [
        (number % len(EXITS), run.returncode, run.stderr) for number, run in enumerate(ran) if run.returncode != 0
    ]
    assert failed == []
