"""What people do with lists in the console: which there are, what is in them, and queues."""

import json
import urllib.parse

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

LISTS_ONLY = ["prism.interfaces.keyvalue.KeyValueBasicInterface", "prism.interfaces.list.ListBasicInterface"]


def push(stack, key, *values, namespace="default"):
    for value in values:
        path = f"/namespaces/{namespace}/list?{urllib.parse.urlencode({'key': key, 'end': 'right'})}"
        status, body = stack.request("POST", path, value, "application/octet-stream")
        assert status == 200, body


def push_many(stack, key, number):
    push(stack, key, *(b"value %d" % one for one in range(number)))


def pop(stack, key, end="left"):
    return stack.request("POST", f"/namespaces/default/list/pop?{urllib.parse.urlencode({'key': key, 'end': end})}")[1]


def values_of(stack, key, start=0, limit=100):
    query = urllib.parse.urlencode({"key": key, "start": start, "limit": limit})
    return json.loads(stack.request("GET", f"/namespaces/default/list/range?{query}")[1])


def length_of(stack, key):
    return values_of(stack, key)["length"]


def rows(page):
    return [[one.text for one in row.find_elements("css selector", ".index, code")] for row in page.all("[aria-label=Values] li")]


def open_value(page, index):
    """Shows the whole value at an index."""
    page.until(lambda: next((row for row in page.all("[aria-label=Values] a") if row.text.startswith(f"{index}\n")), None)).click()
    page.sees("h3", f"Value at index {index}")


def edit(page, index, text):
    open_value(page, index)
    page.press("Edit")
    page.sees("h3", f"Edit the value at index {index}")
    page.type("Value", text)


def test_lists_are_enumerated_with_their_lengths_page_by_page(page, stack):
    names = [f"jobs:{number:04}" for number in range(300)]
    for name in names:
        push(stack, name, b"v")
    push(stack, "mail", b"one", b"two")
    page.go(stack, "namespaces/default/lists")
    page.sees(".crumbs", "301 lists")
    shown = lambda: [one.text for one in page.all(".keys .list-name")]  # noqa: E731
    page.until(lambda: 0 < len(shown()) < 301)
    while len(shown()) < 301:
        before = len(shown())
        page.press("Load more")
        page.until(lambda: len(shown()) > before)
    assert shown() == [*names, "mail"]
    assert page.all(".keys a")[300].text.split() == ["mail", "2"]
    box = page.driver.find_element("css selector", "[aria-label='List or prefix']")
    box.clear()
    box.send_keys("ma", Keys.ENTER)
    page.until(lambda: shown() == ["mail"])
    page.sees(".keys .list-name", "mail").click()
    page.sees(".length", "2 values")
    page.until(lambda: rows(page) == [["0", "one"], ["1", "two"]])
    assert page.driver.find_element("css selector", ".keys [aria-current=true]").text.startswith("mail")


def test_a_list_is_read_by_range(page, stack):
    push_many(stack, "long", 234)
    page.go(stack, "namespaces/default/lists?key=long")
    page.sees(".length", "234 values")
    page.until(lambda: len(rows(page)) == 50 and rows(page)[:1] == [["0", "value 0"]])
    page.press("Next")
    page.until(lambda: rows(page)[:1] == [["50", "value 50"]])
    page.press("Last")
    page.until(lambda: rows(page)[-1:] == [["233", "value 233"]])
    page.press("Previous")
    page.until(lambda: rows(page)[:1] == [["134", "value 134"]])
    box = page.driver.find_element("css selector", "[aria-label='From index']")
    box.clear()
    box.send_keys("-3", Keys.ENTER)
    page.until(lambda: [index for index, _ in rows(page)] == ["231", "232", "233"])
    page.sees(".pages", "Index 231 to 233 of 234")
    box = page.driver.find_element("css selector", "[aria-label='From index']")
    box.clear()
    box.send_keys("5000", Keys.ENTER)
    page.sees(".empty", "The list has no index 5,000")
    page.press("First")
    page.until(lambda: rows(page)[:1] == [["0", "value 0"]])
    page.go(stack, "namespaces/default/lists?key=long&from=x")
    page.sees(".problem", "This is no index")


