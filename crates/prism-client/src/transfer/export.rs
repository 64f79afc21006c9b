//! An export: a scan at whose items nothing repeats, except for a list within which it was interrupted.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use prism_proto::interfaces::transfer::{ExportRequest, ExportResponse, item::Kind};
use prism_proto::rpc::{Rpc as _, transfer};

use super::item::{Exported, Item};
use crate::error::Error;
use crate::scan::{Bounds, Scan, ScanItem, sealed};
use crate::shared::Shared;

type Rpc = transfer::Export;

/// How many names are remembered between two tokens: more than a page of any backend has.
const SEEN_MAX: usize = 10_000;

/// The keys and lists of a namespace as a stream, from [`Transfer::export`](crate::Transfer::export). Starts when first polled;
/// options are set before.
///
/// Each key, and each part of a list, is what it was at one moment; the whole is not a snapshot. Values that are reserved are left out.
///
/// If the connection is lost midway, the export goes on at its last token, or begins again, and what has been returned is not
/// returned again; only if the backend issues no tokens, and there are more than 10,000 keys, some may be. A list within which that
/// happens begins again with part 0: what came of it before is to be forgotten, as [`Import`](crate::Import) does. If it was the last
/// one, and is gone meanwhile, a last part without values ends it: then the list is what came of it before. A backend that leaves a
/// list without its last part by itself is at fault (`Internal`). If the backend has lost its data meanwhile, the export ends with
/// `Aborted` / `SCAN_INTERRUPTED`. An export ends after an error; only one that ends without an error is complete.
///
/// # Errors
///
/// As [`Scan`]; `Unimplemented` / `METHOD_UNKNOWN` if the backend cannot be exported.
///
/// # Cancel safety
///
/// [`next`](Export::next) is cancel safe: no item is lost. Dropping the export resets its HTTP/2 stream.
#[must_use = "an export does nothing until it is polled"]
#[derive(Debug)]
pub struct Export {
    scan: Scan<Raw>,
    seen: Seen,
    /// The last part of the list that was begun by the item before, should there be no other, and how often the scan had been opened again
    /// by then.
    end: Option<(Exported, u64)>,
}

impl Export {
    pub(super) fn new(shared: &Arc<Shared>, request: ExportRequest) -> Self {
        Self { scan: Scan::new(shared, request), seen: Seen::default(), end: None }
    }

    /// Continues where another export of the same namespace and prefix was when its [`resume_token`](Self::resume_token) was this one, at
    /// most 8 KiB.
    pub fn resume(mut self, token: impl Into<Bytes>) -> Self {
        self.scan = self.scan.resume(token);
        self
    }

    /// The last token among the items that were returned, or the one that the export began with: a later export that
    /// [resumes](Self::resume) at it returns everything that has not been returned up to then. `None` if the backend is not
    /// resumable, or before the first token. A token is valid for as long as the backend has its data, and may be stored.
    #[must_use]
    pub fn resume_token(&self) -> Option<&Bytes> {
        self.scan.resume_token()
    }

    /// The timeout of the whole export, from its first poll. Default: none; at most a year.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.scan = self.scan.timeout(timeout);
        self
    }

    /// Metadata sent with this export, as with [`Call::metadata`](crate::Call::metadata).
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.scan = self.scan.metadata(name, value);
        self
    }

    /// Returns the next item; `None` at the end and after an error.
    pub async fn next(&mut self) -> Option<Result<Exported, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Export {
    type Item = Result<Exported, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { scan, seen, end } = self.get_mut();
        loop {
            let raw = match ready!(Pin::new(&mut *scan).poll_next(cx)) {
                Some(Ok(raw)) => raw,
                Some(Err(error)) => {
                    *end = None;
                    return Poll::Ready(Some(Err(error)));
                }
                // Only an interruption may leave a list without its end.
                None => {
                    let Some((end, reopened)) = end.take() else { return Poll::Ready(None) };
                    let end = if reopened < scan.reopened() { Ok(end) } else { Err(unended()) };
                    return Poll::Ready(Some(end));
                }
            };
            let taken_at_unix_millis = raw.response.taken_at_unix_millis;
            let Some(item) = Item::of(raw.response.item) else {
                let why = "the export has an item of a kind that this version of the client does not know";
                return Poll::Ready(Some(Err(Error::unexpected(Rpc::OPERATION, why))));
            };
            let is_left = |(end, reopened): &(Exported, u64)| {
                *reopened == scan.reopened() && !goes_on(&end.item, &item)
            };
            if end.take_if(|begun| is_left(begun)).is_some() {
                return Poll::Ready(Some(Err(scan.fail(unended()))));
            }
            let is_new = seen.is_new(&item);
            if raw.has_token {
                seen.names.clear();
            }
            if is_new {
                let exported = Exported { item, taken_at_unix_millis };
                *end = end_behind(&exported).map(|end| (end, scan.reopened()));
                return Poll::Ready(Some(Ok(exported)));
            }
        }
    }
}

