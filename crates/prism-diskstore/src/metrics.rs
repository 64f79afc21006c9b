//! Figures of the store, read whenever metrics are collected.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::folder::room;
use crate::state::State;
use crate::store::DiskStore;

/// Collects a store's figures.
pub(crate) struct StoreCollector(pub(crate) DiskStore);

impl fmt::Debug for StoreCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreCollector")
    }
}

impl Collector for StoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let store = &self.0;
        let engine = store.shared.engine().as_ref().map(|engine| engine.figures()).unwrap_or_default();
        let free = room(store.path()).map_or(0, |(free, _)| free);
        let figures = &store.shared.figures;
        let (hits, misses) = store.hits();
        let gauges = [
            (
                "prism_diskstore_ready",
                "1 if the store accepts writes",
                u64::from(store.state() == State::Ready),
            ),
            ("prism_diskstore_disk_bytes", "Size of the store on disk", engine.disk_bytes),
            ("prism_diskstore_journal_bytes", "Size of the journal, a part of it", engine.journal_bytes),
            ("prism_diskstore_disk_free_bytes", "Room on the disk for this user", free),
            (
                "prism_diskstore_min_free_bytes",
                "The room below which writes fail",
                store.shared.settings().min_free,
            ),
            ("prism_diskstore_cache_bytes", "Memory of the records in the cache", store.shared.cache.bytes()),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let counters = [
            ("prism_diskstore_cache_hits", "Records that were in the cache", hits),
            ("prism_diskstore_cache_misses", "Records that were read from the engine", misses),
            ("prism_diskstore_compactions", "Compactions", engine.compactions),
            (
                "prism_diskstore_batches",
                "Batches of writes that were committed together",
                figures.batches.load(Relaxed),
            ),
            ("prism_diskstore_writes", "Writes in these batches", figures.writes.load(Relaxed)),
            ("prism_diskstore_expired_keys", "Keys that were freed after their deadline", store.expired()),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        let seconds = [
            (
                "prism_diskstore_commit",
                "Time in which batches were committed, their sync included",
                &figures.commit_micros,
            ),
            (
                "prism_diskstore_sync",
                "Time in which the journal was synced between batches (durability 1s)",
                &figures.sync_micros,
            ),
        ];
        for (name, help, micros) in seconds {
            let counter = ConstCounter::new(micros.load(Relaxed) as f64 / 1e6);
            let unit = Some(&Unit::Seconds);
            counter.encode(encoder.encode_descriptor(name, help, unit, counter.metric_type())?)?;
        }
        Ok(())
    }
}
