//! The `prism` binary.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: prism_runtime::allocator::Allocator = prism_runtime::allocator::Allocator;

fn main() -> ExitCode {
    prism_cli::run()
}
