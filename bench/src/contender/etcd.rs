//! etcd as a single node, and the part of its API that the benchmark needs.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

use super::{Contender, Setup, WorkerKind};
use crate::process::{Process, Ready, free_address};

/// Its name in results.
pub(crate) const NAME: &str = "etcd";
/// The method that stores a key.
pub(crate) const PUT: &str = "/etcdserverpb.KV/Put";
/// The count of its successful calls.
pub(crate) const PUTS: &str = "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"}";

const RANGE: &str = "/etcdserverpb.KV/Range";
/// The length of a response's body: a header of 5 bytes, and within a message the cluster, the member, the revision and the term. All are numbers
/// of varying length, so the count of successful calls has to agree, too.
pub(crate) const ANSWER_BYTES: RangeInclusive<usize> = 24..=45;

/// Far above what a run stores: history is kept.
const QUOTA_BYTES: u64 = 4 << 30;
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request of Put.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PutRequest {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: bytes::Bytes,
}

/// A response, of which only the length matters.
#[derive(Clone, PartialEq, Message)]
struct PutResponse {}

#[derive(Clone, PartialEq, Message)]
struct RangeRequest {
    #[prost(string, tag = "1")]
    key: String,
}

#[derive(Clone, PartialEq, Message)]
struct RangeResponse {
    #[prost(message, repeated, tag = "2")]
    kvs: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(bytes = "bytes", tag = "5")]
    value: bytes::Bytes,
}

/// An etcd that syncs each batch of writes before it acknowledges them, as always.
pub(crate) fn start(setup: Setup<'_>) -> anyhow::Result<Contender> {
    let (address, peers) = (free_address()?, free_address()?);
    let (client_url, peer_url) = (format!("http://{address}"), format!("http://{peers}"));
    let mut command = setup.place.command("etcd");
    command.arg("--data-dir").arg(setup.folder.join("etcd"));
    command.args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url]);
    command.args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url]);
    command.args(["--initial-cluster", &format!("default={peer_url}"), "--logger", "zap"]);
    command
        .args(["--quota-backend-bytes", &QUOTA_BYTES.to_string()])
        .env("GOMAXPROCS", setup.workers.to_string());
    let process = Process::start(NAME, command, &Ready::Accepts(address.clone()), setup.folder)?;
    Ok(Contender {
        name: NAME,
        address,
        process,
        place: setup.place,
        kind: WorkerKind::Threads(NAME),
        secure: None,
    })
}

/// Stores a value and reads it back.
pub(crate) async fn verify(address: &str, request: PutRequest) -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.timeout(TIMEOUT).connect().await?;
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let codec = ProstCodec::<PutRequest, PutResponse>::default();
    grpc.unary(tonic::Request::new(request.clone()), PathAndQuery::from_static(PUT), codec).await?;
    grpc.ready().await?;
    let (range, codec) =
        (RangeRequest { key: request.key }, ProstCodec::<RangeRequest, RangeResponse>::default());
    let found =
        grpc.unary(tonic::Request::new(range), PathAndQuery::from_static(RANGE), codec).await?.into_inner();
    let found = found.kvs.first().context("etcd has not stored the key")?;
    ensure!(found.value == request.value, "etcd stored the wrong value");
    Ok(())
}
