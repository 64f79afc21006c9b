//! Prism's own servers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::{Contender, Setup, WorkerKind};
use crate::metrics;
use crate::process::{Process, Ready, own_binary};

/// The name of the proxy in results.
pub(crate) const PROXY: &str = "prism-proxy";
/// The name of the proxy with TLS and a token.
pub(crate) const PROXY_TLS: &str = "prism-proxy-tls";
/// The name of the store.
pub(crate) const MEMSTORE: &str = "prism-memstore";
/// The name of the plugin for Redis.
pub(crate) const REDIS: &str = "prism-redis";
/// The name of the store on disk.
pub(crate) const DISKSTORE: &str = "prism-diskstore";

/// A memstore without a memory limit, with its metrics on an HTTP port.
pub(crate) fn memstore(setup: Setup<'_>) -> anyhow::Result<Contender> {
    start(MEMSTORE, setup, &["--memory-limit", "0", "--http-listen", "127.0.0.1:0"])
}

/// The same of another version, from a folder of its binaries.
pub(crate) fn memstore_of(binaries: &Path, setup: Setup<'_>) -> anyhow::Result<Contender> {
    let flags = ["--memory-limit", "0", "--http-listen", "127.0.0.1:0"];
    start_binary(MEMSTORE, binaries.join(MEMSTORE), setup, &flags)
}

/// A proxy of another version, from a folder of its binaries, with the namespace `default`.
pub(crate) fn proxy_of(binaries: &Path, setup: Setup<'_>, endpoint: &str) -> anyhow::Result<Contender> {
    let config = config_file(setup, &namespaces(endpoint, 1))?;
    let flags = ["--http-listen", "127.0.0.1:0", "--config", &config];
    start_binary(PROXY, binaries.join(PROXY), setup, &flags)
}

/// A store on disk in a folder of its own, with memory for what was read or written lately.
pub(crate) fn diskstore(
    setup: Setup<'_>,
    path: &Path,
    durability: &str,
    cache: &str,
) -> anyhow::Result<Contender> {
    let path = path.to_str().context("a temporary path is UTF-8")?;
    let flags = ["--path", path, "--durability", durability, "--cache-size", cache, "--min-free", "0"];
    start(DISKSTORE, setup, &[&flags[..], &["--http-listen", "127.0.0.1:0"]].concat())
}

/// A proxy with one namespace, `default`.
pub(crate) fn proxy(setup: Setup<'_>, endpoint: &str) -> anyhow::Result<Contender> {
    proxy_with_namespaces(setup, endpoint, 1)
}

/// A proxy with `count` namespaces: `default`, `n1`, `n2` and so on.
pub(crate) fn proxy_with_namespaces(
    setup: Setup<'_>,
    endpoint: &str,
    count: usize,
) -> anyhow::Result<Contender> {
    with_config(setup, &namespaces(endpoint, count))
}

fn namespaces(endpoint: &str, count: usize) -> String {
    let mut file = "namespaces:\n".to_owned();
    for number in 0..count {
        let name = if number == 0 { "default".to_owned() } else { namespace(number) };
        let plugin = format!("plugin: {{ endpoint: \"{endpoint}\" }}");
        file.push_str(&format!("  - {{ name: {name}, pattern: keyvalue, {plugin} }}\n"));
    }
    file
}

fn with_config(setup: Setup<'_>, text: &str) -> anyhow::Result<Contender> {
    let config = config_file(setup, text)?;
    start(PROXY, setup, &["--http-listen", "127.0.0.1:0", "--config", &config])
}

/// A file that stays until its folder goes: a proxy reads it again when it changes.
fn config_file(setup: Setup<'_>, text: &str) -> anyhow::Result<String> {
    let (_, path) = tempfile::Builder::new().suffix(".yaml").tempfile_in(setup.folder)?.keep()?;
    std::fs::write(&path, text)?;
    path.into_os_string().into_string().ok().context("a temporary path is UTF-8")
}

/// A proxy with TLS, whose namespace `default` only the token `bench` of this file may call.
pub(crate) fn proxy_with_tls(
    setup: Setup<'_>,
    endpoint: &str,
    (certificate, key, tokens): (&Path, &Path, &Path),
) -> anyhow::Result<Contender> {
    let text = format!(
        "server:\n  tls: {{ certificate_file: {}, key_file: {} }}\n  token_file: {}\n\
         namespaces:\n  - {{ name: default, pattern: keyvalue, plugin: {{ endpoint: \"{endpoint}\" }}, \
         access: [{{ name: bench, rights: [read, write] }}] }}\n",
        certificate.display(),
        key.display(),
        tokens.display()
    );
    Ok(Contender { name: PROXY_TLS, ..with_config(setup, &text)? })
}

/// A new token with the name `bench`, in a new file of tokens.
pub(crate) fn token(file: &Path) -> anyhow::Result<String> {
    let output = Command::new(own_binary("prism")?)
        .args(["token", "new", "bench", "--token-file"])
        .arg(file)
        .output()?;
    ensure!(output.status.success(), "prism token: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().next_back().context("prism token printed no token")?.to_owned())
}

/// A proxy whose namespace `default` is served by an embedded Redis driver.
pub(crate) fn proxy_on_redis(setup: Setup<'_>, redis: &str) -> anyhow::Result<Contender> {
    proxy_on(setup, &format!("url: \"redis://{redis}\""))
}

/// The same on a cluster, of which it is told one node.
pub(crate) fn proxy_on_cluster(setup: Setup<'_>, node: &str) -> anyhow::Result<Contender> {
    proxy_on(setup, &format!("url: \"redis://{node}\", cluster: true"))
}

fn proxy_on(setup: Setup<'_>, options: &str) -> anyhow::Result<Contender> {
    let backend = format!("{{ name: redis, embedded: redis, options: {{ {options} }} }}");
    let namespace = "{ name: default, pattern: keyvalue, plugin: { backend: redis } }";
    with_config(setup, &format!("backends:\n  - {backend}\nnamespaces:\n  - {namespace}\n"))
}

/// The Redis driver in a process of its own.
pub(crate) fn redis(setup: Setup<'_>, redis: &str) -> anyhow::Result<Contender> {
    start(REDIS, setup, &["--redis", &format!("redis://{redis}"), "--http-listen", "127.0.0.1:0"])
}

/// The name of an additional namespace.
pub(crate) fn namespace(number: usize) -> String {
    format!("n{number}")
}

fn start(name: &'static str, setup: Setup<'_>, arguments: &[&str]) -> anyhow::Result<Contender> {
    start_binary(name, own_binary(name)?, setup, arguments)
}

fn start_binary(
    name: &'static str,
    binary: PathBuf,
    setup: Setup<'_>,
    arguments: &[&str],
) -> anyhow::Result<Contender> {
    let mut command = setup.place.command(binary);
    command.args(["--listen", "127.0.0.1:0", "--workers", &setup.workers.to_string()]).args(arguments);
    let process = Process::start(name, command, &Ready::Line, setup.folder)?;
    let kind = WorkerKind::Threads("worker-");
    let address = process.said("grpc").context("the ready line has no address")?.to_owned();
    Ok(Contender { name, address, process, place: setup.place, kind, secure: None })
}

/// A metric from the HTTP port of one of Prism's servers.
pub(crate) fn metric(contender: &Contender, name: &str) -> anyhow::Result<u64> {
    let address = contender.process.said("http").context("the ready line has no HTTP address")?;
    metrics::read(address, name)
}
