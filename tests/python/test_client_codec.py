"""Values that are no bytes: JSON, text, and two functions of one's own."""

import json

import pytest
from prism import JSON, UTF8, Codec, PrismClient, SyncPrismClient


async def test_json_is_stored_and_returned_by_each_verb(client: PrismClient, key: str) -> None:
    orders = client.namespace("default", codec=JSON)
    order = {"id": 7, "lines": [1.5, None, True], "name": "Ä"}
    await orders.set(key, order)
    assert await orders.get(key) == order
    assert await client.keyvalue.get(key) == '{"id":7,"lines":[1.5,null,true],"name":"Ä"}'.encode()
    assert await orders.set_if(key, [1], equals={"name": "Ä", "lines": [1.5, None, True], "id": 7}) is True
    assert await orders.set_if(key, None, equals=[2], return_current=True) == (False, [1])
    assert await orders.get_and_set(key, None) == [1]
    assert await orders.get(key) is None, "JSON's null"
    assert await orders.set_if(key, 1, equals=None) is True
    assert await orders.get_many([key, key + "x"]) == {key: 1, key + "x": None}
    await orders.set_many({key + "y": {"a": 1}})
    assert [value async for _, value in orders.scan(key)] == [1, {"a": 1}]
    assert [(value, left) async for _, value, left in orders.scan(key + "y", with_ttl=True)] == [({"a": 1}, None)]
    assert await orders.increment(key) == 2
    assert await orders.get_and_delete(key) == 2
    assert await orders.get(key, default="none") == "none"
    assert await orders.list.push_many(key, [1, {"b": 2}, "c"]) == 3
    assert await orders.list.range(key) == [1, {"b": 2}, "c"]
    assert await orders.list.remove(key, {"b": 2}) == 1
    assert await orders.list.blocking_pop_left(key, wait=1) == 1
    assert await orders.list.pop_many(key, 9) == ["c"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        await orders.set(key, float("nan"))
    await client.keyvalue.set(key, b"no json")
    with pytest.raises(json.JSONDecodeError):
        await orders.get(key)


def test_text_and_functions_of_ones_own(sync_client: SyncPrismClient, key: str) -> None:
    text = sync_client.namespace("default", codec=UTF8)
    text.set(key, "Grüße")
    assert text.get(key) == "Grüße"
    assert text.keyvalue.get(key) == "Grüße"
    numbers = sync_client.namespace("default", codec=Codec(lambda number: b"%d" % number, int))
    numbers.set(key, 5)
    assert numbers.get(key) == 5
    assert numbers.list.push_left(key, 6) == 1
    assert numbers.list.pop_left(key) == 6
    assert numbers.list.pop_left(key) is None
    with pytest.raises(AttributeError):
        text.set(key, 5)  # type: ignore[arg-type]
