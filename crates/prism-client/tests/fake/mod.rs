// A gateway in the test's own process: KeyValue and List in memory, with misbehaviour on request. The doctests include
// this file, so it has no inner comments or attributes.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_core::Stream;
use prism_proto::interfaces::capabilities::capabilities_interface_server::{
    CapabilitiesInterface, CapabilitiesInterfaceServer,
};
use prism_proto::interfaces::capabilities::{GetCapabilitiesRequest, GetCapabilitiesResponse};
use prism_proto::interfaces::keyvalue::key_value_basic_interface_server::{
    KeyValueBasicInterface, KeyValueBasicInterfaceServer,
};
use prism_proto::interfaces::keyvalue::key_value_scan_interface_server::{
    KeyValueScanInterface, KeyValueScanInterfaceServer,
};
use prism_proto::interfaces::keyvalue::*;
use prism_proto::interfaces::list::list_basic_interface_server::{
    ListBasicInterface, ListBasicInterfaceServer,
};
use prism_proto::interfaces::list::*;
use prism_proto::interfaces::transfer::transfer_interface_server::{
    TransferInterface, TransferInterfaceServer,
};
use prism_proto::interfaces::transfer::{
    ExportRequest, ExportResponse, ImportRequest, ImportResponse, Item, KeyItem, ListPart, item::Kind,
};
use prism_proto::{Error, ErrorReason};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

/// What the fake does instead of responding normally.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Responds with this status.
    Status(Status),
    /// Never responds.
    Silence,
    /// Executes the call, but responds with this status.
    Applied(Status),
    /// A scan fails with this status after this many entries.
    After(usize, Status),
}

/// What the fake does with a connection instead of serving it.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// Closes it once it has read a request.
    Drop,
    /// Responds to the request with GOAWAY, last stream 0.
    GoAway,
    /// Responds to the request with RST_STREAM, REFUSED_STREAM, and closes once that was read.
    Refuse,
}

#[derive(Default)]
pub struct State {
    values: Mutex<BTreeMap<(String, String), Bytes>>,
    lists: Mutex<BTreeMap<(String, String), VecDeque<Bytes>>>,
    faults: Mutex<VecDeque<Fault>>,
    /// Every call's method, without its namespace, in order.
    pub calls: Mutex<Vec<String>>,
    pub metadata: Mutex<MetadataMap>,
    /// If set, calls with another token are refused.
    pub token: Mutex<Option<String>>,
    pub scans: Mutex<Vec<ScanRequest>>,
    /// If not 0, every so many entries of a scan, and its last one, carry a resume token, which is their key.
    pub page: AtomicUsize,
    /// Scans return the keys from the last to the first, and refuse `start_after`.
    pub unordered: AtomicBool,
    /// The parts of lists that the next exports have behind the keys, for each export.
    pub parts: Mutex<VecDeque<Vec<ListPart>>>,
    /// What the next scans send as `prism-epoch`, one value per scan.
    pub epochs: Mutex<VecDeque<Option<&'static str>>>,
    /// Whether it serves calls under idempotency keys, their answers by client and number, and all keys in order.
    pub keeps_answers: AtomicBool,
    answers: Mutex<BTreeMap<String, Box<dyn Any + Send>>>,
    pub keys: Mutex<Vec<String>>,
    /// How often somebody has asked for its capabilities.
    pub asked: AtomicUsize,
    /// Calls whose future was dropped before completion.
    pub dropped: AtomicUsize,
    pub connections: AtomicUsize,
    dropped_signal: tokio::sync::Notify,
}

