//! `prism dev`: a gateway, its backend and its admin in one process, for development.

mod certificates;
mod file;
mod ready;

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

use crate::drivers;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, Output};
use certificates::Certificates;
use ready::{Ready, program, reachable};

const AFTER_HELP: &str = "\
Without the admin and --data there is no configuration file, and no namespace but \"default\".

Ctrl-C or SIGTERM lets calls in flight finish and exits with 0; a second signal stops it at once.

Examples:
  prism dev
  prism dev --tls
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

    /// Serve TLS on all ports, with throw-away certificates for localhost, 127.0.0.1 and ::1 in --folder: ca.pem, server.pem,
    /// and client.pem with client.key for a client that identifies itself. They are made by the first start and valid for
    /// 90 days.
    #[arg(long, conflicts_with = "tls_certificate_file")]
    tls: bool,

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

/// The defaults and variables of the server's flags: those of the proxy, except that only warnings are logged, so that
/// the banner stands out.
pub(crate) fn with_defaults(command: clap::Command) -> clap::Command {
    prism_runtime::args::with_variables(command, "prism-dev", &prism_proxy::app::DEFAULTS)
        .mut_arg("log", |log| log.default_value("warn"))
}

impl Dev {
    pub(crate) fn run(mut self) -> Result<Exit, Failure> {
        let output = Output::new(if self.json { Format::Json } else { Format::Text });
        process::block_on(async {
            telemetry::init(&self.server.log, self.server.log_format)?;
            let signals = prism_runtime::signals::Signals::take()?;
            let drivers = drivers::all(self.memory_limit);
            let has_admin = self.has_admin()?;
            let certificates = self.tls.then(|| self.certificates()).transpose()?;
            let file = match &self.data {
                Some(folder) => Some(file::with_data(folder)?),
                None => has_admin.then(|| file::at(&self.folder)).transpose()?,
            };
            let source = match &file {
                Some(path) => Source::File { path: path.clone(), required: true },
                None => {
                    Source::Fixed(Box::new(Config::single(Endpoint::Embedded(drivers::MEMSTORE.to_owned()))))
                }
            };
            let config = source.load().map_err(|error| ServerError::Config(error.to_string()))?;
            let (running, reload) =
                prism_proxy::app::start(&self.server, self.proxy.clone(), source, drivers).await?;
            let admin = match &file {
                Some(file) if has_admin => Some(self.admin(file, certificates.as_ref(), &running).await?),
                _ => None,
            };
            let ready = Ready {
                event: "ready",
                version: env!("CARGO_PKG_VERSION"),
                pid: std::process::id(),
                grpc: running.grpc_address(),
                http: running.http_address(),
                admin: admin.as_ref().map(HttpServer::address),
                ca_file: certificates.as_ref().map(|certificates| certificates.ca.as_path()),
                config: file.as_deref(),
                namespaces: config.namespaces.into_iter().map(|namespace| namespace.name).collect(),
                data: self.data.as_deref(),
                memory_limit_bytes: self.memory_limit.0,
                is_tls: self.server.tls.files().is_some(),
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

    /// Makes the certificates, and has the servers use them.
    fn certificates(&mut self) -> Result<Certificates, ServerError> {
        file::folder(&self.folder)?;
        let certificates = Certificates::in_folder(&self.folder)?;
        self.server.tls.tls_certificate_file = Some(certificates.server.clone());
        self.server.tls.tls_key_file = Some(certificates.server_key.clone());
        // The CA signs both sides' certificates.
        self.server.tls.tls_client_ca_file = Some(certificates.ca.clone());
        Ok(certificates)
    }

    async fn admin(
        &self,
        file: &Path,
        certificates: Option<&Certificates>,
        running: &Running,
    ) -> Result<HttpServer, ServerError> {
        let listen = match &self.admin_listen {
            Some(HttpListen::At(address)) => Some(address.clone()),
            _ => None,
        };
        let is_tls = self.server.tls.files().is_some();
        let scheme = if is_tls { "https" } else { "http" };
        let proxy =
            running.http_address().map(|address| format!("{scheme}://{}", reachable(address)).parse());
        let gateway = reachable(running.grpc_address());
        let args = ServeArgs {
            listen,
            proxy_config: Some(file.to_owned()),
            proxy: proxy.transpose().map_err(ServerError::failed)?.into_iter().collect(),
            gateway: Some(if is_tls { format!("https://{gateway}") } else { gateway }),
            proxy_ca_file: certificates.map(|certificates| certificates.ca.clone()),
            tls: self.server.tls.clone(),
            drain_timeout: self.server.drain_timeout,
            stores_root: file.parent().map(Path::to_owned),
            ..ServeArgs::bare()
        };
        prism_admin::app::start(args.settings()?, drivers::all(self.memory_limit)).await
    }
}
