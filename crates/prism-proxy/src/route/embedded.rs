//! A backend within this process: opened by its driver, and kept across reloads.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prism_grpc::service::Served;
use prism_plugin::driver::{self, Data, Driver, Figure, Instance, Options, State, Take};
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_runtime::reflection::Files;
use tokio_util::task::AbortOnDropHandle;

use crate::config::Mistake;

/// A backend within this process.
pub struct Embedded {
    /// The name of its driver.
    pub driver: String,
    /// Its services.
    pub served: Served,
    instance: Arc<dyn Instance>,
    /// The files that describe those of its interfaces that are not the contract's.
    files: Files,
    /// Ends with the last route and call that hold the backend.
    _background: AbortOnDropHandle<()>,
}

impl Embedded {
    /// Opens a backend. Must be called within a runtime, which runs its background.
    ///
    /// # Errors
    /// What the driver finds wrong; `field` is where the options are in the configuration.
    pub(super) fn open(
        (name, opener): (&str, &dyn Driver),
        options: &Options,
        field: &str,
    ) -> Result<Self, Vec<Mistake>> {
        let instance = opener.open(options).map_err(|mistakes| within(field, mistakes))?;
        let served = instance.served();
        let own = served.descriptors.iter().filter(|set| **set != FILE_DESCRIPTOR_SET);
        let files = Files::of_sets(own).expect("the descriptors were compiled in");
        let background = AbortOnDropHandle::new(tokio::spawn(instance.background()));
        Ok(Self { driver: name.to_owned(), served, instance, files, _background: background })
    }

    /// What gives the backend changed options; `None` if it cannot take them while it serves.
    pub(super) fn take(&self, options: &Options) -> Option<Take> {
        self.instance.take(options)
    }

    /// The full names of its interfaces, in order.
    #[must_use]
    pub fn interfaces(&self) -> Vec<String> {
        driver::interfaces(&self.served)
    }

    /// Whether it can serve.
    #[must_use]
    pub fn state(&self) -> State {
        self.instance.state()
    }

    /// What is lost when it is dropped.
    #[must_use]
    pub fn would_lose(&self) -> Option<Data> {
        self.instance.would_lose()
    }

    /// Keeps what it can lose, because the process is about to end.
    pub(crate) fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        self.instance.close()
    }

    /// Its figures.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        self.instance.figures()
    }

    /// The first result of `find` in the files of the backend's own interfaces.
    pub(crate) fn find(&self, find: &dyn Fn(&Files) -> Option<Bytes>) -> Option<Bytes> {
        find(&self.files)
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedded({})", self.driver)
    }
}

/// A driver's mistakes in the terms of the configuration: `field` contains the options.
pub(super) fn within(field: &str, mistakes: Vec<prism_plugin::driver::Mistake>) -> Vec<Mistake> {
    let named = |mistake: prism_plugin::driver::Mistake| Mistake {
        field: match mistake.field.as_str() {
            "" => field.to_owned(),
            option => format!("{field}.{option}"),
        },
        why: mistake.why,
        line: None,
    };
    mistakes.into_iter().map(named).collect()
}
