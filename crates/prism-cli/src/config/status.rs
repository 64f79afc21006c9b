//! What `prism config status` prints.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::output::Answer;

#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Status(pub(super) Value);

impl Answer for Status {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let file = &self.0["file"];
        let state = match (file["exists"] == true, file["error"].as_str()) {
            (_, Some(error)) => error.to_owned(),
            (false, None) => "does not exist yet".to_owned(),
            (true, None) => format!("{:.12}, namespaces: {}", text(&file["sha256"]), file["namespaces"]),
        };
        writeln!(out, "{}: {state}", text(&file["path"]))?;
        for proxy in self.0["proxies"].as_array().into_iter().flatten() {
            let attempt = &proxy["status"]["last_attempt"];
            let state = match (proxy["in_sync"] == true, proxy["error"].as_str(), attempt["error"].as_str()) {
                (true, ..) => "in sync".to_owned(),
                (false, Some(error), _) => format!("no response: {error}"),
                (false, None, Some(error)) => {
                    format!("REFUSED, the previous revision stays in force: {error}")
                }
                (false, None, None) => format!("has another: {:.12}", text(&proxy["status"]["revision"])),
            };
            writeln!(out, "  {}  {state}", text(&proxy["url"]))?;
            for key in proxy["status"]["restart_required"].as_array().into_iter().flatten() {
                writeln!(out, "    restart it for {}", text(&key["field"]))?;
            }
            for problem in proxy["status"]["problems"].as_array().into_iter().flatten() {
                writeln!(out, "    namespace {}: {}", text(&problem["namespace"]), text(&problem["error"]))?;
            }
        }
        Ok(())
    }
}
