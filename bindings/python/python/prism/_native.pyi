# The native half of the package. With `completions` a verb returns at once, with an asyncio future of its result and
# the ticket that cancels it; with None it waits and returns the result.

from asyncio import AbstractEventLoop, Future
from collections.abc import Mapping
from typing import Generic, TypeAlias, TypeVar, final, overload

_BytesLike: TypeAlias = bytes | bytearray | memoryview

__all__ = ["Client", "Completions", "Scan", "forked"]

_T = TypeVar("_T")

def forked() -> None: ...

@final
class Completions:
    def __new__(cls, event_loop: AbstractEventLoop) -> Completions: ...
    def fileno(self) -> int: ...
    def drain(self) -> None: ...
    def cancel(self, ticket: int) -> None: ...

@final
class Scan(Generic[_T]):
    @overload
    def next(self, completions: None) -> list[_T] | None: ...
    @overload
    def next(self, completions: Completions) -> tuple[Future[list[_T] | None], int]: ...
    def close(self) -> None: ...

@final
class Client:
    def __new__(
        cls,
        proxy_address: str,
        token: str | None,
        metadata: Mapping[str, str] | None,
        timeout: float | None,
    ) -> Client: ...
    def close(self) -> None: ...
    def scan(
        self, prefix: str, namespace: str, limit: int, start_after: str | None, timeout: float | None
    ) -> Scan[tuple[str, bytes]]: ...
    def scan_keys(
        self, prefix: str, namespace: str, limit: int, start_after: str | None, timeout: float | None
    ) -> Scan[str]: ...
    @overload
    def set(
        self,
        completions: None,
        key: str,
        value: _BytesLike,
        namespace: str,
        ttl_seconds: int | None,
        timeout: float | None,
    ) -> None: ...
    @overload
    def set(
        self,
        completions: Completions,
        key: str,
        value: _BytesLike,
        namespace: str,
        ttl_seconds: int | None,
        timeout: float | None,
    ) -> tuple[Future[None], int]: ...
    @overload
    def get(self, completions: None, key: str, namespace: str, timeout: float | None) -> bytes: ...
    @overload
    def get(
        self, completions: Completions, key: str, namespace: str, timeout: float | None
    ) -> tuple[Future[bytes], int]: ...
    @overload
    def delete(self, completions: None, key: str, namespace: str, timeout: float | None) -> bool: ...
    @overload
    def delete(
        self, completions: Completions, key: str, namespace: str, timeout: float | None
    ) -> tuple[Future[bool], int]: ...
    @overload
    def exists(self, completions: None, key: str, namespace: str, timeout: float | None) -> bool: ...
    @overload
    def exists(
        self, completions: Completions, key: str, namespace: str, timeout: float | None
    ) -> tuple[Future[bool], int]: ...
    @overload
    def count(self, completions: None, prefix: str, namespace: str, timeout: float | None) -> int: ...
    @overload
    def count(
        self, completions: Completions, prefix: str, namespace: str, timeout: float | None
    ) -> tuple[Future[int], int]: ...
    @overload
    def push_left(
        self, completions: None, list_key: str, value: _BytesLike, namespace: str, timeout: float | None
    ) -> int: ...
    @overload
    def push_left(
        self,
        completions: Completions,
        list_key: str,
        value: _BytesLike,
        namespace: str,
        timeout: float | None,
    ) -> tuple[Future[int], int]: ...
    @overload
    def push_right(
        self, completions: None, list_key: str, value: _BytesLike, namespace: str, timeout: float | None
    ) -> int: ...
    @overload
    def push_right(
        self,
        completions: Completions,
        list_key: str,
        value: _BytesLike,
        namespace: str,
        timeout: float | None,
    ) -> tuple[Future[int], int]: ...
    @overload
    def pop_left(self, completions: None, list_key: str, namespace: str, timeout: float | None) -> bytes | None: ...
    @overload
    def pop_left(
        self, completions: Completions, list_key: str, namespace: str, timeout: float | None
    ) -> tuple[Future[bytes | None], int]: ...
    @overload
    def pop_right(self, completions: None, list_key: str, namespace: str, timeout: float | None) -> bytes | None: ...
    @overload
    def pop_right(
        self, completions: Completions, list_key: str, namespace: str, timeout: float | None
    ) -> tuple[Future[bytes | None], int]: ...
    @overload
    def length(self, completions: None, list_key: str, namespace: str, timeout: float | None) -> int: ...
    @overload
    def length(
        self, completions: Completions, list_key: str, namespace: str, timeout: float | None
    ) -> tuple[Future[int], int]: ...
