//! What `prism dev` prints, once, when the gateway accepts calls.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::output::Answer;

/// What is printed, once, when the gateway accepts calls.
#[derive(Serialize)]
pub(super) struct Ready<'a> {
    pub(super) event: &'static str,
    pub(super) version: &'static str,
    pub(super) pid: u32,
    pub(super) grpc: &'a str,
    pub(super) http: Option<&'a str>,
    /// Where the admin serves HTTP.
    pub(super) admin: Option<&'a str>,
    /// The CA of the ports' throw-away certificates.
    pub(super) ca_file: Option<&'a Path>,
    /// The configuration file.
    pub(super) config: Option<&'a Path>,
    pub(super) namespaces: Vec<String>,
    /// The folder that keeps the data; `None` if it is in memory.
    pub(super) data: Option<&'a Path>,
    /// The maximum memory for data; `None` for no limit.
    pub(super) memory_limit_bytes: Option<u64>,
    /// Whether the ports speak TLS.
    #[serde(skip)]
    pub(super) is_tls: bool,
    /// How to start this program again.
    #[serde(skip)]
    pub(super) program: String,
}

/// A memory limit as it would be typed.
fn size(limit_bytes: Option<u64>) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match (limit_bytes, units.iter().find(|(_, unit)| limit_bytes.is_some_and(|bytes| bytes % unit == 0))) {
        (None, _) => "without a limit".to_owned(),
        (Some(bytes), Some((name, unit))) => format!("at most {} {name}", bytes / unit),
        (Some(bytes), None) => format!("at most {bytes} bytes"),
    }
}

/// This program as the user called it, such as `target/release/prism`, so that the commands to try can be copied.
pub(super) fn program(called: Option<&str>) -> String {
    let plain =
        |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
    called.filter(plain).filter(|called| !called.is_empty()).unwrap_or("prism").to_owned()
}

/// The address that a client on this machine uses: localhost, for a server that listens everywhere.
pub(super) fn reachable(bound: &str) -> String {
    match bound.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]", port)) => format!("localhost:{port}"),
        _ => bound.to_owned(),
    }
}

impl Ready<'_> {
    /// The options that the commands to try need.
    fn options(&self, grpc: &str) -> String {
        let mut options = match grpc {
            "127.0.0.1:8980" | "localhost:8980" => String::new(),
            other => format!(" --address {other}"),
        };
        if let Some(file) = self.ca_file {
            options.push_str(&format!(" --ca-file {}", file.display()));
        }
        options
    }
}

impl Answer for Ready<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let grpc = reachable(self.grpc);
        let scheme = if self.is_tls { "https://" } else { "http://" };
        writeln!(out, "Prism {} is ready. Ctrl-C stops it.\n", self.version)?;
        writeln!(out, "  gRPC  {}{}", self.grpc, if self.is_tls { "  (TLS)" } else { "" })?;
        if let Some(http) = self.http {
            let scheme = if http.starts_with("unix:") { "" } else { scheme };
            writeln!(out, "  HTTP  {scheme}{}  (/metrics, /livez, /readyz)", reachable(http))?;
        }
        if let (Some(admin), Some(config)) = (self.admin, self.config) {
            writeln!(
                out,
                "  Admin {scheme}{}  (console; API at /docs; namespaces in {})",
                reachable(admin),
                config.display()
            )?;
        }
        if let Some(file) = self.ca_file {
            writeln!(out, "  TLS   throw-away certificates for this machine, signed by {}", file.display())?;
        }
        match self.data {
            Some(folder) => writeln!(
                out,
                "  Data  in {}; a power loss takes nothing that was acknowledged. Namespaces on embedded:memstore are lost when this \
                 process ends\n",
                folder.display()
            )?,
            None => {
                let size = size(self.memory_limit_bytes);
                writeln!(out, "  Data  in memory, {size}; lost when this process ends\n")?;
            }
        }
        let options = self.options(&grpc);
        writeln!(out, "Try it from another terminal:\n")?;
        let program = &self.program;
        writeln!(out, "  {program} kv set greeting hello{options}")?;
        writeln!(out, "  {program} kv get greeting{options}")?;
        if let (Some(file), Some(http)) = (self.ca_file, self.http) {
            writeln!(out, "  curl --cacert {} https://{}/readyz", file.display(), reachable(http))?;
        }
        writeln!(out, "\nor from Python:\n")?;
        writeln!(out, "  from prism import SyncPrismClient")?;
        let trust = self.ca_file.map_or(String::new(), |file| format!(", ca_file=\"{}\"", file.display()));
        writeln!(out, "  SyncPrismClient(\"{grpc}\"{trust}).keyvalue.get(\"greeting\")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(grpc: &str, http: Option<&str>, memory_limit_bytes: Option<u64>) -> String {
        with(None, grpc, http, memory_limit_bytes)
    }

    fn with(
        ca_file: Option<&Path>,
        grpc: &str,
        http: Option<&str>,
        memory_limit_bytes: Option<u64>,
    ) -> String {
        let ready = Ready {
            event: "ready",
            version: "1.2.3",
            pid: 1,
            grpc,
            http,
            admin: http.map(|_| "127.0.0.1:8090"),
            ca_file,
            config: http.map(|_| Path::new(".prism/prism.yaml")),
            namespaces: vec!["default".to_owned()],
            data: None,
            memory_limit_bytes,
            is_tls: ca_file.is_some(),
            program: program(Some("target/release/prism")),
        };
        let mut out = Vec::new();
        ready.text(&mut out, false).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_banner_says_where_what_and_how() {
        let banner = banner("127.0.0.1:8980", Some("127.0.0.1:8981"), Some(1 << 30));
        for told in [
            "http://127.0.0.1:8981 ",
            "http://127.0.0.1:8090 ",
            "namespaces in .prism/prism.yaml",
            "at most 1 GiB; lost when",
            "  target/release/prism kv set greeting hello\n",
            "PrismClient(\"127.0.0.1:8980\")",
        ] {
            assert!(banner.contains(told), "{told} is missing in {banner}");
        }
    }

    #[test]
    fn with_tls_the_commands_to_try_trust_its_ca() {
        let banner = with(Some(Path::new(".prism/ca.pem")), "127.0.0.1:8980", Some("127.0.0.1:8981"), None);
        for told in [
            "https://127.0.0.1:8981 ",
            "https://127.0.0.1:8090 ",
            "kv get greeting --ca-file .prism/ca.pem\n",
            "curl --cacert .prism/ca.pem https://127.0.0.1:8981/readyz\n",
            "PrismClient(\"127.0.0.1:8980\", ca_file=\".prism/ca.pem\")",
        ] {
            assert!(banner.contains(told), "{told} is missing in {banner}");
        }
        assert!(!banner.contains("http://"), "{banner}");
    }

    #[test]
    fn a_path_that_a_shell_would_split_is_not_shown() {
        assert_eq!(program(Some("./prism")), "./prism");
        for other in [Some("/my files/prism"), Some("$(x)"), Some(""), None] {
            assert_eq!(program(other), "prism");
        }
    }

    #[test]
    fn another_address_is_part_of_the_commands_to_try() {
        let banner = banner("0.0.0.0:4000", None, None);
        assert!(banner.contains("kv get greeting --address localhost:4000"), "{banner}");
        assert!(
            !banner.contains("HTTP")
                && !banner.contains("Admin")
                && banner.contains("in memory, without a limit"),
            "{banner}"
        );
    }
}
