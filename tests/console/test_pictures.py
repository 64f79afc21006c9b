"""Pictures of every page in both themes, wide and narrow, for people to look at."""

import json
import os
import subprocess
from pathlib import Path

from stack import BINARIES

PICTURES = Path(os.environ["PRISM_PICTURES"])

PAGES = {
    "namespaces": "",
    "new-namespace": "new",
    "metrics": "namespaces/orders",
    "settings": "namespaces/orders/settings",
    "keys": "namespaces/orders/keys?prefix=user%3A1%3A&key=user%3A1%3Aprofile",
    "hex": "namespaces/orders/keys?key=logo",
    "delete-prefix": "namespaces/orders/keys?prefix=user%3A&delete",
    "counter": "namespaces/orders/keys?key=visits",
    "lists": "namespaces/orders/lists",
    "list": "namespaces/orders/lists?key=jobs",
    "revisions": "revisions",
    "revision": "revisions/3",
    "backends": "backends",
    "backend": "backends/fast",
    "store": "backends/disk",
    "new-backend": "new-backend",
    "proxies": "proxies",
    "audit": "audit",
}

# Elements with a vertical scrollbar although nothing limits their height.
SCROLLS = """
return [...document.querySelectorAll("body *")].filter((one) => {
  const { overflowY, maxHeight } = getComputedStyle(one);
  return overflowY === "auto" && maxHeight === "none" && one.tagName !== "TEXTAREA" && one.scrollHeight > one.clientHeight;
}).map((one) => one.className || one.tagName);
"""


def test_every_page_fits_its_window(page, stack):
    for name in ("orders", "sessions", "carts", "search-index"):
        stack.create(name, timeout="5s")
    stack.create("archive", endpoint="localhost:1", read_only=True)
    backend = b'{"name":"fast","embedded":"memstore","options":{"memory_limit":"512MiB"}}'
    assert stack.request("POST", "/backends", backend)[0] == 201
    store = str(stack.file.parent / "store")
    disk = {"name": "disk", "embedded": "diskstore", "options": {"path": store, "min_free": 0}}
    assert stack.request("POST", "/backends", json.dumps(disk).encode())[0] == 201
    assert stack.request("POST", "/namespaces", b'{"name":"kept","pattern":"keyvalue","plugin":{"backend":"disk"}}')[0] == 201
    stack.set("kept", "k", b"v")
    stack.set("orders", "user:1:profile", b'{"name":"Alice","roles":["admin","ops"],"visits":42}')
    stack.set("orders", "user:1:cart", b"4711,4712")
    stack.set("orders", "user:2:profile", b"{}")
    stack.set("orders", "logo", bytes(range(256)))
    stack.set("orders", "visits", b"4711")
    assert stack.request("PUT", "/namespaces/orders/ttl?key=visits&ttl_millis=5400000")[0] == 204
    for name, number in (("jobs", 60), ("jobs:dead", 3), ("mail:out", 1)):
        for at in range(number):
            job = b'{"job":%d,"kind":"resize","image":"https://images.example/%040d.png"}' % (at, at)
            path = f"/namespaces/orders/list?key={name}&end=right"
            assert stack.request("POST", path, job, "application/octet-stream")[0] == 200
    command = [BINARIES / "prism", "bench", stack.gateway, "-n", "orders", "--calls", "get=80,set=20", "--rate", "300"]
    load = subprocess.Popen([*command, "--duration", "10min"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        page.go(stack)
        # A line needs several points of the load.
        page.until(lambda: any(path.get_attribute("d").count("L") >= 2 for path in page.all(".chart .line.one")))
        for theme in ("light", "dark"):
            page.driver.execute_script("localStorage.setItem('theme', arguments[0])", theme)
            for width in (1280, 400):
                for name, path in PAGES.items():
                    page.size(width)
                    page.go(stack, path)
                    page.sees("h1", "")
                    page.until(lambda: not any(one.text.startswith(("Loading", "Querying")) for one in page.all("p.quiet")))
                    if path in ("", "namespaces/orders"):
                        page.sees(".health.good", "serving")
                    tall, wide = page.driver.execute_script(
                        "return [document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
                    )
                    assert wide <= width, f"{name} is {wide} px wide in a window of {width}"
                    assert page.driver.execute_script(SCROLLS) == [], f"{name} in a window of {width}"
                    page.size(width, min(tall, 2000))
                    assert page.driver.save_screenshot(str(PICTURES / f"{name}-{width}-{theme}.png"))
    finally:
        page.size(1280)
        load.kill()
        load.wait()
