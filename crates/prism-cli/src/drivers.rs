//! The drivers in this program.

use std::sync::Arc;

use prism_diskstore::DiskStoreDriver;
use prism_memstore::MemStoreDriver;
use prism_memstore::config::MemoryLimit;
use prism_plugin::driver::Drivers;
use prism_redis::RedisDriver;

/// The name of the driver that keeps data in memory.
pub(crate) const MEMSTORE: &str = "memstore";

/// All of them. `memory_limit` is that of a store whose options have none.
pub(crate) fn all(memory_limit: MemoryLimit) -> Drivers {
    let mut drivers = Drivers::new();
    drivers.insert(MEMSTORE, Arc::new(MemStoreDriver { memory_limit }));
    drivers.insert("diskstore", Arc::new(DiskStoreDriver));
    drivers.insert("redis", Arc::new(RedisDriver));
    drivers
}
