//! Scans over a [`KeyValue`] backend.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use futures_util::{StreamExt as _, TryStreamExt as _};
use prism_grpc::Context;
use prism_grpc::interface::{Chunks, Interface, Streamed};
use prism_proto::interfaces::keyvalue::{
    CountRequest, CountResponse, DeletePrefixRequest, DeletePrefixResponse, KeyResponse, ScanKeysRequest,
    ScanRequest, ScanResponse,
};
use prism_proto::rpc::{Rpc as _, keyvalue as rpc};
use prism_proto::{EPOCH_HEADER, FILE_DESCRIPTOR_SET};

use super::{check_ttl_is_read, millis_left};
use crate::error::{Error, ErrorReason};
use crate::keyvalue::{KeyValue, Page, Pages, Range, Start, resume_invalid};
use crate::resume::Scope;
use crate::types::{Key, Namespace};
use crate::validate;

pub(crate) fn interface<B: KeyValue>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::Scan::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .server_streaming::<rpc::Scan, _, _>(scan)
        .server_streaming::<rpc::ScanKeys, _, _>(scan_keys)
        .server_streaming::<rpc::DeletePrefix, _, _>(delete_prefix)
        .unary::<rpc::Count, _>(count)
}

async fn scan<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: ScanRequest,
) -> Result<Streamed<impl Chunks<ScanResponse>>, Error> {
    let ScanRequest { namespace, prefix, limit, start_after, resume, with_ttl, reverse, before, page_bytes } =
        request;
    let asked =
        Asked { namespace, prefix, limit, start_after, resume, with_ttl, reverse, before, page_bytes };
    let scanned = asked.check(&*backend, "Scan")?;
    let message = |(key, value): (Key, Bytes), left, resume| ScanResponse {
        key: key.into_string(),
        value,
        resume,
        ttl_millis_left: left,
    };
    Ok(scanned.answer(message, move |range| backend.scan(&context, range)))
}

async fn scan_keys<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: ScanKeysRequest,
) -> Result<Streamed<impl Chunks<KeyResponse>>, Error> {
    let ScanKeysRequest {
        namespace,
        prefix,
        limit,
        start_after,
        resume,
        with_ttl,
        reverse,
        before,
        page_bytes,
    } = request;
    let asked =
        Asked { namespace, prefix, limit, start_after, resume, with_ttl, reverse, before, page_bytes };
    let scanned = asked.check(&*backend, "ScanKeys")?;
    let message =
        |key: Key, left, resume| KeyResponse { key: key.into_string(), resume, ttl_millis_left: left };
    Ok(scanned.answer(message, move |range| backend.scan_keys(&context, range)))
}

async fn count<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: CountRequest,
) -> Result<CountResponse, Error> {
    let CountRequest { namespace, prefix } = request;
    let count = backend.count(&context, Namespace::new(namespace)?, validate::prefix(prefix)?).await?;
    Ok(CountResponse { count: i64::try_from(count).unwrap_or(i64::MAX) })
}

/// Removes what a scan finds, page by page: each response tells of a page.
async fn delete_prefix<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: DeletePrefixRequest,
) -> Result<Streamed<impl Chunks<DeletePrefixResponse>>, Error> {
    let DeletePrefixRequest { namespace, prefix, limit, resume } = request;
    let asked = Asked { namespace, prefix, limit, resume, ..Asked::default() };
    let Checked { range, scope, .. } = asked.check(&*backend, "DeletePrefix")?;
    let namespace = range.namespace.clone();
    let pages = backend.scan_keys(&context, range);
    Ok(Streamed::new(try_unfold((pages, 0), move |(mut pages, mut deleted)| {
        let (backend, context, namespace) = (Arc::clone(&backend), context.clone(), namespace.clone());
        let scope = scope.clone();
        async move {
            let Some(page) = pages.next().await.transpose()? else { return Ok(None) };
            let found = backend.delete_found(&context, namespace, page.items).await?;
            deleted += i64::try_from(found).unwrap_or(i64::MAX);
            let resume = scope.zip(page.resume).and_then(|(scope, position)| scope.token(&position, None));
            let response = DeletePrefixResponse { deleted, resume: resume.unwrap_or_default() };
            Ok(Some((vec![response], (pages, deleted))))
        }
    })))
}

/// The fields of a request to scan, before they are checked.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) namespace: String,
    pub(crate) prefix: String,
    pub(crate) limit: i32,
    pub(crate) start_after: Option<String>,
    pub(crate) resume: Bytes,
    pub(crate) with_ttl: bool,
    pub(crate) reverse: bool,
    pub(crate) before: Option<String>,
    pub(crate) page_bytes: i32,
}

