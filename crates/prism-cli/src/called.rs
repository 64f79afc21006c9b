//! The servers under their own names: this binary contains them all for `prism dev`, so a link to it that is called
//! `prism-proxy` is a complete `prism-proxy`. The container image has one such file instead of six.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use prism_memstore::config::MEMORY_LIMIT_DEFAULT;
use prism_runtime::{args, exit, process};

use crate::drivers;

/// Runs the server by whose name the process was called; `None` if it is not a server's name.
pub(crate) fn run() -> Option<ExitCode> {
    let called = std::env::args_os().next()?;
    let (name, run) = server(&called)?;
    Some(process::report(name, run()))
}

/// A server's name, and what its binary does.
type Server = (&'static str, fn() -> Result<(), exit::ServerError>);

fn server(called: &OsStr) -> Option<Server> {
    let servers: [Server; 5] = [
        (prism_memstore::app::NAME, memstore),
        (prism_diskstore::app::NAME, diskstore),
        (prism_redis::app::NAME, redis),
        (prism_proxy::app::NAME, proxy),
        (prism_admin::app::NAME, admin),
    ];
    let called = Path::new(called).file_name()?;
    servers.into_iter().find(|(name, _)| called == *name)
}

fn memstore() -> Result<(), exit::ServerError> {
    use prism_memstore::app::{self, DEFAULTS, NAME};
    process::block_on(app::run(args::parse(NAME, &DEFAULTS)))
}

fn diskstore() -> Result<(), exit::ServerError> {
    use prism_diskstore::app::{self, DEFAULTS, NAME};
    process::block_on(app::run(args::parse(NAME, &DEFAULTS)))
}

fn redis() -> Result<(), exit::ServerError> {
    use prism_redis::app::{self, DEFAULTS, NAME};
    process::block_on(app::run(args::parse(NAME, &DEFAULTS)))
}

fn proxy() -> Result<(), exit::ServerError> {
    use prism_proxy::app::{self, DEFAULTS, NAME};
    let args = args::parse(NAME, &DEFAULTS);
    process::block_on(app::run(args, drivers::all(MEMORY_LIMIT_DEFAULT)))
}

fn admin() -> Result<(), exit::ServerError> {
    use prism_admin::app::{self, NAME};
    let args = args::parse(NAME, &prism_admin::config::DEFAULTS);
    process::block_on(app::run(args, drivers::all(MEMORY_LIMIT_DEFAULT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_servers_own_name_starts_it() {
        let name = |called: &str| server(OsStr::new(called)).map(|(name, _)| name);
        for known in ["prism-proxy", "prism-memstore", "prism-diskstore", "prism-redis", "prism-admin"] {
            assert_eq!(name(known), Some(known));
            assert_eq!(name(&format!("/usr/bin/{known}")), Some(known));
        }
        for other in ["prism", "/usr/bin/prism", "prism-proxy-old", "prism-proxy/..", "", "/"] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
