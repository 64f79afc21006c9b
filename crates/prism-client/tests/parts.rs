//! What the client does in several calls: batches in parts, and pops that a draining server ends early.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use prism_client::{Client, End, ErrorKind, ErrorReason};
use prism_proto::interfaces::keyvalue::key_value_batch_interface_server::{
    KeyValueBatchInterface, KeyValueBatchInterfaceServer,
};
use prism_proto::interfaces::keyvalue::*;
use prism_proto::interfaces::list::list_blocking_interface_server::{
    ListBlockingInterface, ListBlockingInterfaceServer,
};
use prism_proto::interfaces::list::{BlockingPopRequest, BlockingPopResponse};
use prism_proto::{Applied, Error};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A gateway whose calls fail as told, in this order, and otherwise succeed.
#[derive(Default)]
struct Gateway {
    faults: Mutex<VecDeque<Option<Status>>>,
    /// The number of items of each batch.
    batches: Mutex<Vec<usize>>,
    /// What each pop asked to wait, in milliseconds.
    waits: Mutex<Vec<i64>>,
    /// The answers to pops; none is left: an empty list.
    popped: Mutex<VecDeque<Result<Option<&'static str>, Status>>>,
}

impl Gateway {
    async fn start() -> (Arc<Self>, Client) {
        Self::with_attempts(5).await
    }

    /// With a client that makes so many attempts of each call.
    async fn with_attempts(attempts_max: u32) -> (Arc<Self>, Client) {
        let gateway = Arc::new(Self::default());
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let router = tonic::transport::Server::builder()
            .add_service(KeyValueBatchInterfaceServer::from_arc(gateway.clone()))
            .add_service(ListBlockingInterfaceServer::from_arc(gateway.clone()));
        tokio::spawn(router.serve_with_incoming(incoming));
        let client = Client::builder(&address.to_string()).attempts_max(attempts_max).build();
        (gateway, client.unwrap())
    }

    fn meet(&self, items: usize) -> Result<(), Status> {
        self.batches.lock().unwrap().push(items);
        self.faults.lock().unwrap().pop_front().flatten().map_or(Ok(()), Err)
    }
}

#[tonic::async_trait]
impl KeyValueBatchInterface for Gateway {
    type BatchGetStream = Pin<Box<dyn Stream<Item = Result<BatchGetResponse, Status>> + Send>>;

    async fn batch_get(
        &self,
        request: Request<BatchGetRequest>,
    ) -> Result<Response<Self::BatchGetStream>, Status> {
        let keys = request.into_inner().keys;
        // Fails after its first answer.
        let fault = self.meet(keys.len()).err();
        let left = if fault.is_some() { 1 } else { keys.len() };
        let answers = keys
            .into_iter()
            .take(left)
            .map(|key| Ok(BatchGetResponse { value: key.into(), ..BatchGetResponse::default() }));
        let answers: Vec<_> = answers.chain(fault.map(Err)).collect();
        Ok(Response::new(Box::pin(futures_util::stream::iter(answers))))
    }

    async fn batch_set(
        &self,
        request: Request<BatchSetRequest>,
    ) -> Result<Response<BatchSetResponse>, Status> {
        let items = request.into_inner().items.len();
        self.meet(items)?;
        Ok(Response::new(BatchSetResponse { results: vec![ItemStatus::default(); items] }))
    }

    async fn batch_delete(
        &self,
        request: Request<BatchDeleteRequest>,
    ) -> Result<Response<BatchDeleteResponse>, Status> {
        self.meet(request.into_inner().keys.len())?;
        // One answer, whatever was asked.
        Ok(Response::new(BatchDeleteResponse { results: vec![BatchDeleteResult::default()] }))
    }
}

#[tonic::async_trait]
impl ListBlockingInterface for Gateway {
    async fn blocking_pop(
        &self,
        request: Request<BlockingPopRequest>,
    ) -> Result<Response<BlockingPopResponse>, Status> {
        self.waits.lock().unwrap().push(request.into_inner().wait_millis);
        let popped = self.popped.lock().unwrap().pop_front().unwrap_or(Ok(None))?;
        let value = popped.map(Bytes::from);
        Ok(Response::new(BlockingPopResponse { found: value.is_some(), value: value.unwrap_or_default() }))
    }
}

