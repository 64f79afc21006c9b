//! A gateway that stores nothing, and records which methods it is asked for.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A message whose first field is the number 9, framed for gRPC: a length for whoever asks for one before the call that counts. Others
/// may find it malformed, and have made their call by then.
const ANSWER: &[u8] = b"\0\0\0\0\x02\x08\x09";

/// How long a call may take to arrive. Far more than it takes: a busy machine is not a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway that gives every call the same answer. It stops when dropped.
#[derive(Debug)]
pub struct Recorder {
    address: String,
    calls: Receiver<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts one.
    ///
    /// # Panics
    /// It cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let address = listener.local_addr().expect("it has an address").to_string();
        let (told, calls) = channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async {
                tokio::select! {
                    () = serve(listener, told) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, calls, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The paths of the methods that it was asked for since it was last asked for them here.
    #[must_use]
    pub fn calls(&self) -> BTreeSet<String> {
        self.calls.try_iter().collect()
    }

    /// The same, once the method at `path` is among them, or a minute has passed.
    #[must_use]
    pub fn calls_until(&self, path: &str) -> BTreeSet<String> {
        let begun = Instant::now();
        let mut calls = BTreeSet::new();
        while !calls.contains(path) {
            match self.calls.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(call) => _ = calls.insert(call),
                Err(_) => break,
            }
        }
        calls
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // If this fails, the thread has ended.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(listener: std::net::TcpListener, told: Sender<String>) {
    let listener = TcpListener::from_std(listener).expect("it listens");
    loop {
        let (stream, _) = listener.accept().await.expect("connections can be accepted");
        tokio::spawn(talk(stream, told.clone()));
    }
}

/// Ends with the connection.
async fn talk(stream: TcpStream, told: Sender<String>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        // Before the answer: whoever has that knows that the call is recorded.
        let _ = told.send(request.uri().path().to_owned());
        let head = Response::builder().header("content-type", "application/grpc");
        let head = head.body(()).expect("the headers are valid");
        // If one of these fails, the caller has gone.
        let Ok(mut answer) = respond.send_response(head, false) else { continue };
        let mut ok = HeaderMap::new();
        ok.insert("grpc-status", HeaderValue::from_static("0"));
        let _ = answer.send_data(Bytes::from_static(ANSWER), false).and_then(|()| answer.send_trailers(ok));
    }
}
