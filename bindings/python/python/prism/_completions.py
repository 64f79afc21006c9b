"""Binds native calls to asyncio: one `Completions` for each event loop, woken by a file descriptor."""

import asyncio
import os
import select
import threading
import weakref
from asyncio import AbstractEventLoop, CancelledError, Future
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

from prism import _native
from prism._native import Completions

T = TypeVar("T")
_Ts = TypeVarTuple("_Ts")

# A forked child must not touch what belongs to the parent's background thread.
os.register_at_fork(after_in_child=_native.forked)


def current() -> Completions:
    """The completions of the running loop, made when first asked for. They live as long as the loop."""
    loop: Any = asyncio.get_running_loop()
    try:
        completions: Completions = loop._prism_completions
    except AttributeError:
        completions = loop._prism_completions = _attach(loop)
    return completions


async def run(verb: Callable[[Completions, *_Ts], tuple[Future[T], int]], *arguments: *_Ts) -> T:
    """Starts a native call and returns its result. Cancelling it resets the call's stream."""
    completions = current()
    future, ticket = verb(completions, *arguments)
    try:
        return await future
    except CancelledError:
        completions.cancel(ticket)
        raise


def _attach(loop: AbstractEventLoop) -> Completions:
    completions = Completions(loop)
    try:
        loop.add_reader(completions.fileno(), completions.drain)
    except NotImplementedError:
        # A loop that cannot watch a file descriptor: a thread watches it instead.
        watching = (weakref.ref(loop), weakref.ref(completions), completions.fileno())
        threading.Thread(target=_watch, args=watching, name="prism-completions", daemon=True).start()
    return completions


def _watch(loop: "weakref.ref[AbstractEventLoop]", completions: "weakref.ref[Completions]", descriptor: int) -> None:
    # Looks up now and then to see whether anyone is left to wake.
    while (watched := completions()) is not None:
        ready = select.select([descriptor], [], [], 1.0)[0]
        owner = loop()
        if owner is None or owner.is_closed():
            return
        if ready:
            drained = threading.Event()

            def drain(watched: Completions = watched, drained: threading.Event = drained) -> None:
                watched.drain()
                drained.set()

            try:
                owner.call_soon_threadsafe(drain)
            except RuntimeError:
                return  # closed meanwhile
            drained.wait(1.0)
        del owner, watched
