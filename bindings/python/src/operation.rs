//! What a verb makes: a call, or several that belong together, with the options that each has.

use std::time::Duration;

use prism_client::method::Method;
use prism_client::{Batch, BatchMethod, BlockingPop, Call, DeletePrefix, ReserveCall};

use crate::outcome::{Outcome, items};

/// A call that has not been made.
pub(crate) trait Operation: Sized {
    fn timeout(self, timeout: Duration) -> Self;

    fn metadata(self, name: &str, value: &str) -> Self;

    /// Makes the call.
    fn outcome(self) -> impl Future<Output = Outcome> + Send + 'static;
}

/// The options, which the type has under the same names.
macro_rules! options {
    () => {
        fn timeout(self, timeout: Duration) -> Self {
            Self::timeout(self, timeout)
        }

        fn metadata(self, name: &str, value: &str) -> Self {
            Self::metadata(self, name, value)
        }
    };
}

impl<M: Method> Operation for Call<M>
where
    Outcome: From<M::Output>,
{
    options!();

    async fn outcome(self) -> Outcome {
        Outcome::of(self.send().await)
    }
}

impl<M: BatchMethod> Operation for Batch<M>
where
    Outcome: From<M::Result>,
{
    options!();

    async fn outcome(self) -> Outcome {
        items(self.send().await)
    }
}

impl Operation for BlockingPop {
    options!();

    async fn outcome(self) -> Outcome {
        Outcome::of(self.send().await)
    }
}

impl Operation for ReserveCall {
    options!();

    async fn outcome(self) -> Outcome {
        Outcome::of(self.send().await)
    }
}

impl Operation for DeletePrefix {
    options!();

    async fn outcome(self) -> Outcome {
        Outcome::of(self.send().await)
    }
}
