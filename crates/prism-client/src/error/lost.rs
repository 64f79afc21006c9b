//! A call that HTTP/2 lost, and whether the server may have acted on it.
//!
//! | what happened | applied |
//! |---|---|
//! | the connection closed before the request was taken | no |
//! | RST_STREAM with REFUSED_STREAM | no: RFC 9113, section 8.7, promises it |
//! | GOAWAY that names an earlier stream as the last | no: same section |
//! | anything else | maybe |

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use prism_proto::Applied;
use tonic::Status;

/// The source of a status that stands for a lost request.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) applied: Applied,
    error: Arc<hyper::Error>,
}

impl Lost {
    /// The request was handed back by the connection, untouched.
    pub(crate) fn unsent(error: hyper::Error) -> Self {
        Self { applied: Applied::No, error: Arc::new(error) }
    }

    /// The request was taken by the connection; the error decides how far it came.
    pub(crate) fn sent(error: hyper::Error) -> Self {
        let refused = error
            .source()
            .and_then(|source| source.downcast_ref::<h2::Error>())
            .is_some_and(|error| error.is_remote() && (is_refusal(error) || error.is_go_away()));
        Self { applied: if refused { Applied::No } else { Applied::Maybe }, error: Arc::new(error) }
    }

    /// The answer's body broke off: the server was at work already, whatever the error says.
    pub(crate) fn midway(error: hyper::Error) -> Self {
        Self { applied: Applied::Maybe, error: Arc::new(error) }
    }
}

/// h2 gives a stream the remote GOAWAY only if its number is above the last one that the peer will process; the
/// others live on and end with an I/O error if the connection goes first.
fn is_refusal(error: &h2::Error) -> bool {
    error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
}

impl From<Lost> for Status {
    fn from(lost: Lost) -> Self {
        let mut status = Status::unavailable(lost.to_string());
        status.set_source(Arc::new(lost));
        status
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.applied {
            Applied::No => "the server refused the request without acting on it",
            Applied::Maybe => "the connection was lost before the answer; the call may have been applied",
        })
    }
}

impl StdError for Lost {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.error)
    }
}
