//! Options as they are given, and the check that turns them into settings.

use std::path::PathBuf;
use std::time::Duration;

use prism_net::tls::client::{ClientOptions, Connector};
use prism_plugin::driver::Mistake;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::settings::{Durability, Layout, Mode, Settings};
use super::url::{self, Server};

/// The connections that a worker opens to each server unless told: one for small values, one for large values and scans.
const CONNECTIONS_DEFAULT: usize = 2;

/// The maximum of connections that a worker opens to each server.
const CONNECTIONS_MAX: usize = 16;

/// The lists that may be waited for at once unless told, each on a connection of its own: some hundred queues, and far below the
/// 10,000 connections that a server accepts by default.
const MAX_WAITERS_DEFAULT: usize = 256;

/// The maximum of that.
const MAX_WAITERS_MAX: usize = 4096;

/// How long a write waits for replicas unless told.
const DURABILITY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);

/// The longest time that a write may wait for replicas.
const DURABILITY_TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// The longest prefix: a key and its prefix together stay far below what Redis accepts.
const KEY_PREFIX_BYTES_MAX: usize = 256;

/// Options as they are given, nothing checked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The URLs of the servers: one primary, or one or more sentinels or cluster nodes.
    pub urls: Vec<String>,
    /// Whether the servers are nodes of a cluster.
    pub cluster: bool,
    /// The name under which sentinels know the primary; the URLs are the sentinels'.
    pub sentinel: Option<String>,
    /// The ACL user; the default user if absent.
    pub username: Option<String>,
    /// The file with the password, read again at each connect. A newline at its end does not count.
    pub password_file: Option<PathBuf>,
    /// The file with the certificates (PEM) that a server's must be signed by; the system's if absent.
    pub ca_file: Option<PathBuf>,
    /// What each Redis key begins with.
    pub key_prefix: String,
    /// `prism` (the default) or `raw`.
    pub layout: Option<String>,
    /// The number of replicas that must have a write before it is acknowledged.
    pub replicas: Option<u32>,
    /// How long a write waits for them, such as `1s`.
    pub replicas_timeout: Option<String>,
    /// The connections that each worker opens to each server, 1 to 16.
    pub connections: Option<usize>,
    /// The lists that may be waited for at once, 1 to 4096.
    pub max_waiters: Option<usize>,
}

impl Options {
    /// Reads the options of a configuration file: an object with the fields `url` or `urls`, `cluster`, `sentinel`,
    /// `username`, `password_file`, `ca_file`, `key_prefix`, `layout`, `durability` (`replicas`, `timeout`),
    /// `connections` and `max_waiters`.
    ///
    /// # Errors
    /// Every mistake: fields that are unknown or of a wrong type, and what [`Options::check`] finds.
    pub fn read(fields: &Map<String, Value>) -> Result<Settings, Vec<Mistake>> {
        let mut reader = Reader { path: "", fields: fields.clone(), mistakes: Vec::new() };
        let url: Option<String> = reader.take("url", url::EXPECTED);
        let urls: Option<Vec<String>> = reader.take("urls", "expected a list of URLs");
        if url.is_some() && urls.is_some() {
            reader.mistakes.push(mistake("url", "expected either url or urls"));
        }
        let mut options = Self {
            urls: urls.unwrap_or_default().into_iter().chain(url).collect(),
            cluster: reader.take("cluster", "expected true or false; the default is false").unwrap_or(false),
            sentinel: reader.take("sentinel", "expected the name under which sentinels know the primary"),
            username: reader.take("username", "expected the name of an ACL user"),
            password_file: reader.take("password_file", "expected the path of a file"),
            ca_file: reader.take("ca_file", "expected the path of a PEM file"),
            key_prefix: reader.take("key_prefix", "expected text; the default is empty").unwrap_or_default(),
            layout: reader.take("layout", LAYOUT_EXPECTED),
            connections: reader.take("connections", &connections_expected()),
            max_waiters: reader.take("max_waiters", &max_waiters_expected()),
            ..Self::default()
        };
        if let Some(durability) = reader.take::<Map<String, Value>>("durability", DURABILITY_EXPECTED) {
            let mut inner = Reader { path: "durability.", fields: durability, mistakes: Vec::new() };
            let found = inner.fields.contains_key("replicas");
            options.replicas = inner.take("replicas", REPLICAS_EXPECTED);
            options.replicas_timeout = inner.take("timeout", &timeout_expected());
            if !found {
                inner.mistakes.push(mistake("durability.replicas", REPLICAS_EXPECTED));
            }
            reader.mistakes.extend(inner.finish());
        }
        let mut mistakes = reader.finish();
        match options.check() {
            Ok(settings) if mistakes.is_empty() => Ok(settings),
            Ok(_) => Err(mistakes),
            Err(more) => {
                // What could not be read at all is reported once.
                let known: Vec<_> = mistakes.iter().map(|mistake| mistake.field.clone()).collect();
                mistakes.extend(more.into_iter().filter(|mistake| !known.contains(&mistake.field)));
                Err(mistakes)
            }
        }
    }

