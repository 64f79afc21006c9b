//! Where the suite connects, and its two kinds of connections: tonic's channel and bare HTTP/2.

use std::io;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderValue;
use hyper_util::rt::TokioIo;
use prism_net::address::Address;
use prism_net::dial::{dial, dial_tls};
use prism_net::stream::Stream;
use prism_net::tls::client::Connector;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status, transport};
use tower::service_fn;

/// How long resolving and connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A channel whose calls carry the endpoint's credential.
pub(super) type Channel = InterceptedService<transport::Channel, Credential>;

/// The header `authorization`, if there is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Credential(Option<HeaderValue>);

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(authorization) = self.0.as_ref().and_then(|value| value.to_str().ok()?.parse().ok()) {
            request.metadata_mut().insert("authorization", authorization);
        }
        Ok(request)
    }
}

/// Where a plugin or gateway listens, the credential that it wants, and how connections are secured.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    address: Address,
    credential: Credential,
    tls: Option<Connector>,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(unix @ Address::Unix(_)) = text.parse() {
            return Ok(unix.into());
        }
        let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        let authority = authority.unwrap_or(text).trim_end_matches('/');
        match authority.parse() {
            Ok(tcp @ Address::Tcp(_)) => Ok(tcp.into()),
            _ => {
                Err("expected HOST:PORT (such as 127.0.0.1:50051), http://HOST:PORT or unix:PATH".to_owned())
            }
        }
    }
}

impl From<Address> for Endpoint {
    fn from(address: Address) -> Self {
        Self { address, credential: Credential::default(), tls: None }
    }
}

impl Endpoint {
    pub(super) fn with(self, authorization: Option<HeaderValue>, tls: Option<Connector>) -> Self {
        Self { credential: Credential(authorization), tls, ..self }
    }

    /// The scheme and authority of requests.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address.authority())
    }

    /// The header `authorization` of calls that are made without a channel.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.credential.0.as_ref()
    }

    pub(super) async fn connect(&self) -> io::Result<Stream> {
        match &self.tls {
            Some(tls) => dial_tls(&self.address, tls, CONNECT_MAX).await,
            None => dial(&self.address, CONNECT_MAX).await,
        }
    }

    /// A new channel, connected on first use; `window_bytes` limits what a stream may send ahead.
    pub(super) fn channel(&self, window_bytes: Option<u32>) -> Result<Channel, transport::Error> {
        let endpoint =
            transport::Endpoint::from_shared(self.origin())?.initial_stream_window_size(window_bytes);
        let target = self.clone();
        let channel = endpoint.connect_with_connector_lazy(service_fn(move |_| {
            let target = target.clone();
            async move { target.connect().await.map(TokioIo::new) }
        }));
        Ok(InterceptedService::new(channel, self.credential.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_in_every_form() {
        for text in [
            "127.0.0.1:50051",
            "http://localhost:50051",
            "https://localhost:1",
            "http://[::1]:1/",
            "a:1/",
            "unix:/run/plugin.sock",
        ] {
            assert!(text.parse::<Endpoint>().is_ok(), "{text}");
        }
        for text in
            ["", "localhost", "unix:", "https://localhost", ":1", "http://localhost", "http://unix:/a"]
        {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
