//! `prism namespaces`: the namespaces of a running gateway, through its admin.

use std::io::{self, Write};

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::admin::{AdminArgs, JSON, MERGE_PATCH, plain, segment, table};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Format, Output, OutputArgs};
use crate::runtime;

const AFTER_HELP: &str = "\
A write waits until every proxy has applied it, for at most 5 s, and exits with 1 if one has not.

Examples:
  prism namespaces ls
  prism namespaces create orders --pattern keyvalue --endpoint localhost:50051
  prism namespaces create carts --pattern keyvalue --backend fast
  prism namespaces set orders --timeout 5s --dry-run
  prism namespaces set orders --unset timeout
  prism namespaces set orders --access token:orders-service=read,write --access token:report=read
  prism namespaces delete orders";

/// Create, change and remove namespaces while traffic flows.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Namespaces {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Ls(Ls),
    Get(Get),
    Create(Create),
    Set(Set),
    Delete(Delete),
}

/// List namespaces.
#[derive(Args, Debug)]
struct Ls {
    /// Only namespaces whose name, or the endpoint or name of whose backend, contains this.
    #[arg(default_value = "", hide_default_value = true)]
    filter: String,
}

/// Show a namespace.
#[derive(Args, Debug)]
struct Get {
    /// Name of the namespace.
    name: String,
}

/// Create a namespace.
#[derive(Args, Debug)]
struct Create {
    /// Name: 1 to 64 of a-z, 0-9 and -, starting with a letter.
    name: String,
    #[command(flatten)]
    settings: Settings,
    /// Show what would change, without changing anything.
    #[arg(long)]
    dry_run: bool,
}

/// Change settings of a namespace.
#[derive(Args, Debug)]
struct Set {
    /// Name of the namespace.
    name: String,
    #[command(flatten)]
    settings: Settings,
    /// Reset a setting, such as timeout, to its default; may be repeated.
    #[arg(long, value_name = "SETTING", value_parser = optional)]
    unset: Vec<&'static str>,
    /// Show what would change, without changing anything.
    #[arg(long)]
    dry_run: bool,
}

/// The settings that have a default.
const OPTIONAL: [&str; 7] = [
    "interfaces",
    "timeout",
    "max_message_bytes",
    "max_in_flight",
    "requests_per_second",
    "read_only",
    "access",
];

/// A setting's name, spelt as in the file or as a flag.
fn optional(text: &str) -> Result<&'static str, String> {
    let name = text.replace('-', "_");
    let found =
        OPTIONAL.into_iter().find(|known| *known == name || (text == "interface" && *known == "interfaces"));
    found.ok_or_else(|| format!("expected one of {}", OPTIONAL.join(", ")))
}

/// Remove a namespace. Its data stays in the backend.
#[derive(Args, Debug)]
struct Delete {
    /// Name of the namespace.
    name: String,
    /// Show what would change, without changing anything.
    #[arg(long)]
    dry_run: bool,
}

/// The settings of a namespace. The admin checks them, so that the rules are those of the gateway.
#[derive(Args, Debug)]
struct Settings {
    /// Interface that the backend must at least offer: keyvalue or list.
    #[arg(long)]
    pattern: Option<String>,
    /// Where the backend is: HOST:PORT, unix:PATH or embedded:NAME.
    #[arg(long, conflicts_with = "backend")]
    endpoint: Option<String>,
    /// Name of the backend, as `prism backends ls` lists it.
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Timeout of unary calls that carry no deadline, such as 5s.
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// Maximum size of a message from a client, in bytes.
    #[arg(long, value_name = "N")]
    max_message_bytes: Option<u64>,
    /// Maximum calls in flight, per proxy.
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u64>,
    /// Maximum calls per second, per proxy.
    #[arg(long, value_name = "N")]
    requests_per_second: Option<u64>,
    /// Refuse writes: true or false.
    #[arg(long, value_name = "BOOL")]
    read_only: Option<bool>,
    /// Serve only this interface, by full name; may be repeated.
    #[arg(long = "interface", value_name = "NAME")]
    interfaces: Vec<String>,
    /// Who may call, and what, such as token:orders-service=read,write; may be repeated. Replaces the whole list.
    #[arg(long, value_name = "NAME=RIGHTS", value_parser = access)]
    access: Vec<Value>,
}

