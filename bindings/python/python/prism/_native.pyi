# The native half of the package. With `completions`, a verb returns a ticket for its result at once; with None it waits
# and returns the result, or raises `Failure`.

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, final, overload

_BytesLike: TypeAlias = bytes | bytearray | memoryview
_KeyItem: TypeAlias = tuple[str, _BytesLike, float | None, int | None]
_ListPart: TypeAlias = tuple[str, list[_BytesLike], int, bool, int | None]
_Item: TypeAlias = _KeyItem | _ListPart

__all__ = ["Client", "Completions", "Failure", "Import", "Scan", "TokenQuestion", "TokenQuestions"]

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
class Import:
    @overload
    def send(self, completions: None, items: list[_Item]) -> None: ...
    @overload
    def send(self, completions: Completions, items: list[_Item]) -> _Ticket[None]: ...
    @overload
    def finish(self, completions: None) -> tuple[int, int]: ...
    @overload
    def finish(self, completions: Completions) -> _Ticket[tuple[int, int]]: ...
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
    def __new__(cls, proxy_address: str, asks_for_tokens: bool, settings: dict[str, Any]) -> Client: ...
    def close(self) -> None: ...
    def token_questions(self) -> TokenQuestions: ...
    def with_metadata(self, metadata: Mapping[str, str]) -> Client: ...

    # In each of these, the namespace is the last argument but the timeout.
    def scan(
        self,
        prefix: str,
        limit: int,
        start_after: str | None,
        before: str | None,
        reverse: bool,
        with_ttl: bool,
        resume: _BytesLike | None,
        namespace: str,
        timeout: float | None,
    ) -> Scan[Any]: ...
    def scan_keys(
        self,
        prefix: str,
        limit: int,
        start_after: str | None,
        before: str | None,
        reverse: bool,
        resume: _BytesLike | None,
        namespace: str,
        timeout: float | None,
    ) -> Scan[str]: ...
    def lists(
        self, prefix: str, limit: int, resume: _BytesLike | None, namespace: str, timeout: float | None
    ) -> Scan[tuple[str, int]]: ...
    def export(self, prefix: str, resume: _BytesLike | None, namespace: str, timeout: float | None) -> Scan[Any]: ...
    def import_items(self, if_absent: bool, deadline: bool, namespace: str, timeout: float | None) -> Import: ...
    @overload
    def set(
        self,
        completions: None,
        key: str,
        value: _BytesLike,
        ttl_seconds: float | None,
        namespace: str,
        timeout: float | None,
    ) -> None: ...
    @overload
    def set(
        self,
        completions: Completions,
        key: str,
        value: _BytesLike,
        ttl_seconds: float | None,
        namespace: str,
        timeout: float | None,
    ) -> _Ticket[None]: ...
    @overload
    def get(self, completions: None, key: str, namespace: str, timeout: float | None) -> bytes: ...
    @overload
    def get(self, completions: Completions, key: str, namespace: str, timeout: float | None) -> _Ticket[bytes]: ...
    @overload
    def find(self, completions: None, key: str, namespace: str, timeout: float | None) -> bytes | None: ...
    @overload
    def find(
        self, completions: Completions, key: str, namespace: str, timeout: float | None
    ) -> _Ticket[bytes | None]: ...
    @overload
    def delete(self, completions: None, key: str, namespace: str, timeout: float | None) -> bool: ...
    @overload
    def delete(self, completions: Completions, key: str, namespace: str, timeout: float | None) -> _Ticket[bool]: ...
    @overload
    def exists(self, completions: None, key: str, namespace: str, timeout: float | None) -> bool: ...
    @overload
    def exists(self, completions: Completions, key: str, namespace: str, timeout: float | None) -> _Ticket[bool]: ...
    @overload
    def count(self, completions: None, prefix: str, namespace: str, timeout: float | None) -> int: ...
    @overload
    def count(self, completions: Completions, prefix: str, namespace: str, timeout: float | None) -> _Ticket[int]: ...
    @overload
    def set_if_absent(
        self,
        completions: None,
        key: str,
        value: _BytesLike,
        ttl_seconds: float | None,
        namespace: str,
        timeout: float | None,
    ) -> bool: ...
    @overload
    def set_if_absent(
        self,
        completions: Completions,
        key: str,
        value: _BytesLike,
        ttl_seconds: float | None,
        namespace: str,
        timeout: float | None,
    ) -> _Ticket[bool]: ...
    @overload
    def set_if(
        self,
        completions: None,
        key: str,
        value: _BytesLike,
        absent: bool,
        present: bool,
        equals: _BytesLike | None,
        equals_sha256: _BytesLike | None,
        differs: _BytesLike | None,
        ttl_seconds: float | None,
        return_current: bool,
        namespace: str,
        timeout: float | None,
    ) -> tuple[bool, bytes | None]: ...
    @overload
    def set_if(
        self,
        completions: Completions,
        key: str,
        value: _BytesLike,
        absent: bool,
        present: bool,
        equals: _BytesLike | None,
        equals_sha256: _BytesLike | None,
        differs: _BytesLike | None,
        ttl_seconds: float | None,
        return_current: bool,
        namespace: str,
        timeout: float | None,
    ) -> _Ticket[tuple[bool, bytes | None]]: ...
    @overload
    def delete_if(
        self,
        completions: None,
        key: str,
        present: bool,
        equals: _BytesLike | None,
        equals_sha256: _BytesLike | None,
        differs: _BytesLike | None,
        return_current: bool,
        namespace: str,
        timeout: float | None,
    ) -> tuple[bool, bytes | None]: ...
    @overload
    def delete_if(
        self,
        completions: Completions,
        key: str,
        present: bool,
        equals: _BytesLike | None,
        equals_sha256: _BytesLike | None,
        differs: _BytesLike | None,
        return_current: bool,
        namespace: str,
        timeout: float | None,
    ) -> _Ticket[tuple[bool, bytes | None]]: ...
    @overload
    def get_and_set(
        self,
        completions: None,
        key: str,
        value: _BytesLike,
        ttl_seconds: float | None,
        namespace: str,
        timeout: float | None,
    ) -> bytes | None: ...
    @overload
    def get_and_set(
        self,
        completions: Completions,
        key: str,
        value: _BytesLike,
        ttl_seconds: float | None,
        namespace: str,
        timeout: float | None,
    ) -> _Ticket[bytes | None]: ...
    @overload
    def get_and_delete(self, completions: None, key: str, namespace: str, timeout: float | None) -> bytes | None: ...
    @overload
    def get_and_delete(
        self, completions: Completions, key: str, namespace: str, timeout: float | None
    ) -> _Ticket[bytes | None]: ...
    @overload
    def increment(
        self,
        completions: None,
        key: str,
        delta: int,
        initial: int,
        ttl_seconds: float | None,
        namespace: str,
        timeout: float | None,
    ) -> int: ...
    @overload
    def increment(
        self,
        completions: Completions,
        key: str,
        delta: int,
        initial: int,
        ttl_seconds: float | None,
        namespace: str,
        timeout: float | None,
    ) -> _Ticket[int]: ...
    @overload
    def get_ttl(self, completions: None, key: str, namespace: str, timeout: float | None) -> float | None: ...
    @overload
    def get_ttl(
        self, completions: Completions, key: str, namespace: str, timeout: float | None
    ) -> _Ticket[float | None]: ...
    @overload
    def expire(
        self, completions: None, key: str, ttl_seconds: float, namespace: str, timeout: float | None
    ) -> bool: ...
    @overload
    def expire(
        self, completions: Completions, key: str, ttl_seconds: float, namespace: str, timeout: float | None
    ) -> _Ticket[bool]: ...
    @overload
    def persist(self, completions: None, key: str, namespace: str, timeout: float | None) -> bool: ...
    @overload
    def persist(self, completions: Completions, key: str, namespace: str, timeout: float | None) -> _Ticket[bool]: ...
    @overload
    def get_many(
        self, completions: None, keys: list[str], namespace: str, timeout: float | None
    ) -> list[bytes | None]: ...
    @overload
    def get_many(
        self, completions: Completions, keys: list[str], namespace: str, timeout: float | None
    ) -> _Ticket[list[bytes | None]]: ...
    @overload
    def set_many(
        self,
        completions: None,
        keys: list[str],
        values: Sequence[_BytesLike],
        ttl_seconds: float | None,
        namespace: str,
        timeout: float | None,
    ) -> list[None]: ...
    @overload
    def set_many(
        self,
        completions: Completions,
        keys: list[str],
        values: Sequence[_BytesLike],
        ttl_seconds: float | None,
        namespace: str,
        timeout: float | None,
    ) -> _Ticket[list[None]]: ...
    @overload
    def delete_many(self, completions: None, keys: list[str], namespace: str, timeout: float | None) -> list[bool]: ...
    @overload
    def delete_many(
        self, completions: Completions, keys: list[str], namespace: str, timeout: float | None
    ) -> _Ticket[list[bool]]: ...
    @overload
    def delete_prefix(
        self, completions: None, prefix: str, limit: int, namespace: str, timeout: float | None
    ) -> int: ...
    @overload
    def delete_prefix(
        self, completions: Completions, prefix: str, limit: int, namespace: str, timeout: float | None
    ) -> _Ticket[int]: ...
    @overload
    def push_left(
        self, completions: None, list_key: str, value: _BytesLike, namespace: str, timeout: float | None
    ) -> int: ...
    @overload
    def push_left(
        self, completions: Completions, list_key: str, value: _BytesLike, namespace: str, timeout: float | None
    ) -> _Ticket[int]: ...
    @overload
    def push_right(
        self, completions: None, list_key: str, value: _BytesLike, namespace: str, timeout: float | None
    ) -> int: ...
    @overload
    def push_right(
        self, completions: Completions, list_key: str, value: _BytesLike, namespace: str, timeout: float | None
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
    @overload
    def push_many(
        self,
        completions: None,
        list_key: str,
        values: Sequence[_BytesLike],
        at: str,
        max_len: int | None,
        namespace: str,
        timeout: float | None,
    ) -> int: ...
    @overload
    def push_many(
        self,
        completions: Completions,
        list_key: str,
        values: Sequence[_BytesLike],
        at: str,
        max_len: int | None,
        namespace: str,
        timeout: float | None,
    ) -> _Ticket[int]: ...
    @overload
    def pop_many(
        self, completions: None, list_key: str, count: int, at: str, namespace: str, timeout: float | None
    ) -> list[bytes]: ...
    @overload
    def pop_many(
        self, completions: Completions, list_key: str, count: int, at: str, namespace: str, timeout: float | None
    ) -> _Ticket[list[bytes]]: ...
    @overload
    def blocking_pop(
        self, completions: None, list_key: str, wait: float, at: str, namespace: str, timeout: float | None
    ) -> bytes | None: ...
    @overload
    def blocking_pop(
        self, completions: Completions, list_key: str, wait: float, at: str, namespace: str, timeout: float | None
    ) -> _Ticket[bytes | None]: ...
    @overload
    def reserve(
        self,
        completions: None,
        list_key: str,
        lease: float,
        count: int,
        wait: float,
        at: str,
        max_deliveries: int | None,
        dead_letter: str | None,
        namespace: str,
        timeout: float | None,
    ) -> tuple[bytes, list[tuple[bytes, int]]]: ...
    @overload
    def reserve(
        self,
        completions: Completions,
        list_key: str,
        lease: float,
        count: int,
        wait: float,
        at: str,
        max_deliveries: int | None,
        dead_letter: str | None,
        namespace: str,
        timeout: float | None,
    ) -> _Ticket[tuple[bytes, list[tuple[bytes, int]]]]: ...
    @overload
    def ack(self, completions: None, list_key: str, token: bytes, namespace: str, timeout: float | None) -> int: ...
    @overload
    def ack(
        self, completions: Completions, list_key: str, token: bytes, namespace: str, timeout: float | None
    ) -> _Ticket[int]: ...
    @overload
    def extend(
        self, completions: None, list_key: str, token: bytes, lease: float, namespace: str, timeout: float | None
    ) -> None: ...
    @overload
    def extend(
        self, completions: Completions, list_key: str, token: bytes, lease: float, namespace: str, timeout: float | None
    ) -> _Ticket[None]: ...
    @overload
    def release(self, completions: None, list_key: str, token: bytes, namespace: str, timeout: float | None) -> int: ...
    @overload
    def release(
        self, completions: Completions, list_key: str, token: bytes, namespace: str, timeout: float | None
    ) -> _Ticket[int]: ...
    @overload
    def range(
        self, completions: None, list_key: str, start: int, stop: int, namespace: str, timeout: float | None
    ) -> list[bytes]: ...
    @overload
    def range(
        self, completions: Completions, list_key: str, start: int, stop: int, namespace: str, timeout: float | None
    ) -> _Ticket[list[bytes]]: ...
    @overload
    def trim(
        self, completions: None, list_key: str, start: int, stop: int, namespace: str, timeout: float | None
    ) -> int: ...
    @overload
    def trim(
        self, completions: Completions, list_key: str, start: int, stop: int, namespace: str, timeout: float | None
    ) -> _Ticket[int]: ...
    @overload
    def clear(self, completions: None, list_key: str, namespace: str, timeout: float | None) -> int: ...
    @overload
    def clear(self, completions: Completions, list_key: str, namespace: str, timeout: float | None) -> _Ticket[int]: ...
    @overload
    def get_at(
        self, completions: None, list_key: str, index: int, namespace: str, timeout: float | None
    ) -> bytes | None: ...
    @overload
    def get_at(
        self, completions: Completions, list_key: str, index: int, namespace: str, timeout: float | None
    ) -> _Ticket[bytes | None]: ...
    @overload
    def set_at(
        self, completions: None, list_key: str, index: int, value: _BytesLike, namespace: str, timeout: float | None
    ) -> None: ...
    @overload
    def set_at(
        self,
        completions: Completions,
        list_key: str,
        index: int,
        value: _BytesLike,
        namespace: str,
        timeout: float | None,
    ) -> _Ticket[None]: ...
    @overload
    def remove(
        self, completions: None, list_key: str, value: _BytesLike, count: int, namespace: str, timeout: float | None
    ) -> int: ...
    @overload
    def remove(
        self,
        completions: Completions,
        list_key: str,
        value: _BytesLike,
        count: int,
        namespace: str,
        timeout: float | None,
    ) -> _Ticket[int]: ...
    @overload
    def count_lists(self, completions: None, prefix: str, namespace: str, timeout: float | None) -> int: ...
    @overload
    def count_lists(
        self, completions: Completions, prefix: str, namespace: str, timeout: float | None
    ) -> _Ticket[int]: ...
    @overload
    def capabilities(self, completions: None, namespace: str, timeout: float | None) -> dict[str, Any]: ...
    @overload
    def capabilities(
        self, completions: Completions, namespace: str, timeout: float | None
    ) -> _Ticket[dict[str, Any]]: ...
    @overload
    def usage(self, completions: None, namespace: str, timeout: float | None) -> dict[str, int | None]: ...
    @overload
    def usage(
        self, completions: Completions, namespace: str, timeout: float | None
    ) -> _Ticket[dict[str, int | None]]: ...
