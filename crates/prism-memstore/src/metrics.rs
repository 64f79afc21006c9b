//! What the store holds, read whenever metrics are collected.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::store::MemStore;

/// Collects a store's usage.
pub(crate) struct UsageCollector(pub(crate) MemStore);

impl fmt::Debug for UsageCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UsageCollector")
    }
}

impl Collector for UsageCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let usage = self.0.totals();
        let figures = [
            ("prism_memstore_memory_bytes", "Memory in use, as the limit counts it", usage.bytes),
            (
                "prism_memstore_memory_limit_bytes",
                "The memory limit, 0 for none",
                usage.limit_bytes.unwrap_or(0),
            ),
            ("prism_memstore_keys", "Keys, including expired ones that are not freed yet", usage.keys),
            ("prism_memstore_lists", "Lists", usage.lists),
            ("prism_memstore_namespaces", "Namespaces that hold data", usage.namespaces),
            ("prism_memstore_timers", "Expiry timers", usage.timers),
        ];
        for (name, help, value) in figures {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
