//! A plugin with an interface unknown to Prism, for tests of forwarding.

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use clap::Parser;
use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use prism_e2e::echo::echo_interface_server::{EchoInterface, EchoInterfaceServer};
use prism_e2e::echo::{EchoRequest, EchoResponse, FILE_DESCRIPTOR_SET};
use prism_grpc::Context;
use prism_plugin::app::{self, App, CallerArgs};
use prism_plugin::{Capabilities, Plugin};
use prism_runtime::args::{self, ServerArgs};
use prism_runtime::process;
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::{Request, Response, Status, Streaming, async_trait};

const NAME: &str = "echo-plugin";

/// Responds with what it received.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    callers: CallerArgs,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Default)]
struct Echo {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    hanging: AtomicU32,
    abandoned: AtomicU32,
}

type Answers = Pin<Box<dyn Stream<Item = Result<EchoResponse, Status>> + Send>>;

fn lines(metadata: &MetadataMap) -> String {
    let line = |entry: KeyAndValueRef<'_>| match entry {
        KeyAndValueRef::Ascii(name, value) => format!("{name}: {}\n", value.to_str().unwrap_or("?")),
        KeyAndValueRef::Binary(name, value) => {
            format!("{name}: {:?}\n", value.to_bytes().unwrap_or_default())
        }
    };
    let mut lines: Vec<_> = metadata.iter().map(line).collect();
    lines.sort();
    lines.concat()
}

/// Counts a call that hangs until its client cancels.
struct Hanging(Arc<Counts>);

impl Hanging {
    fn begin(counts: &Arc<Counts>) -> Self {
        counts.hanging.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counts))
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.hanging.fetch_sub(1, Ordering::Relaxed);
        self.0.abandoned.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl EchoInterface for Echo {
    type ServerStreamingStream = Answers;
    type BidirectionalStream = Answers;

    async fn unary(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        if request.get_ref().hang {
            let _hanging = Hanging::begin(&self.counts);
            std::future::pending::<()>().await;
        }
        let caller = request.extensions().get::<Context>().and_then(Context::identity);
        let caller = caller.map_or_else(String::new, |caller| format!("caller: {caller}\n"));
        let metadata = lines(request.metadata()) + &caller;
        let payload = request.into_inner().payload;
        let abandoned = self.counts.abandoned.load(Ordering::Relaxed);
        let hanging = self.counts.hanging.load(Ordering::Relaxed);
        Ok(Response::new(EchoResponse { payload, metadata, requests: 1, abandoned, hanging }))
    }

    async fn server_streaming(&self, request: Request<EchoRequest>) -> Result<Response<Answers>, Status> {
        let EchoRequest { payload, repeat, .. } = request.into_inner();
        let answer = EchoResponse { payload, requests: 1, ..Default::default() };
        Ok(Response::new(Box::pin(stream::iter((0..repeat).map(move |_| Ok(answer.clone()))))))
    }

    async fn client_streaming(
        &self,
        request: Request<Streaming<EchoRequest>>,
    ) -> Result<Response<EchoResponse>, Status> {
        let mut requests = request.into_inner();
        let mut answer = EchoResponse::default();
        while let Some(request) = requests.next().await {
            answer.payload.extend(request?.payload);
            answer.requests += 1;
        }
        Ok(Response::new(answer))
    }

    async fn bidirectional(
        &self,
        request: Request<Streaming<EchoRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let answer = |request: Result<EchoRequest, Status>| {
            request.map(|request| EchoResponse {
                payload: request.payload,
                requests: 1,
                ..Default::default()
            })
        };
        Ok(Response::new(Box::pin(request.into_inner().map(answer))))
    }
}

fn main() -> ExitCode {
    let args = args::parse::<Args>(NAME, &[]);
    let echo = EchoInterfaceServer::new(Echo::default());
    let plugin = Plugin::new(Capabilities::default()).service(echo, FILE_DESCRIPTOR_SET);
    let app = App {
        name: NAME,
        args: &args.server,
        callers: &args.callers,
        listen: "127.0.0.1:0",
        plugin,
        registry: Default::default(),
    };
    process::report(NAME, process::block_on(app::run(app, std::future::pending())))
}
