//! The keys of a load in the store: put there before it begins, removed at its end.

use std::cell::Cell;
use std::future::pending;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use prism_client::{Client, Error, KeyValue, List};

use super::kind::Kind;
use super::plan::Plan;
use super::progress::Progress;
use crate::exit::Exit;
use crate::failure::Failure;

/// Calls at once: enough to keep a server busy.
const CALLS_AT_ONCE: usize = 64;

/// The data of a load.
pub(super) struct Data<'a> {
    plan: &'a Plan,
    keyvalue: KeyValue,
    list: List,
    /// Whether anything may be there that was not there before.
    touched: Cell<bool>,
}

impl<'a> Data<'a> {
    pub(super) fn new(plan: &'a Plan) -> Result<Self, Failure> {
        let client = Client::builder(&plan.address).timeout(plan.timeout).build()?;
        let namespace = client.namespace(plan.content.namespace.as_str());
        Ok(Self { plan, keyvalue: namespace.keyvalue(), list: namespace.list(), touched: Cell::new(false) })
    }

    /// Stores every key that the load will use, and one value in every list; begins with no further one after `stop`.
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

    /// Says that the load writes from now on.
    pub(super) fn touch(&self) {
        self.touched.set(true);
    }

    /// Removes what this load may have stored.
    pub(super) async fn remove(&self, progress: &Progress) -> Result<(), Failure> {
        let stores = |kind: Kind| self.plan.fill || kind.stores();
        let of_values = self.plan.mix.has(|kind| !kind.is_of_lists() && stores(kind));
        let of_lists = self.plan.mix.has(|kind| kind.is_of_lists() && stores(kind));
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

    /// What is told if keys could not be removed.
    pub(super) fn left_behind(&self, exit: Exit, code: tonic::Code, why: &str) -> Failure {
        let prefix = &self.plan.content.keys.prefix;
        Failure::Refused { exit, code, message: format!("keys that begin with {prefix} are left: {why}") }
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
        stream::iter(0..keys.count)
            .take_until(stop)
            .map(|number| work(keys.name(number)))
            .buffer_unordered(CALLS_AT_ONCE)
            .try_for_each(|()| async {
                progress.step();
                Ok(())
            })
            .await
    }
}
