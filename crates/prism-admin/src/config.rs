//! The flags.

use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as _, Parser, Subcommand};
use prism_net::address::Address;
use prism_net::tls::server::ServerTls;
use prism_runtime::args::{LogFormat, drain_timeout};
use prism_runtime::exit::ServerError;
use prism_runtime::tls::TlsArgs;

use crate::auth::{Role, Tokens, token_name};
use crate::file::policy::Policy;
use crate::proxies::ProxyUrl;

/// The defaults of the flags.
pub const DEFAULTS: [(&str, &str); 4] = [
    ("listen", "127.0.0.1:8090"),
    ("proxy-config", "prism.yaml"),
    ("proxy", "http://127.0.0.1:8981"),
    ("gateway", "localhost:8980"),
];

/// Owns the proxies' configuration file and serves the console and the HTTP API for namespaces, revisions and backends.
#[derive(Debug, Parser)]
#[command(version, about, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub command: Option<Command>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub serve: ServeArgs,
}

/// A command other than serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a bearer token, print it once, and append its hash to the token file.
    Token(TokenArgs),
}

/// The flags of a server.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeArgs {
    /// HTTP address: HOST:PORT (port 0 picks a free one) or unix:PATH. An address that is not loopback needs --token-file.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<Address>,

    /// Configuration file that the proxies read. If it is missing, the first write creates it.
    #[arg(long, value_name = "FILE")]
    pub proxy_config: Option<PathBuf>,

    /// HTTP port of a proxy that reads the file, as http://HOST:PORT or https://HOST:PORT; may be repeated. Each write waits
    /// for these proxies.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub proxy: Vec<ProxyUrl>,

    /// gRPC address of the gateway through which the console reads and writes keys and values: HOST:PORT,
    /// https://HOST:PORT or unix:PATH.
    #[arg(long, value_name = "ADDR")]
    pub gateway: Option<String>,

    /// CAs that sign the certificates of --proxy and --gateway if those are https://: a PEM file [default: the system's].
    #[arg(long, value_name = "FILE")]
    pub proxy_ca_file: Option<PathBuf>,

    /// File with the token that the admin presents to --proxy and --gateway: an operator's of the proxies, with the rights
    /// that the console needs; read again when it changes. Beyond this machine it is sent over TLS only.
    #[arg(long, value_name = "FILE")]
    pub proxy_token_file: Option<PathBuf>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub tls: TlsArgs,

    /// File of bearer tokens, written by `prism-admin token` and read on every request. Without it, no token is required.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Serve an address that is not loopback without tokens: whoever reaches it may change everything.
    #[arg(long)]
    pub insecure: bool,

    /// Refuse to start, with code 78, if other machines could reach the port without TLS or without tokens, even with
    /// --insecure.
    #[arg(long)]
    pub require_secure: bool,

    /// Folder that unix: endpoints must be in [default: no unix: endpoints].
    #[arg(long, value_name = "FOLDER")]
    pub unix_root: Option<PathBuf>,

    /// Folder that files named in options and tls of backends, such as password_file, must be in [default: none may be named].
    #[arg(long, value_name = "FOLDER")]
    pub secrets_root: Option<PathBuf>,

    /// Folder that the stores of diskstore backends must be in, on the proxies' machines; it must exist on this one, too [default:
    /// none may be created].
    #[arg(long, value_name = "FOLDER")]
    pub stores_root: Option<PathBuf>,

    /// How long a stopping server waits for requests in flight, such as 10s or 2min; 0s to 1h.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = drain_timeout)]
    pub drain_timeout: Duration,

    /// What to log: a level (error, warn, info, debug) or a filter such as info,prism_net=debug.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// Log format, on standard error.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// The flags of `prism-admin token`.
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    /// What the token allows: read (configuration and metrics), data (also keys and values) or write (everything).
    #[arg(long, value_name = "ROLE")]
    pub role: Role,

    /// Whose token it is, for the audit log: 1 to 64 letters, digits, dots, underscores and dashes.
    #[arg(long, value_name = "NAME", value_parser = token_name)]
    pub name: String,

    /// File to append the token's hash to.
    #[arg(long, value_name = "FILE", env = "PRISM_ADMIN_TOKEN_FILE")]
    pub token_file: PathBuf,
}

/// The settings of a server, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to serve.
    pub listen: Address,
    /// The file.
    pub proxy_config: PathBuf,
    /// The proxies to wait for.
    pub proxies: Vec<ProxyUrl>,
    /// The gateway's gRPC port.
    pub gateway: String,
    /// The CAs of the proxies' certificates; `None`: the system's.
    pub proxy_ca_file: Option<PathBuf>,
    /// The file with the admin's own token for the proxies.
    pub proxy_token_file: Option<PathBuf>,
    /// The accepted tokens; `None`: everybody who reaches the address is admitted.
    pub tokens: Option<Tokens>,
    /// Whether only this machine reaches the address.
    pub is_local: bool,
    /// Whether an address that other machines reach without TLS or without tokens stops the start.
    pub require_secure: bool,
    /// Which backends may be queried.
    pub policy: Policy,
    /// How long a drain may take.
    pub drain_timeout: Duration,
    /// TLS of the port, if it has any.
    pub tls: Option<Arc<ServerTls>>,
}