pub struct Fake {
    pub state: Arc<State>,
    address: SocketAddr,
    stop: Arc<tokio::sync::Notify>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Fake {
    pub async fn start() -> Self {
        Self::cutting([]).await
    }

    /// Treats the first connections as specified and serves the rest.
    pub async fn cutting(cuts: impl IntoIterator<Item = Cut>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), cuts)
    }

    pub fn on(listener: TcpListener, cuts: impl IntoIterator<Item = Cut>) -> Self {
        let state = Arc::new(State::default());
        let address = listener.local_addr().unwrap();
        let cuts: VecDeque<Cut> = cuts.into_iter().collect();
        let incoming = incoming(listener, cuts, state.clone());
        let router = tonic::transport::Server::builder()
            .add_service(CapabilitiesInterfaceServer::from_arc(state.clone()))
            .add_service(KeyValueBasicInterfaceServer::from_arc(state.clone()))
            .add_service(KeyValueScanInterfaceServer::from_arc(state.clone()))
            .add_service(ListBasicInterfaceServer::from_arc(state.clone()))
            .add_service(TransferInterfaceServer::from_arc(state.clone()));
        let stop = Arc::new(tokio::sync::Notify::new());
        let stopped = stop.clone().notified_owned();
        let server = tokio::spawn(async move {
            router.serve_with_incoming_shutdown(incoming, stopped).await.unwrap();
        });
        Self { state, address, stop, server }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The next calls meet these faults, one fault per call.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.faults.lock().unwrap().extend(faults);
    }

    /// From now on only calls with this token are served.
    pub fn accept_only(&self, token: &str) {
        *self.state.token.lock().unwrap() = Some(token.to_owned());
    }

    pub fn calls(&self) -> Vec<String> {
        self.state.calls.lock().unwrap().clone()
    }

    /// Asks every client to leave, and returns once all have.
    pub async fn drained(mut self) {
        self.stop.notify_one();
        (&mut self.server).await.unwrap();
    }

    /// Returns once a call's future has been dropped unfinished.
    pub async fn call_dropped(&self) {
        self.state.dropped_signal.notified().await;
    }
}

fn incoming(
    listener: TcpListener,
    cuts: VecDeque<Cut>,
    state: Arc<State>,
) -> impl Stream<Item = std::io::Result<TcpStream>> {
    futures_util::stream::unfold((listener, cuts, state), |(listener, mut cuts, state)| async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            state.connections.fetch_add(1, Ordering::SeqCst);
            match cuts.pop_front() {
                Some(cut) => drop(tokio::spawn(misbehave(stream, cut))),
                None => return Some((Ok(stream), (listener, cuts, state))),
            }
        }
    })
}

/// Speaks just enough HTTP/2 to read the first request and then misbehave.
async fn misbehave(mut stream: TcpStream, cut: Cut) {
    use tokio::io::AsyncWriteExt as _;
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    stream.write_all(&SETTINGS).await.unwrap();
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header).await.unwrap();
        let length = usize::from(header[1]) << 8 | usize::from(header[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        let is_headers = header[3] == 1;
        if is_headers {
            let answer: &[u8] = match cut {
                Cut::Drop => &[],
                Cut::GoAway => &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                Cut::Refuse => &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7],
            };
            stream.write_all(answer).await.unwrap();
            if matches!(cut, Cut::GoAway) {
                // Keeps the socket open until the client closes it.
                while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
            }
            if matches!(cut, Cut::Refuse) {
                // With the rest of the request unread, closing would cause a TCP reset that overtakes the response.
                stream.shutdown().await.unwrap();
                while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
            }
            return;
        }
    }
}

/// Records that a call was dropped, unless defused.
struct Dropped<'a>(Option<&'a State>);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.0 {
            state.dropped.fetch_add(1, Ordering::SeqCst);
            state.dropped_signal.notify_one();
        }
    }
}

