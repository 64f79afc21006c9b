//! A load ready to run: the flags, checked together.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use prism_net::tls::Protocol;
use prism_proto::limits::{BATCH_ITEMS_MAX, KEY_BYTES_MAX, is_namespace};

use super::keys::Keys;
use super::kind::Kind;
use super::message::Content;
use super::mix::Mix;
use super::options::{DataArgs, LoadArgs};
use crate::credential::TokenArgs;
use crate::failure::Failure;
use crate::time::whole_seconds;
use crate::tls::{Server, TlsArgs};

/// The default measured time.
const DURATION: Duration = Duration::from_secs(10);

/// The default length of a value.
const VALUE_BYTES: u64 = 100;

/// The maximum number of concurrent calls: each is its own task, and HTTP/2 servers allow some hundred per connection.
const STREAMS_MAX: u64 = 65_536;

/// When the measured time ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// At a moment.
    Elapsed(Duration),
    /// After this many requests.
    Requests(u64),
}

/// A valid load.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) address: String,
    /// How the load connects.
    pub(super) server: Server,
    pub(super) token: TokenArgs,
    pub(super) tls: TlsArgs,
    /// The header of the token that the load sends.
    pub(super) authorization: Option<HeaderValue>,
    pub(super) mix: Mix,
    pub(super) content: Arc<Content>,
    pub(super) fill: bool,
    pub(super) keep: bool,
    pub(super) connections: usize,
    /// On each connection.
    pub(super) streams: usize,
    pub(super) threads: usize,
    pub(super) until: Until,
    pub(super) warmup: Duration,
    /// Requests per second of an open loop; `None` for a closed one.
    pub(super) rate: Option<f64>,
    pub(super) timeout: Duration,
}

impl Plan {
    /// Checks what no single flag can check.
    pub(super) fn new(
        address: String,
        namespace: String,
        (token, tls): (TokenArgs, TlsArgs),
        data: DataArgs,
        load: LoadArgs,
    ) -> Result<Self, Failure> {
        if !namespace.is_empty() && !is_namespace(&namespace) {
            return Err(Failure::Usage(
                "--namespace: expected 1 to 64 of a-z, 0-9 and -, beginning with a letter".to_owned(),
            ));
        }
        let server = tls.server(&address, Protocol::Http2)?;
        let streams = u64::from(load.connections) * u64::from(load.streams);
        if streams > STREAMS_MAX {
            return Err(Failure::Usage(format!(
                "--connections times --streams is {streams}; the maximum is {STREAMS_MAX}"
            )));
        }
        Ok(Self {
            authorization: token.header(&server)?,
            server,
            token,
            tls,
            address,
            content: Arc::new(content(namespace, &data)?),
            fill: !data.no_fill,
            keep: data.keep,
            mix: data.calls,
            connections: load.connections as usize,
            streams: load.streams as usize,
            threads: threads(&load)?,
            until: match load.requests {
                Some(requests) => Until::Requests(requests),
                None => Until::Elapsed(load.duration.unwrap_or(DURATION)),
            },
            warmup: load.warmup,
            rate: load.rate,
            timeout: load.timeout,
        })
    }

    /// Whether a missing key is expected, and therefore not an error.
    pub(super) fn keys_may_be_missing(&self) -> bool {
        let removes = |kind| matches!(kind, Kind::Delete | Kind::Expire);
        !self.fill || self.content.ttl_seconds.is_some() || self.mix.has(removes)
    }
}

fn content(namespace: String, data: &DataArgs) -> Result<Content, Failure> {
    let keys = Keys {
        prefix: data.prefix.clone().unwrap_or_else(Keys::fresh_prefix),
        digits: data.key_bytes as usize,
        count: data.keys,
    };
    let needed = Keys::digits_needed(keys.count);
    if keys.digits < needed {
        return Err(Failure::Usage(format!(
            "--key-bytes is {}; {} keys need at least {needed}",
            keys.digits, keys.count
        )));
    }
    if keys.len() > KEY_BYTES_MAX {
        return Err(Failure::Usage(format!(
            "--prefix and --key-bytes make keys of {} bytes; the maximum is {KEY_BYTES_MAX}",
            keys.len()
        )));
    }
    let limit = usize::try_from(data.limit).unwrap_or(0);
    if data.calls.has(|kind| kind == Kind::BatchGet) && !(1..=BATCH_ITEMS_MAX).contains(&limit) {
        return Err(Failure::Usage(format!(
            "--limit is {limit}; with batch-get, it is the number of keys of a batch, from 1 to {BATCH_ITEMS_MAX}"
        )));
    }
    let value = match (data.calls.has(|kind| kind == Kind::Increment), data.value_bytes) {
        (true, Some(_)) => {
            return Err(Failure::Usage(
                "--value-bytes: not with increment, whose values are numbers".to_owned(),
            ));
        }
        (true, None) => vec![b'0'],
        (false, bytes) => random_bytes(bytes.unwrap_or(VALUE_BYTES) as usize),
    };
    let ttl_seconds = data.ttl.map(whole_seconds);
    Ok(Content { namespace, keys, value: value.into(), ttl_seconds, limit: data.limit })
}

fn random_bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fastrand::fill(&mut bytes);
    bytes
}

fn threads(load: &LoadArgs) -> Result<usize, Failure> {
    match load.threads {
        Some(threads) if threads > load.connections => Err(Failure::Usage(format!(
            "--threads is {threads}; the maximum is --connections, which is {}",
            load.connections
        ))),
        Some(threads) => Ok(threads as usize),
        None => {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            Ok(cores.min(load.connections as usize))
        }
    }
}
