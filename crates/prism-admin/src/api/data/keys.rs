//! `/namespaces/{name}/keys` and `/count`: browsing keys by prefix, in folders if a delimiter is given, page by page.
//!
//! A page of an ordered backend costs what it shows: a folder is skipped by a scan that starts after the greatest key it
//! could contain. A backend that is not ordered but resumable is read page by page with its resume tokens as cursors, and
//! of one that is neither only a first page can be shown.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use prism_client::{Capabilities, ErrorKind, ErrorReason, KeyValue};
use prism_proto::limits::{KEY_BYTES_MAX, RESUME_BYTES_MAX};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::MayRead;
use crate::api::request::{Param, Params, check_limit};
use crate::error::{Kind, Problem};
use crate::gateway::problem;
use crate::state::Admin;

/// Keys per scan. More would be read in vain if all are in one folder; fewer would mean too many scans.
const SCAN_KEYS: i32 = 256;

/// Keys read for the only page of a backend that is neither ordered nor resumable, and after which a page of a resumable
/// one ends, though all of them may be in few folders.
const UNORDERED_KEYS: i32 = 1000;

/// Keys after which a page of a resumable backend ends even if there is no token to continue with.
const RESUMABLE_KEYS_MAX: i32 = 16 * UNORDERED_KEYS;

/// The longest cursor, in base64.
const CURSOR_BYTES_MAX: usize = RESUME_BYTES_MAX.div_ceil(3) * 4;

/// The query of a page of keys.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BrowseParams {
    /// Only keys with this prefix; 0 to 4,096 bytes.
    #[serde(default)]
    prefix: String,
    /// Keys that contain this after the prefix are grouped as one folder, which ends with it. Default: no folders.
    #[param(max_length = 64)]
    delimiter: Option<String>,
    /// `next_cursor` of the previous page.
    #[param(min_length = 1, max_length = 10924)]
    cursor: Option<String>,
    /// Maximum number of keys and folders to return. If the backend is not ordered, a page may exceed it, because it ends
    /// where the backend can continue.
    #[serde(default = "crate::api::request::limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
}

/// A page of keys.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Keys {
    /// In byte order.
    keys: Vec<String>,
    /// Prefixes that keys share, up to and including the delimiter, in byte order.
    folders: Vec<String>,
    /// `cursor` of the next page; missing on the last page, or if there are no cursors.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether the backend is ordered. If it is not, a page is in order only in itself, and a later one may repeat keys and
    /// folders.
    ordered: bool,
    /// Whether there are more keys, which cannot be shown: the backend is neither ordered nor resumable.
    truncated: bool,
}

/// The query of a count.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CountParams {
    /// Only names with this prefix; 0 to 4,096 bytes.
    #[serde(default)]
    pub(super) prefix: String,
}

/// A count.
#[derive(Debug, Serialize, ToSchema)]
pub struct Count {
    /// The number of live keys, or of lists.
    pub(super) count: u64,
}

/// List keys and folders.
#[utoipa::path(get, path = "/namespaces/{name}/keys", tag = "data", params(("name" = String, Path), BrowseParams),
    responses((status = 200, description = "A page of them.", body = Keys)))]
pub async fn list(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<BrowseParams>,
    _: MayRead,
) -> Result<Json<Keys>, Problem> {
    check_limit(params.limit)?;
    if params.delimiter.as_ref().is_some_and(|delimiter| !(1..=64).contains(&delimiter.len())) {
        return Err(Problem::new(Kind::Malformed, "delimiter: expected 1 to 64 bytes"));
    }
    let namespace = admin.gateway.namespace(&name);
    // What is no cursor of any backend is refused without one.
    if params.cursor.as_ref().is_some_and(|cursor| !(1..=CURSOR_BYTES_MAX).contains(&cursor.len())) {
        let detail = format!("cursor: expected the next_cursor of a page, 1 to {CURSOR_BYTES_MAX} bytes");
        return Err(Problem::new(Kind::Malformed, detail));
    }
    let promised = match namespace.capabilities().await {
        Ok(promised) => promised,
        Err(error)
            if error.kind() == ErrorKind::Unimplemented
                || error.reason() == Some(ErrorReason::InterfaceNotServed) =>
        {
            Capabilities::default()
        }
        Err(error) => return Err(problem(&error)),
    };
    let folders = Folders { prefix: params.prefix, delimiter: params.delimiter };
    let keyvalue = namespace.keyvalue();
    let page = if promised.ordered {
        page(&keyvalue, &folders, params.cursor.map(key_of).transpose()?, params.limit).await
    } else if promised.resumable {
        let token = params.cursor.map(|cursor| token_of(&cursor)).transpose()?;
        page_at_token(&keyvalue, &folders, token, params.limit).await
    } else if params.cursor.is_none() {
        only_page(&keyvalue, &folders, params.limit).await
    } else {
        let detail = "the backend is neither ordered nor resumable, so there is only a first page";
        return Err(Problem::new(Kind::Unsupported, detail));
    };
    page.map(Json).map_err(|error| problem(&error))
}

