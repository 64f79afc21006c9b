//! What `prism backends probe` prints.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::admin::{plain, table};
use crate::exit::Exit;
use crate::output::Answer;

/// What a probe found.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Found(pub(super) Value);

impl Found {
    /// Success if the backend was reached and does not say that it accepts no calls.
    pub(super) fn exit(&self) -> Exit {
        match self.0["health"].as_str() {
            Some("serving" | "unknown") => Exit::Success,
            Some("unreachable") => Exit::Unavailable,
            _ => Exit::Failed,
        }
    }
}

impl Answer for Found {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let found = &self.0;
        let row = |label: &str, value: String| vec![label.to_owned(), value];
        let mut rows = vec![row("health", plain(&found["health"]))];
        rows.extend(found["error"].as_str().map(|error| row("error", error.to_owned())));
        rows.extend(found["latency_ms"].as_f64().map(|latency| row("latency", format!("{latency} ms"))));
        for fact in found["facts"].as_array().into_iter().flatten() {
            rows.push(row(fact["label"].as_str().unwrap_or_default(), plain(&fact["value"])));
        }
        let promised = found["capabilities"].as_object().map(|all| {
            let promised: Vec<_> =
                all.iter().filter(|(_, value)| **value == true).map(|(name, _)| name.as_str()).collect();
            if promised.is_empty() { "none".to_owned() } else { promised.join(", ") }
        });
        rows.extend(promised.map(|promised| row("capabilities", promised)));
        for (at, interface) in found["interfaces"].as_array().into_iter().flatten().enumerate() {
            rows.push(row(if at == 0 { "interfaces" } else { "" }, plain(interface)));
        }
        table(out, &rows)
    }
}