/// A scan that may begin.
pub(crate) struct Checked {
    pub(crate) range: Range,
    /// `None` if the backend is not resumable.
    pub(crate) scope: Option<Scope>,
    pub(crate) epoch: Option<u64>,
}

impl Asked {
    /// The epoch of the data is read before the data: if it changes in between, a resumed scan notices.
    pub(crate) fn check(self, backend: &impl KeyValue, method: &str) -> Result<Checked, Error> {
        let promised = backend.capabilities();
        let namespace = Namespace::new(self.namespace)?;
        let prefix = validate::prefix(self.prefix)?;
        let limit = validate::limit(self.limit)?;
        let page_bytes = validate::page_bytes(self.page_bytes)?;
        let start_after = self.start_after.map(|key| Key::new("start_after", key)).transpose()?;
        let before = self.before.map(|key| Key::new("before", key)).transpose()?;
        if !self.resume.is_empty() && (start_after.is_some() || before.is_some()) {
            let field = if start_after.is_some() { "start_after" } else { "before" };
            return Err(resume_invalid(&format!("and {field} cannot be given together")));
        }
        if !promised.ordered {
            check_without_order(start_after.is_some(), before.is_some(), self.reverse)?;
        }
        if self.with_ttl {
            check_ttl_is_read(backend)?;
        }
        let epoch = backend.epoch();
        let scope = || Scope::new(backend.identity(), method, &namespace, &prefix, self.reverse, epoch);
        let scope = promised.resumable.then(scope);
        let (first, mut end) = if self.reverse { (before, start_after) } else { (start_after, before) };
        let start = match (first, self.resume.is_empty(), &scope) {
            (Some(key), ..) => Start::After(key),
            (None, true, _) => Start::Beginning,
            (None, false, Some(scope)) => {
                let place = scope.place(&self.resume)?;
                end = place.end;
                Start::Resume(place.position)
            }
            (None, false, None) => {
                return Err(resume_invalid("is a token of another backend: this one issues none"));
            }
        };
        let (reverse, with_ttl) = (self.reverse, self.with_ttl);
        let range =
            Range { start, limit, end, reverse, with_ttl, page_bytes, ..Range::new(namespace, prefix) };
        Ok(Checked { range, scope, epoch })
    }
}

/// Refuses what only a backend that scans in order can do.
fn check_without_order(start_after: bool, before: bool, reverse: bool) -> Result<(), Error> {
    let refused = |reason, field: &'static str, instead| {
        let why = format!("{field} needs a backend that scans in order, which this one does not; {instead}");
        Err(Error::new(reason, why).with("field", field))
    };
    match (start_after, before, reverse) {
        (true, ..) => refused(ErrorReason::CursorUnsupported, "start_after", "scan from the start"),
        (_, true, _) => refused(ErrorReason::OrderUnsupported, "before", "leave it out"),
        (.., true) => refused(ErrorReason::OrderUnsupported, "reverse", "leave it out"),
        _ => Ok(()),
    }
}

/// A message from an item, the milliseconds that it has left to live, and its resume token.
type ToMessage<T, M> = fn(T, Option<i64>, Bytes) -> M;

impl Checked {
    /// The response of the scan, with the epoch of its data.
    pub(crate) fn answer<T: 'static, M: 'static>(
        self,
        message: ToMessage<T, M>,
        scan: impl FnOnce(Range) -> Pages<T>,
    ) -> Streamed<impl Chunks<M>> {
        let Self { range, scope, epoch } = self;
        let end = range.end.clone();
        let with_ttl = range.with_ttl;
        let messages = move |page: Page<T>| {
            let position = scope.as_ref().zip(page.resume);
            let token = position.and_then(|(scope, position)| scope.token(&position, end.as_ref()));
            let mut ttls_left = if with_ttl { page.ttls_left } else { Vec::new() }.into_iter();
            let mut items = page.items.into_iter();
            let mut messages = Vec::with_capacity(items.len());
            while let Some(item) = items.next() {
                let left = ttls_left.next().flatten().map(millis_left);
                let is_last = items.as_slice().is_empty();
                let token = if is_last { token.clone().unwrap_or_default() } else { Bytes::new() };
                messages.push(message(item, left, token));
            }
            messages
        };
        let streamed = Streamed::new(scan(range).map_ok(messages));
        match epoch {
            Some(epoch) => streamed.with(EPOCH_HEADER, epoch),
            None => streamed,
        }
    }
}
