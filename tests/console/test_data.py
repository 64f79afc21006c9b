"""What people do with keys and values in the console: times to live, edits beside each other, counters, prefixes."""

import json
import re
import urllib.parse
import urllib.request

import pytest
from selenium.webdriver.support.ui import Select

from stack import Process

KEYS_ONLY = ["prism.interfaces.keyvalue.KeyValueBasicInterface", "prism.interfaces.keyvalue.KeyValueScanInterface"]


def value_of(stack, key, namespace="default"):
    return stack.request("GET", f"/namespaces/{namespace}/value?{urllib.parse.urlencode({'key': key})}")


def life_of(stack, key):
    status, body = stack.request("GET", f"/namespaces/default/ttl?{urllib.parse.urlencode({'key': key})}")
    assert status == 200, body
    return json.loads(body)["ttl_millis_left"]


def expire(stack, key, millis):
    query = urllib.parse.urlencode({"key": key, "ttl_millis": millis})
    assert stack.request("PUT", f"/namespaces/default/ttl?{query}")[0] == 204


def save(page):
    page.press("Save…")
    page.press("Replace", "dialog")


def test_what_is_left_to_live_is_shown_kept_changed_and_removed(page, stack):
    stack.set("default", "k", b"one")
    page.go(stack, "namespaces/default/keys?key=k")
    page.sees(".life", "Never expires")
    page.press("Change time to live…")
    assert [one.text for one in Select(page.field("Time to live")).options] == ["Expires after…"]
    page.press("Change", "dialog")
    page.sees("dialog .problem", "number of seconds")
    page.type("Seconds from now", "7200")
    page.press("Change", "dialog")
    page.sees(".life", "Expires in 1 h 59 min")
    assert 7_000_000 < life_of(stack, "k") <= 7_200_000 and value_of(stack, "k") == (200, b"one")

    page.press("Edit")
    assert Select(page.field("Time to live")).first_selected_option.text.startswith("Keep: expires in 1 h 59 min")
    page.type("Value", "two")
    page.press("Save…")
    page.sees("dialog", "it keeps its time to live")
    page.press("Replace", "dialog")
    page.sees("pre.value", "two")
    page.sees(".life", "Expires in 1 h 59 min")
    assert 7_000_000 < life_of(stack, "k") <= 7_200_000

    page.press("Edit")
    Select(page.field("Time to live")).select_by_value("set")
    page.type("Seconds from now", "90.5")
    page.type("Value", "three")
    page.press("Save…")
    page.sees("dialog", "it expires in 1 min 31 s")
    page.press("Replace", "dialog")
    page.sees("pre.value", "three")
    assert 60_000 < life_of(stack, "k") <= 90_500

    page.press("Change time to live…")
    Select(page.field("Time to live")).select_by_value("never")
    page.press("Change", "dialog")
    page.sees(".life", "Never expires")
    assert life_of(stack, "k") is None and value_of(stack, "k") == (200, b"three")

    expire(stack, "k", 600_000)
    page.go(stack, "namespaces/default/keys?key=k")
    page.press("Edit")
    Select(page.field("Time to live")).select_by_value("never")
    save(page)
    page.sees(".life", "Never expires")
    assert life_of(stack, "k") is None


def test_a_time_to_live_that_runs_out_is_counted_down(page, stack):
    stack.set("default", "k", b"v")
    expire(stack, "k", 3_000)
    page.go(stack, "namespaces/default/keys?key=k")
    page.sees(".life", "Expires in")
    page.sees(".life", "Has expired")


