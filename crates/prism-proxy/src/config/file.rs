//! The configuration file in its written form, and the rules beyond types.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use prism_net::address::Address;
use prism_net::tls::client::ClientOptions;
use prism_net::tls::server::ServerFiles;
use prism_plugin::driver::Options;
use prism_proto::limits;
use serde::Deserialize;

use super::settings::{Backend, Config, Mistake, Namespace, Pattern, Place, Plugin, TIMEOUT_DEFAULT};
use crate::endpoint::Endpoint;

const TIMEOUT_MIN: Duration = Duration::from_millis(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// The longest list of names that an error spells out.
const NAMED_MAX: usize = 20;

/// The file in its written form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    server: ServerSection,
    #[serde(default)]
    backends: Vec<BackendSection>,
    /// Required, so that a truncated file does not remove all namespaces.
    namespaces: Vec<NamespaceSection>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerSection {
    listen_address: Option<String>,
    http_listen_address: Option<String>,
    tls: Option<ServerTlsSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerTlsSection {
    certificate_file: PathBuf,
    key_file: PathBuf,
    client_ca_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendTlsSection {
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    server_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendSection {
    name: String,
    embedded: Option<String>,
    endpoint: Option<String>,
    options: Option<Options>,
    tls: Option<BackendTlsSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamespaceSection {
    name: String,
    pattern: Pattern,
    plugin: PluginSection,
    interfaces: Option<Vec<String>>,
    timeout: Option<String>,
    max_message_bytes: Option<u64>,
    max_in_flight: Option<u64>,
    requests_per_second: Option<u64>,
    #[serde(default)]
    read_only: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PluginSection {
    endpoint: Option<String>,
    backend: Option<String>,
}

#[derive(Default)]
pub(super) struct Mistakes(pub(super) Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, field: impl fmt::Display, why: impl fmt::Display) {
        self.0.push(Mistake { field: field.to_string(), why: why.to_string(), line: None });
    }

    /// The value; or its default, after recording a mistake.
    fn checked<T, E: fmt::Display>(&mut self, field: impl fmt::Display, value: Result<T, E>) -> Option<T> {
        value.map_err(|why| self.add(field, why)).ok()
    }
}

impl File {
    /// Checks every rule. With mistakes, the result is incomplete.
    pub(super) fn check(self, mistakes: &mut Mistakes, revision: String) -> Config {
        let mut address = |field: &str, text: Option<String>| {
            text.and_then(|text| mistakes.checked(format!("server.{field}"), text.parse::<Address>()))
        };
        let listen = address("listen_address", self.server.listen_address);
        let http_listen = address("http_listen_address", self.server.http_listen_address);
        let tls = self.server.tls.map(|files| ServerFiles {
            certificate_file: files.certificate_file,
            key_file: files.key_file,
            client_ca_file: files.client_ca_file,
        });
        let mut names = Names::new("backends");
        let mut backends = Vec::with_capacity(self.backends.len());
        for (index, section) in self.backends.into_iter().enumerate() {
            names.add(index, &section.name, mistakes);
            backends.extend(section.check(index, mistakes));
        }
        let known_backends = names.0;
        let mut names = Names::new("namespaces");
        let mut namespaces = Vec::with_capacity(self.namespaces.len());
        for (index, section) in self.namespaces.into_iter().enumerate() {
            names.add(index, &section.name, mistakes);
            namespaces.extend(section.check(index, &known_backends, mistakes));
        }
        Config { listen, http_listen, tls, backends, namespaces, revision: Some(revision) }
    }
}

/// The names of one list, which must be valid and unique, with their places.
struct Names(HashMap<String, usize>, &'static str);

impl Names {
    fn new(list: &'static str) -> Self {
        Self(HashMap::new(), list)
    }

    fn add(&mut self, index: usize, name: &str, mistakes: &mut Mistakes) {
        let Self(seen, list) = self;
        let field = format!("{list}[{index}].name");
        if let Some(first) = seen.insert(name.to_owned(), index) {
            let why = format!("{name:?} is already the name of {list}[{first}]; expected a unique name");
            mistakes.add(&field, why);
        }
        if !limits::is_namespace(name) {
            let why = format!(
                "{name:?} is not a valid name; expected 1 to {} characters of a-z, 0-9 and -, starting with a letter",
                limits::NAMESPACE_BYTES_MAX
            );
            mistakes.add(field, why);
        }
    }
}

impl BackendSection {
    fn check(self, index: usize, mistakes: &mut Mistakes) -> Option<Backend> {
        let field = |name: &str| format!("backends[{index}].{name}");
        let has_tls = self.tls.is_some();
        let tls = self.tls.and_then(|section| section.check(&field("tls"), mistakes));
        let place = match (self.embedded, self.endpoint) {
            (Some(driver), None) => {
                if has_tls {
                    let why =
                        "a backend in the proxy's process has no connection; expected no tls, or an endpoint";
                    mistakes.add(field("tls"), why);
                }
                let options = self.options.unwrap_or_default();
                Some(Place::Embedded { driver, options })
            }
            (None, Some(endpoint)) => {
                if self.options.is_some() {
                    let why =
                        "a backend with an endpoint has no options, which configure a driver; expected none";
                    mistakes.add(field("options"), why);
                }
                match mistakes.checked(field("endpoint"), endpoint.parse())? {
                    Endpoint::Embedded(driver) => {
                        let why =
                            format!("{endpoint:?} is no address; expected `embedded: {driver}` in its place");
                        mistakes.add(field("endpoint"), why);
                        None
                    }
                    endpoint => Some(Place::Remote { endpoint, tls }),
                }
            }
            (Some(_), Some(_)) => {
                let why = "embedded is given, too; expected one of embedded and endpoint";
                mistakes.add(field("endpoint"), why);
                None
            }
            (None, None) => {
                let why = "missing; expected `embedded: DRIVER`, or `endpoint: ADDRESS` of a plugin";
                mistakes.add(field("embedded"), why);
                None
            }
        };
        Some(Backend { name: self.name, place: place? })
    }
}

impl BackendTlsSection {
    fn check(self, field: &str, mistakes: &mut Mistakes) -> Option<ClientOptions> {
        let Self { ca_file, certificate_file, key_file, server_name } = self;
        let options = ClientOptions { ca_file, certificate_file, key_file, server_name };
        mistakes.checked(field, options.check())?;
        Some(options)
    }
}

impl PluginSection {
    fn check(
        self,
        index: usize,
        backends: &HashMap<String, usize>,
        mistakes: &mut Mistakes,
    ) -> Option<Plugin> {
        let field = |name: &str| format!("namespaces[{index}].plugin.{name}");
        match (self.backend, self.endpoint) {
            (Some(name), None) if backends.contains_key(&name) => Some(Plugin::Backend(name)),
            (Some(name), None) => {
                let mut known: Vec<_> = backends.keys().map(String::as_str).collect();
                known.sort_unstable();
                let expected = match known.len() {
                    0 => "one in the list `backends`, which is empty".to_owned(),
                    1..=NAMED_MAX => format!("one of {}", known.join(", ")),
                    count => format!("one of the {count} in the list `backends`"),
                };
                mistakes.add(field("backend"), format!("there is no backend {name:?}; expected {expected}"));
                None
            }
            (None, Some(endpoint)) => {
                mistakes.checked(field("endpoint"), endpoint.parse()).map(Plugin::Endpoint)
            }
            (Some(_), Some(_)) => {
                mistakes
                    .add(field("endpoint"), "backend is given, too; expected one of backend and endpoint");
                None
            }
            (None, None) => {
                let why =
                    "missing; expected `endpoint: ADDRESS`, or `backend: NAME` of one in the list `backends`";
                mistakes.add(field("endpoint"), why);
                None
            }
        }
    }
}

impl NamespaceSection {
    fn check(
        self,
        index: usize,
        backends: &HashMap<String, usize>,
        mistakes: &mut Mistakes,
    ) -> Option<Namespace> {
        let field = |name: &str| format!("namespaces[{index}].{name}");
        for (place, interface) in self.interfaces.iter().flatten().enumerate() {
            if !interface.starts_with(prism_proto::INTERFACES_PREFIX) {
                let why = format!(
                    "{interface:?} is not an interface; expected a full name such as {}",
                    self.pattern.interface()
                );
                mistakes.add(field(&format!("interfaces[{place}]")), why);
            }
        }
        if let Some(interfaces) = &self.interfaces
            && !interfaces.iter().any(|interface| interface == self.pattern.interface())
        {
            let why = format!("{} is missing, which the pattern requires", self.pattern.interface());
            mistakes.add(field("interfaces"), why);
        }
        let plugin = self.plugin.check(index, backends, mistakes);
        let timeout = mistakes.checked(field("timeout"), timeout(self.timeout.as_deref()));
        let bytes_max =
            mistakes.checked(field("max_message_bytes"), message_bytes_max(self.max_message_bytes));
        let mut count = |name: &str, value: Option<u64>| {
            mistakes.checked(field(name), value.map(at_least_one).transpose())
        };
        let in_flight_max = count("max_in_flight", self.max_in_flight);
        let requests_per_second = count("requests_per_second", self.requests_per_second);
        Some(Namespace {
            name: self.name,
            pattern: self.pattern,
            plugin: plugin?,
            interfaces: self.interfaces,
            timeout: timeout?,
            message_bytes_max: bytes_max?,
            in_flight_max: in_flight_max?,
            requests_per_second: requests_per_second?,
            read_only: self.read_only,
        })
    }
}

fn timeout(text: Option<&str>) -> Result<Duration, String> {
    let Some(text) = text else { return Ok(TIMEOUT_DEFAULT) };
    match humantime::parse_duration(text) {
        Ok(timeout) if (TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) => Ok(timeout),
        _ => Err(format!("{text:?} is not a time from 1ms to 1h; expected a number and a unit, such as 30s")),
    }
}

fn message_bytes_max(bytes: Option<u64>) -> Result<usize, String> {
    let Some(bytes) = bytes else { return Ok(limits::MESSAGE_BYTES_MAX) };
    match usize::try_from(bytes) {
        Ok(bytes) if (1024..=limits::MESSAGE_BYTES_MAX).contains(&bytes) => Ok(bytes),
        _ => Err(format!("{bytes} is out of range; expected 1024 to {} bytes", limits::MESSAGE_BYTES_MAX)),
    }
}

fn at_least_one(value: u64) -> Result<NonZeroU32, String> {
    let value = u32::try_from(value).ok().and_then(NonZeroU32::new);
    value.ok_or_else(|| format!("expected 1 to {}, or no key for no limit", u32::MAX))
}
