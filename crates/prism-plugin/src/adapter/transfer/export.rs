//! A namespace's keys and lists as a stream. It holds a page of the backend's at a time, and of a list one more, which tells whether
//! there is one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::try_unfold;
use prism_grpc::Context;
use prism_grpc::interface::{Chunks, Streamed};
use prism_proto::EPOCH_HEADER;
use prism_proto::interfaces::transfer::{ExportRequest, ExportResponse, Item, KeyItem, ListPart, item};
use prism_proto::limits::MESSAGE_BYTES_MAX;

use super::Serving;
use super::place::{self, Place, behind_keys, behind_lists};
use crate::adapter::keyvalue::millis_left;
use crate::adapter::keyvalue::scan::{Asked, Checked};
use crate::error::{Error, ErrorReason};
use crate::keyvalue::{Page, Pages, Range, Start, resume_invalid};
use crate::list::Values;
use crate::resume::Scope;
use crate::transfer::Transfer;
use crate::types::Key;

/// How much the values of a part take at most, unless there is but one: what is left of a message holds a list's name (4 KiB), a resume token
/// (8 KiB) and the framing.
const PART_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 16 * 1024;

/// What a value takes in a message besides itself: a tag and a length.
const VALUE_OVERHEAD_BYTES: usize = 5;

pub(super) async fn export<B: Transfer>(
    serving: Arc<Serving<B>>,
    context: Context,
    request: ExportRequest,
) -> Result<Streamed<impl Chunks<ExportResponse>>, Error> {
    let backend = Arc::clone(&serving.backend);
    let ExportRequest { namespace, prefix, resume } = request;
    let asked = Asked { namespace, prefix, resume, ..Asked::default() };
    let Checked { range, scope, epoch } = asked.check(&*backend, "Export")?;
    if !backend.reads_ttl() {
        let why =
            "Export needs a backend that can tell how long keys have left to live, which this one cannot";
        return Err(Error::new(ErrorReason::MethodUnknown, why));
    }
    let place = match range.start.clone() {
        Start::Resume(position) => place::parse(position).ok_or_else(|| {
            resume_invalid("is not a resume token, or one from another version of the backend")
        })?,
        Start::Beginning | Start::After(_) => Place::Keys(Start::Beginning),
    };
    let range = Range { start: Start::Beginning, ..range };
    let is_ordered = backend.capabilities().ordered;
    let mut export = Export { backend, context, range, scope, is_ordered, stage: Stage::End };
    export.stage = match place {
        Place::Keys(start) => export.keys(start),
        Place::Lists { from, done } => export.lists(from, done),
    };
    let messages = try_unfold(export, |mut export| async move {
        Ok(export.next().await?.map(|messages| (messages, export)))
    });
    let streamed = Streamed::new(messages);
    Ok(match epoch {
        Some(epoch) => streamed.with(EPOCH_HEADER, epoch),
        None => streamed,
    })
}

/// An export between two messages.
struct Export<B> {
    backend: Arc<B>,
    context: Context,
    /// The namespace and the prefix.
    range: Range,
    /// `None` if the backend is not resumable.
    scope: Option<Scope>,
    is_ordered: bool,
    stage: Stage,
}

enum Stage {
    Keys(Pages<(Key, Bytes)>),
    Lists(Box<Lists>),
    End,
}

/// The lists that are left.
struct Lists {
    pages: Pages<(Key, u64)>,
    /// The position in front of the current page: empty for the beginning.
    before: Bytes,
    /// The position behind it, if there is one.
    behind: Option<Bytes>,
    /// What is left of the page.
    found: VecDeque<Key>,
    /// The last of the first lists that are to be left out.
    done: Option<String>,
    reading: Option<Reading>,
}

/// A list whose parts are being sent.
struct Reading {
    list_key: Key,
    values: Values,
    /// What has been read of it and is still to be sent: at least a part.
    held: VecDeque<Part>,
    /// The number of the next part.
    part: i64,
}

/// Values that were read at one moment, and when that was.
struct Part {
    values: Vec<Bytes>,
    taken_at: i64,
}

impl<B: Transfer> Export<B> {
    fn keys(&self, start: Start) -> Stage {
        let range = Range { start, with_ttl: true, ..self.range.clone() };
        Stage::Keys(self.backend.scan(&self.context, range))
    }

    fn lists(&self, start: Start, done: Option<String>) -> Stage {
        let before = match &start {
            Start::Resume(position) => position.clone(),
            Start::Beginning | Start::After(_) => Bytes::new(),
        };
        let pages = self.backend.scan_lists(&self.context, Range { start, ..self.range.clone() });
        let found = VecDeque::new();
        Stage::Lists(Box::new(Lists { pages, before, behind: None, found, done, reading: None }))
    }

    /// The next messages, at least one; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<ExportResponse>>, Error> {
        loop {
            self.context.check_deadline()?;
            self.stage = match &mut self.stage {
                Stage::Keys(pages) => {
                    let taken_at = now();
                    match pages.next().await.transpose()? {
                        Some(page) => return Ok(Some(keys(page, taken_at, self.scope.as_ref()))),
                        None => self.lists(Start::Beginning, None),
                    }
                }
                Stage::Lists(lists) => {
                    if let Some(message) = lists.next_part(self.scope.as_ref(), self.is_ordered).await? {
                        return Ok(Some(vec![message]));
                    }
                    match lists.next_list().await? {
                        Some(list_key) => {
                            let namespace = self.range.namespace.clone();
                            let values = self.backend.list_values(&self.context, namespace, list_key.clone());
                            let held = VecDeque::new();
                            lists.reading = Some(Reading { list_key, values, held, part: 0 });
                            continue;
                        }
                        None => Stage::End,
                    }
                }
                Stage::End => return Ok(None),
            };
        }
    }
}

