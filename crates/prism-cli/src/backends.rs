//! `prism backends`: the backends of a running gateway, through its admin.

mod found;
mod listed;

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use crate::admin::{AdminArgs, JSON, MERGE_PATCH, segment};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, Output, OutputArgs};
use crate::runtime;
use found::Found;
use listed::{All, Listed, One};

const AFTER_HELP: &str = "\
A write waits until every proxy has applied it, for at most 5 s, and exits with 1 if one has not.

Examples:
  prism backends create fast --embedded memstore --option memory_limit=512MiB
  prism backends create legacy --endpoint plugin-1:50051
  prism namespaces create orders --pattern keyvalue --backend fast
  prism backends set fast --option memory_limit=1GiB
  prism backends probe --endpoint plugin-2:50051
  prism backends delete fast --dry-run            # says what would be lost";

/// Create, change, probe and remove backends while traffic flows.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Backends {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List backends, with their state.
    Ls,
    /// Show the settings of a backend.
    Get {
        /// Name of the backend.
        name: String,
    },
    /// Create a backend.
    Create(Create),
    /// Change settings of a backend.
    Set(Set),
    /// Remove a backend that no namespace uses. What it holds in memory is lost.
    Delete(Delete),
    /// Connect to a backend and show what is there, without changing anything.
    Probe(Probe),
}

/// The setting of a backend with an endpoint that may be unset.
const TOKEN_FILE: &str = "token_file";