/// An entry of `access`. The admin checks names and rights.
fn access(text: &str) -> Result<Value, String> {
    // A name may contain an equals sign.
    let (name, rights) =
        text.rsplit_once('=').ok_or("expected NAME=RIGHTS, such as token:orders-service=read,write")?;
    Ok(json!({ "name": name, "rights": rights.split(',').collect::<Vec<_>>() }))
}

impl Settings {
    /// The settings; as a change, a backend replaces an endpoint, and the other way round.
    fn into_json(self, is_change: bool) -> Map<String, Value> {
        let plugin = match (self.endpoint, self.backend) {
            (Some(endpoint), _) if is_change => Some(json!({ "endpoint": endpoint, "backend": null })),
            (Some(endpoint), _) => Some(json!({ "endpoint": endpoint })),
            (None, Some(backend)) if is_change => Some(json!({ "backend": backend, "endpoint": null })),
            (None, Some(backend)) => Some(json!({ "backend": backend })),
            (None, None) => None,
        };
        let interfaces = (!self.interfaces.is_empty()).then(|| json!(self.interfaces));
        let settings = [
            ("pattern", self.pattern.map(Value::from)),
            ("plugin", plugin),
            ("interfaces", interfaces),
            ("timeout", self.timeout.map(Value::from)),
            ("max_message_bytes", self.max_message_bytes.map(Value::from)),
            ("max_in_flight", self.max_in_flight.map(Value::from)),
            ("requests_per_second", self.requests_per_second.map(Value::from)),
            ("read_only", self.read_only.map(Value::from)),
            ("access", (!self.access.is_empty()).then(|| self.access.into())),
        ];
        settings.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// The option that sets what an admin finds wrong at a JSON pointer; the name has none.
fn option_of(pointer: &str) -> Option<String> {
    let mut parts = pointer.trim_start_matches('/').split('/');
    let option = match (parts.next()?, parts.next()) {
        ("plugin", Some("endpoint")) => "--endpoint",
        ("plugin", Some("backend")) => "--backend",
        ("plugin", _) => "--endpoint or --backend",
        ("interfaces", _) => "--interface",
        ("pattern", _) => "--pattern",
        (name, _) => return OPTIONAL.contains(&name).then(|| format!("--{}", name.replace('_', "-"))),
    };
    Some(option.to_owned())
}

impl Namespaces {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let output = Output::new(self.format());
        runtime::block_on(async {
            let admin = &self.admin;
            match self.verb {
                Verb::Ls(ls) => ls.run(admin, output).await,
                Verb::Get(get) => {
                    let namespace = One(admin.get(&path(&get.name, false)).await?);
                    // An admin of an earlier release does not know.
                    let promises = admin.get(&format!("{}/promises", path(&get.name, false))).await;
                    let can_lose =
                        promises.ok().and_then(|promises| Some(promises["can_lose"].as_str()?.to_owned()));
                    output.print(&Got { namespace, can_lose })?;
                    Ok(Exit::Success)
                }
                Verb::Create(create) => {
                    let mut body = create.settings.into_json(false);
                    body.insert("name".to_owned(), create.name.into());
                    let path = if create.dry_run { "/namespaces?dry_run=true" } else { "/namespaces" };
                    let written = admin.write(Method::POST, path, JSON, bytes(body)).await;
                    written.map_err(|failure| failure.naming(option_of))?.print(output)
                }
                Verb::Set(set) => {
                    let mut body = set.settings.into_json(true);
                    for name in set.unset {
                        if body.insert(name.to_owned(), Value::Null).is_some_and(|value| !value.is_null()) {
                            return Err(Failure::Usage(format!("{name} cannot be set and unset at once")));
                        }
                    }
                    if body.is_empty() {
                        return Err(Failure::Usage("no settings given; --help lists them".to_owned()));
                    }
                    let path = path(&set.name, set.dry_run);
                    let written = admin.write(Method::PATCH, &path, MERGE_PATCH, bytes(body)).await;
                    written.map_err(|failure| failure.naming(option_of))?.print(output)
                }
                Verb::Delete(delete) => {
                    let path = path(&delete.name, delete.dry_run);
                    admin.write(Method::DELETE, &path, "", Bytes::new()).await?.print(output)
                }
            }
        })
    }
}

fn path(name: &str, dry_run: bool) -> String {
    format!("/namespaces/{}{}", segment(name), if dry_run { "?dry_run=true" } else { "" })
}

fn bytes(body: Map<String, Value>) -> Bytes {
    Value::Object(body).to_string().into()
}

impl Ls {
    async fn run(self, admin: &AdminArgs, mut output: Output) -> Result<Exit, Failure> {
        let path = format!("/namespaces?limit=1000&q={}", segment(&self.filter));
        let found = admin.pages(&path, "namespaces").await?;
        if output.is_json() {
            for namespace in found {
                output.write(&One(namespace))?;
            }
            output.flush()?;
        } else {
            output.print(&All(found))?;
        }
        Ok(Exit::Success)
    }
}

/// All namespaces, as a table.
#[derive(Serialize)]
#[serde(transparent)]
struct All(Vec<Value>);

impl Answer for All {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut rows = vec![["NAME", "PATTERN", "BACKEND", "SETTINGS"].map(str::to_owned).to_vec()];
        for namespace in &self.0 {
            let others: Vec<_> =
                others(namespace).map(|(name, value)| format!("{name}={}", setting(name, value))).collect();
            let (_, backend) = backend(namespace);
            rows.push(vec![text(&namespace["name"]), text(&namespace["pattern"]), backend, others.join(" ")]);
        }
        table(out, &rows)
    }
}