impl ServeArgs {
    /// The flags of an empty command line.
    #[must_use]
    pub fn bare() -> Self {
        let matches = Self::augment_args(clap::Command::new("bare")).get_matches_from(["bare"]);
        <Self as clap::FromArgMatches>::from_arg_matches(&matches).expect("every flag has a default")
    }

    /// Checks rules that involve more than one flag.
    ///
    /// # Errors
    /// The address is reachable from elsewhere without tokens, the tokens cannot be read, or the folder of sockets does
    /// not exist.
    pub fn settings(&self) -> Result<Settings, ServerError> {
        let config = |why: String| ServerError::Config(why);
        let default = |flag: &str| {
            DEFAULTS.iter().find(|(known, _)| *known == flag).map_or("", |(_, default)| *default)
        };
        let listen = match &self.listen {
            Some(listen) => listen.clone(),
            None => default("listen").parse().map_err(ServerError::failed)?,
        };
        let tokens = self.token_file.clone().map(Tokens::new);
        if let Some(tokens) = &tokens {
            tokens.check().map_err(config)?;
        }
        let is_local = is_local(&listen);
        if !is_local && tokens.is_none() && !self.insecure {
            return Err(config(format!(
                "--listen {listen} is reachable from other machines, and without tokens whoever reaches it could change \
                 every namespace: create one (prism-admin token --role write --name NAME --token-file FILE) and pass \
                 --token-file FILE, or listen on 127.0.0.1; --insecure serves it without tokens"
            )));
        }
        for (flag, root) in [
            ("--unix-root", &self.unix_root),
            ("--secrets-root", &self.secrets_root),
            ("--stores-root", &self.stores_root),
        ] {
            if let Some(root) = root {
                root.canonicalize().map_err(|error| config(format!("{flag} {}: {error}", root.display())))?;
            }
        }
        let proxies = match self.proxy.as_slice() {
            [] => vec![default("proxy").parse().map_err(ServerError::failed)?],
            given => given.to_vec(),
        };
        Ok(Settings {
            listen,
            proxy_config: self.proxy_config.clone().unwrap_or_else(|| default("proxy-config").into()),
            proxies,
            gateway: self.gateway.clone().unwrap_or_else(|| default("gateway").to_owned()),
            proxy_ca_file: self.proxy_ca_file.clone(),
            proxy_token_file: self.proxy_token_file.clone(),
            tokens,
            is_local,
            require_secure: self.require_secure,
            policy: Policy {
                unix_root: self.unix_root.clone(),
                secrets_root: self.secrets_root.clone(),
                stores_root: self.stores_root.clone(),
            },
            drain_timeout: self.drain_timeout,
            tls: self.tls.load()?,
        })
    }
}

/// Whether only this machine can reach an address. A name must resolve to loopback addresses only.
fn is_local(listen: &Address) -> bool {
    match listen {
        Address::Unix(_) => true,
        Address::Tcp(address) => {
            address.to_socket_addrs().is_ok_and(|mut found| found.all(|at| at.ip().is_loopback()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(words: &[&str]) -> Result<Settings, String> {
        let args =
            Args::try_parse_from(["prism-admin"].iter().chain(words)).map_err(|error| error.to_string())?;
        args.serve.settings().map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_open_to_others_needs_tokens_or_a_word() {
        for open in ["0.0.0.0:0", "[::]:0", "10.1.2.3:80", "a-name-that-is-not.invalid:80"] {
            let refused = settings(&["--listen", open]).unwrap_err();
            assert!(refused.contains("--token-file") && refused.contains(open), "{refused}");
            assert!(settings(&["--listen", open, "--insecure"]).is_ok());
        }
        for local in ["127.0.0.1:0", "[::1]:0", "localhost:0", "unix:/run/admin.sock"] {
            assert!(settings(&["--listen", local]).is_ok(), "{local}");
        }
        assert!(settings(&["--token-file", "/nowhere/tokens"]).unwrap_err().contains("/nowhere/tokens"));
    }

    #[test]
    fn bare_flags_mean_the_bare_proxy() {
        let settings = ServeArgs::bare().settings().unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8090");
        assert_eq!(settings.proxy_config, PathBuf::from("prism.yaml"));
        assert_eq!(settings.proxies[0].to_string(), "http://127.0.0.1:8981");
    }
}