def test_an_edit_by_somebody_else_is_shown_and_not_overwritten(page, stack):
    stack.set("default", "k", b"one")
    page.go(stack, "namespaces/default/keys?key=k")
    page.press("Edit")
    page.type("Value", "mine")
    stack.set("default", "k", b"theirs")
    save(page)
    page.sees(".conflict", "Somebody else changed this value meanwhile")
    assert [one.text for one in page.all(".versions pre")] == ["theirs", "mine"]
    assert value_of(stack, "k") == (200, b"theirs"), "nothing was overwritten"

    # Again, while both are shown: what is overwritten is what was seen, and nothing else.
    stack.set("default", "k", b"newer")
    page.press("Overwrite with yours")
    page.until(lambda: [one.text for one in page.all(".versions pre")] == ["newer", "mine"])
    assert value_of(stack, "k") == (200, b"newer")

    page.press("Edit further")
    assert page.field("Value").get_attribute("value") == "mine", "what was typed is not lost"
    page.type("Value", "merged")
    save(page)
    page.sees("pre.value", "merged")
    assert value_of(stack, "k") == (200, b"merged")

    page.press("Edit")
    page.type("Value", "mine")
    stack.set("default", "k", b"theirs")
    save(page)
    page.press("Overwrite with yours")
    page.until(lambda: not page.all(".conflict"))
    assert value_of(stack, "k") == (200, b"mine"), "whoever has seen it may overwrite it"

    page.press("Edit")
    page.type("Value", "other")
    stack.set("default", "k", b"theirs")
    save(page)
    page.press("Discard yours")
    page.until(lambda: not page.all(".conflict"))
    assert page.sees("pre.value", "theirs") and value_of(stack, "k") == (200, b"theirs")


def test_a_key_that_somebody_else_deletes_or_creates_meanwhile(page, stack):
    stack.set("default", "k", b"one")
    page.go(stack, "namespaces/default/keys?key=k")
    page.press("Edit")
    page.type("Value", "mine")
    stack.request("DELETE", "/namespaces/default/value?key=k")
    save(page)
    page.sees(".conflict", "The key was deleted meanwhile")
    assert value_of(stack, "k")[0] == 404
    page.press("Store yours again")
    page.sees("pre.value", "mine")

    page.press("Delete…")
    stack.set("default", "k", b"theirs")
    page.press("Delete", "dialog")
    page.sees("dialog .problem", "Somebody else changed or deleted it")
    assert value_of(stack, "k") == (200, b"theirs")
    page.press("Cancel", "dialog")
    page.sees("pre.value", "theirs")

    page.press("New key")
    page.type("Key", "new")
    page.type("Value", "mine")
    stack.set("default", "new", b"theirs")
    page.press("Set")
    page.sees("dialog", "4 bytes replace the current 6 bytes")
    stack.set("default", "new", b"newer!!")
    page.press("Replace", "dialog")
    page.sees("dialog", "4 bytes replace the current 7 bytes")
    page.press("Replace", "dialog")
    page.sees("pre.value", "mine")


def test_a_counter_is_changed_by_what_is_typed(page, stack):
    largest = 2**63 - 1
    stack.set("default", "hits", b"41")
    stack.set("default", "full", b"%d" % largest)
    for text in ("41 ", "+1", "01", "-0", "", "9223372036854775808", "1.5", "one"):
        stack.set("default", "text", text.encode())
        page.go(stack, "namespaces/default/keys?key=text")
        page.sees(".value-bar", "bytes" if len(text) != 1 else "byte")
        assert not page.all(".counter"), f"{text!r} is no counter"
    page.go(stack, "namespaces/default/keys?key=hits")
    page.press("Add")
    page.until(lambda: page.all("pre.value")[0].text == "42")
    page.type("Counter", "10")
    page.press("Subtract")
    page.until(lambda: page.all("pre.value")[0].text == "32")
    assert page.field("Counter").get_attribute("value") == "10", "what was typed stays"
    assert page.driver.switch_to.active_element.get_attribute("aria-label") == "Subtract"
    # It is added to what is there by now, not to what is shown.
    stack.set("default", "hits", b"100")
    page.press("Add")
    page.until(lambda: page.all("pre.value")[0].text == "110")
    page.type("Counter", "ten")
    page.press("Add")
    page.sees(".problem", "digits only")
    stack.set("default", "hits", b"none")
    page.type("Counter", "1")
    page.press("Add")
    page.sees(".problem", "NOT_A_NUMBER")
    page.sees(".problem", "What is stored does not allow this")
    page.go(stack, "namespaces/default/keys?key=full")
    page.press("Add")
    page.sees(".problem", "COUNTER_OVERFLOW")
    assert value_of(stack, "full") == (200, b"%d" % largest)
    page.press("Subtract")
    page.until(lambda: page.all("pre.value")[0].text == str(largest - 1))
    page.go(stack, "audit")
    page.sees("tbody", "increment by -1 in default")


