//! Extractors whose rejections are problems, in place of axum's own: paths, queries, bodies, conditions.

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, RawPathParams};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, EXPECT, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::error::{Kind, Problem};
use crate::file::store::Caller;

/// The maximum size of the settings of a namespace or a backend, which are some hundred bytes.
pub const SETTINGS_BYTES_MAX: usize = 64 << 10;

/// The maximum size of a configuration: 10,000 namespaces with every setting are some 3 MiB.
pub const CONFIG_BYTES_MAX: usize = 8 << 20;

/// How much of a body that is too large is still read. Most clients send everything before they read a response:
/// closing the connection before that would destroy the response.
const DISCARDED_BYTES_MAX: usize = 64 << 20;

/// The default page size.
#[must_use]
pub fn limit_default() -> usize {
    100
}

/// Checks the maximum page size.
///
/// # Errors
/// It is not 1 to 1,000.
pub fn check_limit(limit: usize) -> Result<(), Problem> {
    match limit {
        1..=1000 => Ok(()),
        _ => Err(Problem::new(Kind::Malformed, "limit: expected 1 to 1000")),
    }
}

/// A parameter of the path.
#[derive(Debug)]
pub struct Param<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Param<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let raw = RawPathParams::from_request_parts(parts, state).await;
        raw.map_err(|error| Problem::new(Kind::Malformed, error.body_text()))?;
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            // Well formed, but it names nothing.
            Err(error) => Err(Problem::new(Kind::NotFound, error.body_text())),
        }
    }
}

/// The parameters of the query. Reads ignore unknown ones; writes do not, because a mistyped parameter, such as
/// `dry-run`, would cause what was not intended.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + IntoParams, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if !parts.method.is_safe() {
            check_known::<T>(&parts.uri)?;
        }
        let query = Query::<T>::try_from_uri(&parts.uri);
        query
            .map(|Query(value)| Self(value))
            .map_err(|error| Problem::new(Kind::Malformed, error.body_text()))
    }
}

/// Checks that a query has no parameters except the documented ones.
fn check_known<T: IntoParams>(uri: &Uri) -> Result<(), Problem> {
    let known: Vec<_> = T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect();
    let given = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let Query(given) = given.map_err(|error| Problem::new(Kind::Malformed, error.body_text()))?;
    let Some((unknown, _)) = given.into_iter().find(|(name, _)| known.iter().all(|known| known != name))
    else {
        return Ok(());
    };
    let expected =
        if known.is_empty() { "expected none".to_owned() } else { format!("expected {}", known.join(", ")) };
    let shown: String = unknown.chars().take(64).collect();
    Err(Problem::new(
        Kind::Malformed,
        format!("unknown parameter {shown:?}; {expected}; nothing was changed"),
    ))
}

/// The query of an operation without parameters.
#[derive(Debug, Deserialize, IntoParams)]
pub struct NoParams {}

/// The query of every write.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WriteParams {
    /// Validate the change and return the resulting text and diff, without writing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Who sent the request, and the conditions of a write.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who sent it.
    pub caller: Caller,
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Terms {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Problem::new(Kind::Internal, "the request has no sender"))?;
        let condition = |name: HeaderName| condition(&parts.headers, &name);
        Ok(Self { caller, if_match: condition(IF_MATCH)?, if_none_match: condition(IF_NONE_MATCH)? })
    }
}

