//! The options that name an admin, the client created from them, and the result of every write.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use http::{Method, Request, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prism_net::address::Address;
use prism_runtime::fetch::{FetchError, Fetcher};
use serde::Serialize;
use serde_json::Value;
use tonic::Code;

use crate::credential::TokenArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output};
use crate::tls::TlsArgs;

/// An admin waits 5 s for its proxies, and allows 30 s for a whole request.
const ANSWER_MAX: Duration = Duration::from_secs(35);

/// How a port with TLS begins its reply to plaintext.
const SPEAKS_TLS: &[u8] = b"this port speaks TLS";

/// The content types that the admin accepts.
pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(crate) const YAML: &str = "application/yaml";

/// All except the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which admin to use, and with which token.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
pub(crate) struct AdminArgs {
    /// The admin: http://HOST:PORT, https://HOST:PORT or unix:PATH.
    #[arg(
        long,
        global = true,
        env = "PRISM_ADMIN",
        value_name = "URL",
        default_value = "http://127.0.0.1:8090",
        value_parser = url
    )]
    admin: String,

    #[command(flatten)]
    token: TokenArgs,

    #[command(flatten)]
    tls: TlsArgs,
}

fn url(text: &str) -> Result<String, String> {
    if text.starts_with("unix:") {
        return text.parse::<Address>().map(|_| text.to_owned());
    }
    let plain = text.trim_end_matches('/');
    let authority = plain.strip_prefix("http://").or_else(|| plain.strip_prefix("https://"));
    match authority.map(str::parse::<http::uri::Authority>) {
        Some(Ok(_)) => Ok(plain.to_owned()),
        _ => Err("expected http://HOST:PORT, https://HOST:PORT or unix:PATH".to_owned()),
    }
}

/// A path segment, percent-encoded: names may contain anything.
pub(crate) fn segment(name: &str) -> String {
    utf8_percent_encode(name, RESERVED).to_string()
}

impl AdminArgs {
    /// Sends a request without a body.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> Result<Bytes, Failure> {
        self.send(method, path, "", Bytes::new(), None).await
    }

    /// Sends a request, on the condition that its target has this tag; returns the body of a successful response.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
        if_match: Option<&str>,
    ) -> Result<Bytes, Failure> {
        let is_write = method != Method::GET;
        let server = self.tls.web(&self.admin)?;
        let uri = format!("{}://{}{path}", server.scheme(), server.address.authority());
        let mut request = Request::builder().method(method).uri(uri);
        if !kind.is_empty() {
            request = request.header(CONTENT_TYPE, kind);
        }
        if let Some(tag) = if_match {
            request = request.header(IF_MATCH, format!("\"{tag}\""));
        }
        if let Some(token) = self.token.header(&server)? {
            request = request.header(AUTHORIZATION, token);
        }
        let request = request.body(body).map_err(|error| Failure::Usage(error.to_string()))?;
        let answer = Fetcher::of(&server.address, server.connector).send(request, ANSWER_MAX).await;
        let answer = answer.map_err(|error| self.unreached(&error, is_write))?;
        if answer.status().is_success() {
            Ok(answer.into_body())
        } else {
            Err(self.refused(answer.status(), answer.body()))
        }
    }

    /// Sends a write.
    pub(crate) async fn write(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Written, Failure> {
        self.write_if(method, path, kind, body, None).await
    }

    /// Sends a write, on the condition that its target has this tag.
    pub(crate) async fn write_if(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
        if_match: Option<&str>,
    ) -> Result<Written, Failure> {
        let answer = self.send(method, path, kind, body, if_match).await?;
        self.json(&answer).map(Written)
    }

    /// The items of a list on all of its pages. `path` has a query already.
    pub(crate) async fn pages(&self, path: &str, list: &str) -> Result<Vec<Value>, Failure> {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.get(&format!("{path}&cursor={}", segment(&cursor))).await?;
            if let Some(Value::Array(items)) = page.get_mut(list).map(Value::take) {
                found.extend(items);
            }
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return Ok(found),
            }
        }
    }

    /// Requests JSON.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.ask(Method::GET, path).await?;
        self.json(&answer)
    }

    /// Sends JSON that changes nothing.
    pub(crate) async fn post(&self, path: &str, body: Bytes) -> Result<Value, Failure> {
        let answer = self.send(Method::POST, path, JSON, body, None).await?;
        self.json(&answer)
    }

    fn json(&self, answer: &[u8]) -> Result<Value, Failure> {
        serde_json::from_slice(answer).map_err(|_| {
            other_server(format!("{} does not respond in JSON: is it a prism-admin?", self.admin))
        })
    }

    fn unreached(&self, error: &FetchError, is_write: bool) -> Failure {
        let maybe_done = is_write && !matches!(error, FetchError::Connect(_));
        let advice = match error {
            FetchError::Connect(_) => {
                "; is prism-admin running? set another address with --admin or PRISM_ADMIN"
            }
            _ if maybe_done => "; the write may have been applied: check before you retry it",
            _ => "",
        };
        let code = match error {
            FetchError::TimedOut(_) => Code::DeadlineExceeded,
            FetchError::Connect(_) | FetchError::Lost(_) => Code::Unavailable,
        };
        Failure::Admin {
            exit: Exit::Unavailable,
            code,
            message: format!("{}: {error}{advice}", self.admin),
            fields: Vec::new(),
            hint: None,
            retryable: !maybe_done,
        }
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Failure {
        let problem: Value = serde_json::from_slice(body).unwrap_or_default();
        if body.starts_with(SPEAKS_TLS) {
            return other_server(format!("{} speaks TLS: write https:// in its address", self.admin));
        }
        let Some(detail) = problem["detail"].as_str() else {
            return other_server(format!("{} responded with {status}: is it a prism-admin?", self.admin));
        };
        let mut message = detail.to_owned();
        let errors = problem["errors"].as_array().map_or(&[][..], Vec::as_slice);
        if errors.len() > 1 {
            for error in errors {
                let part = |name: &str| error[name].as_str().unwrap_or_default();
                message.push_str(&format!("\n  {}: {}", part("pointer"), part("detail")));
            }
        }
        let (exit, code) = match status.as_u16() {
            401 => (Exit::Failed, Code::Unauthenticated),
            403 => (Exit::Failed, Code::PermissionDenied),
            404 => (Exit::NotFound, Code::NotFound),
            408 => (Exit::Unavailable, Code::DeadlineExceeded),
            409 | 412 => (Exit::Failed, Code::FailedPrecondition),
            400..=499 => (Exit::Failed, Code::InvalidArgument),
            _ => (Exit::Failed, Code::Internal),
        };
        let fields = errors.iter().filter_map(|error| Some(error["pointer"].as_str()?.to_owned())).collect();
        Failure::Admin { exit, code, message, fields, hint: None, retryable: false }
    }
}

