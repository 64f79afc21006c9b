//! The verbs of the class `Client`, each for both halves of the package: with an event loop's `Completions`, a verb returns a
//! ticket at once; with `None` it waits. `_native.pyi` has the types.

use std::collections::HashMap;

use prism_client::method::Expiring;
use prism_client::{BatchItem, Call, End};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};

use crate::arguments::{
    self, bytes, condition, duration, end, given, number, redelivery, text, texts, truth, ttl_millis,
};
use crate::client::Subject::{Key, Keys, ListKey, Nothing};
use crate::client::{Client, about, between};
use crate::completions::Completions;
use crate::import::Import;
use crate::scan::Scan;
use crate::tokens::TokenQuestions;

/// The class: its own functions, and then its verbs. `verb(arguments) api(subject) => call`: `api` is the namespace's `keyvalue` or
/// `list`, or the call itself, and the subject is what a failure names. Each verb also takes the namespace and the timeout, last.
macro_rules! class {
    (
        { $($own:tt)* }
        $($verb:ident($($argument:ident),*) $api:ident($subject:expr) => $call:expr;)*
    ) => {
        #[pymethods]
        impl Client {
            $($own)*

            $(
                #[allow(clippy::too_many_arguments, reason = "the arguments of the call, and how to wait for it")]
                fn $verb<'py>(
                    &self,
                    py: Python<'py>,
                    completions: Option<&Bound<'py, Completions>>,
                    $($argument: &Bound<'_, PyAny>,)*
                    namespace: &Bound<'_, PyAny>,
                    timeout: &Bound<'_, PyAny>,
                ) -> PyResult<Bound<'py, PyAny>> {
                    let about = about(namespace, $subject)?;
                    let $api = self.namespace(namespace)?.$api();
                    self.make(py, completions, about, $call, timeout)
                }
            )*
        }
    };
}

/// The call with its time to live, if it has one.
fn expiring<M: Expiring>(call: Call<M>, ttl_seconds: &Bound<'_, PyAny>) -> PyResult<Call<M>> {
    Ok(match ttl_millis(ttl_seconds)? {
        Some(millis) => call.ttl_millis(millis),
        None => call,
    })
}

class! {
    {
        #[new]
        fn new(
            proxy_address: &Bound<'_, PyAny>,
            asks_for_tokens: bool,
            settings: &Bound<'_, PyDict>,
        ) -> PyResult<Self> {
            Self::with_settings(proxy_address, asks_for_tokens, settings)
        }

        fn token_questions(&self, py: Python<'_>) -> PyResult<TokenQuestions> {
            self.questions(py)
        }

        fn with_metadata(&self, metadata: HashMap<String, String>) -> Self {
            self.sending(metadata)
        }

        fn close(&self) {
            self.end();
        }

        #[allow(clippy::too_many_arguments, reason = "the arguments of the scan")]
        fn scan(
            &self,
            prefix: &Bound<'_, PyAny>,
            limit: &Bound<'_, PyAny>,
            start_after: &Bound<'_, PyAny>,
            before: &Bound<'_, PyAny>,
            reverse: &Bound<'_, PyAny>,
            with_ttl: &Bound<'_, PyAny>,
            resume: &Bound<'_, PyAny>,
            namespace: &Bound<'_, PyAny>,
            timeout: &Bound<'_, PyAny>,
        ) -> PyResult<Scan> {
            let about = about(namespace, Nothing)?;
            let with_ttl = truth(with_ttl, "with_ttl")?;
            let scan = self.namespace(namespace)?.keyvalue().scan(text(prefix, "prefix")?).with_ttl(with_ttl);
            let scan = between(scan, start_after, before, truth(reverse, "reverse")?)?;
            Ok(Scan::of_entries(about, self.scan_with(scan, limit, resume, timeout)?, with_ttl))
        }

        #[allow(clippy::too_many_arguments, reason = "the arguments of the scan")]
        fn scan_keys(
            &self,
            prefix: &Bound<'_, PyAny>,
            limit: &Bound<'_, PyAny>,
            start_after: &Bound<'_, PyAny>,
            before: &Bound<'_, PyAny>,
            reverse: &Bound<'_, PyAny>,
            resume: &Bound<'_, PyAny>,
            namespace: &Bound<'_, PyAny>,
            timeout: &Bound<'_, PyAny>,
        ) -> PyResult<Scan> {
            let about = about(namespace, Nothing)?;
            let scan = self.namespace(namespace)?.keyvalue().scan_keys(text(prefix, "prefix")?);
            let scan = between(scan, start_after, before, truth(reverse, "reverse")?)?;
            Ok(Scan::of_keys(about, self.scan_with(scan, limit, resume, timeout)?))
        }