/// One namespace and, for people, what it can lose.
#[derive(Serialize)]
#[serde(transparent)]
struct Got {
    namespace: One,
    #[serde(skip)]
    can_lose: Option<String>,
}

impl Answer for Got {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let can_lose = self.can_lose.iter().map(|lost| vec!["can lose".to_owned(), lost.clone()]);
        table(out, &self.namespace.rows().chain(can_lose).collect::<Vec<_>>())
    }
}

/// One namespace, one setting per line.
#[derive(Serialize)]
#[serde(transparent)]
struct One(Value);

impl One {
    fn rows(&self) -> impl Iterator<Item = Vec<String>> {
        let first =
            [("name", plain(&self.0["name"])), ("pattern", plain(&self.0["pattern"])), backend(&self.0)];
        let others = others(&self.0).map(|(name, value)| (name.as_str(), setting(name, value)));
        first.into_iter().chain(others).map(|(name, value)| vec![name.to_owned(), value])
    }
}

impl Answer for One {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        table(out, &self.rows().collect::<Vec<_>>())
    }
}

/// What serves a namespace: the name of a backend, or an endpoint.
fn backend(namespace: &Value) -> (&'static str, String) {
    let plugin = &namespace["plugin"];
    match plugin["backend"].as_str() {
        Some(name) => ("backend", name.to_owned()),
        None => ("endpoint", plain(&plugin["endpoint"])),
    }
}

/// A setting's value; who may call as the flag has it.
fn setting(name: &str, value: &Value) -> String {
    if name != "access" {
        return plain(value);
    }
    let caller =
        |caller: &Value| format!("{}={}", plain(&caller["name"]), plain(&caller["rights"]).replace(' ', ""));
    value.as_array().into_iter().flatten().map(caller).collect::<Vec<_>>().join(" ")
}

/// The settings that not every namespace has.
fn others(namespace: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let settings = namespace.as_object().into_iter().flatten();
    settings.filter(|(name, _)| !matches!(name.as_str(), "name" | "pattern" | "plugin"))
}
