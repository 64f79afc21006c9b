# The native half of the package. With `completions`, a verb returns a ticket for its result at once; with None it waits
# and returns the result, or raises `Failure`.

from collections.abc import Mapping
from os import PathLike
from typing import Any, Generic, TypeAlias, TypeVar, final, overload

_BytesLike: TypeAlias = bytes | bytearray | memoryview

__all__ = ["Client", "Completions", "Failure", "Scan", "TokenQuestion", "TokenQuestions"]

_T = TypeVar("_T")

# Identifies a call in flight whose result is a `_T`.
class _Ticket(int, Generic[_T]): ...

class Failure(Exception): ...

@final
class Completions:
    def __new__(cls) -> Completions: ...
    def fileno(self) -> int: ...
    def take(self) -> list[tuple[int, Any, BaseException | None]]: ...
    def release(self) -> None: ...
    def cancel(self, ticket: int) -> None: ...

@final
class Scan(Generic[_T]):
    @overload
    def fetch(self, completions: None) -> None: ...
    @overload
    def fetch(self, completions: Completions) -> _Ticket[None]: ...
    def take(self) -> list[_T] | None: ...
    def resume_token(self) -> bytes | None: ...
    def close(self) -> None: ...

@final
class TokenQuestions:
    def next(self) -> TokenQuestion | None: ...

@final
class TokenQuestion:
    def answer(self, token: str) -> None: ...
    def fail(self, reason: str) -> None: ...

@final
class Client:
    def __new__(
        cls,
        proxy_address: str,
        token: str | None,
        token_file: str | PathLike[str] | None,
        asks_for_tokens: bool,
        insecure_token: bool,
        tls: bool,
        ca_file: str | PathLike[str] | None,
        certificate_file: str | PathLike[str] | None,
        key_file: str | PathLike[str] | None,
        server_name: str | None,
        metadata: Mapping[str, str] | None,
        timeout: float | None,
    ) -> Client: ...
    def close(self) -> None: ...
    def token_questions(self) -> TokenQuestions: ...
    def with_metadata(self, metadata: Mapping[str, str]) -> Client: ...
    def scan(
        self,
        prefix: str,
        namespace: str,
        limit: int,
        start_after: str | None,
        resume: _BytesLike | None,
        timeout: float | None,
    ) -> Scan[tuple[str, bytes]]: ...
    def scan_keys(
        self,
        prefix: str,
        namespace: str,
        limit: int,
        start_after: str | None,
        resume: _BytesLike | None,
        timeout: float | None,
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
    ) -> _Ticket[None]: ...
    @overload
    def get(self, completions: None, key: str, namespace: str, timeout: float | None) -> bytes: ...
    @overload
    def get(
        self, completions: Completions, key: str, namespace: str, timeout: float | None
    ) -> _Ticket[bytes]: ...
    @overload
    def delete(self, completions: None, key: str, namespace: str, timeout: float | None) -> bool: ...
    @overload
    def delete(
        self, completions: Completions, key: str, namespace: str, timeout: float | None
    ) -> _Ticket[bool]: ...
    @overload
    def exists(self, completions: None, key: str, namespace: str, timeout: float | None) -> bool: ...
    @overload
    def exists(
        self, completions: Completions, key: str, namespace: str, timeout: float | None
    ) -> _Ticket[bool]: ...
    @overload
    def count(self, completions: None, prefix: str, namespace: str, timeout: float | None) -> int: ...
    @overload
    def count(
        self, completions: Completions, prefix: str, namespace: str, timeout: float | None
    ) -> _Ticket[int]: ...
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
    ) -> _Ticket[int]: ...
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
    ) -> _Ticket[int]: ...
    @overload
    def pop_left(self, completions: None, list_key: str, namespace: str, timeout: float | None) -> bytes | None: ...
    @overload
    def pop_left(
        self, completions: Completions, list_key: str, namespace: str, timeout: float | None
    ) -> _Ticket[bytes | None]: ...
    @overload
    def pop_right(self, completions: None, list_key: str, namespace: str, timeout: float | None) -> bytes | None: ...
    @overload
    def pop_right(
        self, completions: Completions, list_key: str, namespace: str, timeout: float | None
    ) -> _Ticket[bytes | None]: ...
    @overload
    def length(self, completions: None, list_key: str, namespace: str, timeout: float | None) -> int: ...
    @overload
    def length(
        self, completions: Completions, list_key: str, namespace: str, timeout: float | None
    ) -> _Ticket[int]: ...
