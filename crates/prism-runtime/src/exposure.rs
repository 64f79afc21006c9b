//! What other machines can reach of a server, and what that lacks.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use crate::exit::ServerError;

/// What protects a server's ports.
#[derive(Clone, Debug, Default)]
pub struct Protection {
    /// Whether the gRPC port knows its callers.
    pub knows_callers: bool,
    /// Whether the HTTP port knows its operators.
    pub knows_operators: bool,
    /// What is open nevertheless, such as namespaces without `access`; for the warning only.
    pub still_open: Option<String>,
}

/// What other machines can reach of a server without TLS or without credentials, once it is known. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Open(Arc<OnceLock<Vec<String>>>);

impl Open {
    /// Such as `gRPC on 0.0.0.0:8980 without TLS and without credentials`; empty before the ports are bound.
    #[must_use]
    pub fn get(&self) -> &[String] {
        self.0.get().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn set(&self, open: Vec<String>) {
        // The ports are bound once.
        let _ = self.0.set(open);
    }
}

/// Returns and warns of what other machines can reach without TLS or without credentials. `grpc` and `http` are the bound addresses of
/// the ports that the server has.
///
/// # Errors
/// With `required`, anything to warn of except `still_open`.
pub(crate) fn check(
    protection: &Protection,
    has_tls: bool,
    grpc: Option<&str>,
    http: Option<&str>,
    required: bool,
) -> Result<Vec<String>, ServerError> {
    let mut open = Vec::new();
    let ports = [(grpc, "gRPC", protection.knows_callers), (http, "HTTP", protection.knows_operators)];
    for (address, name, knows) in ports {
        let Some(address) = address.filter(|address| is_beyond_loopback(address)) else { continue };
        let lacks = match (has_tls, knows) {
            (true, true) => continue,
            (false, false) => "TLS and without credentials",
            (false, true) => "TLS",
            (true, false) => "credentials",
        };
        open.push(format!("{name} on {address} without {lacks}"));
    }
    if required && !open.is_empty() {
        let why = format!(
            "--require-secure: other machines could reach {}; expected TLS and credentials, or an address of this machine only",
            open.join(" and ")
        );
        return Err(ServerError::Config(why));
    }
    let reachable = grpc.is_some_and(is_beyond_loopback);
    open.extend(protection.still_open.clone().filter(|_| reachable));
    if !open.is_empty() {
        tracing::warn!(
            "other machines can reach {}; docs/SECURITY.md says how to protect them, and --require-secure makes this an error",
            open.join(" and ")
        );
    }
    Ok(open)
}

/// Whether a bound address can be reached from other machines.
fn is_beyond_loopback(address: &str) -> bool {
    address.parse::<SocketAddr>().is_ok_and(|address| !address.ip().to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_reach_needs_both() {
        let refused = |has_tls, knows_callers, grpc, http| {
            let protection = Protection { knows_callers, ..Protection::default() };
            check(&protection, has_tls, Some(grpc), http, true).err().map(|error| error.to_string())
        };
        for local in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/run/prism.sock"] {
            assert_eq!(refused(false, false, local, Some(local)), None, "{local}");
        }
        for (has_tls, knows, expected) in [
            (false, false, "gRPC on 0.0.0.0:1 without TLS and without credentials"),
            (false, true, "gRPC on 0.0.0.0:1 without TLS;"),
            (true, false, "gRPC on 0.0.0.0:1 without credentials"),
        ] {
            let error = refused(has_tls, knows, "0.0.0.0:1", None).unwrap();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(refused(true, true, "0.0.0.0:1", None), None);
        let error = refused(true, true, "[::]:1", Some("10.0.0.1:2")).unwrap();
        assert!(error.contains("reach HTTP on 10.0.0.1:2 without credentials"), "{error}");
        // A server may have the HTTP port alone.
        let alone =
            check(&Protection::default(), true, None, Some("0.0.0.0:1"), true).unwrap_err().to_string();
        assert!(alone.contains("reach HTTP on 0.0.0.0:1 without credentials"), "{alone}");
        // Without the flag it is a warning.
        let protection = Protection {
            still_open: Some("2 namespaces without access".to_owned()),
            ..Protection::default()
        };
        let open = check(&protection, false, Some("0.0.0.0:1"), None, false).unwrap();
        assert_eq!(
            open,
            ["gRPC on 0.0.0.0:1 without TLS and without credentials", "2 namespaces without access"]
        );
        assert!(check(&protection, false, Some("127.0.0.1:1"), None, false).unwrap().is_empty());
    }
}
