//! Where the suite connects, and its two kinds of connections: tonic's channel and bare HTTP/2.

use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use hyper_util::rt::TokioIo;
use prism_net::socket::set_tcp_options;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::Channel;
use tower::service_fn;

/// A connected byte stream of either kind.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Where a plugin or gateway listens.
#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    /// `HOST:PORT`; every address it resolves to is tried.
    Tcp(String),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("https://") {
            return Err("TLS is not supported here; give the port without TLS, or a unix:PATH".to_owned());
        }
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let authority = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        match authority.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(authority.to_owned()))
            }
            _ => {
                Err("expected HOST:PORT (such as 127.0.0.1:50051), http://HOST:PORT or unix:PATH".to_owned())
            }
        }
    }
}

impl Endpoint {
    /// The `:authority` of requests.
    pub(super) fn authority(&self) -> &str {
        match self {
            Self::Tcp(authority) => authority,
            Self::Unix(_) => "localhost",
        }
    }

    pub(super) async fn connect(&self) -> io::Result<Box<dyn Io>> {
        match self {
            Self::Tcp(authority) => {
                let stream = TcpStream::connect(authority).await?;
                set_tcp_options(&stream)?;
                Ok(Box::new(stream))
            }
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }

    /// A channel of its own, connected when it is first used; `window_bytes` bounds what a stream may send ahead.
    pub(super) fn channel(&self, window_bytes: Option<u32>) -> Result<Channel, tonic::transport::Error> {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", self.authority()))?
            .initial_stream_window_size(window_bytes);
        let target = self.clone();
        Ok(endpoint.connect_with_connector_lazy(service_fn(move |_| {
            let target = target.clone();
            async move { target.connect().await.map(TokioIo::new) }
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_in_every_form() {
        for text in ["127.0.0.1:50051", "http://localhost:50051", "http://[::1]:1/", "unix:/run/plugin.sock"]
        {
            assert!(text.parse::<Endpoint>().is_ok(), "{text}");
        }
        for text in ["", "localhost", "unix:", "https://localhost:1", ":1", "http://localhost"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
