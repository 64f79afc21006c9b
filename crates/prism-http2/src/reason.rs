//! The codes of errors (RFC 9113, section 7).

use std::fmt;

/// Why a stream or a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(u32);

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $words:literal;)*) => {
        impl Reason {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// The reason in words.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self.0 {
                    $($code => $words,)*
                    _ => "unknown reason",
                }
            }
        }
    };
}

reasons! {
    /// Not an error.
    NO_ERROR = 0x0, "not a result of an error";
    /// The peer has violated the protocol.
    PROTOCOL_ERROR = 0x1, "unspecific protocol error detected";
    /// An error within the endpoint.
    INTERNAL_ERROR = 0x2, "unexpected internal error encountered";
    /// The peer has sent more than its window allowed.
    FLOW_CONTROL_ERROR = 0x3, "flow-control protocol violated";
    /// The peer has not acknowledged SETTINGS.
    SETTINGS_TIMEOUT = 0x4, "settings ACK not received in timely manner";
    /// A frame for a stream that has ended.
    STREAM_CLOSED = 0x5, "received frame when stream half-closed";
    /// A frame of a size that its type does not have, or above the limit.
    FRAME_SIZE_ERROR = 0x6, "frame with invalid size";
    /// The stream was refused before anything was done for it.
    REFUSED_STREAM = 0x7, "refused stream before processing any application logic";
    /// Nobody needs the stream any more.
    CANCEL = 0x8, "stream no longer needed";
    /// The state of header compression is lost.
    COMPRESSION_ERROR = 0x9, "unable to maintain the header compression context";
    /// The connection of a CONNECT request was lost.
    CONNECT_ERROR = 0xa, "connection established in response to a CONNECT request was reset or abnormally closed";
    /// The peer generates too much load.
    ENHANCE_YOUR_CALM = 0xb, "detected excessive load generating behavior";
    /// The security of the transport is not sufficient.
    INADEQUATE_SECURITY = 0xc, "security properties do not meet minimum requirements";
    /// The endpoint demands HTTP/1.1.
    HTTP_1_1_REQUIRED = 0xd, "endpoint requires HTTP/1.1";
}

impl From<u32> for Reason {
    fn from(code: u32) -> Self {
        Self(code)
    }
}

impl From<Reason> for u32 {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Reason({:#x})", self.0),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())
    }
}
