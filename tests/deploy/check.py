"""The requirements for a deployment by `just up`. Started by `run`, which prepares what this needs.

Each function below is a claim about the running system; they build on each other, in the order of `main`.
"""

import io
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from prism import SyncPrismClient
from prism.errors import UnavailableError

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("memstore", "proxy", "admin")
IMAGE = "prism-deploy-test"
IMAGE_BYTES_MAX = 36_000_000
# The limit of every wait, in seconds: far more than it takes, because a busy machine is not a failure.
PATIENCE = 90


def run(*command: str, check: bool = True, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command in the project; if it must succeed but fails, exits with its output."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if check and done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def docker(*words: str) -> str:
    return run("docker", *words).stdout.strip()


def inspect(name: str) -> dict:
    return json.loads(docker("inspect", name))[0]


class Stack:
    """A compose project of this run's own."""

    def __init__(self, name: str, folder: str, **variables: str) -> None:
        self.name = name
        self.secrets = Path(folder) / "secrets"
        self.variables = {
            "COMPOSE_PROJECT_NAME": name,
            "PRISM_IMAGE": IMAGE,
            "PRISM_SECRETS": str(self.secrets),
            # Ports chosen by the system.
            "PRISM_PORT": "0",
            "PRISM_HTTP_PORT": "0",
            "PRISM_ADMIN_PORT": "0",
            **variables,
        }

    def just(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run("just", *words, check=check, env=self.variables)

    def compose(self, *words: str) -> str:
        return run("deploy/stack", "compose", *words, env=self.variables).stdout.strip()

    def address(self, service: str, port: int) -> str:
        return self.compose("port", service, str(port))

    def container(self, service: str) -> str:
        return self.compose("ps", "--quiet", service)

    def token(self) -> str:
        return (self.secrets / "token").read_text().strip()

    def left(self) -> list[str]:
        """This project's container, as the engine sees it."""
        mine = f"label=com.docker.compose.project={self.name}"
        return [
            *docker("ps", "--all", "--quiet", "--filter", mine).split(),
            *docker("ps", "--all", "--quiet", "--filter", f"name={self.name}").split(),
            *docker("network", "ls", "--quiet", "--filter", mine).split(),
            *docker("volume", "ls", "--quiet", "--filter", mine).split(),
        ]

    def admin(self, method: str, path: str, body: object = None, token: str | None = None) -> tuple[int, dict]:
        """Queries the admin; returns its status and response."""
        request = urllib.request.Request(f"http://{self.address('admin', 8090)}{path}", method=method)
        if token:
            request.add_header("authorization", f"Bearer {token}")
        if body is not None:
            request.add_header("content-type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def events(since: float, *filters: str) -> "subprocess.Popen[str]":
    """The engine's events from a moment on, including past ones."""
    words = [word for given in filters for word in ("--filter", given)]
    command = ["docker", "events", "--since", f"{since:.3f}", "--format", "{{json .}}", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for_events(since: float, wanted: set[tuple[str, str]], *filters: str) -> None:
    """Waits until each of these events (container's service, action) has occurred."""
    missing = set(wanted)
    with events(since, *filters) as process:
        alarm = threading.Timer(PATIENCE, process.kill)
        alarm.start()
        for line in process.stdout:
            event = json.loads(line)
            service = event["Actor"]["Attributes"].get("com.docker.compose.service", "")
            missing.discard((service, event["Action"]))
            if not missing:
                process.kill()
        alarm.cancel()
    assert not missing, f"not seen within {PATIENCE} s: {missing}"


def starts_from_nothing(stack: Stack) -> None:
    begun = time.monotonic()
    up = stack.just("up")
    print(f"  image built and everything up after {time.monotonic() - begun:.0f} s")
    assert f"http://{stack.address('admin', 8090)}/" in up.stdout, up.stdout
    assert stack.token() not in up.stdout + up.stderr, "the token is shown"


def starts_again_and_keeps_namespaces(stack: Stack) -> None:
    token = stack.token()
    stack.just("down")
    begun = time.monotonic()
    since = time.time()
    stack.just("up", "--no-build")
    print(f"  from up to taking calls: {time.monotonic() - begun:.1f} s")
    wait_for_events(
        since,
        {(service, "health_status: healthy") for service in SERVICES},
        f"label=com.docker.compose.project={stack.name}",
        "event=health_status",
    )
    print(f"  the engine says healthy after {time.time() - since:.1f} s")
    assert stack.token() == token, "a token is made once"
    assert stack.admin("GET", "/namespaces/orders", token=token)[0] == 200
    before = [stack.container(service) for service in SERVICES]
    stack.just("up", "--no-build")
    assert [stack.container(service) for service in SERVICES] == before, "what is up already stays as it is"


def image_is_small_and_bare(_: Stack) -> None:
    image = inspect(IMAGE)
    print(f"  {image['Size'] / 1e6:.1f} MB, {len(image['RootFS']['Layers'])} layers")
    assert image["Size"] < IMAGE_BYTES_MAX
    assert image["Config"]["User"] == "65532:65532"
    container = docker("create", IMAGE)
    exported = subprocess.run(["docker", "export", container], check=True, stdout=subprocess.PIPE).stdout
    docker("rm", container)
    files = {member.name: member for member in tarfile.open(fileobj=io.BytesIO(exported)) if not member.isdir()}
    # The engine's own files.
    ours = {name for name in files if not re.match(r"(\.dockerenv$|etc/|dev/)", name)}
    servers = {f"bin/prism-{service}" for service in (*SERVICES, "diskstore", "redis")}
    assert ours == {"bin/prism", *servers, "var/lib/prism/prism.yaml"}, ours
    for server in servers:
        assert files[server].linkname == "prism", server


def containers_are_hardened(stack: Stack) -> None:
    for service in SERVICES:
        container = inspect(stack.container(service))
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], service
        assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"]), service
        assert container["Config"]["StopTimeout"] > 10, "a drain takes up to 10 s"
        assert {"Name": "nofile", "Soft": 16384, "Hard": 16384} in host["Ulimits"], "every connection takes a file"
        published = [at["HostIp"] for found in (host["PortBindings"] or {}).values() for at in found]
        assert set(published) <= {"127.0.0.1"}, (service, published)
        status = run("docker", "exec", stack.container(service), "sh", check=False)
        assert status.returncode != 0, "there is a shell"


def demo_passes(stack: Stack) -> None:
    demo = run(sys.executable, "examples/demo.py", stack.address("proxy", 8980))
    assert "every answer was as promised" in demo.stdout


def admin_wants_its_token(stack: Stack) -> None:
    for secret in (stack.secrets, stack.secrets / "token"):
        assert stat.S_IMODE(secret.stat().st_mode) & 0o077 == 0, f"others may read {secret}"
    assert stack.token() not in (stack.secrets / "admin" / "tokens").read_text()
    assert stack.admin("GET", "/namespaces")[0] == 401
    assert stack.admin("GET", "/namespaces", token="prism_wrong")[0] == 401
    assert stack.admin("GET", "/namespaces", token=stack.token())[0] == 200


def namespace_made_by_the_admin_works_through_the_proxy(stack: Stack) -> None:
    orders = {"name": "orders", "pattern": "keyvalue", "plugin": {"endpoint": "memstore:50051"}}
    status, answer = stack.admin("POST", "/namespaces", orders, stack.token())
    assert status == 201 and answer["applied"] is True, (status, answer)
    with SyncPrismClient(stack.address("proxy", 8980)) as client:
        keyvalue = client.namespace("orders").keyvalue
        keyvalue.set("4711", b"paid")
        assert keyvalue.get("4711") == b"paid"
        assert not client.keyvalue.exists("4711"), "it is in another namespace"
    status, answer = stack.admin("GET", "/namespaces/orders/keys", token=stack.token())
    assert status == 200 and "4711" in json.dumps(answer), f"the console sees no data: {status} {answer}"
    with urllib.request.urlopen(f"http://{stack.address('admin', 8090)}/") as console:
        assert console.headers.get_content_type() == "text/html"


def failed_change_of_the_proxy_keeps_data(stack: Stack) -> None:
    with SyncPrismClient(stack.address("proxy", 8980)) as client:
        client.keyvalue.set("kept", b"x")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        changed = {**stack.variables, "PRISM_PORT": str(taken.getsockname()[1])}
        assert run("just", "up", "--no-build", check=False, env=changed).returncode != 0, "its port is taken"
    stack.just("up", "--no-build")
    with SyncPrismClient(stack.address("proxy", 8980)) as client:
        assert client.keyvalue.get("kept") == b"x"


def lost_backend_is_seen_and_healed(stack: Stack) -> None:
    memstore = stack.container("memstore")
    with SyncPrismClient(stack.address("proxy", 8980)) as client:
        client.keyvalue.set("before", b"x")
        docker("kill", memstore)
        docker("wait", memstore)
        try:
            client.keyvalue.get("before", timeout=10)
            raise AssertionError("a call succeeds without a backend")
        except UnavailableError as error:
            print(f"  a call says: {error}")
        with urllib.request.urlopen(f"http://{stack.address('proxy', 8981)}/config/status") as answer:
            (backend,) = json.load(answer)["backends"]
        assert (backend["endpoint"], backend["state"]) == ("memstore:50051", "unreachable"), backend
        _, answer = stack.admin("GET", "/backends", token=stack.token())
        (backend,) = answer["backends"]
        assert backend["health"] == "unreachable" and backend["error"], backend
        stack.compose("exec", "-T", "proxy", "prism", "health", "127.0.0.1:8980")

        stack.compose("start", "memstore")
        begun = time.monotonic()
        stack.compose("exec", "-T", "memstore", "prism", "health", "--wait", f"{PATIENCE}s", "127.0.0.1:50051")
        # Each call waits between its own attempts.
        while True:
            try:
                assert not client.keyvalue.exists("before", timeout=10), "memory outlasts its process"
                break
            except UnavailableError:
                assert time.monotonic() - begun < PATIENCE, "the proxy does not find its backend again"
        print(f"  {time.monotonic() - begun:.1f} s after the backend's start calls succeed")
        client.keyvalue.set("after", b"y")
        assert client.keyvalue.get("after") == b"y"


def default_moves_to_valkey_and_its_data_stays(stack: Stack) -> None:
    default_moves_and_its_data_stays(stack, "valkey", "data")


def default_moves_to_disk_and_its_data_stays(stack: Stack) -> None:
    default_moves_and_its_data_stays(stack, "diskstore", "store")


def default_moves_and_its_data_stays(stack: Stack, service: str, volume: str) -> None:
    token = stack.token()
    up = stack.just("up", "--no-build", "--backend", service)
    assert f"{stack.name}_{volume}" in up.stdout, up.stdout
    status, backend = stack.admin("GET", "/namespaces/default", token=token)
    assert (status, backend["plugin"]) == (200, {"backend": service}), backend
    with SyncPrismClient(stack.address("proxy", 8980)) as client:
        client.keyvalue.set("kept", b"on disk")
        docker("kill", stack.container(service))
        stack.compose("start", service)
        begun = time.monotonic()
        while True:
            try:
                assert client.keyvalue.get("kept", timeout=10) == b"on disk"
                break
            except UnavailableError:
                assert time.monotonic() - begun < PATIENCE, f"the proxy does not find {service} again"
    host = inspect(stack.container(service))["HostConfig"]
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["PortBindings"], host
    stack.just("down")
    # Without the flag, it is not started; with it, the data is there again.
    stack.just("up", "--no-build")
    assert not stack.container(service)
    stack.just("up", "--no-build", "--backend", service)
    with SyncPrismClient(stack.address("proxy", 8980)) as client:
        assert client.keyvalue.get("kept", timeout=PATIENCE) == b"on disk"
    stack.compose("rm", "--stop", "--force", service)


def stops_in_order_and_leaves_nothing(stack: Stack) -> None:
    containers = {stack.container(service): service for service in SERVICES}
    since = time.time()
    down = stack.just("down")
    assert f"{stack.name}_config" in down.stdout, "it says what is kept"
    assert sorted(stack.left()) == [f"{stack.name}_config", f"{stack.name}_data", f"{stack.name}_store"]
    command = ["docker", "events", "--since", f"{since:.3f}", "--until", f"{time.time():.3f}", "--format", "{{json .}}"]
    seen = [json.loads(line) for line in run(*command, "--filter", "event=die").stdout.splitlines()]
    codes = {containers.get(event["id"]): event["Actor"]["Attributes"]["exitCode"] for event in seen}
    codes.pop(None, None)
    assert codes == dict.fromkeys(SERVICES, "0"), f"a drain ends with 0: {codes}"
    stack.just("down", "--volumes")
    assert stack.left() == []


def failing_start_says_why(folder: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        stack = Stack(f"prism-taken-{os.getpid()}", f"{folder}/taken", PRISM_PORT=port)
        refused(stack, port)
    refused(Stack(f"prism-wrong-{os.getpid()}", f"{folder}/wrong", PRISM_MEMORY_LIMIT="much"), "much", "memstore")


def refused(stack: Stack, *reasons: str) -> None:
    try:
        up = stack.just("up", "--no-build", check=False)
        assert up.returncode != 0, "it starts all the same"
        for reason in reasons:
            assert reason in up.stderr + up.stdout, f"{reason} is missing in:\n{up.stdout}\n{up.stderr}"
    finally:
        stack.just("down", "--volumes")
    assert stack.left() == []


def units_of_systemd_are_sound(folder: str) -> None:
    """The units were started by systemd when they were written; this finds a directive that is misspelt or unknown."""
    copies = []
    for unit in sorted((ROOT / "deploy/systemd").glob("*.service")):
        text = unit.read_text()
        assert text.count(f"ExecStart=/usr/local/bin/{unit.stem}\n") == 1, unit
        copies.append(Path(folder) / unit.name)
        # The servers are not installed here.
        copies[-1].write_text(re.sub("(?m)^ExecStart=.*", "ExecStart=/bin/true", text))
    assert len(copies) == len(SERVICES) + 1, "diskstore has one, too"
    verified = run("systemd-analyze", "verify", "--man=no", *map(str, copies))
    said = [line for line in verified.stderr.splitlines() if "prism-" in line]
    assert not said, said


def files_for_kubernetes_are_valid(folder: str) -> None:
    """Against the schemas of Kubernetes; the workspace's tests start the servers with their arguments."""
    files = sorted(path for path in (ROOT / "deploy/kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
    listed = re.search(r"resources: \[(.*)\]", (ROOT / "deploy/kubernetes/kustomization.yaml").read_text())
    assert listed and sorted(listed[1].split(", ")) == [path.name for path in files], files
    for file in files:
        run("kubernetes-validate", "--strict", "--quiet", str(file))


def main() -> None:
    # The strictest umask: the user of the containers can nevertheless read what they mount.
    os.umask(0o077)
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(f"prism-deploy-test-{os.getpid()}", folder)
        try:
            for claim in (
                starts_from_nothing,
                image_is_small_and_bare,
                containers_are_hardened,
                demo_passes,
                admin_wants_its_token,
                namespace_made_by_the_admin_works_through_the_proxy,
                starts_again_and_keeps_namespaces,
                failed_change_of_the_proxy_keeps_data,
                lost_backend_is_seen_and_healed,
                default_moves_to_valkey_and_its_data_stays,
                default_moves_to_disk_and_its_data_stays,
                stops_in_order_and_leaves_nothing,
            ):
                print(claim.__name__.replace("_", " "), flush=True)
                claim(stack)
        except BaseException:
            print(stack.compose("logs", "--tail=50"), file=sys.stderr)
            raise
        finally:
            stack.just("down", "--volumes")
        for claim in (failing_start_says_why, units_of_systemd_are_sound, files_for_kubernetes_are_valid):
            print(claim.__name__.replace("_", " "), flush=True)
            claim(folder)


if __name__ == "__main__":
    main()