    /// Checks the options.
    ///
    /// # Errors
    /// Every mistake, each with its field and what was expected.
    pub fn check(self) -> Result<Settings, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let servers = self.servers(&mut mistakes);
        let mode = self.mode(&servers, &mut mistakes);
        let tls = servers.iter().any(|server| server.tls);
        let database = servers.first().map_or(0, |server| server.database);
        let mut expect = |holds: bool, field: &str, expected: &str| {
            if !holds {
                mistakes.push(mistake(field, expected));
            }
        };
        expect(
            self.username.is_none() || self.password_file.is_some(),
            "password_file",
            "expected the path of the file with the password of username",
        );
        expect(
            self.username
                .as_deref()
                .is_none_or(|name| !name.is_empty() && !name.contains(char::is_whitespace)),
            "username",
            "expected the name of an ACL user, without spaces",
        );
        expect(self.ca_file.is_none() || tls, "ca_file", "expected rediss:// URLs beside it, or no ca_file");
        expect(
            self.key_prefix.len() <= KEY_PREFIX_BYTES_MAX && !self.key_prefix.contains(['{', '}']),
            "key_prefix",
            "expected at most 256 bytes without { and }, which would put all keys into one slot",
        );
        let connections = self.connections.unwrap_or(CONNECTIONS_DEFAULT);
        expect((1..=CONNECTIONS_MAX).contains(&connections), "connections", &connections_expected());
        let max_waiters = self.max_waiters.unwrap_or(MAX_WAITERS_DEFAULT);
        expect((1..=MAX_WAITERS_MAX).contains(&max_waiters), "max_waiters", &max_waiters_expected());
        let layout = match self.layout.as_deref() {
            None | Some("prism") => Layout::Prism,
            Some("raw") => Layout::Raw,
            Some(_) => {
                mistakes.push(mistake("layout", LAYOUT_EXPECTED));
                Layout::Prism
            }
        };
        let durability = self.durability(&mut mistakes);
        let trusted = ClientOptions { ca_file: self.ca_file, ..ClientOptions::default() };
        let tls = tls.then(|| Connector::new(trusted, None)).transpose();
        let tls = tls.unwrap_or_else(|error| {
            mistakes.push(mistake("ca_file", error.to_string()));
            None
        });
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Settings {
            servers: servers.into_iter().map(|server| server.address).collect(),
            tls,
            database,
            mode,
            username: self.username,
            password_file: self.password_file,
            key_prefix: self.key_prefix,
            layout,
            durability,
            connections,
            max_waiters,
        })
    }

    fn servers(&self, mistakes: &mut Vec<Mistake>) -> Vec<Server> {
        if self.urls.is_empty() {
            mistakes.push(mistake("url", url::EXPECTED));
        }
        let field =
            |index: usize| if self.urls.len() == 1 { "url".to_owned() } else { format!("urls[{index}]") };
        let mut servers: Vec<Server> = Vec::with_capacity(self.urls.len());
        for (index, text) in self.urls.iter().enumerate() {
            match url::parse(text) {
                Ok(server) => servers.push(server),
                Err(expected) => mistakes.push(mistake(field(index), expected)),
            }
        }
        if let Some(first) = servers.first() {
            let alike = |server: &Server| (server.tls, server.database) == (first.tls, first.database);
            if !servers.iter().all(alike) {
                let expected = "expected the same scheme and database in all URLs";
                mistakes.push(mistake("urls", expected));
            }
        }
        servers
    }

    fn mode(&self, servers: &[Server], mistakes: &mut Vec<Mistake>) -> Mode {
        let is_tcp = |server: &Server| matches!(server.address, crate::address::NodeAddress::Tcp { .. });
        let database = servers.first().map_or(0, |server| server.database);
        let mode = match (self.cluster, &self.sentinel) {
            (true, Some(_)) => {
                mistakes.push(mistake("sentinel", "expected either cluster or sentinel"));
                Mode::Cluster
            }
            (true, None) => Mode::Cluster,
            (false, Some(name)) if name.is_empty() || name.contains(char::is_whitespace) => {
                let expected = "expected the name under which sentinels know the primary, without spaces";
                mistakes.push(mistake("sentinel", expected));
                Mode::Standalone
            }
            (false, Some(name)) => Mode::Sentinel(name.clone()),
            (false, None) => Mode::Standalone,
        };
        match mode {
            Mode::Standalone if self.urls.len() > 1 => {
                let expected = "expected one URL, or cluster or sentinel beside several";
                mistakes.push(mistake("urls", expected));
            }
            Mode::Cluster if database != 0 => {
                mistakes.push(mistake("url", "expected no database: a cluster has only 0"));
            }
            Mode::Cluster | Mode::Sentinel(_) if !servers.iter().all(is_tcp) => {
                let expected = "expected redis:// or rediss:// URLs: nodes name each other by host and port";
                mistakes.push(mistake("url", expected));
            }
            _ => {}
        }
        mode
    }

    fn durability(&self, mistakes: &mut Vec<Mistake>) -> Option<Durability> {
        let timeout = match self.replicas_timeout.as_deref().map(humantime::parse_duration) {
            None => DURABILITY_TIMEOUT_DEFAULT,
            Some(Ok(timeout)) if timeout >= Duration::from_millis(1) && timeout <= DURABILITY_TIMEOUT_MAX => {
                timeout
            }
            Some(_) => {
                mistakes.push(mistake("durability.timeout", timeout_expected()));
                DURABILITY_TIMEOUT_DEFAULT
            }
        };
        match self.replicas {
            None if self.replicas_timeout.is_some() => {
                mistakes.push(mistake("durability.replicas", REPLICAS_EXPECTED));
                None
            }
            None => None,
            Some(0) => {
                mistakes.push(mistake("durability.replicas", REPLICAS_EXPECTED));
                None
            }
            Some(replicas) => Some(Durability { replicas, timeout }),
        }
    }
}

