//! Why a stream or a connection ended.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::reason::Reason;

/// Why a stream or a connection ended, or an operation was refused. Cheap to clone: all streams of a lost connection have the same.
#[derive(Clone, Debug)]
pub struct Error(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Reset(Reason, By),
    GoAway(Reason, By, Arc<str>),
    Io(Arc<io::Error>),
    Misuse(&'static str),
}

/// Which side has ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Us,
    Peer,
}

impl Error {
    pub(crate) fn reset(reason: Reason, by: By) -> Self {
        Self(Kind::Reset(reason, by))
    }

    pub(crate) fn go_away(reason: Reason, by: By, debug: impl Into<Arc<str>>) -> Self {
        Self(Kind::GoAway(reason, by, debug.into()))
    }

    /// The operation does not fit the stream's or the connection's state.
    pub(crate) fn misuse(what: &'static str) -> Self {
        Self(Kind::Misuse(what))
    }

    /// The connection was closed with streams on it.
    pub(crate) fn broken_pipe() -> Self {
        let why = "stream closed because of a broken pipe";
        io::Error::new(io::ErrorKind::BrokenPipe, why).into()
    }

    /// The reason that was sent or received.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self.0 {
            Kind::Reset(reason, _) | Kind::GoAway(reason, ..) => Some(reason),
            Kind::Io(_) | Kind::Misuse(_) => None,
        }
    }

    /// Whether the stream was reset.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        matches!(self.0, Kind::Reset(..))
    }

    /// Whether a GOAWAY ended it: the connection's, or that of a stream whose number is above the last one that is processed.
    #[must_use]
    pub fn is_go_away(&self) -> bool {
        matches!(self.0, Kind::GoAway(..))
    }

    /// Whether the peer has ended it.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self.0, Kind::Reset(_, By::Peer) | Kind::GoAway(_, By::Peer, _))
    }

    /// Whether the connection was lost.
    #[must_use]
    pub fn is_io(&self) -> bool {
        matches!(self.0, Kind::Io(_))
    }

    /// How the connection was lost.
    #[must_use]
    pub fn get_io(&self) -> Option<&io::Error> {
        match &self.0 {
            Kind::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self::reset(reason, By::Us)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self(Kind::Io(Arc::new(error)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, by, reason, debug) = match &self.0 {
            Kind::Io(error) => return error.fmt(f),
            Kind::Misuse(what) => return f.write_str(what),
            Kind::Reset(reason, by) => ("stream error", by, reason, ""),
            Kind::GoAway(reason, by, debug) => ("connection error", by, reason, &**debug),
        };
        let how = if *by == By::Peer { "received" } else { "detected" };
        write!(f, "{what} {how}: {reason}")?;
        if debug.is_empty() { Ok(()) } else { write!(f, " ({debug})") }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.get_io().and_then(io::Error::get_ref).map(|inner| inner as &(dyn std::error::Error + 'static))
    }
}