#[derive(Args, Debug)]
struct Create {
    /// Name: 1 to 64 of a-z, 0-9 and -, starting with a letter.
    name: String,
    #[command(flatten)]
    place: Place,
    /// Show what would change, without changing anything.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
struct Set {
    /// Name of the backend.
    name: String,
    #[command(flatten)]
    place: Place,
    /// Reset an option of the driver, or token_file, to its default; may be repeated.
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    /// Show what would change, without changing anything.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
struct Delete {
    /// Name of the backend.
    name: String,
    /// Show what would change and what would be lost, without changing anything.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
struct Probe {
    /// Name of a backend that is there; for another, describe it by --embedded or --endpoint.
    #[arg(conflicts_with_all = ["embedded", "endpoint", "options"], required_unless_present_any = ["embedded", "endpoint"])]
    name: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Where a backend is. The admin checks it, so that the rules are those of the gateway and its drivers.
#[derive(Args, Debug)]
struct Place {
    /// Driver that opens it in each proxy's own process, such as memstore.
    #[arg(long, value_name = "DRIVER", conflicts_with = "endpoint")]
    embedded: Option<String>,
    /// Where its plugin is: HOST:PORT or unix:PATH.
    #[arg(long, value_name = "ADDR")]
    endpoint: Option<String>,
    /// File with the token that the proxies present to the plugin, below the admin's --secrets-root.
    #[arg(long, value_name = "FILE", conflicts_with = "embedded")]
    plugin_token_file: Option<String>,
    /// An option of the driver, its value as in YAML, such as memory_limit=512MiB; may be repeated.
    #[arg(long = "option", value_name = "KEY=VALUE", value_parser = option)]
    options: Vec<(String, Value)>,
}

/// An option, with its value read as the file would have it.
fn option(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("expected KEY=VALUE")?;
    let value = serde_yaml::from_str(value)
        .map_err(|_| "the value is not YAML; put text with special characters in quotes of its own")?;
    Ok((key.to_owned(), value))
}

/// The option that sets what an admin finds wrong at a JSON pointer; the name has none.
fn option_of(pointer: &str) -> Option<String> {
    let mut parts = pointer.trim_start_matches('/').split('/');
    let option = match (parts.next()?, parts.next()) {
        ("embedded", _) => "--embedded or --endpoint",
        ("endpoint", _) => "--endpoint",
        (TOKEN_FILE, _) => "--plugin-token-file",
        ("options", Some(key)) => return Some(format!("--option {key}=VALUE")),
        ("options", None) => "--option",
        _ => return None,
    };
    Some(option.to_owned())
}

impl Place {
    fn into_json(self) -> Result<Map<String, Value>, Failure> {
        let mut settings = Map::new();
        let place =
            [("embedded", self.embedded), ("endpoint", self.endpoint), (TOKEN_FILE, self.plugin_token_file)];
        settings.extend(place.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
        let mut options = Map::new();
        for (key, value) in self.options {
            if options.insert(key.clone(), value).is_some() {
                return Err(Failure::Usage(format!("the option {key} is given twice")));
            }
        }
        if !options.is_empty() {
            settings.insert("options".to_owned(), options.into());
        }
        Ok(settings)
    }
}

impl Set {
    /// The change as a merge patch: one place replaces another.
    fn into_json(self) -> Result<Map<String, Value>, Failure> {
        let mut change = self.place.into_json()?;
        if change.contains_key("embedded") {
            change.insert("endpoint".to_owned(), Value::Null);
            change.insert(TOKEN_FILE.to_owned(), Value::Null);
        }
        if change.contains_key("endpoint") && !change.contains_key("embedded") {
            change.insert("embedded".to_owned(), Value::Null);
            change.entry("options").or_insert(Value::Null);
        }
        for key in self.unset {
            if key == TOKEN_FILE {
                change.insert(key, Value::Null);
                continue;
            }
            let options = change.entry("options").or_insert_with(|| json!({}));
            let Value::Object(options) = options else {
                return Err(Failure::Usage(format!(
                    "a backend with an endpoint has no option {key} to unset"
                )));
            };
            if options.insert(key.clone(), Value::Null).is_some_and(|value| !value.is_null()) {
                return Err(Failure::Usage(format!("{key} cannot be set and unset at once")));
            }
        }
        if change.is_empty() {
            return Err(Failure::Usage("no settings given; --help lists them".to_owned()));
        }
        Ok(change)
    }
}

impl Backends {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let output = Output::new(self.format());
        runtime::block_on(async {
            let admin = &self.admin;
            match self.verb {
                Verb::Ls => list(admin, output).await,
                Verb::Get { name } => {
                    output.print(&One(admin.get(&path(&name, false)).await?))?;
                    Ok(Exit::Success)
                }
                Verb::Create(create) => {
                    let mut body = create.place.into_json()?;
                    body.insert("name".to_owned(), create.name.into());
                    let path = if create.dry_run { "/backends?dry_run=true" } else { "/backends" };
                    let written = admin.write(Method::POST, path, JSON, bytes(body)).await;
                    written.map_err(|failure| failure.naming(option_of))?.print(output)
                }
                Verb::Set(set) => {
                    let path = path(&set.name, set.dry_run);
                    let body = bytes(set.into_json()?);
                    let written = admin.write(Method::PATCH, &path, MERGE_PATCH, body).await;
                    written.map_err(|failure| failure.naming(option_of))?.print(output)
                }
                Verb::Delete(delete) => {
                    let path = path(&delete.name, delete.dry_run);
                    admin.write(Method::DELETE, &path, "", Bytes::new()).await?.print(output)
                }
                Verb::Probe(probe) => probe.run(admin, output).await,
            }
        })
    }
}

fn path(name: &str, dry_run: bool) -> String {
    format!("/backends/{}{}", segment(name), if dry_run { "?dry_run=true" } else { "" })
}

fn bytes(body: Map<String, Value>) -> Bytes {
    Value::Object(body).to_string().into()
}

async fn list(admin: &AdminArgs, mut output: Output) -> Result<Exit, Failure> {
    let found = admin.pages("/backends?limit=1000", "backends").await?;
    if output.is_json() {
        for backend in found {
            output.write(&Listed(backend))?;
        }
        output.flush()?;
    } else {
        output.print(&All(found))?;
    }
    Ok(Exit::Success)
}

impl Probe {
    async fn run(self, admin: &AdminArgs, output: Output) -> Result<Exit, Failure> {
        let body = match self.name {
            Some(name) => admin.get(&path(&name, false)).await?.to_string().into(),
            None => bytes(self.place.into_json()?),
        };
        let found = admin.post("/backends/probe", body).await;
        let found = Found(found.map_err(|failure| failure.naming(option_of))?);
        let exit = found.exit();
        output.print(&found)?;
        Ok(exit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_read_as_yaml() {
        for (text, key, value) in [
            ("memory_limit=512MiB", "memory_limit", json!("512MiB")),
            ("n=5", "n", json!(5)),
            ("on=true", "on", json!(true)),
            ("text='5'", "text", json!("5")),
            ("url=redis://a:1/?b=c", "url", json!("redis://a:1/?b=c")),
            ("urls=[redis://a:1, redis://b:1]", "urls", json!(["redis://a:1", "redis://b:1"])),
            ("durability={replicas: 1}", "durability", json!({ "replicas": 1 })),
        ] {
            assert_eq!(option(text), Ok((key.to_owned(), value)), "{text}");
        }
        for wrong in ["", "n", "=5", "n=[", "n={a"] {
            assert!(option(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_place_replaces_another() {
        let change = |embedded: Option<&str>, endpoint: Option<&str>, options: &[&str], unset: &[&str]| {
            let place = Place {
                embedded: embedded.map(str::to_owned),
                plugin_token_file: None,
                endpoint: endpoint.map(str::to_owned),
                options: options.iter().map(|text| option(text).unwrap()).collect(),
            };
            let unset = unset.iter().map(|&key| key.to_owned()).collect();
            Set { name: "a".to_owned(), place, unset, dry_run: false }.into_json().map(Value::Object)
        };
        assert_eq!(
            change(Some("memstore"), None, &[], &[]).unwrap(),
            json!({ "embedded": "memstore", "endpoint": null, "token_file": null })
        );
        assert_eq!(
            change(None, Some("a:1"), &[], &[]).unwrap(),
            json!({ "endpoint": "a:1", "embedded": null, "options": null })
        );
        assert_eq!(change(None, None, &[], &["token_file"]).unwrap(), json!({ "token_file": null }));
        assert_eq!(
            change(None, None, &["a=1"], &["b"]).unwrap(),
            json!({ "options": { "a": 1, "b": null } })
        );
        for wrong in [
            change(None, None, &[], &[]),
            change(None, None, &["a=1", "a=2"], &[]),
            change(None, None, &["a=1"], &["a"]),
            change(None, Some("a:1"), &[], &["a"]),
        ] {
            assert!(matches!(wrong, Err(Failure::Usage(_))), "{wrong:?}");
        }
    }
}
