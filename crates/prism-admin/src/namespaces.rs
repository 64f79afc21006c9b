//! `/namespaces`: listing, reading, creating, replacing, changing and removing them.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::LOCATION;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};
use utoipa::{IntoParams, ToSchema};

use crate::app::Admin;
use crate::check;
use crate::edit::{self, Change};
use crate::error::{Kind, Problem};
use crate::request::{NAMESPACE_BYTES_MAX, Param, Params, Terms, WriteParams, body, check_limit, tag_header};
use crate::store::{Snapshot, sha256};
use crate::write::{Answer, Decision, Order, blocking, endpoint_of, write};

const JSON: &[&str] = &["application/json"];
const MERGE_PATCH: &[&str] = &["application/merge-patch+json", "application/json"];

/// What a namespace is called, which backend serves it, and its limits. What is not given has its default.
//
// This describes the API; what is sent and stored is read by the proxy's own rules.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// 1 to 64 of `a-z 0-9 -`, starting with a letter.
    #[schema(pattern = "^[a-z][a-z0-9-]{0,63}$", example = "orders")]
    name: String,
    /// What the backend must offer at least.
    pattern: Pattern,
    plugin: Plugin,
    /// The only interfaces served, by full name, that of the pattern among them; without it all that the backend has.
    interfaces: Option<Vec<String>>,
    /// How long a unary call without a deadline of its own may take: 1ms to 1h; default 30s.
    #[schema(example = "30s")]
    timeout: Option<String>,
    /// The largest message that a client may send, in bytes; default 4194304.
    #[schema(minimum = 1024, maximum = 4194304)]
    max_message_bytes: Option<u64>,
    /// Calls under way at once at each proxy; default: no limit.
    #[schema(minimum = 1, maximum = 4294967295u32)]
    max_in_flight: Option<u64>,
    /// Calls that may begin in a second at each proxy, a second's worth of them at once; default: no limit.
    #[schema(minimum = 1, maximum = 4294967295u32)]
    requests_per_second: Option<u64>,
    /// Whether only methods without side effects are served; default false.
    read_only: Option<bool>,
}

/// A data pattern.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// Values by key.
    KeyValue,
    /// Ordered lists.
    List,
}

/// The backend.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// `HOST:PORT`, `http://HOST:PORT`, `unix:PATH` or `embedded:NAME`.
    #[schema(example = "localhost:50051")]
    endpoint: String,
}

/// The query of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// The most namespaces to return.
    #[serde(default = "crate::request::limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
    /// Only those behind this name: the `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only those whose name or endpoint contains this.
    q: Option<String>,
}

/// A page of namespaces, in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page {
    /// The namespaces.
    #[schema(value_type = Vec<Namespace>)]
    namespaces: Vec<serde_json::Value>,
    /// The `cursor` of the next page; none: this is the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// How many there are on all pages.
    total: usize,
    /// SHA-256 of the file, in hex.
    sha256: String,
    /// Whether there is no file yet and this is what proxies serve without one.
    built_in: bool,
}

/// List the namespaces.
#[utoipa::path(get, path = "/namespaces", tag = "namespaces", params(ListParams), responses(
    (status = 200, description = "A page of them.", body = Page, headers(("etag" = String, description = "Of the file."))),
))]
pub async fn list(
    State(admin): State<Admin>,
    Params(params): Params<ListParams>,
) -> Result<impl IntoResponse, Problem> {
    check_limit(params.limit)?;
    let now = blocking(&admin, |store| store.read()).await?;
    let (_, namespaces) = now.usable()?;
    let matching = |namespace: &&Value| {
        let endpoint =
            namespace.get("plugin").and_then(|plugin| plugin.get("endpoint")).and_then(Value::as_str);
        params
            .q
            .as_deref()
            .is_none_or(|q| name_of(namespace).contains(q) || endpoint.is_some_and(|e| e.contains(q)))
    };
    let mut found: Vec<_> = namespaces.iter().filter(matching).collect();
    found.sort_unstable_by_key(|namespace| name_of(namespace));
    let total = found.len();
    let behind = params.cursor.as_deref().unwrap_or_default();
    let mut page: Vec<_> = found.into_iter().filter(|namespace| name_of(namespace) > behind).collect();
    let more = page.len() > params.limit;
    page.truncate(params.limit);
    let next_cursor = page.last().filter(|_| more).map(|last| name_of(last).to_owned());
    let page = Page {
        namespaces: page.into_iter().map(json).collect::<Result<_, _>>()?,
        next_cursor,
        total,
        sha256: now.sha256().to_owned(),
        built_in: now.bytes_in_file().is_none(),
    };
    Ok((tag_header(&file_tag(&now)), Json(page)))
}