def fill_keys(stack, prefix, number):
    lines = "".join(f'{{"key":"{prefix}{one:05}","value_base64":""}}\n' for one in range(number))
    stack.prism("import", "default", "-", "--address", stack.gateway, text=lines)


def count_of(stack, prefix):
    return json.loads(stack.request("GET", f"/namespaces/default/count?{urllib.parse.urlencode({'prefix': prefix})}")[1])["count"]


def test_keys_are_deleted_by_prefix_once_they_are_counted(page, stack):
    fill_keys(stack, "old:", 1_234)
    stack.set("default", "older", b"v")
    page.go(stack, "namespaces/default/keys")
    page.sees(".keys a", "old:")
    assert not any("Delete all" in one.text for one in page.all("a")), "without a prefix it would be everything"
    page.press("old:")
    page.press("Delete all keys with this prefix…")
    page.sees(".purge .named", "old:")
    page.sees(".purge", "1,234 keys in default have this prefix now")
    page.press("Cancel", ".purge")
    page.sees(".crumbs", "1,234 keys")
    page.press("Delete all keys with this prefix…")
    page.press("Delete 1,234 keys")
    page.sees(".purge .done", "Deleted 1,234 keys.")
    assert (count_of(stack, "old:"), count_of(stack, "older")) == (0, 1)
    page.press("Back to the keys")
    page.sees(".empty", "No key has this prefix")
    page.press("Delete all keys with this prefix…")
    page.sees(".purge", "No key has this prefix")
    assert not any(one.text.startswith("Delete ") for one in page.all(".purge button"))
    page.go(stack, "audit")
    page.sees("tbody", "delete all keys with a prefix in default")


def test_a_deletion_is_stopped_and_says_what_is_left(page, stack):
    fill_keys(stack, "old:", 20_000)
    page.go(stack, "namespaces/default/keys?prefix=old%3A&delete")
    page.sees(".purge", "20,000 keys")
    stack.memstore.pause()
    page.press("Delete 20,000 keys")
    page.sees(".far", "Deleting…")
    page.press("Stop")
    # The stop has passed the proxy; the store finds it behind the call.
    stopped = re.compile(r'prism_proxy_requests_total\{[^}]*DeletePrefix",code="CANCELLED"\} 1')
    metrics = f"http://{stack.proxy.address('http')}/metrics"
    page.until(lambda: stopped.search(urllib.request.urlopen(metrics).read().decode()))
    stack.memstore.resume()
    page.sees(".purge .warning", "You stopped it")
    told = page.sees(".far", "with this prefix are left").text
    left = count_of(stack, "old:")
    assert left > 0 and f"; {left:,} with this prefix are left." in told, told
    page.press("Delete the rest…")
    page.press(f"Delete {left:,} keys")
    page.sees(".purge .done", f"Deleted {left:,} keys.")
    assert count_of(stack, "old:") == 0


def test_a_deletion_that_fails_says_so(page, stack):
    fill_keys(stack, "old:", 300)
    page.go(stack, "namespaces/default/keys?prefix=old%3A&delete")
    page.sees(".purge", "300 keys")
    stack.memstore.kill()
    page.press("Delete 300 keys")
    page.sees(".purge .problem", "cannot be reached")
    page.sees(".far", "Deleted no key; how many are left is not known.")


