//! What a store is told: the options of a configuration file, the flags of `prism-diskstore`, and the settings that both
//! become once they are checked.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use prism_plugin::app::CallerArgs;
use prism_plugin::driver::{self, Mistake};
use prism_runtime::args::ServerArgs;
use prism_runtime::limits::Size;
use serde::Deserialize;
use serde_json::Value;

/// How often writes are synced with [`Durability::Periodic`].
pub(crate) const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The default listening address.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:50053";

/// What the disk keeps free by default: enough to act before other programs fail.
const MIN_FREE_DEFAULT: u64 = 1 << 30;

/// Memory for what was read or written lately.
const CACHE_DEFAULT: u64 = 256 << 20;
const CACHE_MIN: u64 = 8 << 20;

/// Serves KeyValue and List from local disk: what is acknowledged survives kill -9 and, with --durability every_write, power
/// loss.
#[derive(Debug, Parser)]
#[command(about)]
pub struct Args {
    /// Folder of the store. An empty or missing one becomes a new store.
    #[arg(long, value_name = "DIR")]
    pub path: PathBuf,

    /// When a write is on disk: "every_write" (before it is acknowledged), "1s" (within a second) or "never" (when the system
    /// writes it). With the last two, a power loss may take what was acknowledged since; kill -9 takes nothing.
    #[arg(long, value_name = "WHEN", default_value = "every_write")]
    pub durability: Durability,

    /// Room on the disk below which writes that need more fail with DISK_FULL: bytes, or a number with KiB, MiB or GiB.
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    pub min_free: Size,

    /// Memory for data that was read or written lately: bytes, or a number with KiB, MiB or GiB; at least 8MiB.
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub cache_size: Size,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub callers: CallerArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub server: ServerArgs,
}

/// When a write is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Before it is acknowledged.
    #[default]
    EveryWrite,
    /// Within a second.
    Periodic,
    /// When the system writes it.
    Never,
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "every_write" => Ok(Self::EveryWrite),
            "1s" => Ok(Self::Periodic),
            "never" => Ok(Self::Never),
            _ => Err(format!("{text:?} is not a durability; expected every_write, 1s or never")),
        }
    }
}

/// Settings that have been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The store's folder.
    pub path: PathBuf,
    /// What can change while it is open.
    pub live: Live,
}

/// Settings that can change while a store is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// When a write is on disk.
    pub durability: Durability,
    /// Bytes that stay free on the disk.
    pub min_free: u64,
    /// Bytes of memory for records and blocks.
    pub cache_bytes: u64,
}

impl Default for Live {
    fn default() -> Self {
        Self { durability: Durability::default(), min_free: MIN_FREE_DEFAULT, cache_bytes: CACHE_DEFAULT }
    }
}

impl Live {
    /// One half is for records, which are answered at once, the other for the blocks in which the engine looks.
    pub(crate) fn records_bytes(self) -> u64 {
        self.cache_bytes / 2
    }

    pub(crate) fn blocks_bytes(self) -> u64 {
        self.cache_bytes - self.records_bytes()
    }
}

/// The options as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    path: Option<PathBuf>,
    durability: Option<String>,
    min_free: Option<Value>,
    cache_size: Option<Value>,
}

impl Settings {
    /// The settings that options ask for.
    ///
    /// # Errors
    /// Every mistake.
    pub fn read(options: &driver::Options) -> Result<Self, Vec<Mistake>> {
        let written = driver::read::<Written>(options)?;
        let mut mistakes = Vec::new();
        let mut live = Live::default();
        let mut wrong = |field: &str, why: String| mistakes.push(Mistake { field: field.to_owned(), why });
        let path = written.path.unwrap_or_default();
        if path.as_os_str().is_empty() {
            wrong(
                "path",
                "is missing; expected the folder of the store, such as /var/lib/prism/store".to_owned(),
            );
        }
        match written.durability.as_deref().map(str::parse) {
            Some(Ok(durability)) => live.durability = durability,
            Some(Err(why)) => wrong("durability", why),
            None => {}
        }
        match size(written.min_free) {
            Ok(bytes) => live.min_free = bytes.unwrap_or(live.min_free),
            Err(why) => wrong("min_free", why),
        }
        match size(written.cache_size).and_then(|bytes| cache(bytes.unwrap_or(live.cache_bytes))) {
            Ok(bytes) => live.cache_bytes = bytes,
            Err(why) => wrong("cache_size", why),
        }
        if mistakes.is_empty() { Ok(Self { path, live }) } else { Err(mistakes) }
    }
}

impl Args {
    /// The settings that the flags ask for.
    ///
    /// # Errors
    /// A flag that is out of range.
    pub fn settings(&self) -> Result<Settings, String> {
        let cache_bytes = cache(self.cache_size.0 as u64).map_err(|why| format!("--cache-size: {why}"))?;
        let live = Live { durability: self.durability, min_free: self.min_free.0 as u64, cache_bytes };
        Ok(Settings { path: self.path.clone(), live })
    }
}

fn size(written: Option<Value>) -> Result<Option<u64>, String> {
    let text = match written {
        None => return Ok(None),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    };
    text.parse::<Size>().map(|Size(bytes)| Some(bytes as u64))
}

fn cache(bytes: u64) -> Result<u64, String> {
    if bytes < CACHE_MIN {
        return Err(format!("is {bytes} bytes; it must be at least {CACHE_MIN} (8MiB)"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Settings, Vec<Mistake>> {
        Settings::read(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn options_have_defaults() {
        let settings = read(json!({ "path": "/x" })).unwrap();
        assert_eq!(settings, Settings { path: "/x".into(), live: Live::default() });
        let written = json!({ "path": "/x", "durability": "1s", "min_free": 0, "cache_size": "16MiB" });
        let live = Live { durability: Durability::Periodic, min_free: 0, cache_bytes: 16 << 20 };
        assert_eq!(read(written).unwrap().live, live);
    }

    #[test]
    fn every_mistake_is_named() {
        let mistakes =
            read(json!({ "durability": "2s", "min_free": "much", "cache_size": "1MiB" })).unwrap_err();
        let fields: Vec<_> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
        assert_eq!(fields, ["path", "durability", "min_free", "cache_size"], "{mistakes:?}");
        assert!(mistakes[1].why.contains("expected every_write, 1s or never"), "{mistakes:?}");
        assert!(read(json!({ "dir": "/x" })).unwrap_err()[0].why.contains("`path`"));
    }
}