fn unavailable(applied: Applied) -> Status {
    Error::unavailable(ErrorReason::BackendLost, applied, "the backend was lost").into()
}

fn items(count: usize) -> impl Iterator<Item = (String, &'static str)> {
    (0..count).map(|number| (format!("k{number}"), "v"))
}

#[tokio::test]
async fn a_part_that_is_lost_may_have_been_applied_and_no_later_one_is_sent() {
    let (gateway, client) = Gateway::start().await;
    *gateway.faults.lock().unwrap() = [None, Some(unavailable(Applied::Maybe))].into();
    let results = client.keyvalue().set_many(items(3_500)).await;
    assert_eq!(*gateway.batches.lock().unwrap(), [1_000, 1_000]);
    let ended: Vec<_> =
        results.iter().map(|result| result.as_ref().err().map(prism_client::Error::is_not_applied)).collect();
    assert!(ended[..1_000].iter().all(Option::is_none));
    assert!(ended[1_000..2_000].iter().all(|ended| *ended == Some(false)));
    assert!(ended[2_000..].iter().all(|ended| *ended == Some(true)));
    let error = results[2_000].as_ref().unwrap_err();
    assert!(error.message().starts_with("not sent, because"), "{error}");
}

#[tokio::test]
async fn a_part_that_surely_was_not_applied_is_sent_again() {
    let (gateway, client) = Gateway::start().await;
    *gateway.faults.lock().unwrap() = [Some(unavailable(Applied::No))].into();
    assert!(client.keyvalue().set_many(items(1_001)).await.iter().all(Result::is_ok));
    assert_eq!(*gateway.batches.lock().unwrap(), [1_000, 1_000, 1]);
}

#[tokio::test]
async fn a_batch_of_reads_that_is_lost_midway_is_read_again() {
    let (gateway, client) = Gateway::start().await;
    *gateway.faults.lock().unwrap() = [Some(unavailable(Applied::Maybe))].into();
    let values = client.keyvalue().get_many(["a", "b"]).await;
    let values: Vec<_> = values.into_iter().map(|found| found.unwrap().unwrap()).collect();
    assert_eq!(values, ["a", "b"]);
    assert_eq!(*gateway.batches.lock().unwrap(), [2, 2]);
}

#[tokio::test]
async fn an_answer_with_too_few_results_is_an_error_of_each_item() {
    let (_gateway, client) = Gateway::start().await;
    for result in client.keyvalue().delete_many(["a", "b"]).await {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.is_not_applied()), (ErrorKind::Internal, false));
    }
}

#[tokio::test]
async fn a_pop_asks_again_until_its_own_wait_is_over() {
    let (gateway, client) = Gateway::with_attempts(1).await;
    // A server drains, nobody is there for a moment, and then another one has a value.
    *gateway.popped.lock().unwrap() = [Ok(None), Err(unavailable(Applied::No)), Ok(Some("v"))].into();
    let popped = client.list().blocking_pop("l", End::Left, Duration::from_secs(100)).await.unwrap();
    assert_eq!(popped.unwrap(), "v");
    let waits = gateway.waits.lock().unwrap().clone();
    assert_eq!(waits.len(), 3);
    assert_eq!(waits[0], 100_000);
    assert!(waits[1] < 100_000 && waits[2] <= waits[1], "{waits:?}");

    let none = client.list().blocking_pop("l", End::Left, Duration::from_millis(250)).await.unwrap();
    assert_eq!(none, None);
    assert!(gateway.waits.lock().unwrap().len() >= 5);
}

#[tokio::test]
async fn a_pop_that_may_have_taken_a_value_is_not_repeated() {
    let (gateway, client) = Gateway::start().await;
    *gateway.popped.lock().unwrap() = [Ok(None), Err(unavailable(Applied::Maybe))].into();
    let error = client.list().blocking_pop("l", End::Left, Duration::from_secs(100)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_not_applied()), (ErrorKind::Unavailable, false));
    assert_eq!(gateway.waits.lock().unwrap().len(), 2);
}
