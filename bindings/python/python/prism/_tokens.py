"""Tokens from a function of the application. A thread of the client's own calls it when the client needs one, so that a
call that waits for it keeps its deadline, and calls in flight share it."""

from __future__ import annotations

import os
import threading
import weakref
from asyncio import get_running_loop, run_coroutine_threadsafe
from inspect import isawaitable, iscoroutine
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

from prism._completions import Calls
from prism.errors import UnauthenticatedError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Awaitable, Callable

    from prism import _native

T = TypeVar("T")
_Ts = TypeVarTuple("_Ts")

# Seconds for a coroutine; the native half waits no longer.
_ANSWER_MAX: Final = 30.0


class Tokens(Calls):
    """Makes the calls of one client whose tokens are the results of a function."""

    __slots__ = ("__weakref__", "_client", "_failure", "_loop", "_process", "_source")

    def __init__(self, client: _native.Client, source: Callable[[], str | Awaitable[str]]) -> None:
        self._client = client
        self._source = source
        self._failure: BaseException | None = None
        # The event loop that made the last call: coroutines run there.
        self._loop: AbstractEventLoop | None = None
        # The process in which a thread answers: a fork leaves the parent's behind.
        self._process: int | None = None

    async def run(self, verb: Callable[[_native.Completions, *_Ts], _native._Ticket[T]], *arguments: *_Ts) -> T:
        self._serve(get_running_loop())
        try:
            return await super().run(verb, *arguments)
        except UnauthenticatedError as error:
            raise error from self._failure

    def wait(self, verb: Callable[[None, *_Ts], T], *arguments: *_Ts) -> T:
        self._serve(None)
        try:
            return super().wait(verb, *arguments)
        except UnauthenticatedError as error:
            raise error from self._failure

    def _serve(self, loop: AbstractEventLoop | None) -> None:
        """Starts this process's thread, unless it runs. Two threads that race for it start two, which do no harm."""
        self._loop = loop
        if self._process != (process := os.getpid()):
            self._process = process
            arguments = (weakref.ref(self), self._client.token_questions())
            threading.Thread(target=_answer, args=arguments, name="prism-token", daemon=True).start()

    def _answer(self, question: _native.TokenQuestion) -> None:
        try:
            token = self._token()
            self._failure = None
            question.answer(token)
        except BaseException as failure:  # whatever the application's function raises
            self._failure = failure
            question.fail(type(failure).__qualname__)

    def _token(self) -> str:
        token = self._source()
        if not isinstance(token, str) and isawaitable(token):
            if self._loop is None:
                if iscoroutine(token):
                    token.close()
                raise TypeError("the token of a SyncPrismClient must be str, not awaitable")
            token = run_coroutine_threadsafe(_awaited(token), self._loop).result(_ANSWER_MAX)
        return token


async def _awaited(token: Awaitable[str]) -> str:
    return await token


def _answer(tokens: weakref.ref[Tokens], questions: _native.TokenQuestions) -> None:
    while tokens() is not None:
        question = questions.next()
        if question is not None and (client := tokens()) is not None:
            client._answer(question)
            del client