/// The messages of a page of keys.
fn keys(page: Page<(Key, Bytes)>, taken_at: i64, scope: Option<&Scope>) -> Vec<ExportResponse> {
    let Page { items, ttls_left, resume } = page;
    let count = items.len();
    let token = token(scope, resume.map(|position| behind_keys(&position)));
    let mut ttls_left = ttls_left.into_iter();
    let message = |(at, (key, value)): (usize, (Key, Bytes))| {
        let ttl_millis_left = ttls_left.next().flatten().map(millis_left);
        let key = KeyItem { key: key.into_string(), value, ttl_millis_left };
        let resume = if at + 1 == count { token.clone() } else { Bytes::new() };
        response(item::Kind::Key(key), resume, taken_at)
    };
    items.into_iter().enumerate().map(message).collect()
}

impl Lists {
    /// The next list of the scan; `None` at the end.
    async fn next_list(&mut self) -> Result<Option<Key>, Error> {
        loop {
            if let Some(list_key) = self.found.pop_front() {
                match &self.done {
                    Some(done) if *list_key <= **done => continue,
                    _ => return Ok(Some(list_key)),
                }
            }
            if let Some(behind) = self.behind.take() {
                self.before = behind;
            }
            let Some(page) = self.pages.next().await.transpose()? else { return Ok(None) };
            self.behind = page.resume;
            self.found = page.items.into_iter().map(|(list_key, _)| list_key).collect();
        }
    }

    /// The next part of the list that is being sent; `None` if there is none.
    async fn next_part(
        &mut self,
        scope: Option<&Scope>,
        is_ordered: bool,
    ) -> Result<Option<ExportResponse>, Error> {
        let Some(reading) = &mut self.reading else { return Ok(None) };
        // The last part is known to be it once there is no other.
        while reading.held.len() < 2 && reading.read().await? {}
        // A list that is gone meanwhile has no part at all.
        let Some(Part { values, taken_at }) = reading.held.pop_front() else {
            self.reading = None;
            return Ok(None);
        };
        let (last, number) = (reading.held.is_empty(), reading.part);
        reading.part += 1;
        let list_key = reading.list_key.to_string();
        let mut resume = Bytes::new();
        if last {
            self.reading = None;
            let position = match (&self.behind, is_ordered) {
                (Some(behind), _) if self.found.is_empty() => Some(behind_lists(behind, "")),
                (_, true) => Some(behind_lists(&self.before, &list_key)),
                _ => None,
            };
            resume = token(scope, position);
        }
        let part = ListPart { list_key, values, part: number, last };
        Ok(Some(response(item::Kind::ListPart(part), resume, taken_at)))
    }
}

impl Reading {
    /// Reads a page, and returns whether there was one.
    async fn read(&mut self) -> Result<bool, Error> {
        let taken_at = now();
        let Some(values) = self.values.next().await.transpose()? else { return Ok(false) };
        let parts = fitting(values).into_iter();
        self.held.extend(parts.map(|values| Part { values, taken_at }));
        Ok(true)
    }
}

/// Values in parts that fit into a message.
fn fitting(values: Vec<Bytes>) -> Vec<Vec<Bytes>> {
    let (mut parts, mut bytes) = (Vec::<Vec<Bytes>>::new(), 0);
    for value in values {
        let size = value.len() + VALUE_OVERHEAD_BYTES;
        match parts.last_mut() {
            Some(part) if bytes + size <= PART_BYTES_MAX => {
                bytes += size;
                part.push(value);
            }
            _ => {
                bytes = size;
                parts.push(vec![value]);
            }
        }
    }
    parts
}

/// The token for a position; empty if there is none.
fn token(scope: Option<&Scope>, position: Option<Bytes>) -> Bytes {
    scope.zip(position).and_then(|(scope, position)| scope.token(&position, None)).unwrap_or_default()
}

fn response(kind: item::Kind, resume: Bytes, taken_at_unix_millis: i64) -> ExportResponse {
    ExportResponse { item: Some(Item { kind: Some(kind) }), resume, taken_at_unix_millis }
}

/// Milliseconds since 1970. Of what is about to be read, this makes times to live too short rather than too long.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_large_as_a_message_takes_and_never_empty() {
        let sizes = |sizes: &[usize]| -> Vec<usize> {
            fitting(sizes.iter().map(|size| vec![0; *size].into()).collect()).iter().map(Vec::len).collect()
        };
        let half = PART_BYTES_MAX / 2;
        assert_eq!(sizes(&[]), [0_usize; 0]);
        assert_eq!(sizes(&[0, 1, 2]), [3]);
        assert_eq!(sizes(&[half - VALUE_OVERHEAD_BYTES, half - VALUE_OVERHEAD_BYTES]), [2]);
        assert_eq!(sizes(&[half, half]), [1, 1]);
        assert_eq!(sizes(&[PART_BYTES_MAX, 0, 0]), [1, 2], "one of the largest goes alone");
    }
}
