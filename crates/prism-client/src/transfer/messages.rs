//! The open stream of an import: messages to the server, which travel as fast as it takes them, and its acknowledgements.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use prism_proto::interfaces::transfer::{ImportRequest, ImportResponse};
use prism_proto::rpc::{Rpc as _, transfer};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tonic::Streaming;

use crate::deadline::Deadline;
use crate::error::Error;
use crate::metadata::Own;
use crate::send::send_bidi;
use crate::shared::Shared;
use crate::token::Token;

type Rpc = transfer::Import;

/// How many messages wait for the connection; their bytes are within the window of what is not acknowledged.
const WAITING_MAX: usize = 64;

/// A stream that is open.
pub(super) struct Open {
    /// `None` once the client has said everything.
    to_server: Option<Sender<ImportRequest>>,
    answers: Streaming<ImportResponse>,
}

impl Open {
    /// Opens the stream with its first message. A token that the server refuses is renewed once.
    pub(super) async fn new(
        shared: &Shared,
        first: &ImportRequest,
        metadata: &Own,
        deadline: Option<Deadline>,
    ) -> Result<Self, Error> {
        shared.check_credential(Rpc::OPERATION, metadata)?;
        let token = shared.token(Rpc::OPERATION, metadata).await?;
        match (Self::begin(shared, first, metadata, deadline, token.as_ref()).await, token) {
            (Err(error), Some(refused)) => match shared.token_after(&error, &refused).await? {
                Some(other) => Self::begin(shared, first, metadata, deadline, Some(&other)).await,
                None => Err(error),
            },
            (begun, _) => begun,
        }
    }

    async fn begin(
        shared: &Shared,
        first: &ImportRequest,
        metadata: &Own,
        deadline: Option<Deadline>,
        token: Option<&Token>,
    ) -> Result<Self, Error> {
        let (to_server, waiting) = channel(WAITING_MAX);
        // A gateway needs the first message before it can respond. There is room for it.
        let _ = to_server.try_send(first.clone());
        let lease = shared.scans.lease().await.map_err(|none| none.of(Rpc::OPERATION))?;
        let mut request = shared.request(Messages(waiting), metadata, token)?;
        if let Some(deadline) = deadline {
            request.set_timeout(deadline.left());
        }
        let answers = send_bidi::<Rpc, _>(lease, shared.origin.clone(), request).await;
        let answers = answers.map_err(|status| Error::from_status(Rpc::OPERATION, &status))?;
        Ok(Self { to_server: Some(to_server), answers: answers.into_inner() })
    }

    /// Sends a message, or returns an acknowledgement that has arrived before there was room for it.
    pub(super) async fn send_or_receive(
        &mut self,
        message: &ImportRequest,
    ) -> Result<Option<ImportResponse>, Error> {
        let Self { to_server, answers } = self;
        let room = async {
            match to_server {
                Some(to_server) => to_server.reserve().await.ok(),
                None => None,
            }
        };
        tokio::select! {
            biased;
            answer = answers.message() => required(answer).map(Some),
            Some(room) = room => {
                room.send(message.clone());
                Ok(None)
            }
        }
    }

    /// The next acknowledgement.
    pub(super) async fn receive(&mut self) -> Result<ImportResponse, Error> {
        required(self.answers.message().await)
    }

    /// The next acknowledgement, if it has arrived.
    pub(super) async fn received(&mut self) -> Result<Option<ImportResponse>, Error> {
        let poll = |cx: &mut Context<'_>| Poll::Ready(Pin::new(&mut self.answers).poll_next(cx));
        match poll_fn(poll).await {
            Poll::Ready(Some(answer)) => required(answer.map(Some)).map(Some),
            Poll::Ready(None) => required(Ok(None)).map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Says that there are no more messages, and returns the next acknowledgement; `None` at the end.
    pub(super) async fn finish(&mut self) -> Result<Option<ImportResponse>, Error> {
        self.to_server = None;
        self.answers.message().await.map_err(|status| Error::from_status(Rpc::OPERATION, &status))
    }
}

fn required(answer: Result<Option<ImportResponse>, tonic::Status>) -> Result<ImportResponse, Error> {
    match answer {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(Error::unexpected(Rpc::OPERATION, "the server has ended the import before its end")),
        Err(status) => Err(Error::from_status(Rpc::OPERATION, &status)),
    }
}

/// What is to be sent.
struct Messages(Receiver<ImportRequest>);

impl Stream for Messages {
    type Item = ImportRequest;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ImportRequest>> {
        self.0.poll_recv(cx)
    }
}
