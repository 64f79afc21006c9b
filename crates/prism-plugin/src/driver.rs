//! A backend within another process: how a driver opens it from options, and what is known about it while it serves.
//!
//! A [`Driver`] is a kind of backend, such as memstore. The process that embeds it has a map of [`Drivers`] by name, and
//! opens one [`Instance`] for each backend of its configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use futures_core::future::BoxFuture;
use prism_grpc::service::Served;
use prism_proto::methods;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::capabilities::Capabilities;

/// The options of a backend, as the configuration has them.
pub type Options = Map<String, Value>;

/// The drivers of a process, by the name that `embedded: NAME` uses.
pub type Drivers = BTreeMap<&'static str, Arc<dyn Driver>>;

/// What is wrong with an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The path within the options, such as `memory_limit`; empty for all of them.
    pub field: String,
    /// What is wrong and what was expected.
    pub why: String,
}

/// A kind of backend that a process can embed.
pub trait Driver: fmt::Debug + Send + Sync + 'static {
    /// Checks options without opening anything.
    ///
    /// # Errors
    /// Every mistake.
    fn check(&self, options: &Options) -> Result<(), Vec<Mistake>>;

    /// Opens a backend. Connections are made by the first call, or in [`Instance::background`]: a server that is down is
    /// a state of the backend, not a mistake.
    ///
    /// # Errors
    /// Every mistake in the options.
    fn open(&self, options: &Options) -> Result<Arc<dyn Instance>, Vec<Mistake>>;

    /// Connects to the backend that these options, which have been checked, describe, and reports what is there. Nothing
    /// that it opens stays open, and it changes no data. The caller bounds its time by dropping it.
    ///
    /// # Errors
    /// Why it cannot be reached or used, without values of options.
    fn probe(&self, options: &Options) -> BoxFuture<'static, Result<Found, String>>;

    /// The addresses that a backend with these options connects to first, each as `HOST:PORT` or `unix:PATH`, so that a
    /// process that probes on request can refuse some.
    fn endpoints(&self, _options: &Options) -> Vec<String> {
        Vec::new()
    }

    /// The files that a backend with these options reads, such as that of a password: whoever chooses the options decides
    /// what is read and to whom it is sent, so a process that takes them from others can refuse some.
    fn files(&self, _options: &Options) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The folders that a backend with these options creates and writes: a process that takes options from others can refuse some.
    fn folders(&self, _options: &Options) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Whether a backend with these options, which have been checked, can serve one namespace only, because it does not
    /// keep namespaces apart.
    fn is_for_one_namespace(&self, _options: &Options) -> bool {
        false
    }
}

/// What a probe found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What the backend reports about itself, such as its version and what it can lose, by label.
    pub facts: Vec<(&'static str, String)>,
    /// The full names of its interfaces.
    pub interfaces: Vec<String>,
    /// What it promises.
    pub capabilities: Capabilities,
}

/// A backend that its driver has opened.
pub trait Instance: Send + Sync + 'static {
    /// Its services.
    fn served(&self) -> Served;

    /// Its work besides calls, which runs from the opening until the backend is dropped.
    fn background(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }

    /// What gives it changed options, which have been checked, while it serves; called if the whole configuration is
    /// accepted. `None` if it cannot take them: the process then opens another backend in its place, and the calls in
    /// flight finish on this one.
    fn take(&self, options: &Options) -> Option<Take>;

    /// Whether it can serve.
    fn state(&self) -> State;

    /// What is lost when it is dropped; `None` for a backend that keeps its data elsewhere.
    fn would_lose(&self) -> Option<Data> {
        None
    }

    /// Keeps what it can lose, because the process is about to end. Called after the last call.
    fn close(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Its figures, which the process adds to its own metrics. Called every few seconds, so they must be cheap.
    fn figures(&self) -> Vec<Figure> {
        Vec::new()
    }
}

/// A figure of a backend: a metric without labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The name of the metric, without the suffix `_total` that counters get.
    pub name: &'static str,
    /// What it counts or measures.
    pub help: &'static str,
    /// Its value.
    pub value: FigureValue,
}

/// The value of a figure, with its kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FigureValue {
    /// What it is at the moment.
    Gauge(u64),
    /// How often something has happened.
    Count(u64),
    /// How many seconds something has taken, all together.
    Seconds(f64),
}

/// Gives a backend changed options.
pub type Take = Box<dyn FnOnce() + Send>;

/// The state of an embedded backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing has been tried yet.
    Idle,
    /// It serves.
    Ready,
    /// It cannot serve, and tries to.
    Unreachable {
        /// Why.
        error: String,
        /// When it started to fail.
        since: SystemTime,
    },
}

/// What a backend holds in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Data {
    /// Keys in all namespaces.
    pub keys: u64,
    /// Lists in all namespaces.
    pub lists: u64,
}

/// The full names of the interfaces among services, in order.
#[must_use]
pub fn interfaces(served: &Served) -> Vec<String> {
    let services = served.methods.keys().map(|path| methods::service_of(path).to_owned());
    services.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Reads options into a driver's own type.
///
/// # Errors
/// The first option of the wrong type or with an unknown name.
pub fn read<T: DeserializeOwned>(options: &Options) -> Result<T, Vec<Mistake>> {
    serde_path_to_error::deserialize(Value::Object(options.clone())).map_err(|error| {
        let field = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        vec![Mistake { field, why: error.into_inner().to_string() }]
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the errors matter")]
    struct Sample {
        limit: Option<u64>,
        nested: Option<Vec<u64>>,
    }

    #[test]
    fn an_option_that_cannot_be_read_is_named() {
        let wrong = |text: &str| {
            let options: Options = serde_json::from_str(text).unwrap();
            let [mistake] = <[Mistake; 1]>::try_from(read::<Sample>(&options).unwrap_err()).unwrap();
            mistake
        };
        let mistake = wrong(r#"{"limit": "x"}"#);
        assert_eq!(mistake.field, "limit");
        assert!(mistake.why.contains("expected u64"), "{mistake:?}");
        assert_eq!(wrong(r#"{"nested": [1, "x"]}"#).field, "nested[1]");
        let unknown = wrong(r#"{"colour": 1}"#);
        assert!(unknown.why.contains("unknown field `colour`, expected `limit` or `nested`"), "{unknown:?}");
    }
}
