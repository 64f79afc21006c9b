//! What the handlers share.

use std::sync::Arc;

use prism_plugin::driver::Drivers;
use prism_runtime::exit::ServerError;
use prism_runtime::exposure::Open;
use tokio_util::sync::CancellationToken;

use crate::auth::Tokens;
use crate::config::Settings;
use crate::error::{Kind, Problem};
use crate::file::policy::Policy;
use crate::file::store::Store;
use crate::gateway::Gateway;
use crate::proxies::Proxies;
use crate::sessions::Sessions;
use crate::traffic::Traffic;

/// What the handlers share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The file.
    pub store: Arc<Store>,
    /// The proxies that read it.
    pub proxies: Proxies,
    /// Which backends are allowed.
    pub policy: Policy,
    /// The drivers that check and probe the backends in the proxies' processes.
    pub drivers: Drivers,
    /// The source of keys and values.
    pub gateway: Gateway,
    /// The proxies' recent traffic.
    pub traffic: Traffic,
    /// The tokens, if required.
    pub tokens: Option<Tokens>,
    /// Logged-in browsers.
    pub sessions: Sessions,
    /// What other machines can reach of it without protection.
    pub open: Open,
    /// Cancelled when the server drains, so that streams end.
    pub stopping: CancellationToken,
}

impl Admin {
    /// The state of an admin with these settings.
    ///
    /// # Errors
    /// The gateway's address is invalid, or the CAs of the proxies or the token for them cannot be used.
    pub fn new(settings: &Settings, drivers: Drivers) -> Result<Self, ServerError> {
        let (ca_file, token_file) = (&settings.proxy_ca_file, &settings.proxy_token_file);
        let proxies = Proxies::new(settings.proxies.clone(), ca_file.clone(), token_file.as_deref())?;
        Ok(Self {
            store: Arc::new(Store::new(settings.proxy_config.clone())),
            proxies,
            policy: settings.policy.clone(),
            drivers,
            gateway: Gateway::new(&settings.gateway, ca_file.as_deref(), token_file.as_deref())?,
            traffic: Traffic::default(),
            tokens: settings.tokens.clone(),
            sessions: sessions(settings),
            open: Open::default(),
            stopping: CancellationToken::new(),
        })
    }

    /// Runs blocking work on a thread where that is allowed.
    ///
    /// # Errors
    /// The work's own.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or_else(|error| Err(Problem::new(Kind::Internal, format!("the work failed: {error}"))))
    }
}

/// What distinguishes this admin from others that a browser sees on the same host: its address, file and machine.
fn sessions(settings: &Settings) -> Sessions {
    let file = std::path::absolute(&settings.proxy_config).unwrap_or_else(|_| settings.proxy_config.clone());
    let machine = rustix::system::uname();
    let words =
        [&settings.listen.to_string(), &*file.to_string_lossy(), &*machine.nodename().to_string_lossy()];
    Sessions::of_instance(&words, settings.tls.is_some())
}
