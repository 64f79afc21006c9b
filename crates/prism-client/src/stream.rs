//! Opening a stream of responses, with the client's token, which is renewed once if the server refuses it.

use prism_proto::limits::MESSAGE_BYTES_MAX;
use prism_proto::rpc::ServerStreaming;
use prost::Message as _;
use tonic::{Response, Streaming};

use crate::deadline::Deadline;
use crate::error::Error;
use crate::metadata::Own;
use crate::send::send_streaming;
use crate::shared::Shared;
use crate::token::Token;

/// Sends the request, and returns once the stream of responses has begun.
pub(crate) async fn open<R: ServerStreaming>(
    shared: &Shared,
    message: R::Request,
    metadata: &Own,
    deadline: Option<Deadline>,
) -> Result<Response<Streaming<R::Response>>, Error> {
    let size = message.encoded_len();
    if size > MESSAGE_BYTES_MAX {
        return Err(Error::too_large(R::OPERATION, size, MESSAGE_BYTES_MAX));
    }
    shared.check_credential(R::OPERATION, metadata)?;
    let send = async |token: Option<&Token>| {
        let lease = shared.scans.lease().await.map_err(|none| none.of(R::OPERATION))?;
        let mut request = shared.request(message.clone(), metadata, token)?;
        if let Some(deadline) = deadline {
            request.set_timeout(deadline.left());
        }
        let sent = send_streaming::<R>(lease, shared.origin.clone(), request).await;
        sent.map_err(|status| Error::from_status(R::OPERATION, &status))
    };
    let token = shared.token(R::OPERATION, metadata).await?;
    match (send(token.as_ref()).await, token) {
        (Err(error), Some(refused)) => match shared.token_after(&error, &refused).await? {
            Some(other) => send(Some(&other)).await,
            None => Err(error),
        },
        (sent, _) => sent,
    }
}