impl State {
    async fn meet<T, R>(
        &self,
        method: &str,
        request: Request<T>,
        act: impl FnOnce(T) -> Result<R, Status>,
    ) -> Result<Response<R>, Status> {
        self.calls.lock().unwrap().push(method.to_owned());
        *self.metadata.lock().unwrap() = request.metadata().clone();
        self.authenticate(request.metadata())?;
        let key = request.metadata().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        self.keys.lock().unwrap().extend(key.clone());
        if key.is_some() && !self.keeps_answers.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorReason::IdempotencyKeyInvalid, "no answers are kept").into());
        }
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            None | Some(Fault::After(..)) => act(request.into_inner()).map(Response::new),
            Some(Fault::Status(status)) => Err(status),
            Some(Fault::Applied(status)) => {
                act(request.into_inner())?;
                Err(status)
            }
            Some(Fault::Silence) => {
                let _dropped = Dropped(Some(self));
                std::future::pending().await
            }
        }
    }

    /// The same for a call that may have a key.
    async fn meet_once<T, R: Clone + Send + 'static>(
        &self,
        method: &str,
        request: Request<T>,
        act: impl FnOnce(T) -> Result<R, Status>,
    ) -> Result<Response<R>, Status> {
        let key = request.metadata().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        self.meet(method, request, |asked| self.once(key.as_deref(), || act(asked))).await
    }

    /// What a call is answered with, the first time and again.
    fn once<R: Clone + Send + 'static>(
        &self,
        key: Option<&str>,
        act: impl FnOnce() -> Result<R, Status>,
    ) -> Result<R, Status> {
        let Some((call, _)) = key.and_then(|key| key.rsplit_once('.')) else { return act() };
        let mut answers = self.answers.lock().unwrap();
        if let Some(answer) = answers.get(call).and_then(|answer| answer.downcast_ref::<R>()) {
            return Ok(answer.clone());
        }
        let answer = act()?;
        answers.insert(call.to_owned(), Box::new(answer.clone()));
        Ok(answer)
    }

    fn authenticate(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let sent = metadata.get("authorization").map(|sent| sent.to_str().unwrap());
        match &*self.token.lock().unwrap() {
            Some(token) if sent != Some(&format!("Bearer {token}")) => {
                Err(Status::unauthenticated("the token is not known"))
            }
            _ => Ok(()),
        }
    }

    fn with_epoch<T>(&self, mut response: Response<T>) -> Response<T> {
        if let Some(Some(epoch)) = self.epochs.lock().unwrap().pop_front() {
            response.metadata_mut().insert("prism-epoch", epoch.parse().unwrap());
        }
        response
    }

    /// What a scan returns.
    fn found(&self, asked: &ScanRequest) -> Result<Vec<ScanResponse>, Status> {
        let unordered = self.unordered.load(Ordering::SeqCst);
        if unordered && asked.start_after.is_some() {
            return Err(Error::new(ErrorReason::CursorUnsupported, "this backend is not ordered").into());
        }
        let values = self.values.lock().unwrap();
        let mut found: Vec<_> = values
            .iter()
            .filter(|((namespace, key), _)| {
                *namespace == asked.namespace
                    && key.starts_with(&asked.prefix)
                    && asked.start_after.as_ref().is_none_or(|after| key > after)
                    && asked.before.as_ref().is_none_or(|before| key < before)
            })
            .map(|((_, key), value)| ScanResponse {
                key: key.clone(),
                value: value.clone(),
                ..Default::default()
            })
            .collect();
        if unordered || asked.reverse {
            found.reverse();
        }
        if !asked.resume.is_empty() {
            let Some(at) = found.iter().position(|entry| entry.key == asked.resume) else {
                return Err(
                    Error::new(ErrorReason::ResumeInvalid, "resume is not a token of this scan").into()
                );
            };
            found.drain(..=at);
        }
        if asked.limit > 0 {
            found.truncate(asked.limit as usize);
        }
        if let page @ 1.. = self.page.load(Ordering::SeqCst) {
            let last = found.len();
            for (number, entry) in (1..).zip(&mut found) {
                if number % page == 0 || number == last {
                    entry.resume = entry.key.clone().into();
                }
            }
        }
        Ok(found)
    }

    fn pop(&self, at: (String, String), take: fn(&mut VecDeque<Bytes>) -> Option<Bytes>) -> (Bytes, bool) {
        let value = self.lists.lock().unwrap().get_mut(&at).and_then(take);
        let found = value.is_some();
        (value.unwrap_or_default(), found)
    }
}

