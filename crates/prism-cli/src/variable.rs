//! Variables of the environment by which one command hands its options to another.

use std::ffi::OsString;

/// A variable and its value; `None` if it is not set.
pub(crate) type Variable = (&'static str, Option<OsString>);