/// Whether an item is the next part of the list that another would end, or begins that list again.
fn goes_on(end: &Item, item: &Item) -> bool {
    match (end, item) {
        (Item::ListPart { list_key, part: next, .. }, Item::ListPart { list_key: other, part, .. }) => {
            list_key == other && (part == next || *part == 0)
        }
        _ => false,
    }
}

fn unended() -> Error {
    Error::unexpected(Rpc::OPERATION, "the export left a list without its last part")
}

/// The last part of the list that an item leaves incomplete.
fn end_behind(exported: &Exported) -> Option<Exported> {
    let Exported { item: Item::ListPart { list_key, part, last: false, .. }, taken_at_unix_millis } =
        exported
    else {
        return None;
    };
    let item = Item::ListPart { list_key: list_key.clone(), values: Vec::new(), part: part + 1, last: true };
    Some(Exported { item, taken_at_unix_millis: *taken_at_unix_millis })
}

/// What has been returned since the last token, and may come again after an interruption.
#[derive(Default)]
struct Seen {
    /// Names of keys (false) and of lists (true) that were returned whole.
    names: HashSet<(bool, String)>,
}

/// Shows no names.
impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}

impl Seen {
    /// Whether an item has not been returned, and remembers that it is now.
    fn is_new(&mut self, item: &Item) -> bool {
        if self.names.len() >= SEEN_MAX {
            self.names.clear();
        }
        match item {
            Item::Key { key, .. } => self.names.insert((false, key.clone())),
            Item::ListPart { list_key, last: true, .. } => self.names.insert((true, list_key.clone())),
            Item::ListPart { list_key, .. } => !self.names.contains(&(true, list_key.clone())),
        }
    }
}

/// An item as it arrives.
pub(crate) struct Raw {
    response: ExportResponse,
    has_token: bool,
}

impl ScanItem for Raw {}

impl sealed::Item for Raw {
    type Rpc = transfer::Export;
    const BEGINS_AGAIN: bool = true;

    fn of(mut response: ExportResponse) -> (Self, Bytes) {
        let token = std::mem::take(&mut response.resume);
        (Self { response, has_token: !token.is_empty() }, token)
    }

    fn key(&self) -> &str {
        match self.response.item.as_ref().and_then(|item| item.kind.as_ref()) {
            Some(Kind::Key(item)) => &item.key,
            Some(Kind::ListPart(part)) => &part.list_key,
            None => "",
        }
    }

    fn limit(_: &mut ExportRequest) -> Option<&mut i32> {
        None
    }

    fn resume(request: &mut ExportRequest) -> &mut Bytes {
        &mut request.resume
    }

    fn bounds(_: &mut ExportRequest) -> Option<Bounds<'_>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(list_key: &str, part: u64, last: bool) -> Item {
        Item::ListPart { list_key: list_key.to_owned(), values: Vec::new(), part, last }
    }

    #[test]
    fn what_was_returned_whole_is_not_returned_again() {
        let key = |key: &str| Item::Key { key: key.to_owned(), value: Bytes::new(), ttl_left: None };
        let mut seen = Seen::default();
        let first = [key("a"), key("b"), part("a", 0, false), part("a", 1, true), part("c", 0, false)];
        assert!(first.iter().all(|item| seen.is_new(item)));
        // Interrupted within the list "c".
        let again: Vec<_> = first.iter().map(|item| seen.is_new(item)).collect();
        assert_eq!(again, [false, false, false, false, true]);
    }
}
