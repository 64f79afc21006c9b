//! The keys of a load: stored before it starts, removed at its end.

use std::cell::Cell;
use std::future::{pending, ready};
use std::pin::pin;

use futures_util::{Stream, StreamExt as _, stream};
use prism_client::{Client, Error, KeyValue, List};

use super::kind::Kind;
use super::plan::Plan;
use super::progress::Progress;
use crate::exit::Exit;
use crate::failure::Failure;

/// Concurrent calls: enough to keep a server busy.
const CALLS_AT_ONCE: usize = 64;

/// The data of a load.
pub(super) struct Data<'a> {
    plan: &'a Plan,
    keyvalue: KeyValue,
    list: List,
    /// Whether keys may exist that did not exist before.
    touched: Cell<bool>,
}

impl<'a> Data<'a> {
    pub(super) fn new(plan: &'a Plan) -> Result<Self, Failure> {
        let builder = Client::builder(&plan.address).timeout(plan.timeout);
        let client = plan.token.apply(plan.tls.apply(builder), &plan.server)?.build()?;
        let namespace = client.namespace(plan.content.namespace.as_str());
        Ok(Self { plan, keyvalue: namespace.keyvalue(), list: namespace.list(), touched: Cell::new(false) })
    }

    /// Stores every key that the load will use, and one value in every list; starts no further call after `stop`.
    pub(super) async fn fill(&self, progress: &Progress, stop: impl Future) -> Result<(), Failure> {
        let content = &self.plan.content;
        let (of_values, of_lists) = (self.has_values(), self.has_lists());
        progress.phase("filling", content.keys.count);
        self.for_each_key(progress, stop, |key| async move {
            if of_values {
                let mut set = self.keyvalue.set(key.as_str(), content.value.clone());
                if let Some(seconds) = content.ttl_seconds {
                    set = set.ttl_seconds(seconds);
                }
                set.await?;
                self.touch();
            }
            if of_lists {
                self.list.push_right(key, content.value.clone()).await?;
                self.touch();
            }
            Ok(())
        })
        .await?;
        Ok(())
    }

    /// Records that the load writes from now on.
    pub(super) fn touch(&self) {
        self.touched.set(true);
    }

    /// Removes what this load may have stored.
    pub(super) async fn remove(&self, progress: &Progress) -> Result<(), Failure> {
        let creates = |kind: Kind| self.plan.fill || kind.creates();
        let of_values = self.plan.mix.has(|kind| !kind.is_of_lists() && creates(kind));
        let of_lists = self.plan.mix.has(|kind| kind.is_of_lists() && creates(kind));
        if !self.touched.get() || !of_values && !of_lists {
            return Ok(());
        }
        progress.phase("removing", self.plan.content.keys.count);
        let removed = self.for_each_key(progress, pending::<()>(), |key| async move {
            if of_values {
                self.keyvalue.delete(key.as_str()).await?;
            }
            while of_lists && self.list.pop_left(key.as_str()).await?.is_some() {}
            Ok(())
        });
        removed.await.map_err(|error| self.left_behind(error.kind().into(), error.code(), &error.to_string()))
    }

    /// The error if keys could not be removed.
    pub(super) fn left_behind(&self, exit: Exit, code: tonic::Code, why: &str) -> Failure {
        let prefix = &self.plan.content.keys.prefix;
        Failure::Refused {
            exit,
            code,
            message: format!("keys that begin with {prefix} could not be removed: {why}"),
        }
    }

    fn has_values(&self) -> bool {
        self.plan.mix.has(|kind| !kind.is_of_lists())
    }

    fn has_lists(&self) -> bool {
        self.plan.mix.has(Kind::is_of_lists)
    }

    async fn for_each_key<F: Future<Output = Result<(), Error>>>(
        &self,
        progress: &Progress,
        stop: impl Future,
        work: impl Fn(String) -> F,
    ) -> Result<(), Error> {
        let keys = &self.plan.content.keys;
        let calls = stream::iter(0..keys.count).take_until(stop).map(|number| work(keys.name(number)));
        all_that_begin(calls, || progress.step()).await
    }
}

/// Runs calls, and starts none after one has failed. Even then, those in flight are awaited: a Set that arrives late
/// outlives its removal.
async fn all_that_begin<F: Future<Output = Result<(), E>>, E>(
    calls: impl Stream<Item = F>,
    step: impl Fn(),
) -> Result<(), E> {
    let is_well = Cell::new(true);
    let mut ended = pin!(calls.take_while(|_| ready(is_well.get())).buffer_unordered(CALLS_AT_ONCE));
    let mut outcome = Ok(());
    while let Some(end) = ended.next().await {
        match end {
            Ok(()) => step(),
            Err(error) if is_well.replace(false) => outcome = Err(error),
            Err(_) => {}
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn calls_beside_one_that_fails_are_waited_for_and_none_is_begun() {
        let (answer, answered) = oneshot::channel();
        let (begun, ended) = (Cell::new(0), Cell::new(0));
        let mut answered = Some(answered);
        let calls = stream::iter(0..1000).map(|number| {
            let answered = answered.take_if(|_| number == 0);
            let begun = &begun;
            async move {
                begun.set(begun.get() + 1);
                match answered {
                    Some(answered) => answered.await.map_err(|_| "no answer"),
                    None => Err("refused"),
                }
            }
        });
        let mut all = pin!(all_that_begin(calls, || ended.set(ended.get() + 1)));
        assert!(futures_util::poll!(all.as_mut()).is_pending());
        answer.send(()).unwrap();
        assert_eq!(all.await, Err("refused"));
        assert_eq!(ended.get(), 1, "the call in flight has ended");
        assert!(begun.get() <= CALLS_AT_ONCE, "{} were begun", begun.get());
    }
}
