"""What people do in the console, and what they see."""

import base64
import json
import subprocess
import time

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from nginx import Nginx
from stack import BINARIES, Stack


def test_a_namespace_is_created_once_its_fields_are_right(page, stack):
    page.go(stack)
    page.press("New namespace")
    page.type("Name", "Orders!")
    page.type("Backend endpoint", stack.backend)
    page.type("Timeout", "5 parsecs")
    page.type("Calls in flight", "many")
    page.press("Create")
    for pointer in ("/name", "/timeout", "/max_in_flight"):
        field = page.until(lambda: page.driver.find_element(By.CSS_SELECTOR, f"[data-pointer='{pointer}'][aria-invalid=true]"))
        said = [page.driver.find_element(By.ID, one).text for one in field.get_attribute("aria-describedby").split()]
        assert all(said), f"{pointer} has a hint and a message: {said}"
    assert page.driver.switch_to.active_element == page.field("Name"), "the first wrong field has the focus"
    page.type("Name", "orders")
    page.type("Timeout", "5s")
    page.type("Calls in flight", "100")
    page.press("Preview changes")
    page.sees(".diff .added", "name: orders")
    page.press("Create")
    page.sees("h1", "orders")
    page.sees(".health.good", "serving")
    assert "max_in_flight: 100" in stack.file.read_text()


def test_breadcrumbs_end_in_the_page(page, stack):
    stack.create("orders")
    page.go(stack, "namespaces/orders/settings")
    assert page.sees(".crumbs", "Namespaces").text == "Namespaces / orders"
    page.go(stack, "revisions/2")
    assert page.sees(".crumbs", "Revisions").text == "Revisions / 2"
    stack.set("orders", "user:1:name", b"Alice")
    page.go(stack, "namespaces/orders/keys?prefix=user%3A1%3A")
    page.until(lambda: page.all(".crumbs")[1].text == "All keys / user / 1 1 key")


def test_settings_are_changed_and_nobody_elses_change_is_lost(page, stack):
    page.go(stack, "namespaces/default/settings")
    page.type("Timeout", "7s")
    page.press("Save")
    page.sees(".done", "applied by every proxy")
    stack.request("PATCH", "/namespaces/default", b'{"timeout":"9s"}')
    page.type("Timeout", "8s")
    page.press("Save")
    page.sees(".problem", "has changed since you read it")
    assert "timeout: 9s" in stack.file.read_text()


def test_saving_a_setting_leaves_the_others_as_they_are_written(page, stack):
    stack.request("PATCH", "/namespaces/default", b'{"read_only":false}')
    page.go(stack, "namespaces/default/settings")
    page.type("Timeout", "7s")
    page.press("Save")
    page.sees(".done", "applied by every proxy")
    assert "read_only: false" in stack.file.read_text() and "timeout: 7s" in stack.file.read_text()
    page.field("Read-only").click()
    page.press("Save")
    page.sees(".title .tag", "read-only")


def test_thirty_thousand_keys_are_browsed_by_folder_and_page(page, stack):
    entries = ((f"user:{number:05}:name", base64.b64encode(b"%d" % number).decode()) for number in range(30_000))
    lines = "".join(f'{{"key":"{key}","value_base64":"{value}"}}\n' for key, value in entries)
    stack.prism("import", "default", "-", "--address", stack.gateway, text=lines)
    page.go(stack, "namespaces/default/keys")
    page.sees(".crumbs", "30,000 keys")
    page.until(lambda: [one.text for one in page.all(".keys a")] == ["user:"])
    page.press("user:")
    page.until(lambda: len(page.all(".keys a")) == 100)
    page.press("Load more")
    page.until(lambda: len(page.all(".keys a")) == 200)
    assert page.all(".keys a")[199].text == "00199:"
    page.driver.find_element(By.CSS_SELECTOR, "[aria-label=Prefix]").clear()
    page.driver.find_element(By.CSS_SELECTOR, "[aria-label=Prefix]").send_keys("user:2999", Keys.ENTER)
    page.sees(".crumbs", "10 keys")
    page.press("9:")
    page.press("name")
    page.sees("pre.value", "29999")


