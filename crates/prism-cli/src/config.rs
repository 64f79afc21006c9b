//! `prism config`: the gateway's configuration file as a whole, through its admin.

mod status;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use prism_admin::api::request::CONFIG_BYTES_MAX;
use prism_admin::error::FieldError;
use prism_admin::file::snapshot::sha256;
use prism_memstore::config::MEMORY_LIMIT_DEFAULT;
use serde::Serialize;
use serde_json::Value;
use tonic::Code;

use crate::admin::{AdminArgs, Written, YAML, table};
use crate::drivers;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Format, Output, OutputArgs};
use crate::runtime;
use status::Status;

const AFTER_HELP: &str = "\
Examples:
  prism config get >new.yaml                      # prints the tag on standard error
  prism config validate new.yaml
  prism config diff new.yaml                      # ends with the tag to pass to apply
  prism config apply new.yaml --if-match TAG
  prism config status
  prism config revisions
  prism config revisions 7 --diff
  prism config rollback 6";

/// Validate, apply, monitor and roll back the configuration file.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Config {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check a file against the gateway's rules, without any server; exits with 78 if it is invalid.
    Validate {
        /// The file.
        file: PathBuf,
    },
    /// Print the file in force, byte for byte, and its tag on standard error.
    Get,
    /// Show what applying a file would change, and the tag of the file in force.
    Diff {
        /// The file.
        file: PathBuf,
    },
    /// Put a file in force, byte for byte.
    Apply(Apply),
    /// Show whether the proxies are in sync with the file; exits with 1 if one is not.
    Status,
    /// List the revisions, or show one.
    Revisions {
        /// The revision to show, byte for byte.
        number: Option<u64>,
        /// Show what it changed.
        #[arg(long, requires = "number")]
        diff: bool,
    },
    /// Put a revision in force again.
    Rollback {
        /// Number of the revision.
        number: u64,
        /// Show what would change, without changing anything.
        #[arg(long)]
        dry_run: bool,
        /// Only if the file in force still has this tag.
        #[arg(long, value_name = "TAG", value_parser = tag)]
        if_match: Option<String>,
    },
}

#[derive(Args, Debug)]
struct Apply {
    /// The file.
    file: PathBuf,
    #[command(flatten)]
    base: Base,
}

/// What is replaced: applying a file undoes what others have changed since it was created, unless the caller says what
/// it is based on, or insists.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Base {
    /// Only if the file in force still has this tag, which `config get` and `config diff` print.
    #[arg(long, value_name = "TAG", value_parser = tag)]
    if_match: Option<String>,
    /// Replace whatever is in force, even if somebody changed it since.
    #[arg(long)]
    overwrite: bool,
}

/// The tag of a file: its SHA-256 in hex, with or without the quotes of an etag.
fn tag(text: &str) -> Result<String, String> {
    let plain = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    if plain.len() == 64 && plain.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(plain.to_ascii_lowercase())
    } else {
        Err("expected a tag, as `config get` and `config diff` print it: 64 hex digits".to_owned())
    }
}

impl Config {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let output = Output::new(self.format());
        let admin = &self.admin;
        runtime::block_on(async {
            match self.verb {
                Verb::Validate { file } => validate(&file, output),
                Verb::Get => {
                    let text = admin.ask(Method::GET, "/config").await?;
                    let file = File { tag: sha256(&text), text };
                    output.print(&file)?;
                    if self.output.output == Format::Text {
                        eprintln!("tag {}", file.tag);
                    }
                    Ok(Exit::Success)
                }
                Verb::Diff { file } => {
                    let diff = Diff(put(admin, "/config?dry_run=true", &file, None).await?);
                    output.print(&diff)?;
                    Ok(Exit::Success)
                }
                Verb::Apply(Apply { file, base }) => {
                    put(admin, "/config", &file, base.if_match.as_deref()).await?.print(output)
                }
                Verb::Status => {
                    let status = Status(admin.get("/config/status").await?);
                    let good = status.0["in_sync"] == true && status.0["file"]["error"].is_null();
                    output.print(&status)?;
                    Ok(if good { Exit::Success } else { Exit::Failed })
                }
                Verb::Revisions { number: None, .. } => {
                    output.print(&Revisions(admin.get("/config/revisions").await?))?;
                    Ok(Exit::Success)
                }
                Verb::Revisions { number: Some(number), diff } => {
                    let path = format!("/config/revisions/{number}{}", if diff { "/diff" } else { "" });
                    output.print(&Raw { text: admin.ask(Method::GET, &path).await? })?;
                    Ok(Exit::Success)
                }
                Verb::Rollback { number, dry_run, if_match } => {
                    let dry_run = if dry_run { "?dry_run=true" } else { "" };
                    let path = format!("/config/rollback/{number}{dry_run}");
                    let tag = if_match.as_deref();
                    admin.write_if(Method::POST, &path, "", Bytes::new(), tag).await?.print(output)
                }
            }
        })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::file(&file.display().to_string(), &error))
}

