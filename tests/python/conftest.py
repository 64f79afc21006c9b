"""What the tests share: the gateway's address (PRISM_ADDRESS, default localhost:8980), clients and unique keys."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from prism import PrismClient, SyncPrismClient

from silent_gateway import SilentGateway

# Seconds for calls that must not fail: a busy machine is not a failure.
TIMEOUT = 60


@pytest.fixture(scope="session")
def address() -> str:
    return os.environ.get("PRISM_ADDRESS", "localhost:8980")


@pytest.fixture
async def client(address: str) -> AsyncIterator[PrismClient]:
    async with PrismClient(address, timeout=TIMEOUT) as client:
        yield client


@pytest.fixture
def sync_client(address: str) -> Iterator[SyncPrismClient]:
    with SyncPrismClient(address, timeout=TIMEOUT) as client:
        yield client


@pytest.fixture
def key(address: str) -> Iterator[str]:
    """A prefix that no other run uses. Keys that begin with it, and the list of that name, are removed afterwards."""
    prefix = f"test-{uuid.uuid4()}:"
    yield prefix
    with SyncPrismClient(address, timeout=TIMEOUT) as client:
        for left in client.keyvalue.scan_keys(prefix):
            client.keyvalue.delete(left)
        while client.list.pop_left(prefix) is not None:
            pass


@pytest.fixture
def silent() -> Iterator[SilentGateway]:
    """A gateway that accepts calls but does not respond."""
    with SilentGateway() as gateway:
        yield gateway


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def python(address: str) -> Run:
    """Runs a program in a separate Python process, with the gateway's address in PRISM_ADDRESS."""

    def run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-W", "error", "-c", program, *arguments]
        with subprocess.Popen(
            command,
            env={**os.environ, "PRISM_ADDRESS": address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, errors = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # its children, too
                raise
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    return run


def eventually(holds: Callable[[], bool], within_seconds: float = 60.0) -> bool:
    """Whether `holds` becomes true in time."""
    give_up = time.monotonic() + within_seconds
    while not holds():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True
