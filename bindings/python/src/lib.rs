//! The native half of the Python package `prism`: runs the calls of `prism-client` on one background thread and hands
//! their results to asyncio, or to a waiting thread.
//!
//! | file | owns |
//! |---|---|
//! | `runtime` | the background thread, and what becomes of it in a forked child |
//! | `wake` | what wakes it, and an event loop |
//! | `completions` | results on their way to an event loop |
//! | `run` | a call, awaited or waited for |
//! | `client`, `scan` | the classes that `prism/*.py` wrap |
//! | `arguments`, `outcome`, `failure` | from Python to Rust, and back |
//!
//! The background thread never touches Python: results wait as Rust values until the loop's own thread turns them
//! into objects. So nothing can go wrong between it and the garbage collector, a fork, or the end of the interpreter.
//!
//! And nothing here calls Python code, except what arguments of a caller's own classes bring along: futures are made and
//! set, and exceptions made, by `prism/_completions.py`. At the end of the interpreter a daemon thread is stopped wherever
//! Python code would go on, by an unwinding that no Rust frame may be under: the process would abort.

mod arguments;
mod client;
mod completions;
mod failure;
mod outcome;
mod run;
mod runtime;
mod scan;
mod wake;

use pyo3::prelude::*;

/// The native half of the package `prism`; use the package.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::completions::Completions;
    #[pymodule_export]
    use crate::failure::Failure;
    #[pymodule_export]
    use crate::scan::Scan;
}
