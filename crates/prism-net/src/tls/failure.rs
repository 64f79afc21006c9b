//! A failed connection, in words: what is wrong, and what to do.
//!
//! The kind of an error says whether another attempt may succeed: [`InvalidData`](io::ErrorKind::InvalidData) and, of
//! files, [`InvalidInput`](io::ErrorKind::InvalidInput) last until somebody changes a certificate or a setting. The kind
//! survives HTTP/2, which keeps of an error no more than its kind and its words.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::io;
use std::time::{Duration, SystemTime};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription as Alert, CertificateError, Error};

/// Who we are to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    fn peer(self) -> &'static str {
        match self {
            Self::Client => "server",
            Self::Server => "client",
        }
    }
}

/// The words of a failure of TLS: what tells it from other errors of a connection.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Failure {}

/// A failure of TLS.
pub(crate) fn failure(kind: io::ErrorKind, words: impl Into<String>) -> io::Error {
    io::Error::new(kind, Failure(words.into()))
}

/// Whether the error is a failure of TLS.
pub(super) fn is_failure(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Failure>())
}

/// A failed handshake in words.
pub(crate) fn of_handshake(side: Side, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let why = match side {
            Side::Client => {
                "the server closed the connection during the handshake; it may speak plaintext on that port"
            }
            Side::Server => {
                "the client closed the connection during the handshake; it may not trust our certificate"
            }
        };
        return failure(io::ErrorKind::UnexpectedEof, why);
    }
    explained(side, error)
}

/// The error in words, if it is one of TLS. With TLS 1.3, a server refuses a client's certificate only after the
/// client's handshake, so that this may come with the first read.
pub(crate) fn explained(side: Side, error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(tls) => failure(kind(tls), words(side, tls)),
        None => error,
    }
}

/// [`InvalidData`](io::ErrorKind::InvalidData), unless another attempt may succeed.
fn kind(error: &Error) -> io::ErrorKind {
    match error {
        Error::AlertReceived(Alert::InternalError | Alert::UserCanceled | Alert::CloseNotify)
        | Error::General(_)
        | Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes => io::ErrorKind::ConnectionAborted,
        _ => io::ErrorKind::InvalidData,
    }
}

fn words(side: Side, error: &Error) -> String {
    let peer = side.peer();
    match error {
        Error::InvalidCertificate(why) => format!("the {peer}'s certificate {}", of_certificate(side, why)),
        Error::AlertReceived(alert) => of_alert(side, *alert),
        Error::InvalidMessage(_) => {
            format!("the {peer} does not speak TLS here, but plaintext or something else")
        }
        Error::PeerIncompatible(why) => {
            format!("the {peer} and this {} have no TLS version or cipher in common ({why:?})", ours(side))
        }
        Error::NoApplicationProtocol => {
            format!("the {peer} offers no protocol (ALPN) that is served on this port")
        }
        other => format!("TLS with the {peer} failed: {other}"),
    }
}

fn ours(side: Side) -> &'static str {
    match side {
        Side::Client => Side::Server.peer(),
        Side::Server => Side::Client.peer(),
    }
}

fn of_certificate(side: Side, why: &CertificateError) -> String {
    match why {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("expired on {}; renew it", date(*not_after))
        }
        CertificateError::Expired => "has expired; renew it".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("is not valid before {}; check the clocks", date(*not_before))
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => match side {
            Side::Client => {
                "is not signed by a CA that is trusted here; set ca_file to the certificate of its CA"
            }
            Side::Server => "is not signed by a CA of client_ca_file",
        }
        .to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let mut names = String::new();
            for name in presented.iter().take(8) {
                let separator = if names.is_empty() { "" } else { ", " };
                let _ = write!(names, "{separator}{}", readable(name));
            }
            let names = if names.is_empty() { "no name".to_owned() } else { names };
            let expected = expected.to_str();
            format!(
                "is for {names}, not for {expected}; connect to a name that it has, or set server_name to one"
            )
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!("is not meant for a {} (extended key usage)", side.peer())
        }
        // The verifier's own words, which have no type of their own.
        CertificateError::Other(why) if why.to_string().contains("CaUsedAsEndEntity") => {
            let peer = side.peer();
            format!(
                "is that of a CA, which no {peer} may use as its own; make one with basicConstraints=CA:FALSE \
                 (`openssl req -x509` makes one of a CA unless told otherwise)"
            )
        }
        other => format!("cannot be verified: {other}"),
    }
}

