//! The native half of the Python package `prism`: runs the calls of `prism-client` on one background thread and hands
//! their results to asyncio, or to a waiting thread.
//!
//! | file | owns |
//! |---|---|
//! | `runtime` | the background thread, and what happens to it in a forked child |
//! | `wake` | waking it, or an event loop |
//! | `completions` | results on their way to an event loop |
//! | `run` | a call, awaited by a loop or by a thread |
//! | `tokens` | questions for a token, to a thread of Python |
//! | `client`, `verbs`, `scan`, `import` | the classes that `prism/*.py` wrap |
//! | `operation` | what a verb makes: one call or several |
//! | `arguments`, `settings`, `outcome`, `failure` | from Python to Rust, and back |
//!
//! The background thread never touches Python: results wait as Rust values until the loop's own thread turns them into
//! objects. So it cannot conflict with the garbage collector, a fork, or the end of the interpreter.
//!
//! Nor does anything here call Python code, except through arguments of a caller's own classes: futures and exceptions
//! are handled by `prism/_completions.py`. When the interpreter ends, it stops a daemon thread wherever Python code
//! would continue, by an unwinding that must not cross a Rust frame: the process would abort.

mod arguments;
mod client;
mod completions;
mod failure;
mod import;
mod operation;
mod outcome;
mod run;
mod runtime;
mod scan;
mod settings;
mod tokens;
mod verbs;
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
    use crate::import::Import;
    #[pymodule_export]
    use crate::scan::Scan;
    #[pymodule_export]
    use crate::tokens::{TokenQuestion, TokenQuestions};
}
