//! Batches: item by item, as the kit does it. Nothing is faster for a store in memory.

use prism_plugin::keyvalue::KeyValueBatch;

use crate::store::MemStore;

impl KeyValueBatch for MemStore {}
