//! Servers of the reference backend, in process, each on its own port.

use std::sync::Arc;

use clap::Parser;
use prism_plugin::app::{self, App, CallerArgs};
use prism_plugin::{Capabilities, KeyValue as _, Plugin};
use prism_runtime::Running;
use prism_runtime::args::ServerArgs;

use crate::support::memory::Memory;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    server: ServerArgs,
}

/// Which patterns a plugin serves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patterns {
    Both,
    /// Without calls that wait: the server that breaks rules on the wire does not forward resets.
    WithoutWaiting,
    KeyValue,
    List,
}

/// A plugin over `memory` that listens at `listen`.
pub(crate) async fn start_at(listen: &str, memory: Memory, patterns: Patterns) -> Running {
    let words = ["reference", "--listen", listen, "--workers", "1", "--drain-timeout", "1s", "--log", "off"];
    let args = Flags::parse_from(words).server;
    let capabilities: Capabilities = memory.capabilities();
    let memory = Arc::new(memory);
    let mut plugin = Plugin::new(capabilities).usage(Arc::clone(&memory));
    plugin = plugin.idempotent_retries(Arc::clone(&memory));
    if patterns != Patterns::List {
        let handle = || Arc::clone(&memory);
        plugin = plugin.keyvalue(handle()).keyvalue_ttl(handle()).keyvalue_batch(handle());
        plugin = plugin.keyvalue_cas(handle()).keyvalue_counter(handle());
    }
    if patterns != Patterns::KeyValue {
        let handle = || Arc::clone(&memory);
        plugin = plugin.list(handle()).list_range(handle()).list_indexing(handle());
        plugin = plugin.list_batch(handle()).list_scan(handle());
        if patterns != Patterns::WithoutWaiting {
            plugin = plugin.list_blocking(handle()).list_reserve(handle());
        }
    }
    if patterns == Patterns::Both || patterns == Patterns::WithoutWaiting {
        plugin = plugin.transfer(Arc::clone(&memory));
    }
    let app = App {
        name: "reference",
        args: &args,
        callers: &CallerArgs::default(),
        listen: "127.0.0.1:0",
        plugin,
        registry: Default::default(),
    };
    app::start(app).await.unwrap()
}

pub(crate) async fn start(memory: Memory) -> Running {
    start_at("127.0.0.1:0", memory, Patterns::Both).await
}
