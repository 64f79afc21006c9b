//! Figures of the store, read whenever metrics are collected.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use prism_plugin::driver::{Figure, FigureValue};
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
        for Figure { name, help, value } in figures(&self.0) {
            match value {
                FigureValue::Gauge(value) => {
                    let gauge = ConstGauge::new(value);
                    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
                }
                FigureValue::Count(count) => {
                    let counter = ConstCounter::new(count);
                    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
                }
                FigureValue::Seconds(seconds) => {
                    let counter = ConstCounter::new(seconds);
                    // The encoder appends the unit.
                    let (name, unit) = (name.trim_end_matches("_seconds"), Some(&Unit::Seconds));
                    counter.encode(encoder.encode_descriptor(name, help, unit, counter.metric_type())?)?;
                }
            }
        }
        Ok(())
    }
}

/// The figures of a store.
pub(crate) fn figures(store: &DiskStore) -> Vec<Figure> {
    let engine = store.shared.engine().as_ref().map(|engine| engine.figures()).unwrap_or_default();
    let free = room(store.path()).map_or(0, |(free, _)| free);
    let figures = &store.shared.figures;
    let (hits, misses) = store.hits();
    let ready = u64::from(store.state() == State::Ready);
    let min_free = store.shared.settings().min_free;
    vec![
        gauge("prism_diskstore_ready", "1 if the store accepts writes", ready),
        gauge("prism_diskstore_disk_bytes", "Size of the store on disk", engine.disk_bytes),
        gauge("prism_diskstore_journal_bytes", "Size of the journal, a part of it", engine.journal_bytes),
        gauge("prism_diskstore_disk_free_bytes", "Room on the disk for this user", free),
        gauge("prism_diskstore_min_free_bytes", "The room below which writes fail", min_free),
        gauge(
            "prism_diskstore_cache_bytes",
            "Memory of the records in the cache",
            store.shared.cache.bytes(),
        ),
        count("prism_diskstore_cache_hits", "Records that were in the cache", hits),
        count("prism_diskstore_cache_misses", "Records that were read from the engine", misses),
        count("prism_diskstore_compactions", "Compactions", engine.compactions),
        count(
            "prism_diskstore_batches",
            "Batches of writes that were committed together",
            figures.batches.load(Relaxed),
        ),
        count("prism_diskstore_writes", "Writes in these batches", figures.writes.load(Relaxed)),
        count(
            "prism_diskstore_syncs",
            "Syncs of the journal between batches (durability 1s)",
            figures.syncs.load(Relaxed),
        ),
        count("prism_diskstore_expired_keys", "Keys that were freed after their deadline", store.expired()),
        seconds(
            "prism_diskstore_commit_seconds",
            "Time in which batches were committed, their sync included",
            &figures.commit_micros,
        ),
        seconds(
            "prism_diskstore_sync_seconds",
            "Time in which the journal was synced between batches (durability 1s)",
            &figures.sync_micros,
        ),
    ]
}

fn gauge(name: &'static str, help: &'static str, value: u64) -> Figure {
    Figure { name, help, value: FigureValue::Gauge(value) }
}

fn count(name: &'static str, help: &'static str, count: u64) -> Figure {
    Figure { name, help, value: FigureValue::Count(count) }
}

fn seconds(name: &'static str, help: &'static str, micros: &AtomicU64) -> Figure {
    Figure { name, help, value: FigureValue::Seconds(micros.load(Relaxed) as f64 / 1e6) }
}
