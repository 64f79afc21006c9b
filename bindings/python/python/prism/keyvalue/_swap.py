"""Writes that return what they replace. Each is one atomic step."""

from __future__ import annotations

from typing import Generic, TypeVar, overload

from prism._handle import MISSING, Handle, Missing
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got
from prism.errors import KeyNotFoundError

D = TypeVar("D")


class Swap(Handle[Given, Got], Generic[Given, Got]):
    """Writes that return what they replace. Each is one atomic step."""

    __slots__ = ()

    async def get_and_set(
        self,
        key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: float | None = None,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """Stores `value` under `key`, as `set` does, and returns the value that it replaced; None if there was none."""
        value_bytes = self._encode(value)
        replaced = await self._calls.run(
            self._client.get_and_set, key, value_bytes, ttl_seconds, self._in(namespace), timeout
        )
        return self._decoded(replaced)

    @overload
    async def get_and_delete(self, key: str, namespace: str = ..., *, timeout: float | None = ...) -> Got: ...
    @overload
    async def get_and_delete(
        self, key: str, namespace: str = ..., *, default: D, timeout: float | None = ...
    ) -> Got | D: ...
    async def get_and_delete(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        default: D | Missing = MISSING,
        timeout: float | None = None,
    ) -> Got | D:
        """Removes `key` and returns its value.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            namespace: The namespace.
            default: What to return if the key does not exist.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            KeyNotFoundError: The key does not exist or has expired, and there is no `default`.
        """
        namespace = self._in(namespace)
        value = await self._calls.run(self._client.get_and_delete, key, namespace, timeout)
        if value is not None:
            return self._decode(value)
        if default is MISSING:
            raise KeyNotFoundError(
                "keyvalue.get_and_delete failed: the key does not exist or has expired (KEY_NOT_FOUND)",
                code="NOT_FOUND",
                reason="KEY_NOT_FOUND",
                operation="keyvalue.get_and_delete",
                namespace=namespace,
                key=key,
            )
        return default


class SyncSwap(Handle[Given, Got], Generic[Given, Got]):
    """`Swap` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def get_and_set(
        self,
        key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: float | None = None,
        *,
        timeout: float | None = None,
    ) -> Got | None:
        """Stores `value` under `key`, as `set` does, and returns the value that it replaced; None if there was none."""
        value_bytes = self._encode(value)
        replaced = self._calls.wait(
            self._client.get_and_set, key, value_bytes, ttl_seconds, self._in(namespace), timeout
        )
        return self._decoded(replaced)

    @overload
    def get_and_delete(self, key: str, namespace: str = ..., *, timeout: float | None = ...) -> Got: ...
    @overload
    def get_and_delete(self, key: str, namespace: str = ..., *, default: D, timeout: float | None = ...) -> Got | D: ...
    def get_and_delete(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        default: D | Missing = MISSING,
        timeout: float | None = None,
    ) -> Got | D:
        """Removes `key` and returns its value.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            namespace: The namespace.
            default: What to return if the key does not exist.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            KeyNotFoundError: The key does not exist or has expired, and there is no `default`.
        """
        namespace = self._in(namespace)
        value = self._calls.wait(self._client.get_and_delete, key, namespace, timeout)
        if value is not None:
            return self._decode(value)
        if default is MISSING:
            raise KeyNotFoundError(
                "keyvalue.get_and_delete failed: the key does not exist or has expired (KEY_NOT_FOUND)",
                code="NOT_FOUND",
                reason="KEY_NOT_FOUND",
                operation="keyvalue.get_and_delete",
                namespace=namespace,
                key=key,
            )
        return default
