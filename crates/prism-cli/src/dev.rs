//! `prism dev`: a gateway, its backend and its admin in one process, for development.

mod file;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use prism_admin::config::ServeArgs;
use prism_memstore::config::MemoryLimit;
use prism_proxy::app::ProxyArgs;
use prism_proxy::config::Config;
use prism_proxy::endpoint::Endpoint;
use prism_proxy::reload::Source;
use prism_runtime::args::{HttpListen, ServerArgs};
use prism_runtime::exit::ServerError;
use prism_runtime::http::HttpServer;
use prism_runtime::{Running, process, telemetry};
use serde::Serialize;

use crate::drivers;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Format, Output};

const AFTER_HELP: &str = "\
Without the admin and --data there is no configuration file, and no namespace but \"default\".

Ctrl-C or SIGTERM lets calls in flight finish and exits with 0; a second signal stops it at once.

Examples:
  prism dev
  prism dev --data ./data
  prism dev --listen 0.0.0.0:9000 --http-listen off
  prism dev --listen 127.0.0.1:0 --http-listen 127.0.0.1:0 --admin-listen off --json";

/// Run a gateway with data in memory or in a folder, and its admin, in one process: for development and tests.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Dev {
    #[command(flatten)]
    server: ServerArgs,

    #[command(flatten)]
    proxy: ProxyArgs,

    /// HTTP address of the admin: HOST:PORT, or "off" [default: 127.0.0.1:8090; off if --http-listen is off, because the
    /// admin queries the proxy there].
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<HttpListen>,

    /// Folder of prism.yaml, the configuration that the admin owns, and of its revisions. Created if it is missing.
    #[arg(long, value_name = "FOLDER", default_value = ".prism")]
    folder: PathBuf,

    /// Keep the data, prism.yaml and its revisions in this folder. Created if it is missing. Data is on disk before it is
    /// acknowledged; without this flag it is in memory.
    #[arg(long, value_name = "FOLDER", conflicts_with = "folder")]
    data: Option<PathBuf>,

    /// Maximum memory for data: bytes, or a number with KiB, MiB or GiB; 0 for no limit. At the limit, writes that need more
    /// memory fail.
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    memory_limit: MemoryLimit,

    /// Report readiness as one JSON object on one line instead of the banner.
    #[arg(long)]
    json: bool,
}

/// What is printed, once, when the gateway accepts calls.
#[derive(Serialize)]
struct Ready<'a> {
    event: &'static str,
    version: &'static str,
    pid: u32,
    grpc: &'a str,
    http: Option<&'a str>,
    /// Where the admin serves HTTP.
    admin: Option<&'a str>,
    /// The configuration file.
    config: Option<&'a Path>,
    namespaces: Vec<String>,
    /// The folder that keeps the data; `None` if it is in memory.
    data: Option<&'a Path>,
    /// The maximum memory for data; `None` for no limit.
    memory_limit_bytes: Option<u64>,
    /// How to start this program again.
    #[serde(skip)]
    program: String,
}

/// The defaults and variables of the server's flags: those of the proxy, except that only warnings are logged, so that
/// the banner stands out.
pub(crate) fn with_defaults(command: clap::Command) -> clap::Command {
    prism_runtime::args::with_variables(command, "prism-dev", &prism_proxy::app::DEFAULTS)
        .mut_arg("log", |log| log.default_value("warn"))
}

