//! The baseline: the proxy as sketched in RFC-026. Each call is decoded into its message type by tonic's server, cloned
//! into a generated client and encoded again, on tokio's multi-thread runtime.
//!
//! `typed-forward LISTEN BACKEND WORKERS` prints `typed-forward ready grpc=ADDR` once it listens.

use prism_proto::interfaces::keyvalue::key_value_basic_interface_client::KeyValueBasicInterfaceClient;
use prism_proto::interfaces::keyvalue::key_value_basic_interface_server::{
    KeyValueBasicInterface, KeyValueBasicInterfaceServer,
};
use prism_proto::interfaces::keyvalue::{
    DeleteRequest, DeleteResponse, ExistsRequest, ExistsResponse, GetRequest, GetResponse, SetRequest,
    SetResponse,
};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, async_trait};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Forward {
    client: KeyValueBasicInterfaceClient<Channel>,
}

#[async_trait]
impl KeyValueBasicInterface for Forward {
    async fn set(&self, request: Request<SetRequest>) -> Result<Response<SetResponse>, Status> {
        self.client.clone().set(request.into_inner()).await
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        self.client.clone().get(request.into_inner()).await
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        self.client.clone().delete(request.into_inner()).await
    }

    async fn exists(&self, request: Request<ExistsRequest>) -> Result<Response<ExistsResponse>, Status> {
        self.client.clone().exists(request.into_inner()).await
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, listen, backend, workers] = arguments.as_slice() else {
        anyhow::bail!("usage: typed-forward LISTEN BACKEND WORKERS")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.parse()?)
        .thread_name("worker")
        .enable_all()
        .build()?;
    runtime.block_on(serve(listen, backend))
}

async fn serve(listen: &str, backend: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    println!("typed-forward ready grpc={}", listener.local_addr()?);
    let channel = Endpoint::from_shared(format!("http://{backend}"))?.tcp_nodelay(true).connect_lazy();
    let forward = Forward { client: KeyValueBasicInterfaceClient::new(channel) };
    Server::builder()
        .add_service(KeyValueBasicInterfaceServer::new(forward))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}