def test_values_of_any_kind_and_size_have_a_row(page, stack):
    push(stack, "odd", b"", bytes(range(256)), b"a\nb", b"x" * 3_000_000, "é".encode() * 600)
    page.go(stack, "namespaces/default/lists?key=odd")
    page.until(lambda: len(rows(page)) == 5)
    shown = [value for _, value in rows(page)]
    assert shown[0] == "(empty)" and shown[1].startswith("00 01 02") and shown[1].endswith("…") and shown[2] == "a b"
    assert shown[3].startswith("xxx") and shown[3].endswith("…") and shown[4].startswith("éé")
    page.sees(".size", "2.9 MiB")
    open_value(page, 3)
    page.until(lambda: len(page.all("pre.value")[0].text) == 3_000_000)


def test_a_list_is_edited_at_an_index_and_its_values_are_removed(page, stack):
    push(stack, "l", b"a", b"b", b"a", b"c", b"a")
    page.go(stack, "namespaces/default/lists?key=l")
    open_value(page, 1)
    assert page.sees("pre.value", "b").text == "b"
    page.press("Edit")
    assert page.field("Value").get_attribute("value") == "b"
    page.type("Value", "B")
    page.press("Save…")
    page.sees("dialog", "at index 1")
    page.press("Replace", "dialog")
    page.sees("pre.value", "B")
    page.press("Back to the list")
    page.until(lambda: rows(page)[1:2] == [["1", "B"]])
    # Somebody pops while it is edited: another value is at the index.
    edit(page, 1, "mine")
    assert pop(stack, "l") == b"a"
    page.press("Save…")
    page.press("Replace", "dialog")
    page.sees(".conflict", "Another value is at index 1 by now")
    assert [one.text for one in page.all(".versions pre")] == ["a", "mine"]
    page.press("Discard yours")
    page.sees("pre.value", "a")
    page.press("Back to the list")
    page.until(lambda: [value for _, value in rows(page)] == ["B", "a", "c", "a"])
    edit(page, 1, "mine")
    pop(stack, "l")
    page.press("Save…")
    page.press("Replace", "dialog")
    page.press("Overwrite with yours")
    page.sees("pre.value", "mine")
    page.press("Back to the list")
    page.until(lambda: [value for _, value in rows(page)] == ["a", "mine", "a"])
    page.driver.back()
    page.sees("pre.value", "mine")
    page.driver.back()
    # The index itself may be gone.
    edit(page, 2, "mine")
    pop(stack, "l", "right")
    page.press("Save…")
    page.press("Replace", "dialog")
    page.sees(".conflict", "The list has no index 2 any more")
    assert not any(one.text.startswith(("Overwrite", "Store")) for one in page.all("button")), "it could not be stored"
    push(stack, "l", b"a")
    page.press("Discard yours")
    page.until(lambda: [value for _, value in rows(page)] == ["a", "mine", "a"])

    open_value(page, 0)
    page.press("Remove…")
    page.sees("dialog pre", "a")
    Select(page.field("Remove")).select_by_visible_text("All of them")
    page.press("Remove", "dialog")
    page.until(lambda: [value for _, value in rows(page)] == ["mine"])
    page.type("Value", "mine")
    page.press("Remove equal…")
    page.press("Remove", "dialog")
    page.sees(".length", "empty")
    page.type("Value", "new")
    page.press("Push left")
    page.until(lambda: rows(page) == [["0", "new"]])


def test_a_list_is_trimmed_and_cleared_once_the_numbers_were_read(page, stack):
    push_many(stack, "l", 120)
    page.go(stack, "namespaces/default/lists?key=l")
    page.sees(".length", "120 values")
    page.driver.find_element("xpath", "//summary[text()='Trim to a range']").click()
    page.type("Keep from index", "10")
    page.type("to index", "x")
    page.press("Trim…")
    page.sees(".problem", "This is no index")
    page.type("to index", "-11")
    page.press("Trim…")
    page.sees("dialog", "100 of 120 values")
    page.sees("dialog", "The other 20 are permanently removed")
    page.press("Cancel", "dialog")
    assert length_of(stack, "l") == 120
    page.press("Trim…")
    page.press("Remove 20 values", "dialog")
    page.sees(".length", "100 values")
    page.until(lambda: rows(page)[:1] == [["0", "value 10"]])
    page.press("Clear…")
    page.sees("dialog", "100 values")
    page.press("Clear 100 values", "dialog")
    page.sees(".length", "empty")
    assert length_of(stack, "l") == 0
    page.go(stack, "audit")
    for action in ("clear a list in default", "trim a list to 10 to -11 in default"):
        page.sees("tbody", action)