impl Dev {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let output = Output::new(if self.json { Format::Json } else { Format::Text });
        process::block_on(async {
            telemetry::init(&self.server.log, self.server.log_format)?;
            let signals = prism_runtime::signals::Signals::take()?;
            let drivers = drivers::all(self.memory_limit);
            let has_admin = self.has_admin()?;
            let file = match &self.data {
                Some(folder) => Some(file::with_data(folder)?),
                None => has_admin.then(|| file::at(&self.folder)).transpose()?,
            };
            let source = match &file {
                Some(path) => Source::File { path: path.clone(), required: true },
                None => Source::Fixed(Config::single(Endpoint::Embedded(drivers::MEMSTORE.to_owned()))),
            };
            let config = source.load().map_err(|error| ServerError::Config(error.to_string()))?;
            let (running, reload) =
                prism_proxy::app::start(&self.server, self.proxy.clone(), source, drivers).await?;
            let admin = match &file {
                Some(file) if has_admin => Some(self.admin(file, &running).await?),
                _ => None,
            };
            let ready = Ready {
                event: "ready",
                version: env!("CARGO_PKG_VERSION"),
                pid: std::process::id(),
                grpc: running.grpc_address(),
                http: running.http_address(),
                admin: admin.as_ref().map(HttpServer::address),
                config: file.as_deref(),
                namespaces: config.namespaces.into_iter().map(|namespace| namespace.name).collect(),
                data: self.data.as_deref(),
                memory_limit_bytes: self.memory_limit.0,
                program: program(std::env::args().next().as_deref()),
            };
            output.print(&ready).map_err(ServerError::failed)?;
            let served = running.run_until(signals, reload).await;
            if let Some(admin) = admin {
                admin.drain().await;
            }
            served
        })?;
        Ok(Exit::Success)
    }

    fn has_admin(&self) -> Result<bool, ServerError> {
        let http_is_off = self.server.http_listen == Some(HttpListen::Off);
        match &self.admin_listen {
            Some(HttpListen::At(_)) if http_is_off => Err(ServerError::Config(
                "--admin-listen needs the proxy's HTTP port, which --http-listen off turns off: give that an address, \
                 too, or omit --admin-listen"
                    .to_owned(),
            )),
            Some(HttpListen::Off) => Ok(false),
            _ => Ok(!http_is_off),
        }
    }

    async fn admin(&self, file: &Path, running: &Running) -> Result<HttpServer, ServerError> {
        let listen = match &self.admin_listen {
            Some(HttpListen::At(address)) => Some(address.clone()),
            _ => None,
        };
        let proxy = running.http_address().map(|address| format!("http://{}", reachable(address)).parse());
        let args = ServeArgs {
            listen,
            proxy_config: Some(file.to_owned()),
            proxy: proxy.transpose().map_err(ServerError::failed)?.into_iter().collect(),
            gateway: Some(reachable(running.grpc_address())),
            drain_timeout: self.server.drain_timeout,
            ..ServeArgs::bare()
        };
        prism_admin::app::start(args.settings()?, drivers::all(self.memory_limit)).await
    }
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
fn program(called: Option<&str>) -> String {
    let plain =
        |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
    called.filter(plain).filter(|called| !called.is_empty()).unwrap_or("prism").to_owned()
}

/// The address that a client on this machine uses: localhost, for a server that listens everywhere.
fn reachable(bound: &str) -> String {
    match bound.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]", port)) => format!("localhost:{port}"),
        _ => bound.to_owned(),
    }
}

impl Answer for Ready<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let grpc = reachable(self.grpc);
        writeln!(out, "Prism {} is ready. Ctrl-C stops it.\n", self.version)?;
        writeln!(out, "  gRPC  {}", self.grpc)?;
        if let Some(http) = self.http {
            let scheme = if http.starts_with("unix:") { "" } else { "http://" };
            writeln!(out, "  HTTP  {scheme}{}  (/metrics, /livez, /readyz)", reachable(http))?;
        }
        if let (Some(admin), Some(config)) = (self.admin, self.config) {
            writeln!(
                out,
                "  Admin http://{}  (console; API at /docs; namespaces in {})",
                reachable(admin),
                config.display()
            )?;
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
        let option = match grpc.as_str() {
            "127.0.0.1:8980" | "localhost:8980" => String::new(),
            other => format!(" --address {other}"),
        };
        writeln!(out, "Try it from another terminal:\n")?;
        let program = &self.program;
        writeln!(out, "  {program} kv set greeting hello{option}")?;
        writeln!(out, "  {program} kv get greeting{option}\n")?;
        writeln!(out, "or from Python:\n")?;
        writeln!(out, "  from prism import SyncPrismClient")?;
        writeln!(out, "  SyncPrismClient(\"{grpc}\").keyvalue.get(\"greeting\")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(grpc: &str, http: Option<&str>, memory_limit_bytes: Option<u64>) -> String {
        let ready = Ready {
            event: "ready",
            version: "1.2.3",
            pid: 1,
            grpc,
            http,
            admin: http.map(|_| "127.0.0.1:8090"),
            config: http.map(|_| Path::new(".prism/prism.yaml")),
            namespaces: vec!["default".to_owned()],
            data: None,
            memory_limit_bytes,
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
