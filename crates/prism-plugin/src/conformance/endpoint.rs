//! Where the suite connects, and its two kinds of connections: tonic's channel and bare HTTP/2.

use std::io;
use std::str::FromStr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use prism_net::address::Address;
use prism_net::dial::dial;
use prism_net::stream::Stream;
use tonic::transport::Channel;
use tower::service_fn;

/// How long resolving and connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Where a plugin or gateway listens.
#[derive(Clone, Debug)]
pub(super) struct Endpoint(Address);

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("https://") {
            return Err("TLS is not supported here; give the port without TLS, or a unix:PATH".to_owned());
        }
        if let Ok(unix @ Address::Unix(_)) = text.parse() {
            return Ok(Self(unix));
        }
        let authority = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        match authority.parse() {
            Ok(tcp @ Address::Tcp(_)) => Ok(Self(tcp)),
            _ => {
                Err("expected HOST:PORT (such as 127.0.0.1:50051), http://HOST:PORT or unix:PATH".to_owned())
            }
        }
    }
}

impl Endpoint {
    /// The `:authority` of requests.
    pub(super) fn authority(&self) -> &str {
        self.0.authority()
    }

    pub(super) async fn connect(&self) -> io::Result<Stream> {
        dial(&self.0, CONNECT_MAX).await
    }

    /// A new channel, connected on first use; `window_bytes` limits what a stream may send ahead.
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
        for text in
            ["127.0.0.1:50051", "http://localhost:50051", "http://[::1]:1/", "a:1/", "unix:/run/plugin.sock"]
        {
            assert!(text.parse::<Endpoint>().is_ok(), "{text}");
        }
        for text in
            ["", "localhost", "unix:", "https://localhost:1", ":1", "http://localhost", "http://unix:/a"]
        {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