        fn lists(
            &self,
            prefix: &Bound<'_, PyAny>,
            limit: &Bound<'_, PyAny>,
            resume: &Bound<'_, PyAny>,
            namespace: &Bound<'_, PyAny>,
            timeout: &Bound<'_, PyAny>,
        ) -> PyResult<Scan> {
            let about = about(namespace, Nothing)?;
            let scan = self.namespace(namespace)?.list().lists(text(prefix, "prefix")?);
            Ok(Scan::of_lists(about, self.scan_with(scan, limit, resume, timeout)?))
        }

        fn export(
            &self,
            prefix: &Bound<'_, PyAny>,
            resume: &Bound<'_, PyAny>,
            namespace: &Bound<'_, PyAny>,
            timeout: &Bound<'_, PyAny>,
        ) -> PyResult<Scan> {
            let about = about(namespace, Nothing)?;
            let export = self.namespace(namespace)?.transfer().export(text(prefix, "prefix")?);
            Ok(Scan::of_export(about, self.export_with(export, resume, timeout)?))
        }

        fn import_items(
            &self,
            if_absent: &Bound<'_, PyAny>,
            deadline: &Bound<'_, PyAny>,
            namespace: &Bound<'_, PyAny>,
            timeout: &Bound<'_, PyAny>,
        ) -> PyResult<Import> {
            let about = about(namespace, Nothing)?;
            let (if_absent, deadline) = (truth(if_absent, "if_absent")?, truth(deadline, "deadline")?);
            let import = self.namespace(namespace)?.transfer().import();
            Ok(Import::new(about, self.import_with(import, if_absent, deadline, timeout)?))
        }
    }

    set(key, value, ttl_seconds) keyvalue(Key(key)) => {
        let call = keyvalue.set(text(key, "key")?, bytes(value, "value")?);
        expiring(call, ttl_seconds)?
    };
    get(key) keyvalue(Key(key)) => keyvalue.get(text(key, "key")?);
    find(key) keyvalue(Key(key)) => keyvalue.find(text(key, "key")?);
    delete(key) keyvalue(Key(key)) => keyvalue.delete(text(key, "key")?);
    exists(key) keyvalue(Key(key)) => keyvalue.exists(text(key, "key")?);
    count(prefix) keyvalue(Nothing) => keyvalue.count(text(prefix, "prefix")?);
    set_if_absent(key, value, ttl_seconds) keyvalue(Key(key)) => {
        let call = keyvalue.set_if_absent(text(key, "key")?, bytes(value, "value")?);
        expiring(call, ttl_seconds)?
    };
    set_if(key, value, absent, present, equals, equals_sha256, differs, ttl_seconds, return_current) keyvalue(Key(key)) => {
        let condition = condition(absent, present, equals, equals_sha256, differs)?;
        let call = keyvalue.set_if(text(key, "key")?, bytes(value, "value")?, condition);
        let call = expiring(call, ttl_seconds)?;
        if truth(return_current, "return_current")? { call.return_current() } else { call }
    };
    delete_if(key, present, equals, equals_sha256, differs, return_current) keyvalue(Key(key)) => {
        let absent = PyBool::new(key.py(), false);
        let condition = condition(&absent, present, equals, equals_sha256, differs)?;
        let call = keyvalue.delete_if(text(key, "key")?, condition);
        if truth(return_current, "return_current")? { call.return_current() } else { call }
    };
    get_and_set(key, value, ttl_seconds) keyvalue(Key(key)) => {
        let call = keyvalue.get_and_set(text(key, "key")?, bytes(value, "value")?);
        expiring(call, ttl_seconds)?
    };
    get_and_delete(key) keyvalue(Key(key)) => keyvalue.get_and_delete(text(key, "key")?);
    increment(key, delta, initial, ttl_seconds) keyvalue(Key(key)) => {
        let call = keyvalue.increment(text(key, "key")?, number(delta, "delta")?);
        let call = call.initial(number(initial, "initial")?);
        expiring(call, ttl_seconds)?
    };
    get_ttl(key) keyvalue(Key(key)) => keyvalue.get_ttl(text(key, "key")?);
    expire(key, ttl_seconds) keyvalue(Key(key)) => {
        keyvalue.expire(text(key, "key")?, arguments::required_ttl_millis(ttl_seconds)?)
    };
    persist(key) keyvalue(Key(key)) => keyvalue.persist(text(key, "key")?);
    get_many(keys) keyvalue(Keys(keys)) => keyvalue.get_many(texts(keys, "a key")?);
    set_many(keys, values, ttl_seconds) keyvalue(Keys(keys)) => {
        let ttl_millis = ttl_millis(ttl_seconds)?;
        let items = texts(keys, "a key")?.into_iter().zip(arguments::values(values)?);
        keyvalue.set_many(items.map(|(key, value)| BatchItem { key, value, ttl_millis }))
    };
    delete_many(keys) keyvalue(Keys(keys)) => keyvalue.delete_many(texts(keys, "a key")?);
    delete_prefix(prefix, limit) keyvalue(Nothing) => {
        keyvalue.delete_prefix(text(prefix, "prefix")?).limit(arguments::limit(limit)?)
    };