/// The cursor of an ordered backend: what was shown last.
fn key_of(cursor: String) -> Result<String, Problem> {
    if (1..=KEY_BYTES_MAX).contains(&cursor.len()) {
        return Ok(cursor);
    }
    let detail = format!("cursor: expected the next_cursor of a page, 1 to {KEY_BYTES_MAX} bytes");
    Err(Problem::new(Kind::Malformed, detail))
}

/// The cursor of a resumable backend: a resume token.
pub(super) fn token_of(cursor: &str) -> Result<Bytes, Problem> {
    match URL_SAFE.decode(cursor) {
        Ok(token) if (1..=RESUME_BYTES_MAX).contains(&token.len()) => Ok(token.into()),
        _ => {
            let detail = format!(
                "cursor: expected the next_cursor of a page, base64 of at most {CURSOR_BYTES_MAX} bytes"
            );
            Err(Problem::new(Kind::Malformed, detail))
        }
    }
}

/// Count the keys.
#[utoipa::path(get, path = "/namespaces/{name}/count", tag = "data", params(("name" = String, Path), CountParams),
    responses((status = 200, description = "How many there are.", body = Count)))]
pub async fn count(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<CountParams>,
    _: MayRead,
) -> Result<Json<Count>, Problem> {
    let count = admin.gateway.namespace(&name).keyvalue().count(params.prefix).await;
    count.map(|count| Json(Count { count })).map_err(|error| problem(&error))
}

/// How keys are grouped into folders.
struct Folders {
    prefix: String,
    delimiter: Option<String>,
}

impl Folders {
    /// The folder, below the prefix, that contains a key, if any.
    fn of<'a>(&self, key: &'a str) -> Option<&'a str> {
        let rest = key.strip_prefix(&*self.prefix)?;
        let delimiter = self.delimiter.as_deref()?;
        let at = rest.find(delimiter)?;
        key.get(..self.prefix.len() + at + delimiter.len())
    }

    /// The cursor after a shown key, or after everything in a shown folder.
    fn behind(&self, shown: &str) -> String {
        let mut cursor = shown.to_owned();
        if self.of(shown).is_some() {
            // The greatest characters of four, three, two and one bytes fill it up to the greatest key in the folder.
            for greatest in ['\u{10FFFF}', '\u{FFFF}', '\u{7FF}', '\u{7F}'] {
                while cursor.len() + greatest.len_utf8() <= KEY_BYTES_MAX {
                    cursor.push(greatest);
                }
            }
        }
        cursor
    }
}

/// The page after what was shown last.
async fn page(
    keyvalue: &KeyValue,
    folders: &Folders,
    shown: Option<String>,
    limit: usize,
) -> Result<Keys, prism_client::Error> {
    let mut page = Keys { ordered: true, ..Keys::default() };
    let mut shown = shown;
    loop {
        let mut scan = keyvalue.scan_keys(folders.prefix.clone()).limit(SCAN_KEYS);
        if let Some(shown) = &shown {
            scan = scan.start_after(folders.behind(shown));
        }
        let mut seen = 0;
        while let Some(key) = scan.next().await {
            let key = key?;
            seen += 1;
            let folder = folders.of(&key).map(str::to_owned);
            if folder.is_some() && page.folders.last() == folder.as_ref() {
                continue;
            }
            if page.keys.len() + page.folders.len() == limit {
                page.next_cursor = shown;
                return Ok(page);
            }
            shown = Some(folder.clone().unwrap_or_else(|| key.clone()));
            match folder {
                Some(folder) => page.folders.push(folder),
                None => page.keys.push(key),
            }
        }
        if seen < SCAN_KEYS {
            return Ok(page);
        }
    }
}

