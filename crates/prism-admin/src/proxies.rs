//! What the proxies report: the revision in force, and why one was refused.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode, Uri};
use prism_auth::OwnToken;
use prism_auth::fresh::keep_fresh;
use prism_net::address::Address;
use prism_net::tls::Protocol;
use prism_net::tls::client::{ClientOptions, Connector};
use prism_runtime::exit::ServerError;
use prism_runtime::fetch::{FetchError, Fetcher};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use crate::error::Problem;
use crate::file::store::Age;

/// How long a write waits for the proxies: a watcher sees a change at once, and polling takes a few seconds.
const APPLY_MAX: Duration = Duration::from_secs(5);

/// The time between two queries.
const ASK_EVERY: Duration = Duration::from_millis(25);

/// How long one query may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The HTTP port of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl(String);

impl FromStr for ProxyUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.trim_end_matches('/');
        let uri = plain.parse::<Uri>().ok();
        let usable = uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.port_u16().is_some()
                && matches!(uri.path(), "" | "/")
        });
        if usable {
            Ok(Self(plain.to_owned()))
        } else {
            Err("expected http://HOST:PORT or https://HOST:PORT".to_owned())
        }
    }
}

impl ProxyUrl {
    /// Whether nobody on the way can read what is sent there.
    fn keeps_secrets(&self) -> bool {
        match self.0.strip_prefix("http://") {
            Some(authority) => Address::Tcp(authority.to_owned()).is_this_machine(),
            None => true,
        }
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a proxy has a revision in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Applied {
    /// Its HTTP port.
    #[schema(example = "http://127.0.0.1:8981")]
    pub url: String,
    /// Whether it reports the revision, or one that came after it.
    pub applied: bool,
    /// Why not, and what to do.
    #[schema(required = true)]
    pub error: Option<String>,
}

/// All proxies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Proxies {
    urls: Vec<ProxyUrl>,
    fetcher: Fetcher,
    /// The admin's own token.
    token: Option<Arc<OwnToken>>,
}

impl Proxies {
    /// The proxies at these ports. The certificates of those with TLS are signed by the CAs of a file, or by those of the
    /// system. They are shown the token in a file, if any.
    ///
    /// # Errors
    /// A file cannot be used, or the token would go over plaintext to another machine.
    pub fn new(
        urls: Vec<ProxyUrl>,
        ca_file: Option<PathBuf>,
        token_file: Option<&Path>,
    ) -> Result<Self, ServerError> {
        let wrong = |flag: &str, error: &dyn fmt::Display| ServerError::Config(format!("{flag}: {error}"));
        let has_file = ca_file.is_some();
        let options = ClientOptions { ca_file, ..ClientOptions::default() };
        let tls = Connector::new(options, Some(Protocol::Http1));
        let checked = tls.and_then(|tls| if has_file { tls.check().map(|()| tls) } else { Ok(tls) });
        let tls = checked.map_err(|error| wrong("--proxy-ca-file", &error))?;
        if token_file.is_some()
            && let Some(open) = urls.iter().find(|url| !url.keeps_secrets())
        {
            let why = format!("the token would go to {open} in plaintext; give that --proxy as https://");
            return Err(wrong("--proxy-token-file", &why));
        }
        let token = token_file.map(OwnToken::open).transpose();
        let token = token.map_err(|error| wrong("--proxy-token-file", &error))?.map(Arc::new);
        Ok(Self { urls, fetcher: Fetcher::with_tls(tls), token })
    }

    /// Reads the file of the token whenever it has changed.
    pub async fn keep_fresh(self) {
        if let Some(token) = self.token {
            keep_fresh(move || token.refresh()).await;
        }
    }

    /// What each reports at `/config/status`.
    pub async fn statuses(&self) -> Vec<(ProxyUrl, Result<Value, FetchError>)> {
        self.each(|url| async move { self.status(&url).await }).await
    }

    /// The result of `ask` for each.
    pub async fn each<T, F: Future<Output = T>>(&self, ask: impl Fn(ProxyUrl) -> F) -> Vec<(ProxyUrl, T)> {
        join_all(self.urls.iter().map(|url| {
            let asked = ask(url.clone());
            async { (url.clone(), asked.await) }
        }))
        .await
    }

    async fn status(&self, url: &ProxyUrl) -> Result<Value, FetchError> {
        self.ask(url, "/config/status").await
    }

