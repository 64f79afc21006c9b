//! The web console: pages that are part of the binary and use the API like any other client. Only scripts of this
//! server run in them: nothing is loaded from elsewhere, and nothing in a page's text is executed.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
};
use http::{HeaderMap, StatusCode};

use crate::api::request::strong;
use crate::error::{Kind, Problem};
use crate::file::snapshot::sha256;

/// Where the files are served; anybody may read them.
pub const FOLDER: &str = "/console/";

/// The page served at `/`.
const INDEX: &str = "index.html";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("console/", $name)))),*]
    };
}

/// All files by name.
const FILES: &[(&str, &str)] = files!(
    "api.js",
    "audit.js",
    "backend.js",
    "backends.js",
    "bytes.js",
    "chart.js",
    "conflict.js",
    "counter.js",
    "create.js",
    "dialog.js",
    "diff.js",
    "dom.js",
    "editor.js",
    "fields.js",
    "figures.js",
    "form.js",
    "format.js",
    "health.js",
    "icon.svg",
    "index.html",
    "index.js",
    "keys.js",
    "leases.js",
    "life.js",
    "list.js",
    "lists.js",
    "live.js",
    "login.js",
    "main.js",
    "namespace.js",
    "overview.js",
    "prefix.js",
    "proxies.js",
    "revisions.js",
    "served.js",
    "settings.js",
    "style.css",
    "value.js",
    "values.js",
);

/// The routes of the console.
pub fn routes() -> Router {
    let file = async |Path(name): Path<String>, headers: HeaderMap| answer(&name, &headers);
    let index = async |headers: HeaderMap| answer(INDEX, &headers);
    Router::new().route("/", get(index)).route(&format!("{FOLDER}{{name}}"), get(file))
}

fn answer(name: &str, headers: &HeaderMap) -> Response {
    let Some((_, text)) = FILES.iter().find(|(known, _)| *known == name) else {
        return Problem::new(Kind::NotFound, "the console has no such file").into_response();
    };
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "image/svg+xml",
    };
    let tag = format!("\"{}\"", sha256(text.as_bytes()));
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|given| given.to_str().ok())
        .is_some_and(|given| strong(given) == tag);
    // Another binary has other files, so browsers revalidate each time; an unchanged file costs no body.
    let about = [
        (CACHE_CONTROL, "no-cache".to_owned()),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (CONTENT_TYPE, kind.to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        (ETAG, tag),
    ];
    if known { (StatusCode::NOT_MODIFIED, about).into_response() } else { (about, *text).into_response() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served_and_every_one_that_is_named() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/console");
        let there = std::fs::read_dir(folder).unwrap();
        let there: BTreeSet<_> =
            there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let served: BTreeSet<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(served, there);
        for (name, text) in FILES {
            let folders = ["./", FOLDER, FOLDER.trim_start_matches('/')];
            for named in text.split(['"', '\'']).filter_map(|part| {
                folders.iter().find_map(|folder| part.strip_prefix(folder)).filter(|_| !part.contains('\n'))
            }) {
                assert!(served.contains(named), "{name} names {named}");
            }
        }
    }

    #[test]
    fn the_page_names_nothing_by_an_address_that_a_proxy_with_a_path_before_it_would_not_have() {
        let (_, page) = FILES.iter().find(|(name, _)| *name == INDEX).unwrap();
        assert!(!page.contains("=\"/") && page.contains("src=\"console/main.js\""), "{page}");
        let absolute =
            ["fetch(\"/", "fetch(`/", "EventSource(\"/", "EventSource(`/", "src: \"/", "href: \"/"];
        for (name, text) in FILES {
            assert!(!absolute.iter().any(|it| text.contains(it)), "{name}");
        }
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let first = answer(INDEX, &HeaderMap::new());
        let tag = first.headers()[ETAG].clone();
        let weak = format!("W/{}", tag.to_str().unwrap()).parse().unwrap();
        for tag in [tag, weak] {
            let again = answer(INDEX, &HeaderMap::from_iter([(IF_NONE_MATCH, tag)]));
            assert_eq!((first.status(), again.status()), (StatusCode::OK, StatusCode::NOT_MODIFIED));
        }
    }
}
