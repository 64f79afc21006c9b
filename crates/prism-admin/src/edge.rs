//! What applies to every request, in this order: an id, protection against other sites' pages, a token, a timeout, one
//! log line if it failed, a metric.
//!
//! Without tokens, a browser on this machine is a way in for others: a page whose name resolves to 127.0.0.1 (DNS
//! rebinding) could read and write as if it were the console. So without tokens the `host` must be one of this
//! machine's own names. Writes sent by a page from elsewhere are always refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, HOST, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use prism_net::address::Address;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::auth::{Role, Tokens, is_bearer};
use crate::config::Settings;
use crate::console;
use crate::error::{Kind, Problem};
use crate::file::store::Caller;
use crate::sessions::Sessions;

/// The header that names a request in the logs and the audit log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a request may take, including waits for proxies and backends.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// What anybody may request, because it reveals nothing: probes, the API's description, and the console's own files.
const OPEN: [&str; 6] = ["/", "/livez", "/readyz", "/health", "/openapi.json", "/docs"];

type Labels = [(&'static str, String); 3];

/// The state of the edge.
#[derive(Clone, Debug)]
pub struct Edge {
    tokens: Option<Tokens>,
    sessions: Sessions,
    /// The names of this server; `None`: any name is accepted.
    hosts: Option<Arc<[String]>>,
    started: u64,
    count: Arc<AtomicU64>,
    requests: Family<Labels, Counter>,
}

impl Edge {
    /// The edge of a server with these settings.
    #[must_use]
    pub fn new(settings: &Settings, sessions: Sessions, registry: &mut Registry) -> Self {
        let requests = Family::<Labels, Counter>::default();
        registry.register("prism_admin_requests", "Requests answered", requests.clone());
        let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
        if let Address::Tcp(address) = &settings.listen
            && let Some((host, _)) = address.rsplit_once(':')
        {
            hosts.push(host.to_owned());
        }
        let guards_host = settings.tokens.is_none() && settings.is_local;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            tokens: settings.tokens.clone(),
            sessions,
            hosts: guards_host.then(|| hosts.into()),
            started: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            count: Arc::default(),
            requests,
        }
    }

    /// The client's id, if it is 1 to 64 printable characters, or else a new one.
    fn request_id(&self, headers: &HeaderMap) -> String {
        let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        match given
            .filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            Some(id) => id.to_owned(),
            None => format!("{:x}-{:x}", self.started, self.count.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn caller(&self, request: &Request, request_id: &str) -> Result<(Caller, Role), Problem> {
        let headers = request.headers();
        if let Some(hosts) = &self.hosts {
            check_host(headers, hosts)?;
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if !reads {
            check_origin(headers)?;
        }
        let caller = |who: &str| Caller { who: who.to_owned(), request_id: request_id.to_owned() };
        let Some(tokens) = &self.tokens else { return Ok((caller("local"), Role::Write)) };
        let (method, path) = (request.method(), request.uri().path());
        let logs_in = path == "/session" && *method == Method::POST;
        if logs_in || reads && (OPEN.contains(&path) || path.starts_with(console::FOLDER)) {
            return Ok((caller("anybody"), Role::Read));
        }
        let identity = self.sessions.identify(tokens, headers)?;
        let logs_out = path == "/session" && *method == Method::DELETE;
        if !reads && !logs_out && identity.role < Role::Write {
            let detail = format!("the token {} may only read; the role write is required", identity.name);
            return Err(Problem::new(Kind::Forbidden, detail));
        }
        Ok((caller(&identity.name), identity.role))
    }
}

fn check_host(headers: &HeaderMap, hosts: &[String]) -> Result<(), Problem> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    if host.is_some_and(|host| hosts.iter().any(|known| known.eq_ignore_ascii_case(host.host()))) {
        return Ok(());
    }
    let detail = format!(
        "without tokens the host must be one of {}: another name may be an attack by a web page; use one of these, or start \
         prism-admin with --token-file",
        hosts.join(", ")
    );
    Err(Problem::new(Kind::CrossOrigin, detail))
}

/// A browser names the page that sends a write; only a page of this server may write.
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let elsewhere = match (headers.get(ORIGIN).is_some(), text(ORIGIN)) {
        (false, _) => site.is_some_and(|site| !matches!(site, "same-origin" | "none")),
        (true, origin) => {
            let origin = origin.and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
            origin.is_none() || origin != text(HOST)
        }
    };
    if elsewhere {
        return Err(Problem::new(
            Kind::CrossOrigin,
            "a page from elsewhere may not write; use a client or this server's own page. If this is its own page behind a \
             proxy, let the proxy pass on the host header unchanged",
        ));
    }
    Ok(())
}

/// Puts the edge around routes.
pub fn around(routes: Router, edge: Edge) -> Router {
    let nothing =
        async || Problem::new(Kind::NotFound, "nothing is served at this path; /docs lists the paths");
    let no_method =
        async || Problem::new(Kind::MethodNotAllowed, "the allow header lists this path's methods");
    routes.fallback(nothing).method_not_allowed_fallback(no_method).layer(from_fn_with_state(edge, pass))
}

async fn pass(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = edge.request_id(request.headers());
    let method = request.method().clone();
    let header = request.headers().get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let for_another = header.is_some_and(|header| !header.trim().is_empty() && !is_bearer(header));
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let response = match edge.caller(&request, &id) {
        Err(problem) => problem.into_response(),
        Ok((caller, role)) => {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(role);
            let answered = tokio::time::timeout(REQUEST_MAX, next.run(request)).await;
            answered.unwrap_or_else(|_| {
                let detail =
                    format!("no response within {} s; a write may still be applied", REQUEST_MAX.as_secs());
                Problem::new(Kind::TimedOut, detail).into_response()
            })
        }
    };
    let mut response = finish(response, &id, &method, &route, begun.elapsed(), for_another);
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "other",
    };
    let labels =
        [("method", method.to_owned()), ("route", route), ("status", response.status().as_str().to_owned())];
    edge.requests.get_or_create(&labels).inc();
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    // Browsers must not guess a response's type, and nothing may be cached unless it says so.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Adds the request's id to a problem, and logs the problem. `for_another`: the request's `authorization` is meant for a
/// proxy in front of the admin. A browser takes a 401 as its refusal, forgets the password that was right, and asks for it
/// again; so it gets a 403.
fn finish(
    mut response: Response,
    id: &str,
    method: &Method,
    route: &str,
    took: Duration,
    for_another: bool,
) -> Response {
    let Some(mut problem) = response.extensions_mut().remove::<Problem>() else { return response };
    if for_another && problem.status == StatusCode::UNAUTHORIZED.as_u16() {
        problem.status = StatusCode::FORBIDDEN.as_u16();
    }
    let (status, why) = (problem.status, &problem.detail);
    if status >= 500 {
        tracing::error!(%method, route, status, request_id = id, ?took, why, "a request failed");
    } else {
        tracing::info!(%method, route, status, request_id = id, ?took, why, "a request was refused");
    }
    problem.request_id = Some(id.to_owned());
    let mut told = problem.into_response();
    if let Some(allow) = response.headers_mut().remove(http::header::ALLOW) {
        told.headers_mut().insert(http::header::ALLOW, allow);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_own_names_are_hosts() {
        let hosts = ["localhost".to_owned(), "[::1]".to_owned()];
        for good in ["localhost", "LOCALHOST:8090", "[::1]:8090"] {
            assert!(check_host(&headers(&[("host", good)]), &hosts).is_ok(), "{good}");
        }
        for bad in ["evil.example", "localhost.evil.example:8090", "127.0.0.1.evil.example", ""] {
            assert!(check_host(&headers(&[("host", bad)]), &hosts).is_err(), "{bad}");
        }
        assert!(check_host(&headers(&[]), &hosts).is_err());
    }

    #[test]
    fn only_own_pages_may_write() {
        for good in [
            headers(&[("host", "a:1")]),
            headers(&[("host", "a:1"), ("origin", "http://a:1"), ("sec-fetch-site", "same-origin")]),
            headers(&[("host", "a:1"), ("sec-fetch-site", "none")]),
        ] {
            assert!(check_origin(&good).is_ok(), "{good:?}");
        }
        for bad in [
            headers(&[("host", "a:1"), ("origin", "http://a:2")]),
            headers(&[("host", "a:1"), ("origin", "null")]),
            headers(&[("host", "a:1"), ("sec-fetch-site", "cross-site")]),
            headers(&[("host", "a:1"), ("sec-fetch-site", "same-site")]),
        ] {
            let refused = check_origin(&bad).unwrap_err();
            assert!(refused.detail.contains("pass on the host header"), "{bad:?}");
        }
    }
}
