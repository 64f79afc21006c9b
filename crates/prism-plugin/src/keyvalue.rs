//! The KeyValue pattern as a backend implements it: values by key, and the interfaces that a backend may serve besides.

mod basic;
mod batch;
mod cas;
mod counter;
mod ttl;

pub use crate::validate::resume_invalid;
pub(crate) use basic::ttl_unread;
pub use basic::{KeyValue, Page, Pages, Range, Start, ValueAndTtl};
pub use batch::KeyValueBatch;
pub use cas::{Condition, Conditional, KeyValueCas};
pub use counter::{KeyValueCounter, counter_overflow, incremented, not_a_number};
pub use ttl::KeyValueTtl;
