"""Binds native calls to asyncio: one `Completions` for each event loop, woken by a file descriptor."""

from __future__ import annotations

import select
import threading
import weakref
from asyncio import get_running_loop
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

from prism import _native, errors
from prism.imported import Imported

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable, Iterator

T = TypeVar("T")
_Ts = TypeVarTuple("_Ts")


class Calls:
    """How a client's calls are made. `_tokens.Tokens` and `_traces.Traces` do more."""

    __slots__ = ()

    async def run(self, verb: Callable[[_native.Completions, *_Ts], _native._Ticket[T]], *arguments: *_Ts) -> T:
        """Starts a native call and returns its result. Cancelling it resets the call's stream."""
        loop: Any = get_running_loop()
        try:
            completions: Completions = loop._prism_completions
        except AttributeError:
            completions = loop._prism_completions = _attach(loop)
        try:
            ticket = verb(completions.native, *arguments)
        except _native.Failure as failure:
            raise _exception(failure) from None
        future: Future[T] = loop.create_future()
        completions.futures[ticket] = future
        try:
            return await future
        except BaseException:  # cancelled, or the coroutine is closed
            completions.cancel(ticket)
            raise

    def wait(self, verb: Callable[[None, *_Ts], T], *arguments: *_Ts) -> T:
        """Makes a native call, waits, and returns its result."""
        return call(verb, None, *arguments)

    def scan(self, verb: Callable[[*_Ts], _native.Scan[T]], *arguments: *_Ts) -> _native.Scan[T]:
        """Makes a native scan."""
        return call(verb, *arguments)

    @contextmanager
    def imports(self, verb: Callable[[*_Ts], _native.Import], *arguments: *_Ts) -> Iterator[_native.Import]:
        """A native import, for the block that gives it items and ends it."""
        opened = call(verb, *arguments)
        try:
            yield opened
        finally:
            opened.close()

    async def part(self, verb: Callable[[_native.Completions, *_Ts], _native._Ticket[T]], *arguments: *_Ts) -> T:
        """Makes a part of a scan or an import, as `run` makes a call."""
        return await self.run(verb, *arguments)

    def wait_part(self, verb: Callable[[None, *_Ts], T], *arguments: *_Ts) -> T:
        """The same for code without an event loop."""
        return self.wait(verb, *arguments)


CALLS: Final = Calls()


def call(native: Callable[[*_Ts], T], *arguments: *_Ts) -> T:
    """Calls the native half, and raises the exception of its failure."""
    try:
        return native(*arguments)
    except _native.Failure as failure:
        raise _exception(failure) from None


def _exception(failure: BaseException) -> BaseException:
    if not isinstance(failure, _native.Failure):
        return failure
    facts = failure.args[0]
    items = facts.pop("batch", None)
    imported = facts.pop("imported", None)
    error = _error(facts)
    if imported is not None:
        error.imported = Imported(*imported)
        error.message += f"; {error.imported.items} items were dealt with before: see `imported`"
    if items is not None:
        error.batch = _outcome(items)
        counts = map(len, (error.batch.applied, error.batch.not_applied, error.batch.uncertain))
        error.message += "; of {} items, {} succeeded, {} were not applied, {} may have been: see `batch`".format(
            len(items), *counts
        )
    return error


def _error(facts: dict[str, Any]) -> errors.PrismError:
    error: type[errors.PrismError] = getattr(errors, facts.pop("error"))
    return error(**facts)


def _outcome(items: list[tuple[str, bool | None, dict[str, Any] | None]]) -> errors.BatchOutcome:
    applied: list[str] = []
    not_applied: dict[str, errors.PrismError] = {}
    uncertain: dict[str, errors.PrismError] = {}
    for key, is_not_applied, facts in items:
        if facts is None:
            applied.append(key)
        else:
            (not_applied if is_not_applied else uncertain)[key] = _error(facts)
    return errors.BatchOutcome(tuple(applied), not_applied, uncertain)


class Completions:
    """The calls of one event loop in flight. It lives as long as the loop."""

    __slots__ = ("__weakref__", "futures", "native")

    def __init__(self) -> None:
        self.native = _native.Completions()
        self.futures: dict[int, Future[Any]] = {}

    def drain(self) -> None:
        """Sets the futures of all available results. Called by the loop, on its thread."""
        results = self.native.take()
        for ticket, value, failure in results:
            future = self.futures.pop(ticket, None)
            if future is None or future.done():
                continue
            if failure is None:
                future.set_result(value)
            else:
                future.set_exception(_exception(failure))
        if len(results) > 1:
            # Runs after the tasks that were just woken, in the same turn of the loop.
            get_running_loop().call_soon(self.native.release)

    def cancel(self, ticket: int) -> None:
        """Cancels a call, unless its result has been taken."""
        if self.futures.pop(ticket, None) is not None:
            self.native.cancel(ticket)


def _attach(loop: AbstractEventLoop) -> Completions:
    completions = Completions()
    try:
        loop.add_reader(completions.native.fileno(), completions.drain)
    except NotImplementedError:
        # For a loop that cannot watch a file descriptor, a thread does.
        watching = (weakref.ref(loop), weakref.ref(completions), completions.native.fileno())
        threading.Thread(target=_watch, args=watching, name="prism-completions", daemon=True).start()
    return completions


def _watch(loop: weakref.ref[AbstractEventLoop], completions: weakref.ref[Completions], descriptor: int) -> None:
    # Checks now and then whether there is still a loop to wake.
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
                return  # closed in the meantime
            drained.wait(1.0)
        del owner, watched