def test_a_value_is_shown_edited_and_deleted(page, stack):
    stack.set("default", "user:1", b'{"name":"Alice"}')
    stack.set("default", "blob", bytes(range(256)))
    page.go(stack, "namespaces/default/keys?prefix=user%3A&key=user%3A1")
    page.sees("pre.value", '"name": "Alice"')
    page.sees(".value-bar", "16 bytes")
    page.press("Hex")
    page.sees("pre.value", "00000000  7b 22 6e 61")
    page.press("Edit")
    page.type("Value", "bob")
    page.press("Save…")
    page.sees("dialog", "3 bytes replace the current 16 bytes, and it keeps its time to live")
    page.press("Replace", "dialog")
    page.sees("pre.value", "bob")
    assert stack.prism("kv", "get", "user:1", "--address", stack.gateway).strip() == "bob"
    page.press("New key")
    page.type("Key", "user:1")
    page.type("Value", "carol")
    page.press("Set")
    page.sees("dialog", "user:1")
    page.press("Cancel", "dialog")
    assert stack.prism("kv", "get", "user:1", "--address", stack.gateway).strip() == "bob"
    page.go(stack, "namespaces/default/keys?prefix=user%3A&key=user%3A1")
    page.press("Delete…")
    page.sees("dialog", "user:1")
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.until(lambda: not page.all("dialog"))
    page.press("Delete…")
    page.press("Delete", "dialog")
    page.sees(".empty", "Select a key")
    assert stack.request("GET", "/namespaces/default/value?key=user:1")[0] == 404
    page.go(stack, "namespaces/default/keys?key=blob")
    page.sees("pre.value", "000000f0  f0 f1 f2")


def test_saving_a_value_changes_no_byte_that_nobody_touched(page, stack):
    for key, value, kind in (("lines", b"one\r\ntwo\r", "hex"), ("mark", b"\xef\xbb\xbfone\n", "text")):
        stack.set("default", key, value)
        page.go(stack, f"namespaces/default/keys?key={key}")
        page.press("Edit")
        assert page.field("Format").get_attribute("value") == kind, key
        page.press("Save…")
        page.press("Replace", "dialog")
        page.sees("pre.value", "one")
        assert stack.request("GET", f"/namespaces/default/value?key={key}") == (200, value)


def test_json_is_shown_as_it_is_written(page, stack):
    stack.set("default", "odd", b'{"b":9007199254740993,"b":1.0,"1":[],"0":["{,:\\"}",{"e":"\\u00e9"}]}')
    page.go(stack, "namespaces/default/keys?key=odd")
    assert page.sees("pre.value", "1.0").text.split("\n") == [
        "{", '  "b": 9007199254740993,', '  "b": 1.0,', '  "1": [],', '  "0": [', '    "{,:\\"}",', "    {", '      "e": "\\u00e9"', "    }", "  ]", "}",
    ]  # fmt: skip


def test_a_list_is_pushed_to_and_popped_from(page, stack):
    page.go(stack, "namespaces/default/lists?key=jobs")
    page.sees(".length", "empty")
    for value in ("first", "second"):
        page.type("Value", value)
        page.press("Push right")
        page.until(lambda: ("1 value" if value == "first" else "2 values") in page.all(".length")[0].text)
    page.type("Value", "third")
    push = next(one for one in page.all(".editor button") if one.text == "Push right")
    page.driver.execute_script("arguments[0].click(); arguments[0].click()", push)
    page.until(lambda: "3 values" in page.all(".length")[0].text)
    page.until(lambda: not page.all(".editor[aria-busy]"))
    assert stack.request("GET", "/namespaces/default/list?key=jobs") == (200, b'{"length":3}'), "clicked twice, pushed once"
    page.press("Pop left…")
    page.sees("dialog", "jobs")
    page.press("Pop left", "dialog")
    page.sees("pre.value", "first")
    page.sees(".length", "2 values")


def test_nothing_that_is_stored_is_run(page, stack):
    script = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    stack.set("default", script, script.encode())
    page.go(stack, "namespaces/default/keys")
    page.until(lambda: any(one.text == script for one in page.all(".keys a")))
    page.until(lambda: next(one for one in page.all(".keys a") if one.text == script)).click()
    assert page.sees("pre.value", "owned").text == script
    page.press("Delete…")
    assert page.sees("dialog pre", "owned").text == script
    page.press("Cancel", "dialog")
    page.go(stack, "audit")
    page.sees(".audit-key", "onerror")
    assert "owned" not in page.driver.title and not page.all("main img, main script")


