//! Figures that servers serve as text, in the format of Prometheus.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, ensure};

/// The value of a metric at an HTTP address, by its whole name, labels included. 0 for one with labels that is not there: it has counted
/// nothing yet.
pub(crate) fn read(address: &str, name: &str) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(
        answer.lines().next().is_some_and(|line| line.contains(" 200 ")),
        "{address} does not serve its metrics: {answer}"
    );
    let found = value(&answer, name);
    if name.contains('{') {
        Ok(found.unwrap_or(0))
    } else {
        found.with_context(|| format!("{address} has no metric {name}"))
    }
}

fn value(text: &str, name: &str) -> Option<u64> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    // Some servers write large counts as 1.2e+06.
    values.next()?.trim().parse::<f64>().ok().map(|value| value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_their_whole_name() {
        let text = "# TYPE prism_memstore_keys gauge\nprism_memstore_keys_more 2\nprism_memstore_keys 17\n\
                    handled{code=\"OK\"} 1.2e+06\n";
        assert_eq!(value(text, "prism_memstore_keys"), Some(17));
        assert_eq!(value(text, "prism_memstore"), None);
        assert_eq!(value(text, "handled{code=\"OK\"}"), Some(1_200_000));
    }
}
