//! `prism.interfaces.keyvalue` over a [`KeyValue`] backend.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use prism_grpc::Context;
use prism_grpc::unary::Interface;
use prism_proto::interfaces::keyvalue::key_value_scan_interface_server::KeyValueScanInterface;
use prism_proto::interfaces::keyvalue::{
    CountRequest, CountResponse, DeleteRequest, DeleteResponse, ExistsRequest, ExistsResponse, GetRequest,
    GetResponse, KeyResponse, ScanKeysRequest, ScanRequest, ScanResponse, SetRequest, SetResponse,
};
use prism_proto::{EPOCH_HEADER, FILE_DESCRIPTOR_SET};
use tonic::{Request, Response, Status, async_trait};

use crate::error::{Error, ErrorReason};
use crate::keyvalue::{KeyValue, Page, Pages, Range, Start, resume_invalid};
use crate::resume::Scope;
use crate::types::{Key, Namespace, Ttl};
use crate::validate;

pub(crate) fn interface<B: KeyValue>(backend: Arc<B>) -> Interface<B> {
    Interface::new("prism.interfaces.keyvalue.KeyValueBasicInterface", FILE_DESCRIPTOR_SET, backend)
        .method("Set", set)
        .method("Get", get)
        .method("Delete", delete)
        .method("Exists", exists)
}

async fn set<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: SetRequest,
) -> Result<SetResponse, Error> {
    let SetRequest { namespace, key, value, ttl_seconds } = request;
    let namespace = Namespace::new(namespace)?;
    let key = Key::new("key", key)?;
    let value = validate::value(value)?;
    let ttl = ttl_seconds.map(Ttl::from_secs).transpose()?;
    backend.set(&context, namespace, key, value, ttl).await?;
    Ok(SetResponse { success: true })
}

async fn get<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: GetRequest,
) -> Result<GetResponse, Error> {
    let GetRequest { namespace, key } = request;
    let value = backend.get(&context, Namespace::new(namespace)?, Key::new("key", key)?).await?;
    let value = value.ok_or_else(|| Error::new(ErrorReason::KeyNotFound, "the key does not exist"))?;
    Ok(GetResponse { value })
}

async fn delete<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: DeleteRequest,
) -> Result<DeleteResponse, Error> {
    let DeleteRequest { namespace, key } = request;
    let found = backend.delete(&context, Namespace::new(namespace)?, Key::new("key", key)?).await?;
    Ok(DeleteResponse { found })
}

async fn exists<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: ExistsRequest,
) -> Result<ExistsResponse, Error> {
    let ExistsRequest { namespace, key } = request;
    let exists = backend.exists(&context, Namespace::new(namespace)?, Key::new("key", key)?).await?;
    Ok(ExistsResponse { exists })
}

/// The context of a call that arrived through tonic.
fn context_of<T>(request: &Request<T>) -> Result<Context, Error> {
    let context = request.extensions().get().cloned();
    context.ok_or_else(|| Error::new(ErrorReason::Internal, "the call came without its context"))
}

/// The methods that stream, which tonic serves.
pub(crate) struct KeyValueAdapter<B>(pub(crate) Arc<B>);

#[async_trait]
impl<B: KeyValue> KeyValueScanInterface for KeyValueAdapter<B> {
    type ScanStream = Messages<(Key, Bytes), ScanResponse>;
    type ScanKeysStream = Messages<Key, KeyResponse>;

    async fn scan(&self, request: Request<ScanRequest>) -> Result<Response<Self::ScanStream>, Status> {
        let context = context_of(&request)?;
        let ScanRequest { namespace, prefix, limit, start_after, resume } = request.into_inner();
        let asked = Asked { method: "Scan", namespace, prefix, limit, start_after, resume };
        let message =
            |(key, value): (Key, Bytes), resume| ScanResponse { key: key.into_string(), value, resume };
        self.answer(asked, message, |backend, range| backend.scan(&context, range))
    }

    async fn scan_keys(
        &self,
        request: Request<ScanKeysRequest>,
    ) -> Result<Response<Self::ScanKeysStream>, Status> {
        let context = context_of(&request)?;
        let ScanKeysRequest { namespace, prefix, limit, start_after, resume } = request.into_inner();
        let asked = Asked { method: "ScanKeys", namespace, prefix, limit, start_after, resume };
        let message = |key: Key, resume| KeyResponse { key: key.into_string(), resume };
        self.answer(asked, message, |backend, range| backend.scan_keys(&context, range))
    }

