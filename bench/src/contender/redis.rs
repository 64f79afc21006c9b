//! Redis, without persistence unless it is asked for, and the part of its protocol that the benchmark needs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::{Contender, Setup, WorkerKind};
use crate::process::{Process, Ready, free_address};

/// Its name in results.
pub(crate) const NAME: &str = "redis";

/// How long a cluster may take until each node knows the others.
const CLUSTER_MAX: Duration = Duration::from_secs(30);

/// How many commands are sent before their replies are read.
const PIPELINE: usize = 1000;

/// A Redis server.
pub(crate) fn start(setup: Setup<'_>) -> anyhow::Result<Contender> {
    start_as(NAME, Path::new("redis-server"), setup)
}

/// A Redis server that writes its append-only file, and syncs it `always` or `everysec`.
pub(crate) fn start_with_file(setup: Setup<'_>, sync: &str) -> anyhow::Result<Contender> {
    start_with(NAME, Path::new("redis-server"), setup, &["--appendonly", "yes", "--appendfsync", sync])
}

/// A server that takes Redis' flags and names its threads after its binary.
pub(crate) fn start_as(name: &'static str, binary: &Path, setup: Setup<'_>) -> anyhow::Result<Contender> {
    start_with(name, binary, setup, &["--appendonly", "no"])
}

/// The nodes of a cluster: three primaries, and a replica of each.
pub(crate) fn start_cluster(setup: Setup<'_>) -> anyhow::Result<Vec<Contender>> {
    let mut nodes = Vec::new();
    for number in 0..6 {
        let bus = free_address()?;
        let (_, bus) = bus.rsplit_once(':').context("an address has a port")?;
        let file = format!("node-{number}.conf");
        let flags = ["--appendonly", "no", "--cluster-enabled", "yes", "--cluster-port", bus];
        let flags = [&flags[..], &["--cluster-config-file", &file]].concat();
        nodes.push(start_with(NAME, Path::new("redis-server"), setup, &flags)?);
    }
    let output = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(nodes.iter().map(|node| &node.address))
        .args(["--cluster-replicas", "1", "--cluster-yes"])
        .output()?;
    ensure!(output.status.success(), "redis-cli: {}", String::from_utf8_lossy(&output.stdout));
    let until = Instant::now() + CLUSTER_MAX;
    for node in &nodes {
        let mut connection = Connection::open(&node.address)?;
        loop {
            let state = connection.call(&["CLUSTER", "INFO"])?.concat();
            if state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:6") {
                break;
            }
            ensure!(Instant::now() < until, "a cluster was not ready within {CLUSTER_MAX:?}: {state}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(nodes)
}

fn start_with(
    name: &'static str,
    binary: &Path,
    setup: Setup<'_>,
    flags: &[&str],
) -> anyhow::Result<Contender> {
    let address = free_address()?;
    let (host, port) = address.rsplit_once(':').context("an address has a port")?;
    let mut command = setup.place.command(binary);
    command.args(["--bind", host, "--port", port, "--save", ""]).args(flags);
    command.args(["--io-threads", &setup.workers.to_string()]).arg("--dir").arg(setup.folder);
    let process = Process::start(name, command, &Ready::Accepts(address.clone()), setup.folder)?;
    // Commands run on its main thread; with one I/O thread, that thread also serves the sockets.
    let kind = WorkerKind::Threads(if name == NAME { "redis-server" } else { "valkey-server" });
    Ok(Contender { name, address, process, place: setup.place, kind, secure: None })
}

/// A connection to Redis.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Connects.
    pub(crate) fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a command and returns the strings of its reply.
    pub(crate) fn call(&mut self, words: &[&str]) -> anyhow::Result<Vec<String>> {
        self.0.get_mut().write_all(&command(words))?;
        self.reply()
    }

    /// Stores a value under every key, followed by the words `extra` (`EX 60`).
    pub(crate) fn fill(
        &mut self,
        keys: impl Iterator<Item = String>,
        value: &str,
        extra: &[&str],
    ) -> anyhow::Result<()> {
        let mut keys = keys.peekable();
        while keys.peek().is_some() {
            let mut batch = Vec::new();
            let mut sent = 0;
            for key in keys.by_ref().take(PIPELINE) {
                let mut words = vec!["SET", &key, value];
                words.extend_from_slice(extra);
                batch.extend(command(&words));
                sent += 1;
            }
            self.0.get_mut().write_all(&batch)?;
            for _ in 0..sent {
                let reply = self.reply()?;
                ensure!(reply == ["OK"], "Redis replied to a SET with {reply:?}");
            }
        }
        Ok(())
    }

    /// The number of keys.
    pub(crate) fn size(&mut self) -> anyhow::Result<u64> {
        Ok(self.call(&["DBSIZE"])?.concat().parse()?)
    }

    /// Connections accepted since the start.
    pub(crate) fn connections_accepted(&mut self) -> anyhow::Result<u64> {
        let stats = self.call(&["INFO", "stats"])?.concat();
        let accepted = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        Ok(accepted.context("Redis does not report its connections")?.trim().parse()?)
    }

    fn reply(&mut self) -> anyhow::Result<Vec<String>> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).context("Redis closed the connection")?;
        match kind {
            "+" | ":" => Ok(vec![rest.to_owned()]),
            "$" if rest == "-1" => Ok(Vec::new()),
            "$" => {
                let mut text = vec![0; rest.parse::<usize>()? + 2];
                self.0.read_exact(&mut text)?;
                text.truncate(text.len() - 2);
                Ok(vec![String::from_utf8(text)?])
            }
            "*" => {
                let mut all = Vec::new();
                for _ in 0..rest.parse::<usize>()? {
                    all.extend(self.reply()?);
                }
                Ok(all)
            }
            _ => bail!("Redis replied {line}"),
        }
    }
}

/// A command in Redis' protocol.
fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_carry_their_lengths() {
        assert_eq!(command(&["GET", "key"]), b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    }
}
