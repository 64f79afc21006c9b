//! The settings of a client, each with its default and limits, checked by `build`.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prism_net::tls::Protocol;
use prism_net::tls::client::{ClientOptions, Connector};
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::address::{Address, Scheme};
use crate::deadline::Timers;
use crate::error::Error;
use crate::idempotency::Idempotency;
use crate::metadata::{self, AUTHORIZATION};
use crate::shared::{OnRetry, Shared};
use crate::token::{Source, Token};
use crate::trace::Traces;
use crate::transport::{Pool, STREAMS_PER_CONNECTION, Target, Windows};

const AGENT: &str = concat!("prism-client/", env!("CARGO_PKG_VERSION"));

/// The maximum number of connections of one kind. More would only cost the gateway memory: two keep a core busy.
const CONNECTIONS_MAX: usize = 64;

/// Settings for a [`Client`](crate::Client).
///
/// ```
/// # fn main() -> Result<(), prism_client::Error> {
/// use std::time::Duration;
/// let client = prism_client::Client::builder("localhost:8980")
///     .timeout(Duration::from_millis(300))
///     .token("secret")
///     .metadata("x-team", "orders")
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until they are built"]
pub struct Builder {
    address: String,
    timeout: Duration,
    stall_timeout: Duration,
    connect_timeout: Duration,
    connections: usize,
    scan_connections: usize,
    in_flight_max: usize,
    attempts_max: u32,
    on_retry: Option<OnRetry>,
    token: Option<Source>,
    insecure_token: bool,
    tls: bool,
    tls_options: ClientOptions,
    metadata: Vec<(String, String)>,
    traces: bool,
}

