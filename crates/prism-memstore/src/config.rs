//! The flags of `prism-memstore`.

use clap::Parser;
use prism_plugin::app::CallerArgs;
use prism_runtime::args::ServerArgs;
use prism_runtime::limits::Size;

/// The default listening address.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:50051";

/// The default memory limit: what a small machine can spare.
pub const MEMORY_LIMIT_DEFAULT: MemoryLimit = MemoryLimit(Some(1024 * 1024 * 1024));

/// Serves KeyValue and List from memory, with expiry. The data is lost when the process ends.
#[derive(Debug, Parser)]
#[command(about)]
pub struct Args {
    /// Maximum memory for keys, lists and their bookkeeping: bytes, or a number with KiB, MiB or GiB; 0 for no limit. At the
    /// limit, writes that need more memory fail; nothing is evicted.
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    pub memory_limit: MemoryLimit,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub callers: CallerArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub server: ServerArgs,
}

/// A number of bytes; `None` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit(pub Option<u64>);

impl std::str::FromStr for MemoryLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Size(bytes) = text.parse().map_err(|error| format!("{error}, or 0"))?;
        let bytes = bytes as u64;
        Ok(Self((bytes > 0).then_some(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        let read = |text: &str| text.parse::<MemoryLimit>().map(|limit| limit.0);
        assert_eq!(read("0"), Ok(None));
        assert_eq!(read("1024"), Ok(Some(1024)));
        assert_eq!(read("512MiB"), Ok(Some(512 << 20)));
        assert_eq!(read("1 GiB"), Ok(Some(1 << 30)));
        assert_eq!("1GiB".parse(), Ok(MEMORY_LIMIT_DEFAULT));
        for wrong in ["", "MiB", "-1", "1.5GiB", "10MB", "99999999999999999999", "18446744073709551615KiB"] {
            assert!(read(wrong).unwrap_err().contains("expected bytes"), "{wrong}");
        }
    }
}