/// Create a namespace.
#[utoipa::path(post, path = "/namespaces", tag = "namespaces", params(WriteParams),
    request_body(content = Namespace), responses(
    (status = 200, description = "It could be created: the answer of a dry run.", body = Answer),
    (status = 201, description = "Created; see `applied` for whether the proxies have it.", body = Answer,
        headers(("location" = String, description = "Its path."), ("etag" = String, description = "Of the namespace."))),
    (status = 409, description = "A namespace of that name is there, the file cannot be used, or somebody else changed \
        it at the same moment.", body = Problem, content_type = "application/problem+json"),
))]
pub async fn create(
    State(admin): State<Admin>,
    Params(params): Params<WriteParams>,
    terms: Terms,
    request: Request<Body>,
) -> Result<impl IntoResponse, Problem> {
    let new = read(request, JSON).await?;
    check::namespace(&new).map_err(Problem::invalid)?;
    let name = name_of(&new).to_owned();
    let order = order(terms, params, format!("create namespace {name}"), &new);
    let adding = (name.clone(), new.clone());
    let answer = write(&admin, order, move |now, terms| {
        let (name, new) = adding;
        terms.check(&name, find(now, &name)?.map(|(_, old)| tag(old)).as_deref())?;
        if find(now, &name)?.is_some() {
            let detail = format!("there is a namespace {name}; PUT replaces it, PATCH changes it");
            return Err(Problem::new(Kind::Exists, detail));
        }
        edited(now, &Change::Append(new))
    })
    .await?;
    let status = if params.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    Ok((
        status,
        [(LOCATION, format!("/namespaces/{name}"))],
        tag_header(&tag(&new)),
        Json(told(answer, &new)?),
    ))
}

/// Read a namespace.
#[utoipa::path(get, path = "/namespaces/{name}", tag = "namespaces", params(("name" = String, Path)), responses(
    (status = 200, description = "As the file has it.", body = Namespace,
        headers(("etag" = String, description = "Of the namespace."))),
))]
pub async fn get(
    State(admin): State<Admin>,
    Param(name): Param<String>,
) -> Result<impl IntoResponse, Problem> {
    let now = blocking(&admin, |store| store.read()).await?;
    let (_, namespace) = find(&now, &name)?.ok_or_else(|| missing(&name))?;
    Ok((tag_header(&tag(namespace)), Json(json(namespace)?)))
}

/// Replace a namespace, or create it.
#[utoipa::path(put, path = "/namespaces/{name}", tag = "namespaces", params(("name" = String, Path), WriteParams,
    ("if-match" = Option<String>, Header, description = "Only if the namespace has this etag."),
    ("if-none-match" = Option<String>, Header, description = "`*`: only if it is not there.")),
    request_body(content = Namespace, description = "`name` may be left out; another name than the path's is refused."),
    responses(
    (status = 200, description = "Replaced, or the answer of a dry run.", body = Answer,
        headers(("etag" = String, description = "Of the namespace."))),
    (status = 201, description = "Created.", body = Answer, headers(("etag" = String, description = "Of the namespace."))),
))]
pub async fn put(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<WriteParams>,
    terms: Terms,
    request: Request<Body>,
) -> Result<impl IntoResponse, Problem> {
    let new = named(read(request, JSON).await?, &name)?;
    check::namespace(&new).map_err(Problem::invalid)?;
    let order = order(terms, params, format!("put namespace {name}"), &new);
    let (wanted, created) = (new.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let creates = std::sync::Arc::clone(&created);
    let answer = write(&admin, order, move |now, terms| {
        let old = find(now, &name)?;
        terms.check(&name, old.map(|(_, old)| tag(old)).as_deref())?;
        creates.store(old.is_none(), std::sync::atomic::Ordering::Relaxed);
        edited(now, &old.map_or(Change::Append(wanted.clone()), |(index, _)| Change::Replace(index, wanted)))
    })
    .await?;
    let created = created.load(std::sync::atomic::Ordering::Relaxed) && !params.dry_run;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, tag_header(&tag(&new)), Json(told(answer, &new)?)))
}

