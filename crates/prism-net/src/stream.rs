//! A connection, over TCP or a Unix socket, with TLS or without.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::pki_types::CertificateDer;
use rustls::{ConnectionCommon, SideData};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::tls::failure::{Side, explained};
use crate::tls::read_ahead::ReadAhead;

/// Any kind of stream, registered with the runtime of its thread.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
    /// With TLS, over one of the others.
    Tls(Box<TlsStream>),
}

/// Calls the method on whichever stream it is.
macro_rules! either {
    ($self:ident, $method:ident($($argument:expr),*)) => {
        match $self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            Self::Unix(stream) => Pin::new(stream).$method($($argument),*),
            Self::Tls(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, poll_write(cx, data))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write_vectored(cx, data))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown(cx))
    }
}

/// Either side of a connection with TLS. Its errors say what is wrong in words.
pub struct TlsStream {
    stream: tokio_rustls::TlsStream<ReadAhead<Stream>>,
    /// The alert that was found when a write failed.
    alert: Option<rustls::Error>,
}

impl TlsStream {
    pub(crate) fn client(stream: tokio_rustls::client::TlsStream<ReadAhead<Stream>>) -> Self {
        Self { stream: stream.into(), alert: None }
    }

    pub(crate) fn server(stream: tokio_rustls::server::TlsStream<ReadAhead<Stream>>) -> Self {
        Self { stream: stream.into(), alert: None }
    }

    /// The certificates that the other side has shown, its own first.
    pub(crate) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.stream.get_ref().1.peer_certificates().unwrap_or_default()
    }

    /// The protocol that both sides have agreed on, if they have (ALPN).
    #[must_use]
    pub fn protocol(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.alpn_protocol()
    }

    fn explained(&self, error: io::Error) -> io::Error {
        let side = match &self.stream {
            tokio_rustls::TlsStream::Client(_) => Side::Client,
            tokio_rustls::TlsStream::Server(_) => Side::Server,
        };
        explained(side, error)
    }

    /// The alert that was found, in words.
    fn check(&self) -> io::Result<()> {
        let alert = self.alert.clone().map(|alert| io::Error::new(io::ErrorKind::InvalidData, alert));
        alert.map_or(Ok(()), |alert| Err(self.explained(alert)))
    }

    /// The outcome of a write. If an alert came before its failure, that is the error, and the next call returns it: with
    /// TLS 1.3, a server refuses a client's certificate after the client's handshake, and closes the connection while the
    /// client may write. It is left to the next call: the error of a read says more than that of a write.
    fn written<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Poll::Ready(Err(error)) = polled else { return polled };
        self.alert = match &mut self.stream {
            tokio_rustls::TlsStream::Client(stream) => {
                let (socket, session) = stream.get_mut();
                alert(session, socket)
            }
            tokio_rustls::TlsStream::Server(stream) => {
                let (socket, session) = stream.get_mut();
                alert(session, socket)
            }
        };
        if self.alert.is_none() {
            return Poll::Ready(Err(self.explained(error)));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The alert among what has arrived. Other bytes stay to be read.
fn alert<S: SideData>(
    session: &mut ConnectionCommon<S>,
    socket: &mut ReadAhead<Stream>,
) -> Option<rustls::Error> {
    let mut arrived = Arrived(socket);
    while session.wants_read() && session.read_tls(&mut arrived).is_ok_and(|len| len > 0) {
        if let Err(error) = session.process_new_packets() {
            return Some(error);
        }
    }
    None
}

/// What has arrived at a socket, whether or not the runtime has heard of it.
struct Arrived<'a>(&'a mut ReadAhead<Stream>);

impl io::Read for Arrived<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ahead = ReadBuf::new(buffer);
        self.0.take_ahead(&mut ahead);
        match ahead.filled().len() {
            0 => {}
            len => return Ok(len),
        }
        let socket = match self.0.get_ref() {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tls(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        // It does not block: that is a property of the socket, which both share.
        File::from(socket.try_clone_to_owned()?).read(buffer)
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.stream.get_ref().1.protocol_version();
        f.debug_struct("TlsStream").field("version", &version).finish_non_exhaustive()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        polled.map_err(|error| self.explained(error))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        let polled = Pin::new(&mut self.stream).poll_write(cx, data);
        self.written(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.written(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(polled, cx)
    }
}
