"""Writes that depend on what is stored. Each is one atomic step."""

from __future__ import annotations

from typing import Generic, Literal, overload

from prism._handle import MISSING, Handle, Missing
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got


class Cas(Handle[Given, Got], Generic[Given, Got]):
    """Writes that depend on what is stored. Each is one atomic step."""

    __slots__ = ()

    async def set_if_absent(
        self,
        key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: float | None = None,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Stores `value` under `key` if the key does not exist, and returns whether it did so.

        The arguments are those of `set`.

        Raises:
            ResourceExhaustedError: The backend is full; nothing has changed.
        """
        value_bytes = self._encode(value)
        return await self._calls.run(
            self._client.set_if_absent, key, value_bytes, ttl_seconds, self._in(namespace), timeout
        )

    @overload
    async def set_if(
        self,
        key: str,
        value: Given,
        namespace: str = ...,
        ttl_seconds: float | None = ...,
        *,
        absent: bool = ...,
        present: bool = ...,
        equals: Given | Missing = ...,
        equals_sha256: bytes | None = ...,
        differs: Given | Missing = ...,
        return_current: Literal[False] = ...,
        timeout: float | None = ...,
    ) -> bool: ...
    @overload
    async def set_if(
        self,
        key: str,
        value: Given,
        namespace: str = ...,
        ttl_seconds: float | None = ...,
        *,
        absent: bool = ...,
        present: bool = ...,
        equals: Given | Missing = ...,
        equals_sha256: bytes | None = ...,
        differs: Given | Missing = ...,
        return_current: Literal[True],
        timeout: float | None = ...,
    ) -> tuple[bool, Got | None]: ...

    async def set_if(
        self,
        key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: float | None = None,
        *,
        absent: bool = False,
        present: bool = False,
        equals: Given | Missing = MISSING,
        equals_sha256: bytes | None = None,
        differs: Given | Missing = MISSING,
        return_current: bool = False,
        timeout: float | None = None,
    ) -> bool | tuple[bool, Got | None]:
        """Stores `value` under `key` if a condition holds, and returns whether it did so.

        A condition that does not hold is not an error, and nothing changes. Values are compared byte by byte.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            value: 0 to 4 MiB - 16 KiB; copied at once.
            namespace: The namespace.
            ttl_seconds: Seconds until the key expires, as in `set`. None: never.
            absent: The condition that the key does not exist. Exactly one condition must be given.
            present: The condition that the key exists.
            equals: The condition that the key has this value.
            equals_sha256: The condition that the value has this SHA-256, 32 bytes: spares sending a large value.
            differs: The condition that the key exists and has another value.
            return_current: Also return the value that stood before the call; None if the key did not exist.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            InvalidArgumentError: There is no condition, or more than one (`CONDITION_INVALID`).
            ResourceExhaustedError: The backend is full; nothing has changed.
        """
        applied, current = await self._calls.run(
            self._client.set_if,
            key,
            self._encode(value),
            absent,
            present,
            self._encoded(equals),
            equals_sha256,
            self._encoded(differs),
            ttl_seconds,
            return_current,
            self._in(namespace),
            timeout,
        )
        return (applied, self._decoded(current)) if return_current else applied

    @overload
    async def delete_if(
        self,
        key: str,
        namespace: str = ...,
        *,
        present: bool = ...,
        equals: Given | Missing = ...,
        equals_sha256: bytes | None = ...,
        differs: Given | Missing = ...,
        return_current: Literal[False] = ...,
        timeout: float | None = ...,
    ) -> bool: ...
    @overload
    async def delete_if(
        self,
        key: str,
        namespace: str = ...,
        *,
        present: bool = ...,
        equals: Given | Missing = ...,
        equals_sha256: bytes | None = ...,
        differs: Given | Missing = ...,
        return_current: Literal[True],
        timeout: float | None = ...,
    ) -> tuple[bool, Got | None]: ...

    async def delete_if(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        present: bool = False,
        equals: Given | Missing = MISSING,
        equals_sha256: bytes | None = None,
        differs: Given | Missing = MISSING,
        return_current: bool = False,
        timeout: float | None = None,
    ) -> bool | tuple[bool, Got | None]:
        """Removes `key` if a condition holds, and returns whether it did so. The arguments are those of `set_if`."""
        applied, current = await self._calls.run(
            self._client.delete_if,
            key,
            present,
            self._encoded(equals),
            equals_sha256,
            self._encoded(differs),
            return_current,
            self._in(namespace),
            timeout,
        )
        return (applied, self._decoded(current)) if return_current else applied


class SyncCas(Handle[Given, Got], Generic[Given, Got]):
    """`Cas` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def set_if_absent(
        self,
        key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: float | None = None,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Stores `value` under `key` if the key does not exist, and returns whether it did so.

        The arguments are those of `set`.

        Raises:
            ResourceExhaustedError: The backend is full; nothing has changed.
        """
        value_bytes = self._encode(value)
        return self._calls.wait(self._client.set_if_absent, key, value_bytes, ttl_seconds, self._in(namespace), timeout)

    @overload
    def set_if(
        self,
        key: str,
        value: Given,
        namespace: str = ...,
        ttl_seconds: float | None = ...,
        *,
        absent: bool = ...,
        present: bool = ...,
        equals: Given | Missing = ...,
        equals_sha256: bytes | None = ...,
        differs: Given | Missing = ...,
        return_current: Literal[False] = ...,
        timeout: float | None = ...,
    ) -> bool: ...
    @overload
    def set_if(
        self,
        key: str,
        value: Given,
        namespace: str = ...,
        ttl_seconds: float | None = ...,
        *,
        absent: bool = ...,
        present: bool = ...,
        equals: Given | Missing = ...,
        equals_sha256: bytes | None = ...,
        differs: Given | Missing = ...,
        return_current: Literal[True],
        timeout: float | None = ...,
    ) -> tuple[bool, Got | None]: ...

    def set_if(
        self,
        key: str,
        value: Given,
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: float | None = None,
        *,
        absent: bool = False,
        present: bool = False,
        equals: Given | Missing = MISSING,
        equals_sha256: bytes | None = None,
        differs: Given | Missing = MISSING,
        return_current: bool = False,
        timeout: float | None = None,
    ) -> bool | tuple[bool, Got | None]:
        """Stores `value` under `key` if a condition holds, and returns whether it did so.

        A condition that does not hold is not an error, and nothing changes. Values are compared byte by byte.

        Args:
            key: 1 to 4,096 bytes of UTF-8.
            value: 0 to 4 MiB - 16 KiB; copied at once.
            namespace: The namespace.
            ttl_seconds: Seconds until the key expires, as in `set`. None: never.
            absent: The condition that the key does not exist. Exactly one condition must be given.
            present: The condition that the key exists.
            equals: The condition that the key has this value.
            equals_sha256: The condition that the value has this SHA-256, 32 bytes: spares sending a large value.
            differs: The condition that the key exists and has another value.
            return_current: Also return the value that stood before the call; None if the key did not exist.
            timeout: Seconds for the whole call. None: the client's, 2 s.

        Raises:
            InvalidArgumentError: There is no condition, or more than one (`CONDITION_INVALID`).
            ResourceExhaustedError: The backend is full; nothing has changed.
        """
        applied, current = self._calls.wait(
            self._client.set_if,
            key,
            self._encode(value),
            absent,
            present,
            self._encoded(equals),
            equals_sha256,
            self._encoded(differs),
            ttl_seconds,
            return_current,
            self._in(namespace),
            timeout,
        )
        return (applied, self._decoded(current)) if return_current else applied

    @overload
    def delete_if(
        self,
        key: str,
        namespace: str = ...,
        *,
        present: bool = ...,
        equals: Given | Missing = ...,
        equals_sha256: bytes | None = ...,
        differs: Given | Missing = ...,
        return_current: Literal[False] = ...,
        timeout: float | None = ...,
    ) -> bool: ...
    @overload
    def delete_if(
        self,
        key: str,
        namespace: str = ...,
        *,
        present: bool = ...,
        equals: Given | Missing = ...,
        equals_sha256: bytes | None = ...,
        differs: Given | Missing = ...,
        return_current: Literal[True],
        timeout: float | None = ...,
    ) -> tuple[bool, Got | None]: ...

    def delete_if(
        self,
        key: str,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        present: bool = False,
        equals: Given | Missing = MISSING,
        equals_sha256: bytes | None = None,
        differs: Given | Missing = MISSING,
        return_current: bool = False,
        timeout: float | None = None,
    ) -> bool | tuple[bool, Got | None]:
        """Removes `key` if a condition holds, and returns whether it did so. The arguments are those of `set_if`."""
        applied, current = self._calls.wait(
            self._client.delete_if,
            key,
            present,
            self._encoded(equals),
            equals_sha256,
            self._encoded(differs),
            return_current,
            self._in(namespace),
            timeout,
        )
        return (applied, self._decoded(current)) if return_current else applied
