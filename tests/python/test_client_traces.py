"""OpenTelemetry spans of calls, as the application's own tracer provider receives them."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prism import KeyItem, PrismClient, SyncPrismClient
from prism.errors import InvalidArgumentError, KeyNotFoundError, UnavailableError

from conftest import Run
from silent_gateway import SilentGateway

EXPORTER = InMemorySpanExporter()


@pytest.fixture(scope="module", autouse=True)
def provider() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    trace.set_tracer_provider(provider)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    EXPORTER.clear()
    yield EXPORTER
    EXPORTER.clear()


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def codes(spans: InMemorySpanExporter) -> list[tuple[str, str | None, bool]]:
    """The method of each span, its status, and whether that is a failure."""
    return [
        (span.name.rpartition("/")[2], said(span).get("rpc.response.status_code"), not span.status.is_unset)
        for span in spans.get_finished_spans()
    ]


async def test_each_call_has_a_span_below_the_current_one(address: str, key: str, spans: InMemorySpanExporter) -> None:
    async with PrismClient(address, traces=True) as client:
        with trace.get_tracer("test").start_as_current_span("request") as request:
            await client.keyvalue.set(key, b"a-secret-value")
        await client.namespace("other").list.length(key)
    set_, _, length = spans.get_finished_spans()
    assert set_.parent is not None and set_.parent.span_id == request.get_span_context().span_id
    assert set_.kind is trace.SpanKind.CLIENT
    assert set_.name == "prism.interfaces.keyvalue.KeyValueBasicInterface/Set"
    host, _, port = address.rpartition(":")
    assert said(set_) == {
        "rpc.system.name": "grpc",
        "rpc.method": set_.name,
        "rpc.response.status_code": "OK",
        "prism.namespace": "default",
        "server.address": host,
        "server.port": int(port),
    }
    assert length.parent is None and said(length)["prism.namespace"] == "other"


def test_every_verb_has_its_span(address: str, key: str, spans: InMemorySpanExporter) -> None:
    with SyncPrismClient(address, traces=True) as client:
        client.keyvalue.set(key, b"value")
        client.keyvalue.get(key)
        client.keyvalue.exists(key)
        client.keyvalue.count(key)
        assert list(client.keyvalue.scan(key)) == [(key, b"value")]
        assert list(client.keyvalue.scan_keys(key)) == [key]
        client.keyvalue.delete(key)
        client.list.push_left(key, b"value")
        client.list.push_right(key, b"value")
        client.list.length(key)
        client.list.pop_left(key)
        client.list.pop_right(key)
    assert [(method, code) for method, code, _ in codes(spans)] == [
        (method, "OK")
        for method in (
            *("Set", "Get", "Exists", "Count", "Scan", "ScanKeys", "Delete"),
            *("PushLeft", "PushRight", "Length", "PopLeft", "PopRight"),
        )
    ]
    assert {said(span)["prism.namespace"] for span in spans.get_finished_spans()} == {"default"}


def test_a_reservation_has_a_span_for_each_call(address: str, key: str, spans: InMemorySpanExporter) -> None:
    with SyncPrismClient(address, traces=True) as client:
        client.list.push_right(key, b"value")
        with client.list.reserve(key) as reserved:
            reserved.extend(60)
            reserved.release()
        with client.list.reserve(key):
            pass
    calls = ("PushRight", "Reserve", "Extend", "Release", "Reserve", "Ack")
    assert [(method, code) for method, code, _ in codes(spans)] == [(method, "OK") for method in calls]


async def test_an_import_has_one_span(address: str, key: str, spans: InMemorySpanExporter) -> None:
    async with PrismClient(address, traces=True) as client:
        namespace = client.namespace("other")
        await namespace.import_items(KeyItem(f"{key}{number}", b"v") for number in range(300))
        with pytest.raises(InvalidArgumentError):
            await namespace.import_items([KeyItem("", b"v")])
        await namespace.capabilities()
        await namespace.usage()
        assert len([item async for item in namespace.export(key)]) == 300
        await namespace.delete_prefix(key)
    assert codes(spans) == [
        ("Import", "OK", False),
        ("Import", "INVALID_ARGUMENT", True),
        ("GetCapabilities", "OK", False),
        ("GetUsage", "OK", False),
        ("Export", "OK", False),
        ("DeletePrefix", "OK", False),
    ]
    assert {said(span)["prism.namespace"] for span in spans.get_finished_spans()} == {"other"}


async def test_a_failure_is_told_by_its_code(address: str, key: str, spans: InMemorySpanExporter) -> None:
    async with PrismClient(address, traces=True) as client:
        with pytest.raises(KeyNotFoundError):
            await client.keyvalue.get(key)
        with pytest.raises(InvalidArgumentError):
            await client.keyvalue.get("")
        with pytest.raises(InvalidArgumentError):
            await anext(client.keyvalue.scan(limit=-1))
        with pytest.raises(TypeError):
            await client.keyvalue.get(7)  # type: ignore[arg-type]
    async with PrismClient("localhost:1", traces=True) as nobody:
        with pytest.raises(UnavailableError):
            await nobody.keyvalue.get(key, timeout=60)
    assert codes(spans) == [
        ("Get", "NOT_FOUND", True),
        ("Get", "INVALID_ARGUMENT", True),
        ("Scan", "INVALID_ARGUMENT", True),
        ("Get", None, True),
        ("Get", "UNAVAILABLE", True),
    ]
    assert said(spans.get_finished_spans()[3])["error.type"] == "TypeError"


async def test_what_is_given_up_was_cancelled(
    address: str, key: str, silent: SilentGateway, spans: InMemorySpanExporter
) -> None:
    async with PrismClient(silent.address, traces=True) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.keyvalue.get(key), 0.05)
    async with PrismClient(address, traces=True) as client:
        for each in ("a", "b"):
            await client.keyvalue.set(key + each, b"")
        spans.clear()
        async for _ in client.keyvalue.scan_keys(key, limit=2):
            break
        gc.collect()
        closed = client.keyvalue.scan(key)
        await closed.aclose()
    assert codes(spans) == [("ScanKeys", "CANCELLED", False), ("Scan", "CANCELLED", False)]


def test_without_the_package_the_error_says_what_to_install(python: Run) -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
from prism import SyncPrismClient
SyncPrismClient("localhost:1")
try:
    SyncPrismClient("localhost:1", traces=True)
except ImportError as error:
    print(error)
"""
    result = python(program)
    assert "pip install 'opentelemetry-api>=1.20'" in result.stdout, result.stderr


def test_without_a_provider_calls_go_on(python: Run, key: str) -> None:
    program = """
import os, sys
from prism import SyncPrismClient
with SyncPrismClient(os.environ["PRISM_ADDRESS"], traces=True) as client:
    client.keyvalue.set(sys.argv[1], b"value")
    print(client.keyvalue.get(sys.argv[1]))
"""
    assert python(program, key).stdout == "b'value'\n"