/// The server that responded is not an admin.
fn other_server(message: String) -> Failure {
    let (exit, code) = (Exit::Failed, Code::Internal);
    Failure::Admin { exit, code, message, fields: Vec::new(), hint: None, retryable: false }
}

/// The result of a write, as the admin reports it.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Written(Value);

impl Written {
    /// The tag of the previous file, if this write changes it.
    pub(crate) fn tag_before(&self) -> Option<&str> {
        self.0["previous_sha256"].as_str().filter(|_| self.0["changed"] == true)
    }

    /// Prints the result. The command fails if a proxy has not applied the write.
    pub(crate) fn print(&self, output: Output) -> Result<Exit, Failure> {
        output.print(self)?;
        let done = self.0["dry_run"] == true || self.0["applied"] == true;
        Ok(if done { Exit::Success } else { Exit::Failed })
    }
}

impl Answer for Written {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let answer = &self.0;
        for warning in answer["warnings"].as_array().into_iter().flatten() {
            writeln!(out, "note: {}", warning.as_str().unwrap_or_default())?;
        }
        if answer["dry_run"] == true {
            write!(out, "{}", answer["diff"].as_str().unwrap_or_default())?;
            return writeln!(
                out,
                "{}",
                if answer["changed"] == true { "nothing was written" } else { "no difference" }
            );
        }
        let did = if answer["changed"] == true { "written as" } else { "no difference to" };
        match answer["revision"].as_u64() {
            Some(number) => writeln!(out, "{did} revision {number}")?,
            None => writeln!(out, "no file exists")?,
        }
        for proxy in answer["proxies"].as_array().into_iter().flatten() {
            let url = proxy["url"].as_str().unwrap_or_default();
            match proxy["error"].as_str() {
                None => writeln!(out, "  {url}  applied")?,
                Some(error) => writeln!(out, "  {url}  NOT applied: {error}")?,
            }
        }
        Ok(())
    }
}

/// A value without the quotes of JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Prints columns, each as wide as its widest cell.
pub(crate) fn table(out: &mut dyn Write, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_paths_are_checked_and_escaped() {
        for good in [
            "http://127.0.0.1:8090",
            "http://admin:8090/",
            "http://[::1]:1",
            "https://a:1",
            "unix:/run/admin",
        ] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:8090", "ftp://a:1", "http://", "https://", "http://a/b c", "unix:"] {
            assert!(url(bad).is_err(), "{bad}");
        }
        assert_eq!(segment("a/b?c d"), "a%2Fb%3Fc%20d");
    }

    #[test]
    fn a_table_is_aligned() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let mut out = Vec::new();
        table(&mut out, &[row(["NAME", "X"]), row(["a", ""]), row(["orders", "y"])]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME    X\na\norders  y\n");
    }
}
