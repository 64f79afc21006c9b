//! The class `Client`: its settings, this process's client, and how a call is made. The verbs are in `verbs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prism_client::{Builder, Export, Import, KeyItem, ScanItem};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arguments::{self, string, text};
use crate::completions::Completions;
use crate::failure::{self, About};
use crate::operation::Operation;
use crate::run::run;
use crate::runtime::Local;
use crate::settings;
use crate::tokens::{self, TokenQuestions};

/// A client of one gateway; in a forked child, a new one with the same settings.
#[pyclass(frozen, module = "prism._native")]
pub(crate) struct Client {
    shared: Arc<Shared>,
    /// What this handle's calls send in addition to the client's own metadata.
    metadata: HashMap<String, String>,
}

struct Shared {
    settings: Builder,
    /// Whether the application's function has the tokens.
    asks_for_tokens: bool,
    made: Mutex<Made>,
}

struct Made {
    client: Local<prism_client::Client>,
    questions: Option<TokenQuestions>,
    is_closed: bool,
}

pub(crate) type Argument<'a, 'py> = &'a Bound<'py, PyAny>;

impl Made {
    fn of(py: Python<'_>, settings: &Builder, asks_for_tokens: bool) -> PyResult<Self> {
        let (settings, questions) = match asks_for_tokens {
            true => {
                let (settings, questions) = tokens::asking(settings.clone());
                (settings, Some(questions))
            }
            false => (settings.clone(), None),
        };
        let client = settings.build().map_err(|error| failure::setting(py, &error))?;
        Ok(Self { client: Local::new(client), questions, is_closed: false })
    }
}

impl Client {
    pub(crate) fn with_settings(
        proxy_address: Argument<'_, '_>,
        asks_for_tokens: bool,
        settings: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let settings = settings::builder(proxy_address, settings)?;
        let made = Mutex::new(Made::of(proxy_address.py(), &settings, asks_for_tokens)?);
        Ok(Self { shared: Arc::new(Shared { settings, asks_for_tokens, made }), metadata: HashMap::new() })
    }

    /// The questions for a token in this process.
    pub(crate) fn questions(&self, py: Python<'_>) -> PyResult<TokenQuestions> {
        self.client(py)?;
        let made = self.shared.made.lock().unwrap_or_else(PoisonError::into_inner);
        let questions = made.questions.as_ref().and_then(TokenQuestions::handle);
        questions.ok_or_else(|| PyRuntimeError::new_err("this client has no function for tokens"))
    }

    /// The same client, for calls that also send this metadata.
    pub(crate) fn sending(&self, metadata: HashMap<String, String>) -> Self {
        Self { shared: Arc::clone(&self.shared), metadata }
    }

    pub(crate) fn end(&self) {
        let mut made = self.shared.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.is_closed = true;
        if let Some(client) = made.client.get() {
            client.close();
        }
    }

    /// This process's client: after a fork, the parent's is left alone and a new one is created.
    fn client(&self, py: Python<'_>) -> PyResult<prism_client::Client> {
        let mut made = self.shared.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.client.get() {
            return Ok(client.clone());
        }
        let is_closed = made.is_closed;
        *made = Made::of(py, &self.shared.settings, self.shared.asks_for_tokens)?;
        let client = made.client.get().expect("it was made in this process").clone();
        if is_closed {
            made.is_closed = true;
            client.close();
        }
        Ok(client)
    }

    pub(crate) fn namespace(&self, name: Argument<'_, '_>) -> PyResult<prism_client::Namespace> {
        let text = text(name, "namespace")?;
        Ok(self.client(name.py())?.namespace(text))
    }

    /// Starts or makes a call.
    pub(crate) fn make<'py>(
        &self,
        py: Python<'py>,
        completions: Option<&Bound<'py, Completions>>,
        about: About,
        mut operation: impl Operation,
        timeout: Argument<'_, '_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(timeout) = arguments::timeout(timeout)? {
            operation = operation.timeout(timeout);
        }
        for (name, value) in &self.metadata {
            operation = operation.metadata(name, value);
        }
        run(py, completions.map(|completions| completions.get()), about, operation.outcome())
    }

    /// An export with its options.
    pub(crate) fn export_with(
        &self,
        mut export: Export,
        resume: Argument<'_, '_>,
        timeout: Argument<'_, '_>,
    ) -> PyResult<Export> {
        if let Some(token) = arguments::given(resume) {
            export = export.resume(arguments::bytes(token, "resume")?);
        }
        if let Some(timeout) = arguments::timeout(timeout)? {
            export = export.timeout(timeout);
        }
        for (name, value) in &self.metadata {
            export = export.metadata(name, value);
        }
        Ok(export)
    }

    /// An import with its options.
    pub(crate) fn import_with(
        &self,
        mut import: Import,
        if_absent: bool,
        deadline: bool,
        timeout: Argument<'_, '_>,
    ) -> PyResult<Import> {
        if if_absent {
            import = import.if_absent();
        }
        if deadline {
            import = import.deadline();
        }
        if let Some(timeout) = arguments::timeout(timeout)? {
            import = import.timeout(timeout);
        }
        for (name, value) in &self.metadata {
            import = import.metadata(name, value);
        }
        Ok(import)
    }

    /// A scan with the options that every scan has.
    pub(crate) fn scan_with<E: ScanItem>(
        &self,
        scan: prism_client::Scan<E>,
        limit: Argument<'_, '_>,
        resume: Argument<'_, '_>,
        timeout: Argument<'_, '_>,
    ) -> PyResult<prism_client::Scan<E>> {
        let mut scan = scan.limit(arguments::limit(limit)?);
        if let Some(token) = arguments::given(resume) {
            scan = scan.resume(arguments::bytes(token, "resume")?);
        }
        if let Some(timeout) = arguments::timeout(timeout)? {
            scan = scan.timeout(timeout);
        }
        for (name, value) in &self.metadata {
            scan = scan.metadata(name, value);
        }
        Ok(scan)
    }
}

/// A scan between keys, in a direction.
pub(crate) fn between<E: KeyItem>(
    mut scan: prism_client::Scan<E>,
    start_after: Argument<'_, '_>,
    before: Argument<'_, '_>,
    reverse: bool,
) -> PyResult<prism_client::Scan<E>> {
    if let Some(key) = arguments::given(start_after) {
        scan = scan.start_after(text(key, "start_after")?);
    }
    if let Some(key) = arguments::given(before) {
        scan = scan.before(text(key, "before")?);
    }
    Ok(scan.reverse(reverse))
}

/// What a call names if it fails.
pub(crate) enum Subject<'a, 'py> {
    Nothing,
    Key(Argument<'a, 'py>),
    ListKey(Argument<'a, 'py>),
    Keys(Argument<'a, 'py>),
}

/// What a call is about.
pub(crate) fn about(namespace: Argument<'_, '_>, subject: Subject<'_, '_>) -> PyResult<About> {
    let namespace = string(namespace, "namespace")?.clone().unbind();
    let (key, keys) = match subject {
        Subject::Nothing => (None, None),
        Subject::Key(key) => (Some(string(key, "key")?.clone().unbind()), None),
        Subject::ListKey(key) => (Some(string(key, "list_key")?.clone().unbind()), None),
        Subject::Keys(keys) => (None, Some(arguments::list(keys, "keys")?.clone().unbind())),
    };
    Ok(About { namespace, key, keys })
}