/// The keys and folders of a backend that is not ordered.
#[derive(Default)]
struct Found {
    keys: BTreeSet<String>,
    folders: BTreeSet<String>,
    /// How many keys were read for them.
    seen: i32,
}

impl Found {
    fn len(&self) -> usize {
        self.keys.len() + self.folders.len()
    }

    /// Adds a key, or its folder. Returns false if it is new and there are `limit` already.
    fn add(&mut self, key: String, folders: &Folders, limit: usize) -> bool {
        self.seen += 1;
        let folder = folders.of(&key).map(str::to_owned);
        let is_new = folder.as_ref().is_none_or(|folder| !self.folders.contains(folder));
        if is_new && self.len() >= limit {
            return false;
        }
        match folder {
            Some(folder) => self.folders.insert(folder),
            None => self.keys.insert(key),
        };
        true
    }

    fn into_page(self, next_cursor: Option<String>, truncated: bool) -> Keys {
        let (keys, folders) = (self.keys.into_iter().collect(), self.folders.into_iter().collect());
        Keys { keys, folders, next_cursor, ordered: false, truncated }
    }
}

/// A page of a resumable backend: from a token to the first one behind enough keys and folders.
async fn page_at_token(
    keyvalue: &KeyValue,
    folders: &Folders,
    token: Option<Bytes>,
    limit: usize,
) -> Result<Keys, prism_client::Error> {
    let mut found = Found::default();
    let mut scan = keyvalue.scan_keys(folders.prefix.clone());
    if let Some(token) = &token {
        scan = scan.resume(token.clone());
    }
    let mut at = token;
    while let Some(key) = scan.next().await {
        found.add(key?, folders, usize::MAX);
        let is_at_token = scan.resume_token() != at.as_ref();
        at = scan.resume_token().cloned();
        if is_at_token && (found.len() >= limit || found.seen >= UNORDERED_KEYS) {
            return Ok(found.into_page(at.map(|token| URL_SAFE.encode(token)), false));
        }
        if found.seen >= RESUMABLE_KEYS_MAX {
            return Ok(found.into_page(None, true));
        }
    }
    Ok(found.into_page(None, false))
}

/// Everything that can be shown of a backend that is neither ordered nor resumable.
async fn only_page(
    keyvalue: &KeyValue,
    folders: &Folders,
    limit: usize,
) -> Result<Keys, prism_client::Error> {
    let mut found = Found::default();
    let mut scan = keyvalue.scan_keys(folders.prefix.clone()).limit(UNORDERED_KEYS);
    let mut truncated = false;
    while let Some(key) = scan.next().await {
        truncated |= !found.add(key?, folders, limit);
    }
    truncated |= found.seen == UNORDERED_KEYS;
    Ok(found.into_page(None, truncated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fall_into_folders_behind_the_prefix() {
        let folders = Folders { prefix: "a:".to_owned(), delimiter: Some(":".to_owned()) };
        assert_eq!(folders.of("a:b:c:d"), Some("a:b:"));
        assert_eq!(folders.of("a:b"), None);
        assert_eq!(folders.of("a::"), Some("a::"));
        let none = Folders { prefix: String::new(), delimiter: None };
        assert_eq!(none.of("a:b"), None);
    }

    #[test]
    fn the_cursor_of_a_folder_is_the_greatest_key_in_it() {
        let folders = Folders { prefix: String::new(), delimiter: Some(":".to_owned()) };
        assert_eq!(folders.behind("key"), "key");
        for folder in ["a:", "ab:", "abc:", "abcd:"] {
            let behind = folders.behind(folder);
            assert_eq!(behind.len(), KEY_BYTES_MAX, "{folder}");
            let greatest = format!("{folder}{}", "\u{10FFFF}".repeat((KEY_BYTES_MAX - folder.len()) / 4));
            assert!(behind >= greatest && behind.as_str() < "a;".max(&*folder.replace(':', ";")));
        }
    }
}
