//! Servers of the reference backend, in process, each on a port of its own.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use prism_plugin::app::{self, App};
use prism_plugin::{Capabilities, KeyValue as _, Plugin};
use prism_runtime::Running;
use prism_runtime::args::{LogFormat, ServerArgs};
use prism_runtime::traces::TraceArgs;

use crate::support::memory::Memory;

/// Which patterns a plugin serves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patterns {
    Both,
    KeyValue,
    List,
}

/// A plugin over `memory` that listens at `listen`.
pub(crate) async fn start_at(listen: &str, memory: Memory, patterns: Patterns) -> Running {
    let args = ServerArgs {
        listen: Some(listen.parse().unwrap()),
        http_listen: None,
        workers: Some(NonZeroUsize::MIN),
        connections_max: NonZeroUsize::new(1000).unwrap(),
        in_flight_max: NonZeroUsize::new(1000).unwrap(),
        drain_timeout: Duration::from_secs(1),
        log: "off".to_owned(),
        log_format: LogFormat::Text,
        traces: TraceArgs { otlp_endpoint: None, trace_ratio: 1.0 },
    };
    let capabilities: Capabilities = memory.capabilities();
    let memory = Arc::new(memory);
    let mut plugin = Plugin::new(capabilities).usage(Arc::clone(&memory));
    if patterns != Patterns::List {
        plugin = plugin.keyvalue(Arc::clone(&memory));
    }
    if patterns != Patterns::KeyValue {
        plugin = plugin.list(memory);
    }
    let app =
        App { name: "reference", args: &args, listen: "127.0.0.1:0", plugin, registry: Default::default() };
    app::start(app).await.unwrap()
}

pub(crate) async fn start(memory: Memory) -> Running {
    start_at("127.0.0.1:0", memory, Patterns::Both).await
}
