"""What the backend of a namespace promises and holds."""

from dataclasses import FrozenInstanceError

import pytest
from prism import Capabilities, Durability, PrismClient, SyncPrismClient
from prism.backend import _capabilities
from prism.errors import NamespaceNotFoundError

MEMSTORE = Capabilities(
    ordered=True,
    scan_exactly_once=True,
    exact_count=True,
    linearizable=True,
    in_memory=True,
    resumable=True,
    evicts=False,
    idempotent_retries=True,
    durability=Durability("none"),
)


async def test_a_backend_tells_its_promises(client: PrismClient, sync_client: SyncPrismClient) -> None:
    promised = await client.namespace("default").capabilities()
    assert promised == sync_client.namespace("default").capabilities() == MEMSTORE
    with pytest.raises(FrozenInstanceError):
        promised.ordered = False  # type: ignore[misc]


def test_durability_has_what_its_level_needs() -> None:
    facts = {name: False for name in Capabilities.__dataclass_fields__ if name != "durability"}
    for durability in (None, ("periodic", 1.5, None), ("replicated", None, 2)):
        found = _capabilities({**facts, "durability": durability}).durability
        assert found == (durability and Durability(*durability))


async def test_a_backend_tells_what_it_holds(client: PrismClient, sync_client: SyncPrismClient, key: str) -> None:
    other = client.namespace("other")
    before = await other.usage()
    await other.set(key, b"v")
    await other.list.push_right(key, b"v")
    after = sync_client.namespace("other").usage()
    assert before.keys is not None and after.keys == before.keys + 1
    assert before.lists is not None and after.lists == before.lists + 1
    assert after.backend_bytes is not None and after.backend_bytes_max is not None
    assert 0 < after.backend_bytes < after.backend_bytes_max
    await other.delete(key)
    await other.list.clear(key)


async def test_a_namespace_that_does_not_exist_is_an_error(client: PrismClient) -> None:
    for call in (client.namespace("nowhere").capabilities, client.namespace("nowhere").usage):
        with pytest.raises(NamespaceNotFoundError):
            await call(timeout=60)
