//! A call that was lost by HTTP/2, and whether the server may have acted on it.
//!
//! | what happened | applied |
//! |---|---|
//! | the connection accepted no further request | no |
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
    error: Arc<prism_http2::Error>,
}

impl Lost {
    /// No stream could be opened for the request.
    pub(crate) fn unsent(error: prism_http2::Error) -> Self {
        Self { applied: Applied::No, error: Arc::new(error) }
    }

    /// The request had been sent; the error decides whether the server may have acted on it.
    ///
    /// A stream ends with a remote GOAWAY only if its number is above the last one that the peer will process; the
    /// other streams live on, and end with an I/O error if the connection is lost first.
    pub(crate) fn sent(error: prism_http2::Error) -> Self {
        let is_refusal = error.is_reset() && error.reason() == Some(prism_http2::Reason::REFUSED_STREAM);
        let is_unprocessed = error.is_remote() && (is_refusal || error.is_go_away());
        Self { applied: if is_unprocessed { Applied::No } else { Applied::Maybe }, error: Arc::new(error) }
    }

    /// The response's body broke off: the server had already begun, whatever the error says.
    pub(crate) fn midway(error: prism_http2::Error) -> Self {
        Self { applied: Applied::Maybe, error: Arc::new(error) }
    }
}

impl From<Lost> for Status {
    fn from(lost: Lost) -> Self {
        let mut status = Status::unavailable(lost.to_string());
        status.set_source(Arc::new(lost));
        status
    }
}

impl Lost {
    /// Why, if the peer said it in words: that its port speaks TLS, or what TLS holds against us, which with TLS 1.3 comes
    /// after the handshake.
    fn words(&self) -> Option<String> {
        if self.error.reason() == Some(prism_http2::Reason::INADEQUATE_SECURITY) {
            return Some("the server speaks TLS on this port; connect with TLS".to_owned());
        }
        let said = self.error.get_io().filter(|error| error.get_ref().is_some());
        said.map(ToString::to_string)
    }

    /// Whether TLS, or its absence, ended the connection for good.
    pub(super) fn is_tls(&self) -> bool {
        self.error.reason() == Some(prism_http2::Reason::INADEQUATE_SECURITY)
            || self.error.get_io().is_some_and(prism_net::tls::is_lasting)
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.applied {
            Applied::No => "the server refused the request without acting on it",
            Applied::Maybe => "the connection was lost before the response; the call may have been applied",
        })?;
        self.words().map_or(Ok(()), |words| write!(f, ": {words}"))
    }
}

impl StdError for Lost {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.error)
    }
}
