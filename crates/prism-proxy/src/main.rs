//! The `prism-proxy` binary.

use std::process::ExitCode;
use std::sync::Arc;

use prism_diskstore::DiskStoreDriver;
use prism_memstore::MemStoreDriver;
use prism_memstore::config::MEMORY_LIMIT_DEFAULT;
use prism_plugin::driver::Driver;
use prism_proxy::app::{self, Args, NAME};
use prism_redis::RedisDriver;
use prism_runtime::{args, process};

#[global_allocator]
static ALLOCATOR: prism_runtime::allocator::Allocator = prism_runtime::allocator::Allocator;

fn main() -> ExitCode {
    let args = args::parse::<Args>(NAME, &app::DEFAULTS);
    let memstore: Arc<dyn Driver> = Arc::new(MemStoreDriver { memory_limit: MEMORY_LIMIT_DEFAULT });
    let drivers =
        [("memstore", memstore), ("diskstore", Arc::new(DiskStoreDriver)), ("redis", Arc::new(RedisDriver))];
    process::report(NAME, process::block_on(app::run(args, drivers.into())))
}