    push_left(list_key, value) list(ListKey(list_key)) => {
        list.push_left(text(list_key, "list_key")?, bytes(value, "value")?)
    };
    push_right(list_key, value) list(ListKey(list_key)) => {
        list.push_right(text(list_key, "list_key")?, bytes(value, "value")?)
    };
    pop_left(list_key) list(ListKey(list_key)) => list.pop_left(text(list_key, "list_key")?);
    pop_right(list_key) list(ListKey(list_key)) => list.pop_right(text(list_key, "list_key")?);
    length(list_key) list(ListKey(list_key)) => list.length(text(list_key, "list_key")?);
    push_many(list_key, values, at, max_len) list(ListKey(list_key)) => {
        let call = list.push_many(text(list_key, "list_key")?, end(at)?, arguments::values(values)?);
        match given(max_len) {
            Some(max_len) => call.max_len(number(max_len, "max_len")?),
            None => call,
        }
    };
    pop_many(list_key, count, at) list(ListKey(list_key)) => {
        list.pop_many(text(list_key, "list_key")?, end(at)?, number(count, "count")?)
    };
    blocking_pop(list_key, wait, at) list(ListKey(list_key)) => {
        list.blocking_pop(text(list_key, "list_key")?, end(at)?, duration(wait, "wait")?)
    };
    reserve(list_key, lease, count, wait, at, max_deliveries, dead_letter) list(ListKey(list_key)) => {
        let call = list.reserve(text(list_key, "list_key")?).count(arguments::count(count, "count")?);
        let call = call.lease(duration(lease, "lease")?).wait(duration(wait, "wait")?);
        let call = match end(at)? {
            End::Left => call,
            End::Right => call.from_right(),
        };
        match redelivery(max_deliveries, dead_letter)? {
            Some((max, dead_letter)) => call.max_deliveries(max, dead_letter),
            None => call,
        }
    };
    ack(list_key, token) list(ListKey(list_key)) => {
        list.lease(text(list_key, "list_key")?, bytes(token, "token")?).ack()
    };
    extend(list_key, token, lease) list(ListKey(list_key)) => {
        list.lease(text(list_key, "list_key")?, bytes(token, "token")?).extend(duration(lease, "lease")?)
    };
    release(list_key, token) list(ListKey(list_key)) => {
        list.lease(text(list_key, "list_key")?, bytes(token, "token")?).release()
    };
    range(list_key, start, stop) list(ListKey(list_key)) => {
        list.range(text(list_key, "list_key")?, number(start, "start")?, number(stop, "stop")?)
    };
    trim(list_key, start, stop) list(ListKey(list_key)) => {
        list.trim(text(list_key, "list_key")?, number(start, "start")?, number(stop, "stop")?)
    };
    clear(list_key) list(ListKey(list_key)) => list.clear(text(list_key, "list_key")?);
    get_at(list_key, index) list(ListKey(list_key)) => {
        list.get_at(text(list_key, "list_key")?, number(index, "index")?)
    };
    set_at(list_key, index, value) list(ListKey(list_key)) => {
        list.set_at(text(list_key, "list_key")?, number(index, "index")?, bytes(value, "value")?)
    };
    remove(list_key, value, count) list(ListKey(list_key)) => {
        list.remove(text(list_key, "list_key")?, bytes(value, "value")?, number(count, "count")?)
    };
    count_lists(prefix) list(Nothing) => list.count_lists(text(prefix, "prefix")?);

    capabilities() capabilities(Nothing) => capabilities;
    usage() usage(Nothing) => usage;
}
