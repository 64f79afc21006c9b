//! The condition of a write, as options.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use clap::Args;
use prism_client::Condition;

/// The conditions that a command may have; at most one.
#[derive(Args, Clone, Debug)]
#[group(multiple = false)]
pub(crate) struct ConditionArgs {
    /// Only if the key does not exist; otherwise exits with 5.
    #[arg(long)]
    if_absent: bool,

    /// Only if the key exists; otherwise exits with 5.
    #[arg(long)]
    if_present: bool,

    /// Only if the key has this value; otherwise exits with 5.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    if_equals: Option<OsString>,

    /// Only if the key has another value than this; otherwise exits with 5.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    if_differs: Option<OsString>,
}

impl ConditionArgs {
    /// The condition, if there is one.
    pub(crate) fn condition(self) -> Option<Condition> {
        match self {
            Self { if_absent: true, .. } => Some(Condition::Absent),
            Self { if_present: true, .. } => Some(Condition::Present),
            Self { if_equals: Some(value), .. } => Some(Condition::Equals(value.into_vec().into())),
            Self { if_differs, .. } => if_differs.map(|value| Condition::Differs(value.into_vec().into())),
        }
    }
}