impl Builder {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            timeout: Duration::from_secs(2),
            stall_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            connections: 2,
            scan_connections: 2,
            in_flight_max: 1024,
            attempts_max: 5,
            on_retry: None,
            token: None,
            insecure_token: false,
            tls: false,
            tls_options: ClientOptions::default(),
            metadata: Vec::new(),
            traces: false,
        }
    }

    /// The timeout of a unary call that does not set its own, retries included. Default 2 s, at most a year.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a scan may wait for its next entry, while the caller waits for one. Default 60 s, at most a year.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall_timeout = timeout;
        self
    }

    /// The timeout of one connection attempt: resolving the name and trying every address. Default 5 s: three lost
    /// SYNs. It is longer than a call's timeout because the attempt also serves later calls.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The maximum number of connections for unary calls, 1 to 64. Default 2: one for each of two threads of the
    /// gateway. The second is opened when the first has 16 calls in flight.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// The maximum number of connections for scans, 1 to 64. Default 2. Each carries 64 concurrent scans, so 2 × 64 =
    /// 128; further scans wait for a slot.
    pub fn scan_connections(mut self, connections: usize) -> Self {
        self.scan_connections = connections;
        self
    }

    /// The maximum number of unary calls in flight, at least 1. Default 1,024; further calls wait within their timeout.
    pub fn in_flight_max(mut self, calls: usize) -> Self {
        self.in_flight_max = calls;
        self
    }

    /// The maximum number of attempts of one call, including the first, at least 1. Default 5: with waits of 10, 40,
    /// 160 and 640 ms they span most of the default timeout.
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }

    /// A callback for each failure that will be retried, called before the wait. It must not block. Default: none.
    pub fn on_retry(mut self, observer: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_retry = Some(Arc::new(observer));
        self
    }

    /// Sent with each call as `authorization: Bearer TOKEN`: one word of visible ASCII. Never shown by `Debug` or in an
    /// error. Replaces a file or a provider.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Source::Fixed(token.into()));
        self
    }

    /// A file whose only word is the token, at most 16 KiB. It is first read by the first call, and then at most once a
    /// second, and whenever the server refuses the token that it had; the call is then sent again, once. If the file
    /// becomes unusable, the last token stays. Replaces a fixed token or a provider.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token = Some(Source::File(path.into()));
        self
    }

    /// A function that returns the token, in a future that ends within 30 s. It is called by the first call, and whenever
    /// the server refuses its last token; the call is then sent again, once. All calls that wait share one future, which
    /// runs in a task of its own. An error fails the waiting calls with `Unauthenticated`, and is part of their message.
    /// Replaces a fixed token or a file.
    ///
    /// ```
    /// # async fn of_the_vault() -> Result<String, std::io::Error> { Ok("secret".to_owned()) }
    /// # fn main() -> Result<(), prism_client::Error> {
    /// let client = prism_client::Client::builder("localhost:8980").token_provider(of_the_vault).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn token_provider<F, E>(mut self, provider: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.token = Some(Source::Provider(Arc::new(move || {
            let answer = provider();
            Box::pin(async move { answer.await.map_err(Into::into) })
        })));
        self
    }

    /// Whether a token may be sent in plaintext to another machine, where whoever is on the way can read and use it.
    /// Default: no; a client that would do so cannot be built. `localhost`, loopback addresses and Unix sockets are this
    /// machine.
    pub fn insecure_token(mut self, insecure: bool) -> Self {
        self.insecure_token = insecure;
        self
    }

    /// Whether to connect with TLS. Default: no, unless the address begins with `https://` or one of the following settings
    /// is given. There is no falling back to plaintext. Without [`ca_file`](Self::ca_file) the system's CAs are trusted.
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// The CAs that sign the gateway's certificate, in PEM. This file and the following two are read for the first
    /// connection, and again for a new one when they have changed; a changed file that cannot be used leaves the old one in
    /// use.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls_options.ca_file = Some(path.into());
        self
    }

    /// The client's own certificate and those between it and its CA, in PEM. Needs [`key_file`](Self::key_file).
    pub fn certificate_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls_options.certificate_file = Some(path.into());
        self
    }

    /// The private key of the client's certificate, in PEM.
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls_options.key_file = Some(path.into());
        self
    }

    /// The name that the gateway's certificate must have. Default: the host of the address; `localhost` for a Unix socket.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.tls_options.server_name = Some(name.into());
        self
    }

    /// Metadata sent with each call, replacing an earlier entry of the same name; the rules are those of
    /// [`Call::metadata`](crate::Call::metadata).
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Whether each call and scan creates an OpenTelemetry span, through the tracer provider set in the crate
    /// `opentelemetry`. Default: no.
    pub fn traces(mut self, traces: bool) -> Self {
        self.traces = traces;
        self
    }

    /// The state shared by the client that [`build`](Self::build) creates and its handles.
    pub(crate) fn shared(self) -> Result<Shared, Error> {
        self.check_numbers()?;
        let (address, scheme) = Address::parse(&self.address)?;
        let tls = self.connector(scheme)?;
        let target = |windows| Target {
            address: address.to_dial(),
            tls: tls.clone(),
            windows,
            timeout: self.connect_timeout,
        };
        let scans_max = self.scan_connections * STREAMS_PER_CONNECTION;
        let metadata = self.metadata_map()?;
        let token_is_safe = self.insecure_token || tls.is_some() || address.to_dial().is_this_machine();
        if !token_is_safe && (self.token.is_some() || metadata.contains_key(AUTHORIZATION)) {
            return Err(Error::insecure_token("client", &address));
        }
        Ok(Shared {
            unary: Pool::new(target(Windows::UNARY), self.connections, self.in_flight_max),
            scans: Pool::new(target(Windows::SCANS), self.scan_connections, scans_max),
            timers: Timers::default(),
            origin: address.origin(tls.is_some()),
            metadata,
            tokens: self.token.into(),
            token_is_safe,
            timeout: self.timeout,
            stall_timeout: self.stall_timeout,
            attempts_max: self.attempts_max,
            on_retry: self.on_retry,
            traces: self.traces.then(|| Traces::of(&address)),
            idempotency: Idempotency::default(),
            address,
        })
    }

    /// Makes connections with TLS; `None` for plaintext.
    fn connector(&self, scheme: Scheme) -> Result<Option<Connector>, Error> {
        let is_asked_for = self.tls || self.tls_options != ClientOptions::default();
        if scheme == Scheme::Plaintext && is_asked_for {
            return Err(Error::address("http:// is plaintext; for TLS, use https:// or leave it out"));
        }
        if scheme != Scheme::Tls && !is_asked_for {
            return Ok(None);
        }
        let connector = Connector::new(self.tls_options.clone(), Some(Protocol::Http2));
        connector.map(Some).map_err(|error| Error::setting(error.to_string()))
    }

    fn check_numbers(&self) -> Result<(), Error> {
        for (name, value) in [("connections", self.connections), ("scan_connections", self.scan_connections)]
        {
            if !(1..=CONNECTIONS_MAX).contains(&value) {
                return Err(Error::setting(format!("{name} is {value}; it must be 1 to {CONNECTIONS_MAX}")));
            }
        }
        // The maximum of tokio's semaphore.
        if self.in_flight_max == 0 || self.in_flight_max > tokio::sync::Semaphore::MAX_PERMITS {
            return Err(Error::setting(format!("in_flight_max cannot be {}", self.in_flight_max)));
        }
        if self.attempts_max == 0 {
            return Err(Error::setting("attempts_max is 0; it must be at least 1"));
        }
        Ok(())
    }

    fn metadata_map(&self) -> Result<MetadataMap, Error> {
        let mut map = MetadataMap::new();
        map.insert("user-agent", MetadataValue::from_static(AGENT));
        if let Some(Source::Fixed(token)) = &self.token {
            let token = Token::new(token).map_err(|rule| Error::setting(format!("the token {rule}")))?;
            map.insert(AUTHORIZATION, token.header().clone());
        }
        for (name, value) in &self.metadata {
            metadata::insert(&mut map, name, value)?;
        }
        Ok(map)
    }
}