#[tonic::async_trait]
impl KeyValueBasicInterface for State {
    async fn set(&self, request: Request<SetRequest>) -> Result<Response<SetResponse>, Status> {
        self.meet("set", request, |asked| {
            self.values.lock().unwrap().insert((asked.namespace, asked.key), asked.value);
            Ok(SetResponse { success: true })
        })
        .await
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        self.meet("get", request, |asked| {
            match self.values.lock().unwrap().get(&(asked.namespace, asked.key)) {
                Some(value) => Ok(GetResponse { value: value.clone(), ..Default::default() }),
                None => Err(Error::new(ErrorReason::KeyNotFound, "the key does not exist").into()),
            }
        })
        .await
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        self.meet("delete", request, |asked| {
            let removed = self.values.lock().unwrap().remove(&(asked.namespace, asked.key));
            Ok(DeleteResponse { found: removed.is_some() })
        })
        .await
    }

    async fn exists(&self, request: Request<ExistsRequest>) -> Result<Response<ExistsResponse>, Status> {
        self.meet("exists", request, |asked| {
            let exists = self.values.lock().unwrap().contains_key(&(asked.namespace, asked.key));
            Ok(ExistsResponse { exists })
        })
        .await
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl KeyValueScanInterface for State {
    type ScanStream = Answers<ScanResponse>;
    type ScanKeysStream = Answers<KeyResponse>;
    type DeletePrefixStream = Answers<DeletePrefixResponse>;

    async fn delete_prefix(
        &self,
        _: Request<DeletePrefixRequest>,
    ) -> Result<Response<Self::DeletePrefixStream>, Status> {
        Err(Status::unimplemented("the client does not call it"))
    }

    async fn scan(&self, request: Request<ScanRequest>) -> Result<Response<Self::ScanStream>, Status> {
        let fault = self.faults.lock().unwrap().front().cloned();
        self.meet("scan", request, |asked| {
            self.scans.lock().unwrap().push(asked.clone());
            let mut answers: Vec<_> = self.found(&asked)?.into_iter().map(Ok).collect();
            let mut silent = false;
            if let Some(Fault::After(count, status)) = fault {
                answers.truncate(count);
                silent = status.code() == tonic::Code::Ok;
                if !silent {
                    answers.push(Err(status));
                }
            }
            let answers = futures_util::stream::iter(answers);
            let stream: Answers<ScanResponse> = if silent {
                Box::pin(futures_util::StreamExt::chain(answers, futures_util::stream::pending()))
            } else {
                Box::pin(answers)
            };
            Ok(stream)
        })
        .await
        .map(|response| self.with_epoch(response))
    }

    async fn scan_keys(
        &self,
        request: Request<ScanKeysRequest>,
    ) -> Result<Response<Self::ScanKeysStream>, Status> {
        self.meet("scan_keys", request, |asked| {
            let keys: Vec<_> = self
                .values
                .lock()
                .unwrap()
                .keys()
                .filter(|(namespace, key)| *namespace == asked.namespace && key.starts_with(&asked.prefix))
                .map(|(_, key)| Ok(KeyResponse { key: key.clone(), ..Default::default() }))
                .collect();
            let stream: Answers<KeyResponse> = Box::pin(futures_util::stream::iter(keys));
            Ok(stream)
        })
        .await
        .map(|response| self.with_epoch(response))
    }

    async fn count(&self, request: Request<CountRequest>) -> Result<Response<CountResponse>, Status> {
        self.meet("count", request, |asked| {
            let values = self.values.lock().unwrap();
            let matching = values
                .keys()
                .filter(|(namespace, key)| *namespace == asked.namespace && key.starts_with(&asked.prefix));
            Ok(CountResponse { count: matching.count() as i64 })
        })
        .await
    }
}

/// Exports keys, and the parts of lists that it is given, with the faults of a scan, and imports nothing.
#[tonic::async_trait]
impl TransferInterface for State {
    type ExportStream = Answers<ExportResponse>;
    type ImportStream = Answers<ImportResponse>;

    async fn export(&self, request: Request<ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let fault = self.faults.lock().unwrap().front().cloned();
        self.meet("export", request, |asked| {
            let ExportRequest { namespace, prefix, resume } = asked;
            let found = self.found(&ScanRequest { namespace, prefix, resume, ..Default::default() })?;
            let exported = |ScanResponse { key, value, resume, .. }| {
                let item = Kind::Key(KeyItem { key, value, ttl_millis_left: None });
                let item = Some(Item { kind: Some(item) });
                Ok(ExportResponse { item, resume, taken_at_unix_millis: 1 })
            };
            let parts = self.parts.lock().unwrap().pop_front().unwrap_or_default().into_iter().map(|part| {
                let item = Some(Item { kind: Some(Kind::ListPart(part)) });
                Ok(ExportResponse { item, taken_at_unix_millis: 1, ..Default::default() })
            });
            let mut answers: Vec<_> = found.into_iter().map(exported).chain(parts).collect();
            if let Some(Fault::After(count, status)) = fault {
                answers.truncate(count);
                answers.push(Err(status));
            }
            let stream: Answers<ExportResponse> = Box::pin(futures_util::stream::iter(answers));
            Ok(stream)
        })
        .await
        .map(|response| self.with_epoch(response))
    }

    async fn import(
        &self,
        request: Request<tonic::Streaming<ImportRequest>>,
    ) -> Result<Response<Self::ImportStream>, Status> {
        self.meet("import", request, |_| Err(Status::unimplemented("real backends import"))).await
    }
}

#[tonic::async_trait]
impl CapabilitiesInterface for State {
    async fn get_capabilities(
        &self,
        request: Request<GetCapabilitiesRequest>,
    ) -> Result<Response<GetCapabilitiesResponse>, Status> {
        self.authenticate(request.metadata())?;
        self.asked.fetch_add(1, Ordering::SeqCst);
        let idempotent_retries = self.keeps_answers.load(Ordering::SeqCst);
        Ok(Response::new(GetCapabilitiesResponse { idempotent_retries, ..Default::default() }))
    }
}

#[tonic::async_trait]
impl ListBasicInterface for State {
    async fn push_left(
        &self,
        request: Request<PushLeftRequest>,
    ) -> Result<Response<PushLeftResponse>, Status> {
        self.meet_once("push_left", request, |asked| {
            let mut lists = self.lists.lock().unwrap();
            let list = lists.entry((asked.namespace, asked.list_key)).or_default();
            list.push_front(asked.value);
            Ok(PushLeftResponse { new_length: list.len() as i64 })
        })
        .await
    }

    async fn push_right(
        &self,
        request: Request<PushRightRequest>,
    ) -> Result<Response<PushRightResponse>, Status> {
        self.meet_once("push_right", request, |asked| {
            let mut lists = self.lists.lock().unwrap();
            let list = lists.entry((asked.namespace, asked.list_key)).or_default();
            list.push_back(asked.value);
            Ok(PushRightResponse { new_length: list.len() as i64 })
        })
        .await
    }

    async fn pop_left(&self, request: Request<PopLeftRequest>) -> Result<Response<PopLeftResponse>, Status> {
        self.meet_once("pop_left", request, |asked| {
            let (value, found) = self.pop((asked.namespace, asked.list_key), VecDeque::pop_front);
            Ok(PopLeftResponse { value, found })
        })
        .await
    }

    async fn pop_right(
        &self,
        request: Request<PopRightRequest>,
    ) -> Result<Response<PopRightResponse>, Status> {
        self.meet_once("pop_right", request, |asked| {
            let (value, found) = self.pop((asked.namespace, asked.list_key), VecDeque::pop_back);
            Ok(PopRightResponse { value, found })
        })
        .await
    }

    async fn length(&self, request: Request<LengthRequest>) -> Result<Response<LengthResponse>, Status> {
        self.meet("length", request, |asked| {
            let lists = self.lists.lock().unwrap();
            let length = lists.get(&(asked.namespace, asked.list_key)).map_or(0, VecDeque::len);
            Ok(LengthResponse { length: length as i64 })
        })
        .await
    }
}
