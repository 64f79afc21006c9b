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
use crate::keyvalue::{KeyValue, Pages, Range};
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
        let ScanRequest { namespace, prefix, limit, start_after } = request.into_inner();
        let range = self.range(namespace, prefix, limit, start_after)?;
        let message = |(key, value): (Key, Bytes)| ScanResponse { key: key.into_string(), value };
        Ok(self.answer(|backend| Messages::new(backend.scan(&context, range), message)))
    }

    async fn scan_keys(
        &self,
        request: Request<ScanKeysRequest>,
    ) -> Result<Response<Self::ScanKeysStream>, Status> {
        let context = context_of(&request)?;
        let ScanKeysRequest { namespace, prefix, limit, start_after } = request.into_inner();
        let range = self.range(namespace, prefix, limit, start_after)?;
        let message = |key: Key| KeyResponse { key: key.into_string() };
        Ok(self.answer(|backend| Messages::new(backend.scan_keys(&context, range), message)))
    }

    async fn count(&self, request: Request<CountRequest>) -> Result<Response<CountResponse>, Status> {
        let context = context_of(&request)?;
        let CountRequest { namespace, prefix } = request.into_inner();
        let count = self.0.count(&context, Namespace::new(namespace)?, validate::prefix(prefix)?).await?;
        Ok(Response::new(CountResponse { count: i64::try_from(count).unwrap_or(i64::MAX) }))
    }
}

impl<B: KeyValue> KeyValueAdapter<B> {
    fn range(
        &self,
        namespace: String,
        prefix: String,
        limit: i32,
        start_after: Option<String>,
    ) -> Result<Range, Error> {
        let range = Range {
            namespace: Namespace::new(namespace)?,
            prefix: validate::prefix(prefix)?,
            start_after: start_after.map(|key| Key::new("start_after", key)).transpose()?,
            limit: validate::limit(limit)?,
        };
        if range.start_after.is_some() && !self.0.capabilities().ordered {
            return Err(Error::new(
                ErrorReason::CursorUnsupported,
                "start_after needs a backend that scans in order, which this one does not; scan from the start",
            )
            .with("field", "start_after"));
        }
        Ok(range)
    }

    /// A scan with the epoch of its data, read before the data: if it changes in between, a resumed scan notices.
    fn answer<S>(&self, scan: impl FnOnce(&B) -> S) -> Response<S> {
        let epoch = self.0.epoch();
        let mut response = Response::new(scan(&self.0));
        if let Some(epoch) = epoch {
            response.metadata_mut().insert(EPOCH_HEADER, epoch.into());
        }
        response
    }
}

/// The messages of a scan. A page's messages are ready one after another, so that tonic packs them into full frames
/// instead of one frame per message.
pub(crate) struct Messages<T, M> {
    pages: Pages<T>,
    page: std::vec::IntoIter<T>,
    message: fn(T) -> M,
}

impl<T, M> Messages<T, M> {
    fn new(pages: Pages<T>, message: fn(T) -> M) -> Self {
        Self { pages, page: Vec::new().into_iter(), message }
    }
}

impl<T: Unpin, M> Stream for Messages<T, M> {
    type Item = Result<M, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.page.next() {
                return Poll::Ready(Some(Ok((self.message)(item))));
            }
            match ready!(self.pages.as_mut().poll_next(cx)) {
                Some(Ok(page)) => self.page = page.into_iter(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
    }
}
