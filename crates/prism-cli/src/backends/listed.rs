//! What `prism backends ls` and `prism backends get` print.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::admin::{plain, table};
use crate::output::{Answer, counted};

/// The states in which a proxy may have a backend, the worst first.
const STATES: [&str; 3] = ["unreachable", "idle", "ready"];

/// One backend of the list, as JSON.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Listed(pub(super) Value);

impl Answer for Listed {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        table(out, &[row(&self.0)])
    }
}

/// All backends, as a table.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct All(pub(super) Vec<Value>);

impl Answer for All {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let head = ["NAME", "ENDPOINT", "STATE", "NAMESPACES", "IN MEMORY", "OPTIONS"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.0.iter().map(row));
        table(out, &rows)
    }
}

fn row(backend: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let lost = &backend["would_lose"];
    let held = lost["keys"].as_u64().zip(lost["lists"].as_u64()).map_or_else(
        || "-".to_owned(),
        |(keys, lists)| format!("{}, {}", counted(keys, "key"), counted(lists, "list")),
    );
    let options = backend["options"].as_object().into_iter().flatten();
    let options: Vec<_> = options.map(|(name, value)| format!("{name}={}", plain(value))).collect();
    let namespaces = backend["namespaces"].as_array().map_or(0, Vec::len).to_string();
    vec![
        text(&backend["name"]),
        text(&backend["endpoint"]),
        state(backend).to_owned(),
        namespaces,
        held,
        options.join(" "),
    ]
}

/// The backend's own health or, if the admin cannot ask it, the worst that a proxy reports.
fn state(backend: &Value) -> &str {
    let health = backend["health"].as_str().unwrap_or("unknown");
    let proxies = backend["proxies"].as_array().map_or(&[][..], Vec::as_slice);
    let reported = |state: &&str| proxies.iter().any(|proxy| proxy["state"] == **state);
    match health {
        "not_asked" => STATES.into_iter().find(reported).unwrap_or(health),
        health => health,
    }
}

/// The settings of a backend, one per line.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct One(pub(super) Value);

impl Answer for One {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let settings = ["name", "embedded", "endpoint"].into_iter().filter_map(|name| {
            let value = self.0.get(name)?;
            Some(vec![name.to_owned(), plain(value)])
        });
        let options = self.0["options"].as_object().into_iter().flatten();
        let options = options.map(|(name, value)| vec![format!("options.{name}"), plain(value)]);
        table(out, &settings.chain(options).collect::<Vec<_>>())
    }
}
