//! Prism's own servers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::{Contender, Setup, WorkerKind};
use crate::process::{Process, Ready, own_binary};

/// The name of the proxy in results.
pub(crate) const PROXY: &str = "prism-proxy";
/// The name of the proxy with TLS and a token.
pub(crate) const PROXY_TLS: &str = "prism-proxy-tls";
/// The name of the store.
pub(crate) const MEMSTORE: &str = "prism-memstore";
/// The name of the plugin for Redis.
pub(crate) const REDIS: &str = "prism-redis";

/// A memstore without a memory limit, with its metrics on an HTTP port.
pub(crate) fn memstore(setup: Setup<'_>) -> anyhow::Result<Contender> {
    start(MEMSTORE, setup, &["--memory-limit", "0", "--http-listen", "127.0.0.1:0"])
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
    let mut file = "namespaces:\n".to_owned();
    for number in 0..count {
        let name = if number == 0 { "default".to_owned() } else { namespace(number) };
        let plugin = format!("plugin: {{ endpoint: \"{endpoint}\" }}");
        file.push_str(&format!("  - {{ name: {name}, pattern: keyvalue, {plugin} }}\n"));
    }
    with_config(setup, &file)
}

fn with_config(setup: Setup<'_>, text: &str) -> anyhow::Result<Contender> {
    let path = tempfile::Builder::new().suffix(".yaml").tempfile_in(setup.folder)?.into_temp_path();
    std::fs::write(&path, text)?;
    let config = path.to_str().context("a temporary path is UTF-8")?;
    start(PROXY, setup, &["--http-listen", "127.0.0.1:0", "--config", config])
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
    let backend = format!("{{ name: redis, embedded: redis, options: {{ url: \"redis://{redis}\" }} }}");
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
    let mut command = setup.place.command(own_binary(name)?);
    command.args(["--listen", "127.0.0.1:0", "--workers", &setup.workers.to_string()]).args(arguments);
    let process = Process::start(name, command, &Ready::Line, setup.folder)?;
    let kind = WorkerKind::Threads("worker-");
    let address = process.said("grpc").context("the ready line has no address")?.to_owned();
    Ok(Contender { name, address, process, place: setup.place, kind, secure: None })
}

/// A metric from the HTTP port of one of Prism's servers.
pub(crate) fn metric(contender: &Contender, name: &str) -> anyhow::Result<u64> {
    let address = contender.process.said("http").context("the ready line has no HTTP address")?;
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{} does not serve its metrics: {answer}", contender.name);
    value(&answer, name).with_context(|| format!("{} has no metric {name}", contender.name))
}

fn value(text: &str, name: &str) -> Option<u64> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_their_whole_name() {
        let text = "# TYPE prism_memstore_keys gauge\nprism_memstore_keys_more 2\nprism_memstore_keys 17\n";
        assert_eq!(value(text, "prism_memstore_keys"), Some(17));
        assert_eq!(value(text, "prism_memstore"), None);
    }
}
