//! Figures of the store, read whenever metrics are collected.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::state::State;
use crate::store::RedisStore;

/// Collects a store's figures.
pub(crate) struct StoreCollector(pub(crate) RedisStore);

impl fmt::Debug for StoreCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreCollector")
    }
}

impl Collector for StoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counters = &self.0.shared.counters;
        let figures = [
            (
                "prism_redis_redirections",
                "Commands sent again because a cluster's node named another",
                &counters.redirections,
            ),
            (
                "prism_redis_unnameable_keys",
                "Keys that scans left out because they are not UTF-8, empty or too long",
                &counters.unnameable_keys,
            ),
            (
                "prism_redis_topology_changes",
                "Changes of the primaries or their slots",
                &counters.topology_changes,
            ),
        ];
        for (name, help, figure) in figures {
            let counter = ConstCounter::new(figure.load(Ordering::Relaxed));
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        let ready = ConstGauge::new(i64::from(self.0.state() == State::Ready));
        ready.encode(encoder.encode_descriptor(
            "prism_redis_ready",
            "1 if the last check of the servers succeeded",
            None,
            ready.metric_type(),
        )?)
    }
}