def test_figures_move_under_load_and_a_dead_backend_is_seen(page, stack):
    page.go(stack)
    page.sees("td .health.good", "serving")
    load = subprocess.Popen(
        [BINARIES / "prism", "bench", stack.gateway, "--calls", "get=80,set=20", "--rate", "200", "--duration", "10min"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        cells = lambda: [one.text for one in page.all("tbody td.figure")]  # noqa: E731
        rate = lambda shown: 0.0 if shown == "–" else float(shown.replace(",", ""))  # noqa: E731
        busy = page.until(lambda: (lambda now: now if rate(now[0]) > 1 else None)(cells()))
        assert "s" in busy[2] and busy[4] != "–", busy
        stack.memstore.kill()
        page.sees("td .health.bad", "unreachable")
        page.until(lambda: cells()[1] not in ("0 %", "–"))
        page.until(lambda: cells()[4] == "–")
    finally:
        load.kill()
        load.wait()
    page.go(stack, "backends")
    page.sees("td .health.bad", "unreachable")
    stack.proxy.kill()
    page.go(stack)
    page.sees(".proxies", "1 of 1 proxies do not answer")
    page.until(lambda: cells()[0] == "–")


def test_a_configuration_is_rolled_back(page, stack):
    stack.create("orders")
    stack.create("carts")
    page.go(stack, "revisions")
    page.press("Revision 2")
    page.sees(".diff .added", "name: orders")
    page.press("Roll back to this…")
    page.sees("dialog .diff .removed", "name: carts")
    page.press("Roll back", "dialog")
    page.sees(".done", "applied by every proxy")
    assert "carts" not in stack.file.read_text() and "orders" in stack.file.read_text()
    page.go(stack, "audit")
    page.sees("tbody", "roll back to revision 2")
    page.go(stack, "proxies")
    page.sees("td .health.good", "in sync")


def test_a_file_that_was_deleted_or_broken_is_restored(page, stack):
    stack.create("orders")
    stack.create("carts")
    newest = stack.file.read_text()
    page.go(stack, "revisions/3")
    page.sees(".diff .added", "name: carts")
    assert not any(one.text == "Roll back to this…" for one in page.all("button")), "it is in force"
    for spoil in (stack.file.unlink, lambda: stack.file.write_text("namespaces: 5\n")):
        spoil()
        page.go(stack, "revisions/3")
        page.press("Roll back to this…")
        page.press("Roll back", "dialog")
        page.sees(".done", "applied by every proxy")
        assert stack.file.read_text() == newest


def test_a_roll_back_that_cannot_be_says_why(page, stack):
    stack.create("orders")
    stack.create("carts")
    page.go(stack, "revisions/2")
    page.sees(".diff .added", "name: orders")
    for kept in stack.file.with_name("prism.yaml.revisions").iterdir():
        kept.unlink()
    page.press("Roll back to this…")
    page.sees(".problem", "revision 2 is not kept")


def test_a_namespace_is_removed_once_its_name_was_read(page, stack):
    stack.create("carts")
    page.go(stack, "namespaces/carts/settings")
    page.press("Remove…")
    page.sees("dialog", "Its data stays in the backend")
    page.press("Remove carts", "dialog")
    page.sees("h1", "Namespaces")
    assert "carts" not in stack.file.read_text()


def test_a_backend_is_probed_created_changed_and_removed_with_what_is_lost(page, stack):
    page.go(stack, "backends")
    page.press("New backend")
    page.type("Name", "fast")
    page.type("Options", "memory_limit: lots")
    page.press("Create")
    field = page.until(lambda: page.driver.find_element(By.CSS_SELECTOR, "[data-pointer='/options'][aria-invalid=true]"))
    assert page.driver.switch_to.active_element == field
    page.sees(".wrong", "memory_limit: ")
    page.type("Options", "memory_limit: 1MiB")
    page.press("Probe")
    page.sees(".found", "in memory")
    page.sees(".found .health.good", "serving")
    assert "fast" not in stack.file.read_text(), "a probe saves nothing"
    page.press("Preview changes")
    page.sees(".diff .added", "memory_limit: 1MiB")
    page.press("Create")
    page.sees("h1", "fast")

    page.go(stack, "new")
    page.type("Name", "orders")
    Select(page.field("Backend")).select_by_value("fast")
    assert not page.all("[data-pointer='/plugin/endpoint']")[0].is_displayed()
    page.press("Create")
    page.sees("h1", "orders")
    page.sees(".title a", "fast")
    page.sees(".health.good", "serving")
    stack.set("orders", "a", b"x")

    page.go(stack, "backends/fast")
    page.type("Options", "memory_limit: 2MiB")
    page.press("Save")
    page.sees(".done", "applied by every proxy")
    assert "memory_limit: 2MiB" in stack.file.read_text()
    page.press("Remove…")
    page.sees(".notice", "serves orders")

    page.go(stack, "namespaces/orders/settings")
    Select(page.field("Backend")).select_by_value("")
    page.type("Backend endpoint", stack.backend)
    page.press("Save")
    page.sees(".done", "applied by every proxy")
    page.go(stack, "backends")
    page.sees("td", "1 key")
    page.press("fast")
    page.press("Remove…")
    page.sees("dialog", "1 key, 0 lists")
    page.press("Cancel", "dialog")
    assert "fast" in stack.file.read_text()
    page.press("Remove…")
    page.press("Remove fast", "dialog")
    page.sees("h1", "Backends")
    page.until(lambda: "fast" not in page.driver.find_element(By.TAG_NAME, "main").text)
    assert "fast" not in stack.file.read_text()


def test_a_store_on_disk_tells_its_figures(page, stack):
    path = stack.file.parent / "store"
    settings = {"name": "disk", "embedded": "diskstore", "options": {"path": str(path), "min_free": 0}}
    status, body = stack.request("POST", "/backends", json.dumps(settings).encode())
    assert status == 201, body
    page.go(stack, "backends/disk")
    page.sees(".store", "Size on disk")
    assert next(one for one in page.all(".store .facts div") if one.text.startswith("Cache hits")).text.split("\n")[1] == "–"
    status, body = stack.request("POST", "/namespaces", b'{"name":"kept","pattern":"keyvalue","plugin":{"backend":"disk"}}')
    assert status == 201, body
    for key in ("a", "b"):
        stack.set("kept", key, b"v")
        assert stack.request("GET", f"/namespaces/kept/value?key={key}")[0] == 200
    page.go(stack, "backends/disk")
    facts = lambda: {one.text.split("\n")[0]: one.text.split("\n")[1:] for one in page.all(".store .facts div")}  # noqa: E731
    page.until(lambda: facts()["Cache hits"] == ["100 %", "of 2 reads; " + facts()["Cache hits"][1].split("; ")[1]])
    shown = facts()
    assert shown["Durability"] == ["every write is synced", "can lose: nothing that was acknowledged, unless a disk fails"]
    assert shown["Writes per batch"][0] == "1.0" and "s" in shown["Commit time"][0] and "Sync time" not in shown, shown
    page.go(stack, "backends")
    page.press("disk")
    page.sees(".store", "Compactions")
    stack.request("POST", "/backends", b'{"name":"fast","embedded":"memstore"}')
    page.go(stack, "backends/fast")
    page.sees("h1", "fast")
    assert not page.all(".store")


def test_a_backend_behind_an_endpoint_is_probed_before_it_is_saved(page, stack):
    page.go(stack, "new-backend")
    page.type("Name", "legacy")
    Select(page.field("Where it runs")).select_by_value("endpoint")
    assert not page.all("[data-pointer='/embedded']")[0].is_displayed()
    page.type("Endpoint", "127.0.0.1:1")
    page.press("Probe")
    page.sees(".found .health.bad", "unreachable")
    page.type("Endpoint", stack.backend)
    page.press("Probe")
    page.sees(".found .health.good", "serving")
    page.sees(".found", "keyvalue.KeyValueBasicInterface")
    page.press("Create")
    page.sees("h1", "legacy")
    page.go(stack, "backends")
    page.sees("tbody th", "legacy")


@pytest.fixture
def guarded(tmp_path):
    """A stack with a token of each role."""
    file = tmp_path / "tokens"
    tokens = {}
    for role in ("read", "data", "write"):
        command = [BINARIES / "prism-admin", "token", "--role", role, "--name", f"a-{role}", "--token-file", file]
        tokens[role] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    stack = Stack(admin_flags=("--token-file", str(file)))
    stack.prism("kv", "set", "greeting", "hello", "--address", stack.gateway)
    yield stack, tokens, file
    stack.stop()


def log_in(page, stack, token):
    page.driver.delete_all_cookies()
    page.go(stack, "namespaces/default/keys?key=greeting")
    page.sees("h1", "Log in")
    page.type("Token", token)
    page.press("Log in", "form")


def test_each_role_sees_and_does_what_it_may(page, guarded):
    stack, tokens, file = guarded
    log_in(page, stack, "prism_wrong")
    page.sees(".problem", "unknown token")

    log_in(page, stack, tokens["read"])
    page.sees(".empty", "may read configuration and metrics")
    assert "greeting" not in page.driver.page_source
    page.sees(".who", "a-read")
    page.press("Settings")
    page.sees(".hint", "role write")
    assert not any(one.is_enabled() for one in page.all("form.settings input")) and not page.all(".danger-zone")

    log_in(page, stack, tokens["data"])
    page.sees("pre.value", "hello")
    assert not {"Edit", "Delete…", "New key"} & {one.text for one in page.all("button, a")}
    [cookie] = [one for one in page.driver.get_cookies() if one["name"].startswith("prism_session_")]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict", cookie
    assert page.driver.execute_script("return document.cookie") == ""

    log_in(page, stack, tokens["write"])
    page.press("Edit")
    page.type("Value", "bye")
    page.press("Save…")
    page.press("Replace", "dialog")
    page.sees("pre.value", "bye")
    page.press("Log out")
    page.sees("h1", "Log in")

    log_in(page, stack, tokens["write"])
    page.sees("pre.value", "bye")
    file.write_text("".join(line for line in file.read_text().splitlines(True) if not line.startswith("a-write")))
    page.press("Revisions")
    page.sees("h1", "Log in")


@pytest.fixture
def behind_nginx(guarded):
    stack, tokens, _ = guarded
    nginx = Nginx(stack.url)
    yield nginx, stack, tokens
    nginx.stop()


def test_behind_nginx_under_a_path_with_tls_compression_and_a_password(page, behind_nginx):
    nginx, stack, tokens = behind_nginx
    # The browser remembers the password, as if somebody had typed it.
    page.driver.get(f"{nginx.with_password}/livez")
    page.driver.delete_all_cookies()
    page.driver.get(f"{nginx.url}/#/namespaces/default/settings")
    page.type("Token", tokens["write"])
    page.press("Log in", "form")
    page.sees(".title", "default")
    page.type("Timeout", "7s")
    page.press("Save")
    page.sees(".done", "applied by every proxy")
    stack.request("PATCH", "/namespaces/default", b'{"timeout":"9s"}', token=tokens["write"])
    page.type("Timeout", "8s")
    page.press("Save")
    page.sees(".problem", "has changed since you read it")
    [cookie] = [one for one in page.driver.get_cookies() if one["name"].startswith("prism_session_")]
    assert cookie["secure"] and cookie["httpOnly"], cookie

    fetched = page.driver.execute_async_script("""
        const [done] = arguments;
        fetch("namespaces/default").then((answer) => done(Object.fromEntries(answer.headers)));
    """)
    assert fetched["content-encoding"] == "gzip" and fetched["etag"].startswith('W/"'), "nginx compresses, and weakens the tag"
    # Events arrive one by one: a buffered stream would show nothing.
    page.press("Metrics")
    page.sees(".title", "serving")
    page.press("Log out")
    page.sees("h1", "Log in")


def test_figures_go_on_after_a_refusal(page, guarded):
    stack, tokens, file = guarded
    log_in(page, stack, tokens["read"])
    page.press("Metrics")
    page.sees(".title", "serving")
    known = file.read_text()
    file.write_text("this is no token\n")
    page.until(lambda: page.all(".title [title='the admin does not respond']"))
    # After a 503, a browser does not reconnect by itself.
    page.until(lambda: any("503" in entry["message"] for entry in page.driver.get_log("browser")))
    file.write_text(known)
    page.sees(".title", "serving")


def test_everything_is_reached_by_keyboard(page, stack):
    stack.create("orders")
    page.go(stack)
    page.sees("tbody", "orders")
    seen = []
    for _ in range(40):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        now = page.driver.switch_to.active_element
        seen.append(now.text or now.get_attribute("aria-label") or now.get_attribute("placeholder"))
        if now.text == "orders":
            break
    for reached in ("Skip to content", "Namespaces", "Audit", "Search namespaces", "New namespace", "default", "orders"):
        assert reached in seen, f"{reached} is not among {seen}"
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.sees("h1", "orders")
    assert page.driver.switch_to.active_element.tag_name == "main", "the new page has the focus"
    tab = next(one for one in page.all(".tabs a") if one.text == "Metrics")
    page.driver.execute_script("arguments[0].focus()", tab)
    tab.send_keys(Keys.ARROW_RIGHT)
    assert page.driver.switch_to.active_element.text == "Keys"


def test_what_is_drawn_anew_keeps_the_focus(page, stack):
    for number in range(250):
        stack.set("default", f"user:{number:03}", b"{}")
    focused = lambda: page.driver.switch_to.active_element  # noqa: E731

    def enter(text, within=""):
        """Presses the element with this name by the keyboard."""
        named = lambda: next((one for one in page.all(f"{within} button, {within} a") if one.text == text and one.is_displayed()), None)  # noqa: E731
        page.driver.execute_script("arguments[0].focus()", page.until(named))
        focused().send_keys(Keys.ENTER)

    page.go(stack, "namespaces/default")
    enter("Keys", ".tabs")
    page.until(lambda: page.all("a.folder") and focused().text == "Keys")
    enter("user:", ".keys")
    page.until(lambda: len(page.all("a.key")) == 100)
    assert focused().tag_name == "main", "the folder's link is gone"
    for shown in (200, 250):
        enter("Load more")
        page.until(lambda: len(page.all("a.key")) == shown)
        page.until(lambda: focused().text == "Load more" if shown < 250 else focused().tag_name == "main")
    enter("000", ".keys")
    page.sees("pre.value", "{}")
    for kind in ("Hex", "JSON", "Text"):
        enter(kind)
        assert focused().text == kind and focused().get_attribute("aria-pressed") == "true"
    prefix = page.driver.find_element(By.CSS_SELECTOR, "[aria-label=Prefix]")
    prefix.send_keys("24", Keys.ENTER)
    page.until(lambda: len(page.all("a.key")) == 10)
    assert focused().get_attribute("aria-label") == "Prefix"
    theme = page.driver.find_element(By.ID, "theme").text
    enter(theme, "header")
    page.until(lambda: focused().get_attribute("id") == "theme" and focused().text != theme)
    page.go(stack, "namespaces/default/settings")
    page.type("Timeout", "7s")
    enter("Save", "form")
    page.sees(".done", "applied by every proxy")
    assert focused().text == "Save"


def test_landmarks_and_labels_are_there(page, stack):
    for path in ("", "new", "namespaces/default/keys", "namespaces/default/settings", "backends", "new-backend", "audit"):
        page.go(stack, path)
        page.sees("h1", "")
        assert len(page.all("header")) == len(page.all("main")) == len(page.all("h1")) == 1, path
        unnamed = page.driver.execute_script(
            "return [...document.querySelectorAll('input,select,textarea')].filter(e => !e.labels.length && !e.ariaLabel).length"
        )
        assert unnamed == 0, path
        assert page.driver.title.endswith("· Prism") and len(page.driver.title) > len("· Prism"), path


def test_a_port_that_others_can_reach_is_told(page, stack):
    stack_of_others = Stack(proxy_listen="0.0.0.0:0")
    try:
        page.go(stack_of_others)
        told = page.sees(".warning", "Other machines can reach gRPC on 0.0.0.0:").text
        assert "without TLS and without credentials" in told and "--require-secure" in told
    finally:
        stack_of_others.stop()
    page.go(stack)
    page.sees("tbody th", "default")
    # It is asked for at the same time as the namespaces.
    page.until(lambda: stack.request("GET", "/config/status")[0] == 200)
    assert not page.all(".warning")


def test_ten_thousand_namespaces_are_paged(page):
    stack = Stack(namespaces=[f"team-{number:05}" for number in range(10_000)])
    try:
        page.go(stack)
        page.sees(".pages", "10,000 namespaces")
        assert len(page.all("tbody tr")) == 50
        page.press("Next page")
        page.sees("tbody th", "team-00050")
        search = page.driver.find_element(By.ID, "search")
        search.send_keys("team-0999", Keys.ENTER)
        page.sees(".pages", "10 namespaces")
        requests = ("/", "/console/main.js", "/session", "/namespaces?limit=50", "/namespaces/team-00000",
                    "/namespaces/team-00000/keys?delimiter=:", "/config/status", "/config/revisions", "/audit")  # fmt: skip
        took = {}
        for path in requests:
            begun = time.perf_counter()
            assert stack.request("GET", path)[0] == 200, path
            took[path] = round(1000 * (time.perf_counter() - begun))
        print("milliseconds to answer, of an unoptimized build:", took)
    finally:
        stack.stop()