/// It says what was expected, never what was found: that may be a secret.
fn mistake(field: impl Into<String>, expected: impl Into<String>) -> Mistake {
    Mistake { field: field.into(), why: expected.into() }
}

const LAYOUT_EXPECTED: &str = "expected prism or raw; the default is prism";
const DURABILITY_EXPECTED: &str =
    "expected a mapping with replicas and timeout; by default, writes wait for no replica";
const REPLICAS_EXPECTED: &str = "expected the number of replicas that must have a write, at least 1";

fn timeout_expected() -> String {
    format!("expected a time such as 500ms, at most 1min; the default is {DURABILITY_TIMEOUT_DEFAULT:?}")
}

fn connections_expected() -> String {
    format!("expected a number from 1 to {CONNECTIONS_MAX}; the default is {CONNECTIONS_DEFAULT}")
}

fn max_waiters_expected() -> String {
    format!("expected a number from 1 to {MAX_WAITERS_MAX}; the default is {MAX_WAITERS_DEFAULT}")
}

/// Takes known fields out of a mapping; what is left is unknown.
struct Reader {
    path: &'static str,
    fields: Map<String, Value>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn take<T: DeserializeOwned>(&mut self, field: &str, expected: &str) -> Option<T> {
        let value = self.fields.remove(field).filter(|value| !value.is_null())?;
        let read = serde_json::from_value(value).ok();
        if read.is_none() {
            self.mistakes.push(mistake(format!("{}{field}", self.path), expected));
        }
        read
    }

    fn finish(mut self) -> Vec<Mistake> {
        for field in self.fields.keys() {
            let unknown = mistake(format!("{}{field}", self.path), "expected no such option: it is unknown");
            self.mistakes.push(unknown);
        }
        self.mistakes
    }
}

#[cfg(test)]
mod tests;