/// Change some settings of a namespace, as a JSON merge patch (RFC 7396): `null` takes a setting back to its default.
#[utoipa::path(patch, path = "/namespaces/{name}", tag = "namespaces", params(("name" = String, Path), WriteParams,
    ("if-match" = Option<String>, Header, description = "Only if the namespace has this etag.")),
    request_body(content = serde_json::Value, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed, or the answer of a dry run.", body = Answer,
        headers(("etag" = String, description = "Of the namespace."))),
))]
pub async fn patch(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<WriteParams>,
    terms: Terms,
    request: Request<Body>,
) -> Result<impl IntoResponse, Problem> {
    let change = read(request, MERGE_PATCH).await?;
    let order = order(terms, params, format!("patch namespace {name}"), &change);
    let result = std::sync::Arc::new(std::sync::Mutex::new(Value::Null));
    let note = std::sync::Arc::clone(&result);
    let answer = write(&admin, order, move |now, terms| {
        let old = find(now, &name)?;
        terms.check(&name, old.map(|(_, old)| tag(old)).as_deref())?;
        let (index, old) = old.ok_or_else(|| missing(&name))?;
        let new = named(merged(old.clone(), &change), &name)?;
        check::namespace(&new).map_err(Problem::invalid)?;
        new.clone_into(&mut note.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        edited(now, &Change::Replace(index, new))
    })
    .await?;
    let new = result.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    Ok((tag_header(&tag(&new)), Json(told(answer, &new)?)))
}

/// Remove a namespace. New calls get FAILED_PRECONDITION, calls under way finish; its data stays in the backend.
#[utoipa::path(delete, path = "/namespaces/{name}", tag = "namespaces", params(("name" = String, Path), WriteParams,
    ("if-match" = Option<String>, Header, description = "Only if the namespace has this etag.")), responses(
    (status = 200, description = "Removed, or the answer of a dry run.", body = Answer),
))]
pub async fn delete(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<WriteParams>,
    terms: Terms,
) -> Result<Json<Answer>, Problem> {
    let order = order(terms, params, format!("delete namespace {name}"), &Value::Null);
    let answer = write(&admin, order, move |now, terms| {
        let old = find(now, &name)?;
        terms.check(&name, old.map(|(_, old)| tag(old)).as_deref())?;
        let (index, _) = old.ok_or_else(|| missing(&name))?;
        let mut decision = edited(now, &Change::Remove(index))?;
        let kept =
            format!("the data of {name} stays in its backend; a namespace of that name shows it again");
        decision.warnings.push(kept);
        Ok(decision)
    });
    answer.await.map(Json)
}

fn order(terms: Terms, params: WriteParams, action: String, named: &Value) -> Order {
    Order { terms, dry_run: params.dry_run, action, endpoints: endpoint_of(named, "").into_iter().collect() }
}

fn told(answer: Answer, namespace: &Value) -> Result<Answer, Problem> {
    Ok(Answer { namespace: Some(json(namespace)?), ..answer })
}

/// A body that is a JSON object, its keys in the order in which they were sent.
async fn read(request: Request<Body>, types: &[&str]) -> Result<Value, Problem> {
    let bytes = body(request, types, NAMESPACE_BYTES_MAX).await?;
    let value = serde_json::from_slice::<Value>(&bytes)
        .map_err(|error| Problem::new(Kind::Malformed, format!("the body is not JSON: {error}")))?;
    match value {
        Value::Mapping(_) => Ok(value),
        _ => Err(Problem::field("", "expected an object with the settings of a namespace")),
    }
}

