//! Load: unary Gets over raw HTTP/2, as many as go (closed loop) or at a fixed rate (open loop).

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use http::Request;
use prism_proto::interfaces::keyvalue::GetRequest;
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const GET: &str = "/prism.interfaces.keyvalue.KeyValueBasicInterface/Get";

/// How the load arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) streams: usize,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) took: Duration,
    /// Nanoseconds from when a request was due to when its answer was whole.
    pub(crate) latency: Histogram<u64>,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }
}

/// Sends Gets of `key` for `time`. With a rate, requests are due at fixed moments whether or not earlier ones have
/// been answered, and their latency counts from then: a stall is not hidden.
pub(crate) async fn gets(
    address: &str,
    key: &str,
    shape: Shape,
    time: Duration,
    rate: Option<f64>,
) -> anyhow::Result<Outcome> {
    let message = GetRequest { namespace: String::new(), key: key.to_owned() }.encode_to_vec();
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
    framed.extend_from_slice(&message);
    let framed = Bytes::from(framed);

    let mut tasks = JoinSet::new();
    let begun = Instant::now();
    let streams = shape.connections * shape.streams;
    let interval = rate.map(|rate| Duration::from_secs_f64(streams as f64 / rate));
    for connection in 0..shape.connections {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let (send, driver) =
            h2::client::Builder::new().initial_window_size(1 << 20).handshake(stream).await?;
        tokio::spawn(driver);
        for stream in 0..shape.streams {
            let (send, framed) = (send.clone(), framed.clone());
            let offset = (connection * shape.streams + stream) as f64 / streams as f64;
            tasks.spawn(async move {
                let mut latency = Histogram::new(3)?;
                let mut due = begun + interval.unwrap_or_default().mul_f64(offset);
                while due.duration_since(begun) < time && begun.elapsed() < time {
                    match interval {
                        Some(interval) => {
                            tokio::time::sleep_until(due.into()).await;
                            get(&send, framed.clone()).await?;
                            latency.record(u64::try_from(due.elapsed().as_nanos())?)?;
                            due += interval;
                        }
                        None => {
                            let sent = Instant::now();
                            get(&send, framed.clone()).await?;
                            latency.record(u64::try_from(sent.elapsed().as_nanos())?)?;
                        }
                    }
                }
                anyhow::Ok(latency)
            });
        }
    }
    let mut latency = Histogram::new(3)?;
    while let Some(one) = tasks.join_next().await {
        latency.add(one??)?;
    }
    Ok(Outcome { requests: latency.len(), took: begun.elapsed(), latency })
}

/// One call; an error if it does not end with status 0.
async fn get(send: &SendRequest<Bytes>, message: Bytes) -> anyhow::Result<()> {
    let request = Request::post(format!("http://localhost{GET}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (response, mut stream) = send.clone().ready().await?.send_request(request, false)?;
    stream.send_data(message, true)?;
    let (head, mut body) = response.await?.into_parts();
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data?.len())?;
    }
    let trailers = body.trailers().await?;
    let status = trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"));
    match status.or(head.headers.get("grpc-status")).map(http::HeaderValue::as_bytes) {
        Some(b"0") => Ok(()),
        status => bail!("a call failed with gRPC status {status:?}"),
    }
}