    /// The JSON with which a proxy responds at a path.
    ///
    /// # Errors
    /// It does not respond, or with something else.
    pub async fn ask<T: DeserializeOwned>(&self, url: &ProxyUrl, path: &str) -> Result<T, FetchError> {
        let mut request = Request::get(format!("{url}{path}"));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.authorization());
        }
        let request = request.body(Bytes::new()).map_err(|error| FetchError::Lost(error.to_string()))?;
        let response = self.fetcher.send(request, ANSWER_MAX).await?;
        let why = match response.status() {
            StatusCode::OK => None,
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Some(format!(
                "{path} returned {status}: only its operators may read it; name one's token with --proxy-token-file"
            )),
            status => Some(format!("{path} returned {status}: is it a prism-proxy?")),
        };
        if let Some(why) = why {
            return Err(FetchError::Lost(why));
        }
        serde_json::from_slice(response.body())
            .map_err(|error| FetchError::Lost(format!("its {path} cannot be read: {error}")))
    }

    /// Waits until each proxy has the revision in force, or a newer one, or has refused it; at most 5 s. `age` tells
    /// how the state that a proxy has in force relates to the revision.
    pub async fn wait_for<F>(&self, revision: &str, age: impl Fn(String) -> F) -> Vec<Applied>
    where
        F: Future<Output = Result<Age, Problem>>,
    {
        let deadline = Instant::now() + APPLY_MAX;
        let age = &age;
        join_all(self.urls.iter().map(|url| async move {
            let error = self.wait_for_one(url, revision, age, deadline).await.err();
            Applied { url: url.to_string(), applied: error.is_none(), error }
        }))
        .await
    }

    async fn wait_for_one<F>(
        &self,
        url: &ProxyUrl,
        revision: &str,
        age: impl Fn(String) -> F,
        deadline: Instant,
    ) -> Result<(), String>
    where
        F: Future<Output = Result<Age, Problem>>,
    {
        loop {
            let why = match self.status(url).await {
                // No proxy is running; one that starts reads the file.
                Err(error @ FetchError::Connect(_)) => {
                    return Err(format!("{error}; a proxy reads the file when it starts"));
                }
                Err(error) => error.to_string(),
                Ok(status) => {
                    let known = match in_force(&status).filter(|it| *it != revision) {
                        // A lookup that fails now may succeed with the next response.
                        Some(other) => age(other.to_owned()).await.unwrap_or(Age::Unknown),
                        None => Age::Unknown,
                    };
                    match verdict(&status, revision, known) {
                        Verdict::Applied => return Ok(()),
                        Verdict::Never(why) => return Err(why),
                        Verdict::NotYet(why) => why,
                    }
                }
            };
            if Instant::now() + ASK_EVERY >= deadline {
                return Err(format!("not within {} s: {why}", APPLY_MAX.as_secs()));
            }
            sleep(ASK_EVERY).await;
        }
    }
}

fn in_force(status: &Value) -> Option<&str> {
    status["revision"].as_str()
}

/// What a status means for a revision.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Applied,
    Never(String),
    NotYet(String),
}

/// `age` is that of the state in force, if that is another revision.
fn verdict(status: &Value, revision: &str, age: Age) -> Verdict {
    let attempt = &status["last_attempt"];
    if in_force(status) == Some(revision) || age == Age::Later {
        return Verdict::Applied;
    }
    let refused =
        (attempt["outcome"] == "refused").then(|| attempt["error"].as_str().unwrap_or("no reason given"));
    if let Some(why) = refused.filter(|_| attempt["revision"] == revision) {
        return Verdict::Never(format!("refused; the previous configuration stays in force: {why}"));
    }
    let Some(path) = status["path"].as_str() else {
        return Verdict::Never("it watches no file; start it with --config and the admin's file".to_owned());
    };
    Verdict::NotYet(match age {
        Age::Earlier(number) => {
            let refused = refused.map_or_else(String::new, |why| format!(", and refused another: {why}"));
            format!("it still has revision {number} in force{refused}; it watches {path}")
        }
        _ => format!("it has another revision in force; it watches {path}: is that the admin's file?"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn urls_are_read() {
        for good in ["http://127.0.0.1:8981", "http://proxy:8981/", "http://[::1]:1", "https://proxy:8981"] {
            assert!(good.parse::<ProxyUrl>().is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:8981", "http://a", "https://a", "http://a:1/b", "ftp://a:1"] {
            assert!(bad.parse::<ProxyUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_status_says_whether_a_revision_is_in_force() {
        let status = |revision: Value, attempt: Value| json!({"path": "/a", "revision": revision, "last_attempt": attempt});
        let of = |status: Value, age| verdict(&status, "new", age);
        assert_eq!(of(status(json!("new"), Value::Null), Age::Unknown), Verdict::Applied);
        assert_eq!(of(status(json!("newer"), Value::Null), Age::Later), Verdict::Applied);
        let refused = json!({"revision": "new", "outcome": "refused", "error": "no such plugin"});
        let Verdict::Never(why) = of(status(json!("old"), refused), Age::Earlier(1)) else {
            panic!("it was refused")
        };
        assert!(why.contains("no such plugin"), "{why}");
        let says = |age| match of(status(json!("old"), Value::Null), age) {
            Verdict::NotYet(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(says(Age::Earlier(3)).contains("still has revision 3 in force"), "{}", says(Age::Earlier(3)));
        let refused = json!({"revision": "newer", "outcome": "refused", "error": "no such plugin"});
        let Verdict::NotYet(why) = of(status(json!("old"), refused), Age::Earlier(3)) else {
            panic!("what was refused came after it")
        };
        assert!(why.contains("refused another: no such plugin"), "{why}");
        assert!(says(Age::Unknown).contains("is that the admin's file?"), "{}", says(Age::Unknown));
        assert!(matches!(of(json!({"path": null, "revision": null}), Age::Unknown), Verdict::Never(_)));
    }
}
