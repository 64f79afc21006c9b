//! The Python client: its wheel is built, installed into this test's own virtual environment under `target/`, and
//! tested against real processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use prism_e2e::collector::Collector;
use prism_e2e::dev::Ran;
use prism_e2e::process::{Process, Proxy, config, target, without_package, workspace};
use prism_e2e::tls::{Site, by_name};

/// The interpreter of the environment in which the wheel and the tests' requirements are installed.
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let environment = target().join("python").join("environment");
    let python = environment.join("bin").join("python");
    if !python.exists() {
        run(
            Command::new(interpreter()).args(["-m", "venv", "--clear"]).arg(&environment),
            "install python3-venv",
        );
    }
    let pip = |arguments: &[&str], remedy: &str| {
        let mut pip = Command::new(&python);
        without_package(&mut pip)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(arguments);
        // The wheel is compiled in the workspace's target directory, so that nothing is compiled twice.
        run(pip.env("CARGO_TARGET_DIR", target()).current_dir(workspace()), remedy);
    };
    pip(
        &["--requirement", "tests/python/requirements.txt"],
        "a package index must be reachable (PyPI or a mirror)",
    );
    pip(
        &["--requirement", "examples/plugin/requirements.txt"],
        "a package index must be reachable (PyPI or a mirror)",
    );
    let wheel = ["--no-deps", "--force-reinstall", "--config-settings=build-args=--profile=dev"];
    pip(&[&wheel[..], &["./bindings/python"]].concat(), "see the compiler's messages above");
    python
});

fn interpreter() -> &'static str {
    const RECENT: &str = "import sys; sys.exit(sys.version_info < (3, 11))";
    let recent =
        |name: &&&str| Command::new(name).args(["-c", RECENT]).status().is_ok_and(|status| status.success());
    let names = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"];
    names.iter().find(recent).expect("no Python 3.11 or later: install python3 and python3-venv")
}

fn run(command: &mut Command, remedy: &str) {
    let status = command.status();
    assert!(status.as_ref().is_ok_and(|status| status.success()), "{command:?}: {status:?}; {remedy}");
}

/// Runs a Python program against a proxy in front of a memory store. The proxy's address is in `PRISM_ADDRESS`, and
/// replaces an argument of that name.
fn passes(arguments: &[&str]) {
    let memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let proxy = Proxy::start(&[("default", memstore.grpc()), ("other", memstore.grpc())]);
    let mut python = Command::new(&*PYTHON);
    let arguments: Vec<_> =
        arguments.iter().map(|word| if *word == "PRISM_ADDRESS" { proxy.grpc() } else { word }).collect();
    python.args(&arguments).current_dir(workspace()).env("PRISM_ADDRESS", proxy.grpc());
    let output = python.output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?} failed:\n{said}\n{complained}");
    println!("{said}");
}

#[test]
fn the_wheel_passes_its_tests() {
    passes(&["-m", "pytest", "-p", "no:cacheprovider", "tests/python"]);
}

#[test]
fn a_stock_grpc_client_connects_with_tls() {
    let site = Site::default();
    site.clients.write_pair(site.folder(), "client", "report.example");
    let flags = ["--listen", "127.0.0.1:0"].map(str::to_owned).into_iter().chain(site.flags());
    let store = Process::start("prism-memstore", flags);
    let address = by_name(store.grpc());
    let [right, wrong, certificate, key] =
        ["servers.ca", "clients.ca", "client.crt", "client.key"].map(|name| site.text(name));
    for (words, answer) in [
        (vec![&right], "SERVING\n"),
        (vec![&right, &certificate, &key], "SERVING\n"),
        (vec![&wrong], "UNAVAILABLE\n"),
    ] {
        let mut python = Command::new(&*PYTHON);
        python.arg("tests/python/tls_stranger.py").arg(&address).args(&words).current_dir(workspace());
        let output = python.output().unwrap();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), answer, "{words:?}: {complained}");
    }
}

#[test]
fn the_python_demo_runs_to_its_end() {
    passes(&["examples/demo.py", "PRISM_ADDRESS"]);
}

#[test]
fn the_plugin_in_python_is_conformant() {
    let mut python = Command::new(&*PYTHON);
    python.args(["examples/plugin/plugin.py", "127.0.0.1:0"]).current_dir(workspace());
    let plugin = Process::spawn("plugin.py", &mut python);
    let run = Ran::prism(["conformance", plugin.grpc()]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.text().contains(" is conformant: "), "{run:?}");
}

#[tokio::test]
async fn a_trace_goes_from_python_to_the_plugin() {
    const PROGRAM: &str = r#"
import os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prism import SyncPrismClient

trace.set_tracer_provider(TracerProvider())
with SyncPrismClient(os.environ["PRISM_ADDRESS"], traces=True) as client:
    with trace.get_tracer("program").start_as_current_span("request") as request:
        client.keyvalue.set("key", b"value")
print(f"{request.get_span_context().trace_id:032x}")
"#;
    let collector = Collector::start().await;
    let spans = tokio::task::spawn_blocking(move || {
        let flags = ["--otlp-endpoint", collector.endpoint(), "--trace-ratio", "0"];
        let mut memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"].iter().chain(&flags));
        let mut proxy = Proxy::with_flags(&config(&[("default", memstore.grpc())]), &flags);
        let output =
            Command::new(&*PYTHON).args(["-c", PROGRAM]).env("PRISM_ADDRESS", proxy.grpc()).output().unwrap();
        let trace_id = String::from_utf8(output.stdout).unwrap();
        for server in [&mut proxy.process, &mut memstore] {
            server.signal(rustix::process::Signal::TERM);
            assert!(server.wait().success());
        }
        collector.spans(Some(trace_id.trim()))
    });
    let mut services: Vec<_> = spans.await.unwrap().into_iter().map(|span| span.service).collect();
    // The proxy sends the call and its attempt, the store the call, each in its own time.
    services.sort_unstable();
    assert_eq!(services, ["prism-memstore", "prism-proxy", "prism-proxy"]);
}
