//! The class `Client`: the verbs, each for both halves of the package. The first argument distinguishes them: an event
//! loop's `Completions`, or `None` to wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prism_client::method::Method;
use prism_client::{Builder, Call};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::arguments::{self, string, text};
use crate::completions::Completions;
use crate::failure::{self, About};
use crate::outcome::Outcome;
use crate::run::run;
use crate::runtime::Local;
use crate::scan::Scan;
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

type Waiter<'a, 'py> = Option<&'a Bound<'py, Completions>>;
type Argument<'a, 'py> = &'a Bound<'py, PyAny>;
type Answer<'py> = PyResult<Bound<'py, PyAny>>;

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (
        proxy_address, token, token_file, asks_for_tokens, insecure_token, tls, ca_file, certificate_file, key_file,
        server_name, metadata, timeout
    ))]
    #[expect(clippy::too_many_arguments, reason = "the settings of a client")]
    fn new(
        py: Python<'_>,
        proxy_address: Argument<'_, '_>,
        token: Option<Argument<'_, '_>>,
        token_file: Option<Argument<'_, '_>>,
        asks_for_tokens: bool,
        insecure_token: bool,
        tls: bool,
        ca_file: Option<Argument<'_, '_>>,
        certificate_file: Option<Argument<'_, '_>>,
        key_file: Option<Argument<'_, '_>>,
        server_name: Option<Argument<'_, '_>>,
        metadata: Option<Argument<'_, '_>>,
        timeout: Option<Argument<'_, '_>>,
    ) -> PyResult<Self> {
        let mut settings = prism_client::Client::builder(&text(proxy_address, "proxy_address")?);
        if let Some(token) = token {
            settings = settings.token(text(token, "token")?);
        }
        if let Some(path) = token_file {
            settings = settings.token_file(arguments::path(path, "token_file")?);
        }
        settings = settings.insecure_token(insecure_token).tls(tls);
        if let Some(path) = ca_file {
            settings = settings.ca_file(arguments::path(path, "ca_file")?);
        }
        if let Some(path) = certificate_file {
            settings = settings.certificate_file(arguments::path(path, "certificate_file")?);
        }
        if let Some(path) = key_file {
            settings = settings.key_file(arguments::path(path, "key_file")?);
        }
        if let Some(name) = server_name {
            settings = settings.server_name(text(name, "server_name")?);
        }
        for (name, value) in arguments::metadata(metadata)? {
            settings = settings.metadata(name, value);
        }
        if let Some(timeout) = arguments::timeout(timeout)? {
            settings = settings.timeout(timeout);
        }
        let made = Mutex::new(Made::of(py, &settings, asks_for_tokens)?);
        Ok(Self { shared: Arc::new(Shared { settings, asks_for_tokens, made }), metadata: HashMap::new() })
    }

    /// The questions for a token in this process.
    fn token_questions(&self, py: Python<'_>) -> PyResult<TokenQuestions> {
        self.client(py)?;
        let made = self.shared.made.lock().unwrap_or_else(PoisonError::into_inner);
        let questions = made.questions.as_ref().and_then(TokenQuestions::handle);
        questions.ok_or_else(|| PyRuntimeError::new_err("this client has no function for tokens"))
    }

    /// The same client, for calls that also send this metadata.
    fn with_metadata(&self, metadata: HashMap<String, String>) -> Self {
        Self { shared: Arc::clone(&self.shared), metadata }
    }

    fn close(&self) {
        let mut made = self.shared.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.is_closed = true;
        if let Some(client) = made.client.get() {
            client.close();
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of the call, and how to wait for it")]
    fn set<'py>(
        &self,
        py: Python<'py>,
        completions: Waiter<'_, 'py>,
        key: Argument<'_, 'py>,
        value: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        ttl_seconds: Option<Argument<'_, 'py>>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> Answer<'py> {
        let (about, keyvalue) = self.keyvalue(py, namespace, Some(key))?;
        let mut call = keyvalue.set(text(key, "key")?, arguments::value(value)?);
        if let Some(seconds) = arguments::seconds(ttl_seconds, "ttl_seconds")? {
            call = call.ttl_seconds(seconds);
        }
        self.make(py, completions, about, call, timeout)
    }

    fn get<'py>(
        &self,
        py: Python<'py>,
        completions: Waiter<'_, 'py>,
        key: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> Answer<'py> {
        let (about, keyvalue) = self.keyvalue(py, namespace, Some(key))?;
        self.make(py, completions, about, keyvalue.get(text(key, "key")?), timeout)
    }

    fn delete<'py>(
        &self,
        py: Python<'py>,
        completions: Waiter<'_, 'py>,
        key: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> Answer<'py> {
        let (about, keyvalue) = self.keyvalue(py, namespace, Some(key))?;
        self.make(py, completions, about, keyvalue.delete(text(key, "key")?), timeout)
    }

    fn exists<'py>(
        &self,
        py: Python<'py>,
        completions: Waiter<'_, 'py>,
        key: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> Answer<'py> {
        let (about, keyvalue) = self.keyvalue(py, namespace, Some(key))?;
        self.make(py, completions, about, keyvalue.exists(text(key, "key")?), timeout)
    }

    fn count<'py>(
        &self,
        py: Python<'py>,
        completions: Waiter<'_, 'py>,
        prefix: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> Answer<'py> {
        let (about, keyvalue) = self.keyvalue(py, namespace, None)?;
        self.make(py, completions, about, keyvalue.count(text(prefix, "prefix")?), timeout)
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of the scan")]
    fn scan<'py>(
        &self,
        py: Python<'py>,
        prefix: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        limit: Argument<'_, 'py>,
        start_after: Option<Argument<'_, 'py>>,
        resume: Option<Argument<'_, 'py>>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> PyResult<Scan> {
        let (about, keyvalue) = self.keyvalue(py, namespace, None)?;
        let scan = keyvalue.scan(text(prefix, "prefix")?);
        let scan = self.options(scan, limit, start_after, resume, timeout)?;
        Ok(Scan::of_entries(about, scan))
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of the scan")]
    fn scan_keys<'py>(
        &self,
        py: Python<'py>,
        prefix: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        limit: Argument<'_, 'py>,
        start_after: Option<Argument<'_, 'py>>,
        resume: Option<Argument<'_, 'py>>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> PyResult<Scan> {
        let (about, keyvalue) = self.keyvalue(py, namespace, None)?;
        let scan = keyvalue.scan_keys(text(prefix, "prefix")?);
        let scan = self.options(scan, limit, start_after, resume, timeout)?;
        Ok(Scan::of_keys(about, scan))
    }

    fn push_left<'py>(
        &self,
        py: Python<'py>,
        completions: Waiter<'_, 'py>,
        list_key: Argument<'_, 'py>,
        value: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> Answer<'py> {
        let (about, list) = self.list(py, namespace, list_key)?;
        self.make(
            py,
            completions,
            about,
            list.push_left(text(list_key, "list_key")?, arguments::value(value)?),
            timeout,
        )
    }

    fn push_right<'py>(
        &self,
        py: Python<'py>,
        completions: Waiter<'_, 'py>,
        list_key: Argument<'_, 'py>,
        value: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> Answer<'py> {
        let (about, list) = self.list(py, namespace, list_key)?;
        self.make(
            py,
            completions,
            about,
            list.push_right(text(list_key, "list_key")?, arguments::value(value)?),
            timeout,
        )
    }

    fn pop_left<'py>(
        &self,
        py: Python<'py>,
        completions: Waiter<'_, 'py>,
        list_key: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> Answer<'py> {
        let (about, list) = self.list(py, namespace, list_key)?;
        self.make(py, completions, about, list.pop_left(text(list_key, "list_key")?), timeout)
    }

    fn pop_right<'py>(
        &self,
        py: Python<'py>,
        completions: Waiter<'_, 'py>,
        list_key: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> Answer<'py> {
        let (about, list) = self.list(py, namespace, list_key)?;
        self.make(py, completions, about, list.pop_right(text(list_key, "list_key")?), timeout)
    }

    fn length<'py>(
        &self,
        py: Python<'py>,
        completions: Waiter<'_, 'py>,
        list_key: Argument<'_, 'py>,
        namespace: Argument<'_, 'py>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> Answer<'py> {
        let (about, list) = self.list(py, namespace, list_key)?;
        self.make(py, completions, about, list.length(text(list_key, "list_key")?), timeout)
    }
}

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
    fn keyvalue<'py>(
        &self,
        py: Python<'py>,
        namespace: Argument<'_, 'py>,
        key: Option<Argument<'_, 'py>>,
    ) -> PyResult<(About, prism_client::KeyValue)> {
        let key = key.map(|key| string(key, "key")).transpose()?;
        let namespace_text = string(namespace, "namespace")?.clone().unbind();
        let about = About { namespace: namespace_text, key: key.map(|key| key.clone().unbind()) };
        Ok((about, self.namespace(py, namespace)?.keyvalue()))
    }

    fn list<'py>(
        &self,
        py: Python<'py>,
        namespace: Argument<'_, 'py>,
        list_key: Argument<'_, 'py>,
    ) -> PyResult<(About, prism_client::List)> {
        let key = string(list_key, "list_key")?.clone().unbind();
        let about = About { namespace: string(namespace, "namespace")?.clone().unbind(), key: Some(key) };
        Ok((about, self.namespace(py, namespace)?.list()))
    }

    fn namespace(&self, py: Python<'_>, name: Argument<'_, '_>) -> PyResult<prism_client::Namespace> {
        let name = text(name, "namespace")?;
        Ok(self.client(py)?.namespace(name))
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

    fn make<'py, M: Method>(
        &self,
        py: Python<'py>,
        completions: Waiter<'_, 'py>,
        about: About,
        mut call: Call<M>,
        timeout: Option<Argument<'_, 'py>>,
    ) -> Answer<'py>
    where
        Outcome: From<M::Output>,
    {
        if let Some(timeout) = arguments::timeout(timeout)? {
            call = call.timeout(timeout);
        }
        for (name, value) in &self.metadata {
            call = call.metadata(name, value);
        }
        let work = async move { call.send().await.map(Outcome::from).into() };
        run(py, completions.map(|completions| completions.get()), about, work)
    }

    fn options<E: prism_client::ScanItem>(
        &self,
        scan: prism_client::Scan<E>,
        limit: Argument<'_, '_>,
        start_after: Option<Argument<'_, '_>>,
        resume: Option<Argument<'_, '_>>,
        timeout: Option<Argument<'_, '_>>,
    ) -> PyResult<prism_client::Scan<E>> {
        let mut scan = scan.limit(arguments::limit(limit)?);
        if let Some(key) = start_after {
            scan = scan.start_after(text(key, "start_after")?);
        }
        if let Some(token) = resume {
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
