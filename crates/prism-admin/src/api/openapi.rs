//! The description of the API: the routes with their documentation, the document, and a page generated from it that
//! loads nothing from elsewhere.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::backends::named;
use super::data::list::{indexing, range, reserve, scan};
use super::data::{counter, deletion, keys, list, ttl, value};
use super::{
    audit, backends, document, interfaces, namespaces, probe, promises, revisions, session, status, traffic,
};
use crate::error::Kind;
use crate::state::Admin;

/// Without a token file, no token is required.
const DESCRIPTION: &str = "\
The namespaces and backends of the Prism gateway. A write is validated by the rules of the proxy and its drivers, stored as a revision, and written to \
the configuration file. The response arrives when every proxy has applied it, after 5 s at most; `applied` says whether \
all have. Errors are problem+json (RFC 9457) with a JSON pointer to every invalid field. If the admin was started with \
tokens, send one as `authorization: Bearer TOKEN`: the role `read` reads configuration and metrics, `data` also keys and \
values, `write` changes them.";

#[derive(OpenApi)]
#[openapi(
    info(title = "prism-admin", description = DESCRIPTION),
    components(schemas(crate::error::Problem)),
    paths(livez, readyz, metrics, own_document, docs)
)]
struct Document;

/// Liveness probe.
#[utoipa::path(get, path = "/livez", tag = "operation", responses((status = 200, body = String, content_type = "text/plain")))]
#[expect(dead_code, reason = "every server has this route; it is described here")]
fn livez() {}

/// Readiness probe: fails while the process is stopping.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses(
    (status = 200, body = String, content_type = "text/plain"), (status = 503, body = String, content_type = "text/plain")))]
#[expect(dead_code, reason = "every server has this route; it is described here")]
fn readyz() {}

/// Metrics in the OpenMetrics format.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, body = String, content_type = "application/openmetrics-text")))]
#[expect(dead_code, reason = "every server has this route; it is described here")]
fn metrics() {}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, body = Object)))]
#[expect(dead_code, reason = "its route serves the document that this is a part of")]
fn own_document() {}

/// This document as a page.
#[utoipa::path(get, path = "/docs", tag = "operation", responses((status = 200, body = String, content_type = "text/html")))]
#[expect(dead_code, reason = "its route serves the document that this is a part of")]
fn docs() {}

/// The routes, including those that serve the description.
#[expect(deprecated, reason = "older clients use the deprecated routes")]
pub fn routes(admin: Admin) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(namespaces::list, namespaces::create))
        .routes(routes!(namespaces::get, namespaces::put, namespaces::patch, namespaces::delete))
        .routes(routes!(promises::get))
        .routes(routes!(interfaces::get))
        .routes(routes!(document::get, document::put))
        .routes(routes!(status::get))
        .routes(routes!(revisions::list))
        .routes(routes!(revisions::get))
        .routes(routes!(revisions::diff))
        .routes(routes!(revisions::rollback))
        .routes(routes!(backends::list, named::create))
        .routes(routes!(probe::post))
        .route("/backends/probe", named::called("probe"))
        .routes(routes!(named::read_one, named::put, named::patch, named::delete))
        .routes(routes!(keys::list))
        .routes(routes!(keys::count))
        .routes(routes!(deletion::delete))
        .routes(routes!(value::get, value::put, value::delete))
        .routes(routes!(ttl::get, ttl::put, ttl::delete))
        .routes(routes!(counter::increment))
        .routes(routes!(scan::list))
        .routes(routes!(scan::count))
        .routes(routes!(list::get, list::push, list::pop_by_delete))
        .routes(routes!(list::pop))
        .routes(routes!(range::get))
        .routes(routes!(range::trim))
        .routes(routes!(range::clear))
        .routes(routes!(indexing::get, indexing::put))
        .routes(routes!(indexing::remove))
        .routes(routes!(reserve::reserve))
        .routes(routes!(reserve::ack))
        .routes(routes!(reserve::extend))
        .routes(routes!(reserve::release))
        .routes(routes!(traffic::get))
        .routes(routes!(audit::list))
        .routes(routes!(session::get, session::post, session::delete))
        .routes(routes!(status::health))
        .with_state(admin)
        .split_for_parts();
    let mut document = serde_json::to_value(document).unwrap_or_default();
    add_problems(&mut document);
    let page: Arc<str> = page(&document).into();
    let text: Arc<str> = document.to_string().into();
    let document = async move || ([(CONTENT_TYPE, "application/json")], text.to_string()).into_response();
    let page = async move || {
        let nothing_else = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        ([(CONTENT_SECURITY_POLICY, nothing_else)], Html(page.to_string()))
    };
    router.route("/openapi.json", get(document)).route("/docs", get(page))
}

