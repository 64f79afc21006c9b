"""The two clients are twins, the stubs are true, and the promised signatures hold."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import prism
import pytest
from prism._traces import _METHODS

TWINS = [
    (prism.PrismClient, prism.SyncPrismClient),
    (prism.Namespace, prism.SyncNamespace),
    (prism.KeyValueAPI, prism.SyncKeyValueAPI),
    (prism.ListAPI, prism.SyncListAPI),
    (prism.Lease, prism.SyncLease),
    (prism.Reservation, prism.SyncReservation),
    (prism.TransferAPI, prism.SyncTransferAPI),
    (prism.BackendAPI, prism.SyncBackendAPI),
]

PROMISED = {
    prism.KeyValueAPI: {
        "set": "(key, value, namespace='default', ttl_seconds=None)",
        "get": "(key, namespace='default')",
        "delete": "(key, namespace='default')",
        "exists": "(key, namespace='default')",
        "scan": "(prefix='', namespace='default', limit=0)",
    },
    prism.ListAPI: {
        "push_left": "(list_key, value, namespace='default')",
        "push_right": "(list_key, value, namespace='default')",
        "pop_left": "(list_key, namespace='default')",
        "pop_right": "(list_key, namespace='default')",
        "length": "(list_key, namespace='default')",
    },
    prism.PrismClient: {"__init__": "(proxy_address)", "close": "()"},
}


def methods(of: type) -> dict[str, inspect.Signature]:
    public = inspect.getmembers(of, inspect.isfunction)
    return {name: inspect.signature(method) for name, method in public if not name.startswith("_")}


def sync_parameters(signature: inspect.Signature) -> dict[str, inspect.Parameter]:
    """The parameters of a twin: without an event loop, functions and iterables are plain ones."""
    plain = {"str | Awaitable[str]]": "str]", "AsyncIterable[Item[Given]] | ": ""}
    parameters = {}
    for name, parameter in signature.parameters.items():
        annotation = parameter.annotation
        for either, only in plain.items():
            annotation = annotation.replace(either, only) if isinstance(annotation, str) else annotation
        parameters[name] = parameter.replace(annotation=annotation)
    return parameters


@pytest.mark.parametrize(("twin", "sync_twin"), TWINS)
def test_twins_have_the_same_names_keywords_and_defaults(twin: type, sync_twin: type) -> None:
    ours, theirs = methods(twin), methods(sync_twin)
    assert ours.keys() == theirs.keys()
    for name, signature in ours.items():
        assert sync_parameters(signature) == dict(theirs[name].parameters), name
        result = str(signature.return_annotation)
        expected = result
        for of in ("Scan[", "Reservation[", "Namespace"):
            expected = expected.replace(of, f"Sync{of}")
        assert str(theirs[name].return_annotation) == expected, name
    assert sync_parameters(inspect.signature(twin)) == dict(inspect.signature(sync_twin).parameters)


def test_scans_are_twins() -> None:
    ours, theirs = methods(prism.keyvalue.Scan), methods(prism.keyvalue.SyncScan)
    assert ours.keys() - {"aclose"} == theirs.keys() - {"close"} >= {"resume_token"}
    assert ours["resume_token"] == theirs["resume_token"]


@pytest.mark.parametrize(("of", "name"), [(of, name) for of, names in PROMISED.items() for name in names])
def test_promised_signatures_hold(of: type, name: str) -> None:
    signature = inspect.signature(getattr(of, name))
    positional = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "self"
    ]
    assert str(inspect.Signature(positional)) == PROMISED[of][name]
    added = [parameter for parameter in signature.parameters.values() if parameter.kind is parameter.KEYWORD_ONLY]
    assert not any(parameter.default for parameter in added), "nothing is on unless asked for"


@pytest.mark.parametrize("of", [prism.KeyValueAPI, prism.ListAPI, prism.Namespace])
def test_every_call_has_a_timeout_and_is_documented(of: type) -> None:
    for name, signature in methods(of).items():
        assert "timeout" in signature.parameters, name
        assert inspect.getdoc(getattr(of, name)), name


def test_each_native_verb_has_its_rpc_and_is_called() -> None:
    native = prism._native.Client
    verbs = {name for name in vars(native) if not name.startswith("_")}
    verbs -= {"close", "token_questions", "with_metadata"}
    assert verbs == set(_METHODS)
    source = "".join(path.read_text() for path in Path(prism.__file__).parent.rglob("*.py"))
    for verb in verbs:
        assert source.count(f"self._client.{verb},") >= 2, f"{verb} is called by both twins"


def test_calls_are_coroutines(address: str) -> None:
    assert inspect.iscoroutinefunction(prism.KeyValueAPI.get)
    assert inspect.iscoroutinefunction(prism.ListAPI.pop_left)


def run(*command: str) -> None:
    # Pyright looks for packages where the first `python` of the path finds them.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    command = (sys.executable, "-m", *command)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_are_true() -> None:
    run("mypy.stubtest", "prism", "--allowlist", str(Path(__file__).parent / "stubtest_allowlist.txt"))


def test_every_public_name_has_a_type() -> None:
    run("pyright", "--verifytypes", "prism")


def test_a_strict_type_checker_accepts_the_package_and_its_use(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text(
        "from prism import UTF8, Codec, Imported, KeyItem, ListPart, PrismClient, SyncPrismClient\n"
        "from prism.errors import KeyNotFoundError\n"
        "async def use() -> None:\n"
        "    async with PrismClient('localhost:8980', token='t') as client:\n"
        "        await client.keyvalue.set('k', bytearray(b'v'), ttl_seconds=5, timeout=0.5)\n"
        "        value: bytes = await client.keyvalue.get('k')\n"
        "        popped: bytes | None = await client.namespace('n').list.pop_left('l')\n"
        "        found: dict[str, bytes] = {k: v async for k, v in client.keyvalue.scan('p', limit=3)}\n"
        "        left: list[float | None] = [ttl async for _, _, ttl in client.keyvalue.scan('p', with_ttl=True)]\n"
        "        maybe: bytes | None = await client.keyvalue.get('k', default=None)\n"
        "        applied: bool = await client.keyvalue.set_if('k', b'v', equals=bytearray(b'w'))\n"
        "        text = client.namespace('n', codec=UTF8)\n"
        "        await text.set('k', 'text')\n"
        "        word: str = await text.get('k')\n"
        "        words: list[str] = await text.list.range('l')\n"
        "        async with text.list.reserve('l', lease=60) as reserved:\n"
        "            job: str = reserved[0]\n"
        "            deliveries: list[int] = reserved.deliveries\n"
        "            await reserved.extend(60)\n"
        "        ok, before = await text.set_if('k', 'v', absent=True, return_current=True)\n"
        "        same: str | None = before if ok else None\n"
        "        many: dict[str, str | None] = await text.get_many(['k'])\n"
        "        numbers = client.namespace('n', codec=Codec[int, int](lambda number: b'%d' % number, int))\n"
        "        number: int = await numbers.get('k')\n"
        "        words = [item.value async for item in text.export() if isinstance(item, KeyItem)]\n"
        "        imported: Imported = await client.namespace('n').import_items(client.namespace('m').export())\n"
        "        await text.import_items([KeyItem('k', 'text', ttl_seconds_left=5), ListPart('l', ['a', 'b'])])\n"
        "        is_ordered: bool = (await text.capabilities()).ordered\n"
        "        keys: int | None = (await text.usage()).keys\n"
        "        try:\n"
        "            await client.keyvalue.delete('k')\n"
        "        except KeyNotFoundError as error:\n"
        "            reason: str | None = error.reason\n"
        "async def token() -> str:\n"
        "    return 't'\n"
        "clients = [PrismClient('localhost:8980', token=token), PrismClient('localhost:8980', token=lambda: 't')]\n"
        "def use_sync() -> list[str]:\n"
        "    with SyncPrismClient('localhost:8980') as client:\n"
        "        length: int = client.list.push_left('l', b'v')\n"
        "        with client.list.reserve('l', wait=1) as reserved:\n"
        "            jobs: list[bytes] = list(reserved)\n"
        "        client.namespace('n').import_items(client.namespace('m').export())\n"
        "        return list(client.keyvalue.scan_keys())\n"
    )
    submodule = tmp_path / "submodule.py"
    submodule.write_text("import prism\n\nraised: type[KeyError] = prism.errors.KeyNotFoundError\n")
    for checked in (sample, submodule):
        run("mypy", "--strict", str(checked))
        run("pyright", str(checked))
    run("mypy", "--strict", "-p", "prism")
    wrong = tmp_path / "wrong.py"
    for line in (
        "SyncPrismClient('a:1').keyvalue.set('k', 'text')",
        "SyncPrismClient('a:1').namespace('n', codec=UTF8).set('k', b'bytes')",
    ):
        wrong.write_text(f"from prism import UTF8, SyncPrismClient\n{line}\n")
        with pytest.raises(AssertionError, match="arg-type"):
            run("mypy", "--strict", str(wrong))
        with pytest.raises(AssertionError, match="reportArgumentType"):
            run("pyright", str(wrong))
