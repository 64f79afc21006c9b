"""TLS to the gateway: whom the clients trust, what they show, and what they say when that fails."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from prism import PrismClient, SyncPrismClient
from prism.errors import InvalidArgumentError, UnavailableError

from conftest import TIMEOUT, Run
from guarded_gateway import GuardedGateway

TOKEN = "s3cret"


def openssl(*arguments: str, folder: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_ca(folder: Path, name: str) -> None:
    """`NAME.pem` and its key."""
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
    openssl("req", "-x509", *new, "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}", folder=folder)


def sign(folder: Path, ca: str, name: str, alternative: str, days: int = 2) -> None:
    """`NAME.pem` and its key, signed by a CA."""
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
    openssl("req", *new, "-out", f"{name}.csr", "-subj", f"/CN={name}", folder=folder)
    (folder / "extensions").write_text(f"subjectAltName={alternative}\n")
    by = ["-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-extfile", "extensions"]
    openssl("x509", "-req", "-in", f"{name}.csr", *by, "-out", f"{name}.pem", "-days", str(days), folder=folder)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for ca in ("ca", "strangers"):
        make_ca(folder, ca)
    sign(folder, "ca", "server", "DNS:localhost,IP:127.0.0.1")
    sign(folder, "ca", "client", "URI:spiffe://corp/orders")
    return folder


def secured(files: Path, certificate: str = "server", *, demands: bool = False) -> GuardedGateway:
    pair = ((files / f"{certificate}.key").read_bytes(), (files / f"{certificate}.pem").read_bytes())
    ca = (files / "ca.pem").read_bytes() if demands else None
    return GuardedGateway(TOKEN, grpc.ssl_server_credentials([pair], ca, demands))


@pytest.fixture
def gateway(files: Path) -> Iterator[GuardedGateway]:
    with secured(files) as gateway:
        yield gateway


async def test_both_clients_connect_with_tls(gateway: GuardedGateway, files: Path) -> None:
    for address in (gateway.address, f"https://localhost:{gateway.port}"):
        async with PrismClient(address, token=TOKEN, ca_file=files / "ca.pem", timeout=TIMEOUT) as client:
            assert await client.keyvalue.exists("k")
            assert [key async for key in client.keyvalue.scan_keys()] == ["a", "b", "c"]
        with SyncPrismClient(address, token=TOKEN, ca_file=str(files / "ca.pem"), timeout=TIMEOUT) as sync_client:
            assert sync_client.keyvalue.exists("k")


async def test_a_client_shows_its_certificate(files: Path) -> None:
    with secured(files, demands=True) as gateway:
        own = {"certificate_file": files / "client.pem", "key_file": files / "client.key"}
        async with PrismClient(
            gateway.address, token=TOKEN, ca_file=files / "ca.pem", timeout=TIMEOUT, **own
        ) as client:
            assert await client.keyvalue.exists("k")
        async with PrismClient(gateway.address, token=TOKEN, ca_file=files / "ca.pem", timeout=TIMEOUT) as client:
            # The server may close the connection before its alert is read, so the words vary.
            with pytest.raises(UnavailableError):
                await client.list.push_left("l", b"v")


async def test_a_failure_says_what_is_wrong(gateway: GuardedGateway, files: Path) -> None:
    ca = files / "ca.pem"
    for settings, told in [
        ({"ca_file": files / "strangers.pem"}, "not signed by a CA that is trusted here; set ca_file"),
        ({"ca_file": ca, "server_name": "gateway.example"}, "not for gateway.example"),
        ({"ca_file": files / "missing.pem"}, "missing.pem"),
        ({"ca_file": files / "server.key"}, "server.key"),
        ({"tls": True}, "not signed by a CA that is trusted here; set ca_file"),
    ]:
        async with PrismClient(gateway.address, timeout=TIMEOUT, **settings) as client:  # type: ignore[arg-type]
            with pytest.raises(UnavailableError, match=told):
                await client.keyvalue.exists("k")
    assert gateway.sent == [], "nothing was sent"
    with GuardedGateway(TOKEN) as plaintext:
        async with PrismClient(plaintext.address, ca_file=ca, timeout=TIMEOUT) as client:
            with pytest.raises(UnavailableError, match="plaintext"):
                await client.keyvalue.exists("k")


async def test_renewed_files_are_used_by_a_new_connection(gateway: GuardedGateway, files: Path, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes((files / "strangers.pem").read_bytes())
    async with PrismClient(gateway.address, token=TOKEN, ca_file=ca, timeout=TIMEOUT) as client:
        with pytest.raises(UnavailableError):
            await client.keyvalue.exists("k")
        ca.write_bytes((files / "ca.pem").read_bytes())
        assert await client.keyvalue.exists("k")


@pytest.mark.parametrize("client", [PrismClient, SyncPrismClient])
def test_settings_that_cannot_work_are_refused_at_once(client: type[PrismClient | SyncPrismClient]) -> None:
    with pytest.raises(InvalidArgumentError, match="https://"):
        client("http://localhost:8980", tls=True)
    with pytest.raises(InvalidArgumentError, match="key_file"):
        client("localhost:8980", certificate_file="certificate.pem")
    with pytest.raises(InvalidArgumentError, match="server_name"):
        client("localhost:8980", server_name="not a name")
    with pytest.raises(TypeError, match=r"^ca_file must be str or path-like, not int"):
        client("localhost:8980", ca_file=1)  # type: ignore[arg-type]
    client("gateway.example:8980", token=TOKEN, tls=True)


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")
from prism import SyncPrismClient
client = SyncPrismClient(sys.argv[1], token=sys.argv[2], ca_file=sys.argv[3], timeout=60)
assert client.keyvalue.exists("k")
child = os.fork()
assert client.keyvalue.exists("k")
if child == 0:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert client.keyvalue.exists("k")
"""


def test_a_forked_child_connects_anew(gateway: GuardedGateway, files: Path, python: Run) -> None:
    ran = python(FORK, gateway.address, TOKEN, str(files / "ca.pem"))
    assert (ran.returncode, ran.stderr) == (0, "")
