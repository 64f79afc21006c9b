//! The conformance suite: whether an endpoint keeps the contract, case by case.
//!
//! It talks to a plugin, or to a gateway in front of one, over gRPC alone, so the plugin may be written in any
//! language. Status codes are required: a wrong one fails the case. `google.rpc.ErrorInfo` is recommended: a missing
//! one is a warning. A case for which the endpoint gives no occasion is not applicable: an interface that is not
//! served, a promise that is not made.
//!
//! Cases write under a random key prefix and remove what they wrote, even if they fail.
//!
//! ```no_run
//! # async fn example() -> Result<(), prism_plugin::conformance::SuiteError> {
//! use prism_plugin::conformance::{self, Options};
//! let report = conformance::run("127.0.0.1:50051", &Options::default(), |case| println!("{case}")).await?;
//! assert!(report.is_conformant(), "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `suite` | the run |
//! | `target` | the endpoint, and what is known about it |
//! | `report` | how cases ended |
//! | `cases` | the rules, one file per subject |
//! | `trial` | one running case: its keys, warnings and clean-up |
//! | `calls` | typed calls as a case makes them |
//! | `expect` | the messages of failures |
//! | `history` | the check of a register's history |
//! | `endpoint`, `raw` | connections: tonic's, and bare HTTP/2 for what tonic would not send |

mod calls;
mod cases;
mod endpoint;
mod expect;
mod history;
mod raw;
mod report;
mod suite;
mod target;
mod trial;

pub use cases::{Case, cases};
pub use report::{CaseReport, InterfaceReport, Outcome, Report};
pub use suite::run;
pub use target::{Options, SuiteError};