async fn put(admin: &AdminArgs, path: &str, file: &Path, if_match: Option<&str>) -> Result<Written, Failure> {
    let bytes = read(file)?;
    // The admin would refuse it before reading all of it, and the response could be lost.
    if bytes.len() > CONFIG_BYTES_MAX {
        let name = file.display();
        return Err(Failure::Admin {
            exit: Exit::Failed,
            code: Code::InvalidArgument,
            message: format!("{name} has {} bytes; the maximum is {CONFIG_BYTES_MAX}", bytes.len()),
            fields: Vec::new(),
            hint: None,
            retryable: false,
        });
    }
    admin.write_if(Method::PUT, path, YAML, bytes.into(), if_match).await
}

/// What applying a file would change.
#[derive(Serialize)]
#[serde(transparent)]
struct Diff(Written);

impl Answer for Diff {
    fn text(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        self.0.text(out, terminal)?;
        match self.0.tag_before() {
            Some(tag) => writeln!(out, "apply it with --if-match {tag}"),
            None => Ok(()),
        }
    }
}

/// The file in force.
#[derive(Serialize)]
struct File {
    #[serde(serialize_with = "lossy")]
    text: Bytes,
    tag: String,
}

impl Answer for File {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        out.write_all(&self.text)
    }
}

#[derive(Serialize)]
struct Validated {
    file: String,
    valid: bool,
    namespaces: Option<usize>,
    warnings: Vec<String>,
    errors: Vec<FieldError>,
}

fn validate(file: &Path, output: Output) -> Result<Exit, Failure> {
    let checked = prism_admin::file::check::whole(&read(file)?, &drivers::all(MEMORY_LIMIT_DEFAULT));
    let file = file.display().to_string();
    let (exit, validated) = match checked {
        Ok((found, warnings)) => {
            let namespaces = Some(found.namespaces.len());
            (Exit::Success, Validated { file, valid: true, namespaces, warnings, errors: Vec::new() })
        }
        Err(errors) => {
            let none = Validated { file, valid: false, namespaces: None, warnings: Vec::new(), errors };
            (Exit::Config, none)
        }
    };
    output.print(&validated)?;
    Ok(exit)
}

impl Answer for Validated {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        self.warnings.iter().try_for_each(|warning| writeln!(out, "note: {warning}"))?;
        match self.namespaces {
            Some(count) => writeln!(out, "{} is valid; namespaces: {count}", self.file),
            None => {
                writeln!(out, "{} is not valid:", self.file)?;
                self.errors
                    .iter()
                    .try_for_each(|error| writeln!(out, "  {}: {}", error.pointer, error.detail))
            }
        }
    }
}

/// A file, byte for byte.
#[derive(Serialize)]
struct Raw {
    #[serde(serialize_with = "lossy")]
    text: Bytes,
}

fn lossy<S: serde::Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

impl Answer for Raw {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        out.write_all(&self.text)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Revisions(Value);

impl Answer for Revisions {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let mut rows = vec![["REVISION", "AT", "WHO", "ACTION"].map(str::to_owned).to_vec()];
        for revision in self.0["revisions"].as_array().into_iter().flatten() {
            let text = |name: &str| revision[name].as_str().unwrap_or_default().to_owned();
            rows.push(vec![revision["number"].to_string(), text("at"), text("who"), text("action")]);
        }
        table(out, &rows)
    }
}
