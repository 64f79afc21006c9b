"""Real processes for the console's tests: a store, a proxy, an admin, and the tool."""

import json
import os
import re
import signal
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

BINARIES = Path(os.environ["PRISM_BINARIES"])


class Process:
    """A server that has reported that it is ready."""

    def __init__(self, name, *flags):
        command = [BINARIES / name, *flags, "--log", "error"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ready = self.process.stdout.readline()
        assert " ready " in self.ready, f"{name} does not start"

    def address(self, kind):
        return re.search(rf"\b{kind}=(\S+)", self.ready)[1]

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Stack:
    """A store, a proxy and an admin on one file."""

    def __init__(self, namespaces=("default",), admin_flags=(), proxy_listen="127.0.0.1:0"):
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "prism.yaml"
        self.memstore = Process("prism-memstore", "--listen", "127.0.0.1:0")
        self.backend = self.memstore.address("grpc")
        entries = "".join(
            f"  - name: {name}\n    pattern: keyvalue\n    plugin:\n      endpoint: {self.backend}\n" for name in namespaces
        )
        self.file.write_text(f"namespaces:\n{entries}")
        listen = ("--listen", proxy_listen, "--http-listen", "127.0.0.1:0")
        self.proxy = Process("prism-proxy", "--config", str(self.file), *listen)
        self.gateway = self.proxy.address("grpc")
        proxy = ("--proxy", f"http://{self.proxy.address('http')}", "--gateway", self.gateway)
        flags = ("--listen", "127.0.0.1:0", "--proxy-config", str(self.file), "--stores-root", str(self.file.parent), *proxy)
        self.admin = Process("prism-admin", *flags, *admin_flags)
        self.url = f"http://{self.admin.address('http')}"

    def stop(self):
        for process in (self.admin, self.proxy, self.memstore):
            process.kill()
        self.folder.cleanup()

    def prism(self, *words, text=None):
        """Runs the tool and returns its output."""
        done = subprocess.run([BINARIES / "prism", *words], input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def request(self, method, path, body=None, kind="application/json", token=None):
        """Sends a request to the admin and returns the status and the body."""
        headers = {"content-type": kind} if body is not None else {}
        if token:
            headers["authorization"] = f"Bearer {token}"
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def create(self, name, endpoint=None, **settings):
        settings = {"name": name, "pattern": "keyvalue", "plugin": {"endpoint": endpoint or self.backend}, **settings}
        status, body = self.request("POST", "/namespaces", json.dumps(settings).encode())
        assert status == 201, body

    def set(self, namespace, key, value):
        path = f"/namespaces/{namespace}/value?{urllib.parse.urlencode({'key': key})}"
        status, body = self.request("PUT", path, value, "application/octet-stream")
        assert status == 204, body
