//! The figures every server has, and the registry that further ones are added to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a server counts about its connections and calls. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ServerMetrics {
    /// Connections open now.
    pub connections: Gauge<i64, AtomicI64>,
    /// Connections accepted since the start.
    pub connections_total: Counter<u64, AtomicU64>,
    /// Calls under way now.
    pub in_flight: Gauge<i64, AtomicI64>,
    /// Calls begun since the start.
    pub calls_total: Counter<u64, AtomicU64>,
    /// Calls refused because too many were under way.
    pub calls_refused_total: Counter<u64, AtomicU64>,
}

impl ServerMetrics {
    /// Adds these figures to a registry.
    #[must_use]
    pub fn registered(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("prism_connections", "Connections open now", metrics.connections.clone());
        registry.register(
            "prism_connections_accepted",
            "Connections accepted since the start",
            metrics.connections_total.clone(),
        );
        registry.register("prism_calls_in_flight", "Calls under way now", metrics.in_flight.clone());
        registry.register("prism_calls", "Calls begun since the start", metrics.calls_total.clone());
        registry.register(
            "prism_calls_refused",
            "Calls refused because too many were under way",
            metrics.calls_refused_total.clone(),
        );
        metrics
    }
}

/// Writes a registry in the OpenMetrics text format.
pub(crate) fn encode(registry: &Arc<Registry>) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}