def test_a_deletion_that_fails_midway_says_what_it_has_done(page, stack):
    plugin = Process("unordered-plugin", "--listen", "127.0.0.1:0", "--page", "1", "--deletes", "1")
    try:
        stack.create("heap", endpoint=plugin.address("grpc"))
        page.go(stack, "namespaces/heap/keys?prefix=a%3A&delete")
        page.press("Delete 2 keys")
        page.sees(".purge .warning", "these keys cannot be changed")
        # This plugin only says that it deletes.
        page.sees(".far", "Deleted 1 key; 2 with this prefix are left.")
    finally:
        plugin.kill()


@pytest.fixture
def few(stack):
    """A namespace that serves only the first interfaces, of a store that has all."""
    stack.create("few", interfaces=KEYS_ONLY)
    return stack


def test_without_the_interfaces_a_sentence_says_so_and_nothing_dead_is_offered(page, few):
    few.set("few", "n", b"41")
    page.go(few, "namespaces/few/keys?key=n")
    page.sees(".life", "does not tell how long a key lives")
    page.sees(".hint", "this backend has no counters")
    assert not page.all(".counter") and not any("time to live…" in one.text for one in page.all("button"))
    page.press("Edit")
    assert [one.text for one in Select(page.field("Time to live")).options] == ["Never expires", "Expires after…"]
    page.sees(".editor .hint", "the current time to live cannot be read")
    page.sees(".editor .hint", "cannot compare while it saves")
    page.type("Value", "42")
    save(page)
    page.sees("pre.value", "42")
    # What somebody has changed before is found all the same.
    page.press("Edit")
    page.type("Value", "43")
    few.set("few", "n", b"50")
    save(page)
    page.sees(".conflict", "Somebody else changed this value meanwhile")
    assert value_of(few, "n", "few") == (200, b"50")
    page.press("Overwrite with yours")
    page.sees("pre.value", "43")
    page.press("Delete…")
    page.press("Delete", "dialog")
    page.sees(".empty", "Select a key")
    page.go(few, "namespaces/few/lists")
    page.sees(".empty", "serves no lists")


def test_a_plugin_that_lacks_the_interfaces_is_found_out(page, stack):
    plugin = Process("unordered-plugin", "--listen", "127.0.0.1:0")
    try:
        stack.create("heap", endpoint=plugin.address("grpc"))
        known = lambda: json.loads(stack.request("GET", "/namespaces/heap/interfaces")[1])["interfaces"]  # noqa: E731
        page.go(stack, "namespaces/heap/keys?key=m")
        page.sees("pre.value", "m")
        page.sees(".life", "does not tell how long a key lives")
        page.until(lambda: known() is not None)
        assert "prism.interfaces.keyvalue.KeyValueScanInterface" in known()
        assert "prism.interfaces.keyvalue.KeyValueTtlInterface" not in known()
        page.go(stack, "namespaces/heap/lists")
        page.sees(".empty", "serves no lists")
        page.go(stack, "namespaces/heap/keys?key=m")
        page.press("Edit")
        page.sees(".editor .hint", "cannot compare while it saves")
        page.type("Value", "other")
        save(page)
        page.sees("dialog .problem", "these keys cannot be changed")
    finally:
        plugin.kill()


def test_a_namespace_that_is_read_only_offers_no_change(page, stack):
    stack.set("default", "n", b"41")
    stack.request("PATCH", "/namespaces/default", b'{"read_only":true}')
    page.go(stack, "namespaces/default/keys?prefix=n&key=n")
    page.sees("pre.value", "41")
    page.sees(".hint", "read-only")
    offered = {one.text for one in page.all("button, a")}
    assert not offered & {"Edit", "Delete…", "New key", "Change time to live…", "Delete all keys with this prefix…"}
    assert not page.all(".counter")