/// rustls shows names as `DnsName("a.example")`.
fn readable(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

fn of_alert(side: Side, alert: Alert) -> String {
    let peer = side.peer();
    match (side, alert) {
        (Side::Client, Alert::CertificateRequired | Alert::NoCertificate) => {
            "the server demands a client certificate; set certificate_file and key_file".to_owned()
        }
        (_, Alert::CertificateExpired) => {
            format!("the {peer} refuses our certificate, which has expired; renew it")
        }
        (_, Alert::CertificateRevoked) => {
            format!("the {peer} refuses our certificate, which has been revoked; replace it")
        }
        (_, Alert::UnsupportedCertificate) => {
            let ours = ours(side);
            format!(
                "the {peer} refuses our certificate, which is not meant for a {ours} (extended key usage)"
            )
        }
        (
            Side::Client,
            Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown | Alert::DecryptError,
        ) => {
            "the server refuses our client certificate, which is not signed by a CA that it trusts".to_owned()
        }
        (
            Side::Server,
            Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown | Alert::DecryptError,
        ) => "the client refuses our certificate: it does not trust its CA, or connects by another name"
            .to_owned(),
        (_, Alert::ProtocolVersion | Alert::HandshakeFailure) => {
            format!("the {peer} has no TLS version or cipher in common with us; we speak TLS 1.2 and 1.3")
        }
        (Side::Client, Alert::NoApplicationProtocol) => {
            "the server does not speak our protocol on that port; it may be the port for something else"
                .to_owned()
        }
        (Side::Client, Alert::UnrecognisedName) => "the server has no certificate for that name".to_owned(),
        (_, other) => format!("the {peer} ended TLS with the alert {other:?}"),
    }
}

fn date(time: UnixTime) -> String {
    date_of(SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs()))
}

/// A date as `2026-01-31T12:00:00Z`.
pub(crate) fn date_of(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use rustls::{InvalidMessage, PeerIncompatible};

    use super::*;

    fn told(side: Side, error: Error) -> String {
        explained(side, io::Error::new(io::ErrorKind::InvalidData, error)).to_string()
    }

    #[test]
    fn a_failure_says_what_is_wrong_and_what_to_do() {
        let time = |secs| UnixTime::since_unix_epoch(Duration::from_secs(secs));
        let expired = CertificateError::ExpiredContext { time: time(1), not_after: time(0) };
        let not_yet = CertificateError::NotValidYetContext { time: time(0), not_before: time(1) };
        for (side, error, said) in [
            (
                Side::Client,
                Error::InvalidCertificate(expired),
                "the server's certificate expired on 1970-01-01T00:00:00Z; renew it",
            ),
            (
                Side::Server,
                Error::InvalidCertificate(not_yet),
                "the client's certificate is not valid before 1970-01-01T00:00:01Z; check the clocks",
            ),
            (
                Side::Server,
                Error::InvalidCertificate(CertificateError::InvalidPurpose),
                "the client's certificate is not meant for a client (extended key usage)",
            ),
            (
                Side::Client,
                Error::AlertReceived(Alert::CertificateRequired),
                "the server demands a client certificate; set certificate_file and key_file",
            ),
            (
                Side::Client,
                Error::AlertReceived(Alert::CertificateExpired),
                "the server refuses our certificate, which has expired; renew it",
            ),
            (
                Side::Client,
                Error::AlertReceived(Alert::UnsupportedCertificate),
                "the server refuses our certificate, which is not meant for a client (extended key usage)",
            ),
            (
                Side::Server,
                Error::AlertReceived(Alert::CertificateRevoked),
                "the client refuses our certificate, which has been revoked; replace it",
            ),
            (
                Side::Client,
                Error::AlertReceived(Alert::ProtocolVersion),
                "the server has no TLS version or cipher in common with us; we speak TLS 1.2 and 1.3",
            ),
            (
                Side::Client,
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "the server does not speak TLS here, but plaintext or something else",
            ),
        ] {
            assert_eq!(told(side, error), said);
        }
        let old = told(Side::Server, Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered));
        assert!(
            old.starts_with("the client and this server have no TLS version or cipher in common"),
            "{old}"
        );
        let busy = io::Error::new(io::ErrorKind::InvalidData, Error::AlertReceived(Alert::InternalError));
        let busy = explained(Side::Client, busy);
        assert!(is_failure(&busy) && busy.kind() == io::ErrorKind::ConnectionAborted, "{busy:?}");
        let lost = explained(Side::Client, io::ErrorKind::ConnectionReset.into());
        assert!(!is_failure(&lost));
        assert_eq!(lost.kind(), io::ErrorKind::ConnectionReset);
    }
}