/// The namespace with the name of its path, which it may leave out.
fn named(namespace: Value, name: &str) -> Result<Value, Problem> {
    let Value::Mapping(settings) = namespace else { return Ok(namespace) };
    match settings.get("name") {
        Some(given) if given != name => Err(Problem::field(
            "/name",
            "another name than in the path; a namespace is renamed by creating another",
        )),
        Some(_) => Ok(Value::Mapping(settings)),
        None => {
            let first = (Value::from("name"), Value::from(name));
            Ok(Value::Mapping(Mapping::from_iter([first].into_iter().chain(settings))))
        }
    }
}

/// RFC 7396.
fn merged(target: Value, change: &Value) -> Value {
    let Value::Mapping(change) = change else { return change.clone() };
    let mut target = match target {
        Value::Mapping(target) => target,
        _ => Mapping::new(),
    };
    for (key, value) in change {
        if value.is_null() {
            target.shift_remove(key);
        } else {
            let old = target.get(key).cloned().unwrap_or_default();
            target.insert(key.clone(), merged(old, value));
        }
    }
    Value::Mapping(target)
}

fn name_of(namespace: &Value) -> &str {
    namespace.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn find<'a>(now: &'a Snapshot, name: &str) -> Result<Option<(usize, &'a Value)>, Problem> {
    let (_, namespaces) = now.usable()?;
    Ok(namespaces.iter().enumerate().find(|(_, namespace)| name_of(namespace) == name))
}

fn missing(name: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    Problem::new(Kind::NotFound, format!("there is no namespace {shown}; POST /namespaces creates one"))
}

fn edited(now: &Snapshot, change: &Change) -> Result<Decision, Problem> {
    let (text, _) = now.usable()?;
    let edited = edit::edit(text, change).map_err(|why| Problem::new(Kind::FileUnusable, why))?;
    Ok(Decision { bytes: edited.text.into_bytes(), warnings: edited.warnings })
}

fn json(namespace: &Value) -> Result<serde_json::Value, Problem> {
    serde_json::to_value(namespace).map_err(|error| Problem::new(Kind::Internal, error.to_string()))
}

/// The strong tag of a namespace: of its settings, not of where, how and in what order they are written.
fn tag(namespace: &Value) -> String {
    let mut settings = serde_json::to_value(namespace).unwrap_or_default();
    settings.sort_all_objects();
    format!("\"{}\"", sha256(settings.to_string().as_bytes()))
}

/// The strong tag of the file.
#[must_use]
pub fn file_tag(now: &Snapshot) -> String {
    format!("\"{}\"", now.sha256())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_is_that_of_the_rfc() {
        // Appendix A of RFC 7396, those on objects.
        for (target, change, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":"foo"}"#, r#"{"b":{"ccc":null}}"#, r#"{"a":"foo","b":{}}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(merged(value(target), &value(change)), value(result), "{target} with {change}");
        }
    }

    #[test]
    fn a_tag_is_that_of_the_settings_in_whatever_order() {
        let tag = |text: &str| tag(&serde_yaml::from_str(text).unwrap());
        let one = tag("{name: a, pattern: list, plugin: {endpoint: 'b:1', x: 1}}");
        assert_eq!(one, tag("{plugin: {x: 1, endpoint: 'b:1'}, pattern: list, name: a}"));
        assert_ne!(one, tag("{name: a, pattern: list, plugin: {endpoint: 'b:1', x: 2}}"));
    }

    #[test]
    fn a_name_comes_from_the_path_and_may_not_contradict_it() {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(
            named(value(r#"{"pattern":"list"}"#), "a").unwrap(),
            value(r#"{"name":"a","pattern":"list"}"#)
        );
        assert!(named(value(r#"{"name":"a"}"#), "a").is_ok());
        for other in [r#"{"name":"b"}"#, r#"{"name":null}"#, r#"{"name":5}"#] {
            assert_eq!(named(value(other), "a").unwrap_err().errors[0].pointer, "/name");
        }
    }
}