    async fn count(&self, request: Request<CountRequest>) -> Result<Response<CountResponse>, Status> {
        let context = context_of(&request)?;
        let CountRequest { namespace, prefix } = request.into_inner();
        let count = self.0.count(&context, Namespace::new(namespace)?, validate::prefix(prefix)?).await?;
        Ok(Response::new(CountResponse { count: i64::try_from(count).unwrap_or(i64::MAX) }))
    }
}

/// The fields of a request to scan, before they are checked.
struct Asked {
    method: &'static str,
    namespace: String,
    prefix: String,
    limit: i32,
    start_after: Option<String>,
    resume: Bytes,
}

impl<B: KeyValue> KeyValueAdapter<B> {
    /// A scan with the epoch of its data, read before the data: if it changes in between, a resumed scan notices.
    fn answer<T, M>(
        &self,
        asked: Asked,
        message: fn(T, Bytes) -> M,
        scan: impl FnOnce(&B, Range) -> Pages<T>,
    ) -> Result<Response<Messages<T, M>>, Status> {
        let Asked { method, namespace, prefix, limit, start_after, resume } = asked;
        let namespace = Namespace::new(namespace)?;
        let prefix = validate::prefix(prefix)?;
        let limit = validate::limit(limit)?;
        let epoch = self.0.epoch();
        let is_resumable = self.0.capabilities().resumable;
        let scope = is_resumable.then(|| Scope::new(self.0.identity(), method, &namespace, &prefix, epoch));
        let start = self.start(start_after, &resume, scope.as_ref())?;
        let range = Range { namespace, prefix, start, limit };
        let mut response = Response::new(Messages::new(scan(&self.0, range), scope, message));
        if let Some(epoch) = epoch {
            response.metadata_mut().insert(EPOCH_HEADER, epoch.into());
        }
        Ok(response)
    }

    fn start(
        &self,
        start_after: Option<String>,
        resume: &Bytes,
        scope: Option<&Scope>,
    ) -> Result<Start, Error> {
        let start_after = start_after.map(|key| Key::new("start_after", key)).transpose()?;
        match (start_after, resume.is_empty()) {
            (None, true) => Ok(Start::Beginning),
            (Some(_), false) => Err(resume_invalid("and start_after cannot be given together")),
            (Some(key), true) if self.0.capabilities().ordered => Ok(Start::After(key)),
            (Some(_), true) => Err(Error::new(
                ErrorReason::CursorUnsupported,
                "start_after needs a backend that scans in order, which this one does not; scan from the start",
            )
            .with("field", "start_after")),
            (None, false) => match scope {
                Some(scope) => scope.position(resume).map(Start::Resume),
                None => Err(resume_invalid("is a token of another backend: this one issues none")),
            },
        }
    }
}

/// The messages of a scan. A page's messages are ready one after another, so that tonic packs them into full frames
/// instead of one frame per message.
pub(crate) struct Messages<T, M> {
    pages: Pages<T>,
    items: std::vec::IntoIter<T>,
    /// What the last one of these items carries.
    token: Bytes,
    /// `None` if the backend is not resumable.
    scope: Option<Scope>,
    message: fn(T, Bytes) -> M,
}

impl<T, M> Messages<T, M> {
    fn new(pages: Pages<T>, scope: Option<Scope>, message: fn(T, Bytes) -> M) -> Self {
        Self { pages, items: Vec::new().into_iter(), token: Bytes::new(), scope, message }
    }

    fn begin(&mut self, page: Page<T>) {
        let token = self.scope.as_ref().zip(page.resume).and_then(|(scope, position)| scope.token(&position));
        self.token = token.unwrap_or_default();
        self.items = page.items.into_iter();
    }
}

impl<T: Unpin, M> Stream for Messages<T, M> {
    type Item = Result<M, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.items.next() {
                let is_last = self.items.as_slice().is_empty();
                let token = if is_last { std::mem::take(&mut self.token) } else { Bytes::new() };
                return Poll::Ready(Some(Ok((self.message)(item, token))));
            }
            match ready!(self.pages.as_mut().poll_next(cx)) {
                Some(Ok(page)) => self.begin(page),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
    }
}