def test_values_are_reserved_acknowledged_extended_and_released(page, stack):
    push(stack, "jobs", b"one", b"two", b"three")
    page.go(stack, "namespaces/default/lists?key=jobs")
    page.type("Values", "2")
    page.press("Reserve")
    page.sees(".lease", "reserved for")
    page.sees(".length", "1 value")
    page.until(lambda: page.all(".keys.lists .figure")[0].text == "1")
    cells = lambda: [[cell.text for cell in row.find_elements("css selector", "th, td")] for row in page.all(".lease tbody tr")]  # noqa: E731
    assert cells() == [["one", "3 B", "1"], ["two", "3 B", "1"]]
    page.press("Release")
    page.sees(".length", "3 values")
    assert not page.all(".lease")

    page.type("Values", "1")
    page.press("Reserve")
    page.until(lambda: cells() == [["one", "3 B", "2"]])
    page.type("Lease, seconds", "3600")
    page.press("Extend")
    page.sees(".lease", "59 min")
    # It stays while one looks at something else.
    page.press("Keys")
    page.sees(".empty", "Select a key")
    page.driver.back()
    page.sees(".lease", "59 min")
    page.press("Acknowledge…")
    page.sees("dialog", "permanently removes 1 value")
    page.press("Acknowledge", "dialog")
    page.until(lambda: not page.all(".lease"))
    assert [pop(stack, "jobs"), pop(stack, "jobs"), pop(stack, "jobs")] == [b"two", b"three", b""]
    page.press("Reserve")
    page.sees(".hint", "no value to reserve")


def test_what_is_typed_stays_when_a_lease_ends(page, stack):
    push(stack, "jobs", b"one", b"two")
    page.go(stack, "namespaces/default/lists?key=jobs")
    page.type("Lease, seconds", "5")
    page.press("Reserve")
    page.sees(".length", "1 value")
    edit(page, 0, "typed")
    page.sees(".lease", "The lease has ended")
    page.sees(".length", "2 values")
    assert page.field("Value").get_attribute("value") == "typed"


def test_a_lease_that_has_ended_says_so(page, stack):
    push(stack, "jobs", b"one")
    page.go(stack, "namespaces/default/lists?key=jobs")
    page.type("Lease, seconds", "2")
    page.press("Reserve")
    page.sees(".lease", "reserved for")
    page.sees(".lease", "The lease has ended")
    page.sees(".length", "1 value")
    page.press("Dismiss")
    assert not page.all(".lease")
    # It ends before its time when somebody clears the list.
    page.type("Lease, seconds", "3600")
    page.press("Reserve")
    page.sees(".lease", "reserved for")
    assert stack.request("POST", "/namespaces/default/list/clear?key=jobs")[0] == 200
    page.press("Release")
    page.sees(".lease", "The lease has ended")


@pytest.fixture
def few(stack):
    """A namespace that serves only the first interfaces, of a store that has all."""
    stack.create("few", interfaces=LISTS_ONLY)
    return stack


def test_without_the_interfaces_a_list_is_opened_by_its_name_and_pushed_to(page, few):
    page.go(few, "namespaces/few/lists")
    page.sees(".empty", "cannot list its lists: open one by its name")
    page.driver.find_element("css selector", "[aria-label='List or prefix']").send_keys("jobs", Keys.ENTER)
    page.sees(".length", "empty")
    page.type("Value", "first")
    page.press("Push right")
    page.sees(".length", "1 value")
    page.sees(".hint", "has no leases")
    offered = {one.text for one in page.all("button, summary")}
    assert not offered & {"Clear…", "Trim…", "Trim to a range", "Remove equal…", "Reserve", "Show"}, offered
    page.press("Pop left…")
    page.press("Pop left", "dialog")
    page.sees("pre.value", "first")
    page.sees(".length", "empty")
    page.go(few, "namespaces/few/keys")
    page.sees(".empty", "cannot list its keys: open one by its name")
    few.set("few", "k", b"v")
    page.driver.find_element("css selector", "[aria-label=Key]").send_keys("k", Keys.ENTER)
    page.sees("pre.value", "v")
