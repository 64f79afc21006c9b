//! `/namespaces/{name}/keys` and `/count`: browsing keys by prefix, in folders if a delimiter is given, page by page.
//!
//! A page costs what it shows: a folder is skipped by a scan that starts after the greatest key it could contain.
//! Backends that are not ordered have no cursors, so only a first page of theirs can be shown.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use prism_client::{ErrorKind, ErrorReason, KeyValue};
use prism_proto::limits::KEY_BYTES_MAX;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::MayRead;
use crate::api::request::{Param, Params, check_limit};
use crate::error::{Kind, Problem};
use crate::gateway::problem;
use crate::state::Admin;

/// Keys per scan. More would be read in vain if all are in one folder; fewer would mean too many scans.
const SCAN_KEYS: i32 = 256;

/// Keys read for the only page of a backend that is not ordered.
const UNORDERED_KEYS: i32 = 1000;

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
    #[param(min_length = 1, max_length = 4096)]
    cursor: Option<String>,
    /// Maximum number of keys and folders to return.
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
    /// Whether the backend is ordered, and therefore has cursors.
    ordered: bool,
    /// Whether there are more keys, which cannot be shown.
    truncated: bool,
}

/// The query of a count.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CountParams {
    /// Only keys with this prefix; 0 to 4,096 bytes.
    #[serde(default)]
    prefix: String,
}

/// A count.
#[derive(Debug, Serialize, ToSchema)]
pub struct Count {
    /// The number of live keys.
    count: u64,
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
    if params.cursor.as_ref().is_some_and(|cursor| !(1..=KEY_BYTES_MAX).contains(&cursor.len())) {
        let detail = format!("cursor: expected the next_cursor of a page, 1 to {KEY_BYTES_MAX} bytes");
        return Err(Problem::new(Kind::Malformed, detail));
    }
    let namespace = admin.gateway.namespace(&name);
    let ordered = match namespace.capabilities().await {
        Ok(capabilities) => capabilities.ordered,
        Err(error)
            if error.kind() == ErrorKind::Unimplemented
                || error.reason() == Some(ErrorReason::InterfaceNotServed) =>
        {
            false
        }
        Err(error) => return Err(problem(&error)),
    };
    let folders = Folders { prefix: params.prefix, delimiter: params.delimiter };
    let keyvalue = namespace.keyvalue();
    let page = match (ordered, params.cursor) {
        (true, cursor) => page(&keyvalue, &folders, cursor, params.limit).await,
        (false, None) => only_page(&keyvalue, &folders, params.limit).await,
        (false, Some(_)) => {
            let detail = "the backend is not ordered, so there is only a first page";
            return Err(Problem::new(Kind::Unsupported, detail));
        }
    };
    page.map(Json).map_err(|error| problem(&error))
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

/// Everything that can be shown of a backend that is not ordered.
async fn only_page(
    keyvalue: &KeyValue,
    folders: &Folders,
    limit: usize,
) -> Result<Keys, prism_client::Error> {
    let (mut keys, mut found) = (BTreeSet::new(), BTreeSet::new());
    let mut scan = keyvalue.scan_keys(folders.prefix.clone()).limit(UNORDERED_KEYS);
    let (mut seen, mut truncated) = (0, false);
    while let Some(key) = scan.next().await {
        let key = key?;
        seen += 1;
        let folder = folders.of(&key).map(str::to_owned);
        let is_new = folder.as_ref().is_none_or(|folder| !found.contains(folder));
        if is_new && keys.len() + found.len() == limit {
            truncated = true;
            continue;
        }
        match folder {
            Some(folder) => found.insert(folder),
            None => keys.insert(key),
        };
    }
    Ok(Keys {
        keys: keys.into_iter().collect(),
        folders: found.into_iter().collect(),
        next_cursor: None,
        ordered: false,
        truncated: truncated || seen == UNORDERED_KEYS,
    })
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
