//! A plugin that serves known callers only: `--require-caller`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use prism_auth::error::missing;
use prism_auth::{AuthSettings, Authenticator, Identity, caller};
use prism_grpc::Context;
use prism_grpc::authenticate::Authenticate;
use prism_proto::Error;
use prism_runtime::exit::ServerError;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// The service that needs no credential.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Who may call a plugin.
#[derive(Args, Clone, Debug, Default)]
pub struct CallerArgs {
    /// Serve only callers that present a token of --token-file or a client certificate, such as a proxy. Their prism-caller
    /// header says on whose behalf they call; without this flag it is ignored.
    #[arg(long)]
    pub require_caller: bool,

    /// File with the hashes of the tokens that --require-caller accepts, written by prism token; read again when it changes.
    #[arg(long, value_name = "FILE", requires = "require_caller")]
    pub token_file: Option<PathBuf>,
}

impl CallerArgs {
    /// What identifies the callers; `None` if they need not be known. `certificates`: whether the server trusts client
    /// certificates.
    ///
    /// # Errors
    /// No caller could be known, or the file of tokens cannot be used.
    pub(crate) fn open(&self, certificates: bool) -> Result<Option<Arc<KnownCallers>>, ServerError> {
        if !self.require_caller {
            return Ok(None);
        }
        let settings = AuthSettings { token_file: self.token_file.clone(), jwt: None, certificates };
        if settings.is_empty() {
            let why = "--require-caller refuses everybody without a way to know a caller; expected --token-file FILE, or \
                       --tls-client-ca-file FILE for client certificates";
            return Err(ServerError::Config(why.to_owned()));
        }
        let wrong = |error: prism_auth::FileError| ServerError::Config(format!("--token-file: {error}"));
        Ok(Some(Arc::new(KnownCallers(Authenticator::open(settings).map_err(wrong)?))))
    }
}

/// Identifies who connects, and believes them on whose behalf they call.
#[derive(Debug)]
pub(crate) struct KnownCallers(Authenticator);

impl KnownCallers {
    /// Reads the file of tokens again if it has changed. Blocks.
    pub(crate) fn refresh(&self) {
        self.0.refresh();
    }
}

impl Authenticate for KnownCallers {
    fn identify(&self, context: &Context) -> Result<Option<Identity>, Error> {
        let head = context.head();
        if head.uri.path().starts_with(HEALTH) {
            return Ok(None);
        }
        let connected = self.0.identify_call(context)?.ok_or_else(missing)?;
        Ok(Some(caller::read(&head.headers)?.unwrap_or(connected)))
    }
}

/// Shows whether the file of tokens, if any, is in force.
#[derive(Debug)]
pub(crate) struct CredentialsCollector(pub(crate) Option<Arc<KnownCallers>>);

impl Collector for CredentialsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Whether the last attempt to read the file of tokens succeeded: 1 or 0";
        let metric = encoder.encode_descriptor("prism_credentials_applied", help, None, MetricType::Gauge)?;
        let is_applied = self.0.as_ref().is_none_or(|known| known.0.is_applied());
        ConstGauge::new(u64::from(is_applied)).encode(metric)
    }
}