/// Shows neither the token nor the metadata's values.
impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn unusable_settings_are_refused_by_name() {
        let new = || Builder::new("localhost:8980");
        for (builder, named) in [
            (new().connections(0), "connections"),
            (new().scan_connections(65), "scan_connections"),
            (new().in_flight_max(0), "in_flight_max"),
            (new().attempts_max(0), "attempts_max"),
            (new().token("line\nbreak"), "token"),
            (new().token(""), "token"),
            (Builder::new("gateway:8980").token("secret"), "insecure_token"),
            (Builder::new("10.0.0.7:8980").token_file("/token"), "insecure_token"),
            (Builder::new("gateway:8980").metadata("authorization", "Basic secret"), "insecure_token"),
            (Builder::new("http://localhost:8980").tls(true), "https://"),
            (new().certificate_file("/certificate"), "key_file"),
            (new().server_name("not a name"), "server_name"),
            (new().metadata("Bad Name", "x"), "Bad Name"),
            (new().metadata("x-team", "line\nbreak"), "x-team"),
        ] {
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains(named), "{error}");
            assert!(!error.message().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_token_is_safe_on_this_machine_or_where_it_is_allowed() {
        for address in ["localhost:1", "127.0.0.7:1", "[::1]:1", "unix:/run/prism.sock"] {
            assert!(Builder::new(address).token("secret").build().is_ok(), "{address}");
        }
        assert!(Builder::new("gateway:8980").token("secret").insecure_token(true).build().is_ok());
        for tls in [Builder::new("gateway:8980").tls(true), Builder::new("https://gateway:8980")] {
            assert!(tls.token("secret").build().is_ok());
        }
    }

    #[test]
    fn the_token_is_never_shown() {
        let builder = Builder::new("localhost:8980").token("s3cret");
        assert!(!format!("{builder:?}").contains("s3cret"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("s3cret"));
    }
}