fn condition(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Problem> {
    let values = headers.get_all(name).iter().map(HeaderValue::to_str).collect::<Result<Vec<_>, _>>();
    match values.as_deref() {
        Ok([]) => Ok(None),
        Ok(values) => Ok(Some(values.join(","))),
        Err(_) => Err(Problem::new(
            Kind::Malformed,
            format!("{name} is not text; expected an ETag in quotes, or *"),
        )),
    }
}

impl Terms {
    /// `If-Match`, as it was sent.
    #[must_use]
    pub fn if_match(&self) -> Option<&str> {
        self.if_match.as_deref()
    }

    /// `If-None-Match`, as it was sent.
    #[must_use]
    pub fn if_none_match(&self) -> Option<&str> {
        self.if_none_match.as_deref()
    }

    /// Checks whether a write may be applied to a target with this tag; `None`: the target does not exist.
    ///
    /// # Errors
    /// A condition does not hold.
    pub fn check(&self, what: &str, tag: Option<&str>) -> Result<(), Problem> {
        let listed = |list: &str| match (list.trim(), tag) {
            ("*", tag) => tag.is_some(),
            (list, Some(tag)) => list.split(',').any(|one| strong(one.trim()) == tag),
            (_, None) => false,
        };
        let now = tag.map_or_else(|| "it does not exist".to_owned(), |tag| format!("its ETag is now {tag}"));
        let failed = |header: &str| {
            let detail = format!("{header} does not hold for {what}: {now}; read it again before you decide");
            Problem::new(Kind::PreconditionFailed, detail)
        };
        if self.if_match.as_deref().is_some_and(|list| !listed(list)) {
            return Err(failed("if-match"));
        }
        if self.if_none_match.as_deref().is_some_and(listed) {
            return Err(failed("if-none-match"));
        }
        Ok(())
    }
}

/// A tag without the mark of a weak one. A proxy that compresses a response makes its tag weak; the admin's tags are
/// hashes of their content, so they are unique all the same.
#[must_use]
pub fn strong(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// A tag as a header.
#[must_use]
pub fn tag_header(tag: &str) -> [(HeaderName, HeaderValue); 1] {
    [(ETAG, HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\"")))]
}

/// Reads a body of one of these content types, ignoring their parameters.
///
/// # Errors
/// It has a different type, is too large, or ends early.
pub async fn body(request: Request<Body>, types: &[&str], bytes_max: usize) -> Result<Bytes, Problem> {
    let given = request.headers().get(CONTENT_TYPE).map_or("", |given| given.to_str().unwrap_or_default());
    let essence = given.split(';').next().unwrap_or_default().trim();
    if !types.iter().any(|known| known.eq_ignore_ascii_case(essence)) {
        return Err(Problem::new(Kind::MediaType, format!("send the body as {}", types.join(" or "))));
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let tells_too_much = length.is_some_and(|length: usize| length > bytes_max);
    let waits = request.headers().contains_key(EXPECT);
    let mut body = request.into_body();
    if !tells_too_much {
        match Limited::new(&mut body, bytes_max).collect().await {
            Ok(whole) => return Ok(whole.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {}
            Err(error) => return Err(Problem::new(Kind::Malformed, format!("the body ends early: {error}"))),
        }
    }
    // A client that waits for 100 Continue sends no body.
    if !(tells_too_much && waits) {
        discard(body).await;
    }
    Err(Problem::new(Kind::TooLarge, format!("the maximum size of the body is {bytes_max} bytes")))
}

/// Reads a body and discards it.
async fn discard(mut body: Body) {
    let mut left = DISCARDED_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let len = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(len) {
            Some(less) => left = less,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_judged_by_tags_that_a_proxy_may_have_made_weak() {
        let terms = |if_match: Option<&str>, if_none_match: Option<&str>| Terms {
            caller: Caller { who: String::new(), request_id: String::new() },
            if_match: if_match.map(str::to_owned),
            if_none_match: if_none_match.map(str::to_owned),
        };
        let holds = |if_match, if_none_match, tag| terms(if_match, if_none_match).check("it", tag).is_ok();
        assert!(holds(None, None, None) && holds(None, None, Some("\"a\"")));
        assert!(holds(Some("*"), None, Some("\"a\"")) && !holds(Some("*"), None, None));
        assert!(holds(Some("\"b\", \"a\""), None, Some("\"a\"")));
        assert!(holds(Some("\"b\", W/\"a\""), None, Some("\"a\"")));
        assert!(!holds(Some("\"b\""), None, Some("\"a\"")) && !holds(Some("W/\"b\""), None, Some("\"a\"")));
        assert!(!holds(None, Some("W/\"a\""), Some("\"a\"")) && holds(None, Some("W/\"b\""), Some("\"a\"")));
        assert!(holds(None, Some("*"), None) && !holds(None, Some("*"), Some("\"a\"")));
    }
}
