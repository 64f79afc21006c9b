"""Many keys per call, each item for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic

from prism._handle import Handle, listed
from prism._namespace import DEFAULT_NAMESPACE
from prism.codec import Given, Got

if TYPE_CHECKING:
    from collections.abc import Iterable


class Batch(Handle[Given, Got], Generic[Given, Got]):
    """Many keys per call, each item for itself: a batch is never all-or-nothing."""

    __slots__ = ()

    async def get_many(
        self,
        keys: Iterable[str],
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> dict[str, Got | None]:
        """Returns the values of `keys`, in their order; None for a key that does not exist.

        Args:
            keys: Any number; the client asks for 1,000 at a time.
            namespace: The namespace.
            timeout: Seconds for each thousand keys. None: the client's, 2 s.

        Raises:
            PrismError: A key is invalid, or the call failed: the first error, with all others in its `batch`.
        """
        names = listed(keys, "keys")
        values = await self._calls.run(self._client.get_many, names, self._in(namespace), timeout)
        return {name: self._decoded(value) for name, value in zip(names, values, strict=True)}

    async def set_many(
        self,
        items: Mapping[str, Given] | Iterable[tuple[str, Given]],
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: float | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Stores values, each as `set` does, in the order given. One that fails fails nothing else.

        Args:
            items: Any number of keys with their values; the client sends 1,000, or 4 MiB, at a time.
            namespace: The namespace.
            ttl_seconds: Seconds until the keys expire, as in `set`. None: never.
            timeout: Seconds for each part that is sent. None: the client's, 2 s.

        Raises:
            PrismError: At least one item failed: the first error. Its `batch` tells which items were applied, which
                were not, and which may have been, because the call that carried them was lost. After such a call
                nothing more is sent.
        """
        pairs = list(items.items() if isinstance(items, Mapping) else items)
        values = [self._encode(value) for _, value in pairs]
        await self._calls.run(
            self._client.set_many, [key for key, _ in pairs], values, ttl_seconds, self._in(namespace), timeout
        )

    async def delete_many(
        self,
        keys: Iterable[str],
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Removes `keys` and returns how many existed. One that fails fails nothing else.

        Args:
            keys: Any number; the client sends 1,000 at a time.
            namespace: The namespace.
            timeout: Seconds for each thousand keys. None: the client's, 2 s.

        Raises:
            PrismError: At least one key failed: the first error, with a `batch` as in `set_many`.
        """
        found = await self._calls.run(self._client.delete_many, listed(keys, "keys"), self._in(namespace), timeout)
        return sum(found)

    async def delete_prefix(
        self,
        prefix: str,
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        timeout: float | None = None,
    ) -> int:
        """Removes the keys that begin with `prefix`, one by one, and returns how many; all keys if it is empty.

        It is not atomic: keys that are created meanwhile may be removed or not, and if it fails, what it has removed
        stays removed. Repeating it does no harm.

        Args:
            prefix: 0 to 4,096 bytes.
            namespace: The namespace.
            limit: The maximum number of keys to remove. 0: all.
            timeout: Seconds for all of it. None: no limit, but an error if nothing is removed for 60 s.
        """
        return await self._calls.run(self._client.delete_prefix, prefix, limit, self._in(namespace), timeout)


class SyncBatch(Handle[Given, Got], Generic[Given, Got]):
    """`Batch` for code without an event loop: the same names and keywords."""

    __slots__ = ()

    def get_many(
        self,
        keys: Iterable[str],
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> dict[str, Got | None]:
        """Returns the values of `keys`, in their order; None for a key that does not exist.

        Args:
            keys: Any number; the client asks for 1,000 at a time.
            namespace: The namespace.
            timeout: Seconds for each thousand keys. None: the client's, 2 s.

        Raises:
            PrismError: A key is invalid, or the call failed: the first error, with all others in its `batch`.
        """
        names = listed(keys, "keys")
        values = self._calls.wait(self._client.get_many, names, self._in(namespace), timeout)
        return {name: self._decoded(value) for name, value in zip(names, values, strict=True)}

    def set_many(
        self,
        items: Mapping[str, Given] | Iterable[tuple[str, Given]],
        namespace: str = DEFAULT_NAMESPACE,
        ttl_seconds: float | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Stores values, each as `set` does, in the order given. One that fails fails nothing else.

        Args:
            items: Any number of keys with their values; the client sends 1,000, or 4 MiB, at a time.
            namespace: The namespace.
            ttl_seconds: Seconds until the keys expire, as in `set`. None: never.
            timeout: Seconds for each part that is sent. None: the client's, 2 s.

        Raises:
            PrismError: At least one item failed: the first error. Its `batch` tells which items were applied, which
                were not, and which may have been, because the call that carried them was lost. After such a call
                nothing more is sent.
        """
        pairs = list(items.items() if isinstance(items, Mapping) else items)
        values = [self._encode(value) for _, value in pairs]
        self._calls.wait(
            self._client.set_many, [key for key, _ in pairs], values, ttl_seconds, self._in(namespace), timeout
        )

    def delete_many(
        self,
        keys: Iterable[str],
        namespace: str = DEFAULT_NAMESPACE,
        *,
        timeout: float | None = None,
    ) -> int:
        """Removes `keys` and returns how many existed. One that fails fails nothing else.

        Args:
            keys: Any number; the client sends 1,000 at a time.
            namespace: The namespace.
            timeout: Seconds for each thousand keys. None: the client's, 2 s.

        Raises:
            PrismError: At least one key failed: the first error, with a `batch` as in `set_many`.
        """
        found = self._calls.wait(self._client.delete_many, listed(keys, "keys"), self._in(namespace), timeout)
        return sum(found)

    def delete_prefix(
        self,
        prefix: str,
        namespace: str = DEFAULT_NAMESPACE,
        limit: int = 0,
        *,
        timeout: float | None = None,
    ) -> int:
        """Removes the keys that begin with `prefix`, one by one, and returns how many; all keys if it is empty.

        It is not atomic: keys that are created meanwhile may be removed or not, and if it fails, what it has removed
        stays removed. Repeating it does no harm.

        Args:
            prefix: 0 to 4,096 bytes.
            namespace: The namespace.
            limit: The maximum number of keys to remove. 0: all.
            timeout: Seconds for all of it. None: no limit, but an error if nothing is removed for 60 s.
        """
        return self._calls.wait(self._client.delete_prefix, prefix, limit, self._in(namespace), timeout)
