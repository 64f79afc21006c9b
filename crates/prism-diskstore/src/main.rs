//! The `prism-diskstore` binary.

use std::process::ExitCode;

use prism_diskstore::app::{self, DEFAULTS, NAME};
use prism_diskstore::config::Args;
use prism_runtime::{args, process};

#[global_allocator]
static ALLOCATOR: prism_runtime::allocator::Allocator = prism_runtime::allocator::Allocator;

fn main() -> ExitCode {
    let args = args::parse::<Args>(NAME, &DEFAULTS);
    process::report(NAME, process::block_on(app::run(args)))
}
