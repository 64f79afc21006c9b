//! TLS to the backends of a configuration: their files are read before anything changes, so that a file that cannot be
//! used is a mistake of the configuration, as a wrong key is.

use std::collections::HashMap;

use prism_net::tls::Protocol;
use prism_net::tls::client::{ClientOptions, Connector};

use crate::config::{Config, Mistake, Place};

/// A connector for each backend with TLS, by its place in the list. Those that `kept` gives are not read again.
///
/// # Errors
/// The mistakes of all backends.
pub(super) fn connectors<'a>(
    config: &Config,
    kept: impl Fn(&str, &ClientOptions) -> Option<&'a Connector>,
) -> Result<HashMap<usize, Connector>, Vec<Mistake>> {
    let (mut connectors, mut mistakes) = (HashMap::new(), Vec::new());
    for (index, backend) in config.backends.iter().enumerate() {
        let Place::Remote { tls: Some(options), .. } = &backend.place else { continue };
        if let Some(kept) = kept(&backend.name, options) {
            connectors.insert(index, kept.clone());
            continue;
        }
        let connector = Connector::new(options.clone(), Some(Protocol::Http2));
        match connector.and_then(|connector| connector.check().map(|()| connector)) {
            Ok(connector) => _ = connectors.insert(index, connector),
            Err(error) => mistakes.push(Mistake {
                field: format!("backends[{index}].tls"),
                why: error.to_string(),
                line: None,
            }),
        }
    }
    if mistakes.is_empty() { Ok(connectors) } else { Err(mistakes) }
}
