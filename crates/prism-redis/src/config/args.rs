//! The flags of `prism-redis`.

use std::path::PathBuf;

use clap::Parser;
use prism_plugin::app::CallerArgs;
use prism_plugin::driver::Mistake;
use prism_runtime::args::ServerArgs;

use super::options::Options;
use super::settings::Settings;

/// The default listening address.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:50052";

/// Serves KeyValue and List from Redis or Valkey, 6.2 or later: a standalone server, one that Sentinel watches, or a cluster.
#[derive(Debug, Parser)]
#[command(about)]
pub struct Args {
    /// Server: redis://HOST:PORT/DATABASE (the port and the database may be left out), rediss:// for TLS, or unix:PATH. Several
    /// sentinels or cluster nodes: repeat the flag, or separate them by commas.
    #[arg(long, value_name = "URL", required = true, value_delimiter = ',')]
    pub redis: Vec<String>,

    /// The servers are nodes of a cluster; any of them that answers is enough to find the others.
    #[arg(long)]
    pub cluster: bool,

    /// The servers are sentinels that know the primary under this name.
    #[arg(long, value_name = "NAME")]
    pub sentinel: Option<String>,

    /// ACL user; without it, the default user.
    #[arg(long, value_name = "USER")]
    pub username: Option<String>,

    /// File with the password, read again at each connect.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// File with the certificates (PEM) that a server's must be signed by; without it, the system's.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// What each Redis key begins with.
    #[arg(long, value_name = "TEXT")]
    pub key_prefix: Option<String>,

    /// Redis keys: "prism" (kv:NAMESPACE:KEY, li:NAMESPACE:KEY) or "raw" (the key itself, to serve data that is there already;
    /// for one namespace).
    #[arg(long, value_name = "LAYOUT", default_value = "prism")]
    pub layout: String,

    /// Replicas that must have a write before it is acknowledged; without it, none.
    #[arg(long, value_name = "N")]
    pub durability_replicas: Option<u32>,

    /// How long a write waits for those replicas, such as 500ms; at most 1min [default: 1s].
    #[arg(long, value_name = "TIME")]
    pub durability_timeout: Option<String>,

    /// Connections of each worker to each server, 1 to 16. The last one takes large values and scans.
    #[arg(long, value_name = "N", default_value = "2")]
    pub connections: usize,

    /// Lists that may be waited for at once, each on a connection of its own, 1 to 4096.
    #[arg(long, value_name = "N", default_value = "256")]
    pub max_waiters: usize,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub callers: CallerArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub server: ServerArgs,
}

impl Args {
    /// The settings of the store.
    ///
    /// # Errors
    /// Every mistake, by flag.
    pub fn settings(&self) -> Result<Settings, Vec<Mistake>> {
        let options = Options {
            urls: self.redis.clone(),
            cluster: self.cluster,
            sentinel: self.sentinel.clone(),
            username: self.username.clone(),
            password_file: self.password_file.clone(),
            ca_file: self.ca_file.clone(),
            key_prefix: self.key_prefix.clone().unwrap_or_default(),
            layout: Some(self.layout.clone()),
            replicas: self.durability_replicas,
            replicas_timeout: self.durability_timeout.clone(),
            connections: Some(self.connections),
            max_waiters: Some(self.max_waiters),
        };
        let by_flag = |mistake: Mistake| Mistake { field: flag(&mistake.field), ..mistake };
        options.check().map_err(|mistakes| mistakes.into_iter().map(by_flag).collect())
    }
}

/// The flag that sets an option.
fn flag(field: &str) -> String {
    match field.split('[').next() {
        Some("url" | "urls") => "--redis".to_owned(),
        _ => format!("--{}", field.replace(['.', '_'], "-")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_name_the_flag() {
        let words = ["prism-redis", "--redis", "redis://:hunter2@a,redis://b", "--durability-timeout", "1h"];
        let args = Args::try_parse_from(words.iter().chain(&["--username", "app"])).unwrap();
        let mistakes = args.settings().unwrap_err();
        let mut flags: Vec<_> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
        flags.dedup();
        let expected = ["--redis", "--password-file", "--durability-timeout", "--durability-replicas"];
        assert_eq!(flags, expected, "{mistakes:?}");
    }
}