/// Adds to every operation the problems with which it may fail: they follow from its parameters.
fn add_problems(document: &mut Value) {
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let operates = operation["tags"][0] == "operation";
            let writes = method != "get";
            let mut kinds = vec![Kind::CrossOrigin, Kind::TimedOut];
            if !operates {
                kinds.extend([
                    Kind::Unauthenticated,
                    Kind::Malformed,
                    Kind::Internal,
                    Kind::Storage,
                    Kind::FileUnusable,
                ]);
            }
            if operation["tags"][0] == "data" {
                kinds.extend([
                    Kind::Forbidden,
                    Kind::Invalid,
                    Kind::NotServed,
                    Kind::WrongValue,
                    Kind::Limited,
                    Kind::Unsupported,
                    Kind::Gateway,
                    Kind::GatewayTimeout,
                ]);
            }
            if path.contains('{') {
                kinds.push(Kind::NotFound);
            }
            if writes {
                kinds.extend([
                    Kind::Forbidden,
                    Kind::Exists,
                    Kind::PreconditionFailed,
                    Kind::Invalid,
                    Kind::StorageFull,
                ]);
            }
            if operation.get("requestBody").is_some() {
                kinds.extend([Kind::MediaType, Kind::TooLarge]);
            }
            // Refused before it is parsed, without a body.
            if operation.get("parameters").is_some() {
                operation["responses"]["414"] = json!({"description": "The URI has more than 65,534 bytes"});
            }
            for kind in kinds {
                let (status, _, title) = kind.told();
                let responses = &mut operation["responses"];
                if responses.get(status.as_str()).is_none() {
                    responses[status.as_str()] = json!({
                        "description": title,
                        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
                    });
                }
            }
        }
    }
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1a1a1a;background:#fff}code,h2{font-family:ui-monospace,monospace}h2{font-size:1.05rem;margin:2rem 0 .3rem;\
border-top:1px solid #ccc;padding-top:1rem}table{border-collapse:collapse}td{padding:.1rem 1rem .1rem 0;\
vertical-align:top}pre{background:#f4f4f4;padding:1rem;overflow:auto}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}pre{background:#222}}";

/// The document as an HTML page.
fn page(document: &Value) -> String {
    let text = |value: &Value| escape(value.as_str().unwrap_or_default());
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>prism-admin</title><style>{STYLE}</style><h1>prism-admin {}</h1><p>{}</p>\
         <p><a href=\"openapi.json\">openapi.json</a></p>",
        text(&document["info"]["version"]),
        text(&document["info"]["description"])
    );
    let row = |html: &mut String, name: &str, said: &str| {
        // Writing to a string cannot fail.
        let _ = write!(html, "<tr><td><code>{}</code><td>{said}", escape(name));
    };
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let said = format!("{} {}", text(&operation["summary"]), text(&operation["description"]));
            let _ = write!(html, "<h2>{} {}</h2><p>{said}</p><table>", method.to_uppercase(), escape(path));
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let place = format!("{} ({})", text(&parameter["description"]), text(&parameter["in"]));
                row(&mut html, parameter["name"].as_str().unwrap_or_default(), &place);
            }
            for (kind, _) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
                row(&mut html, "body", &escape(kind));
            }
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                row(&mut html, status, &text(&response["description"]));
            }
            html.push_str("</table>");
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let schema = serde_json::to_string_pretty(schema).unwrap_or_default();
        let _ = write!(html, "<h2>{}</h2><pre>{}</pre>", escape(name), escape(&schema));
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
