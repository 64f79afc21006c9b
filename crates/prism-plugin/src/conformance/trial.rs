//! One running case: the keys and lists it may touch, its warnings, and its clean-up.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use prism_proto::interfaces::keyvalue::ScanRequest;
use prism_proto::interfaces::list::ClearRequest;
use prism_proto::rpc::list::Clear;
use prism_proto::{Error, ErrorReason};
use tonic::{Code, Status};

use super::calls::{Client, Interface, Method, call_method};
use super::expect::{Stop, Verdict, answered, code_name, describe, failed, reason};
use super::raw::{Raw, RawAnswer, RawCall};
use super::target::Target;
use crate::list::End;

/// How long after its expiry a key may still be visible: the clocks of the suite and the backend have a granularity.
const EXPIRY_GRACE: Duration = Duration::from_millis(250);

/// How many clean-up calls run concurrently, and how long all of them may take.
const CLEAN_UP_CONCURRENCY: usize = 32;
const CLEAN_UP_MAX: Duration = Duration::from_secs(20);

/// One running case. It is a [`Client`] of the target's namespace and connection.
pub(super) struct Trial<'a> {
    pub(super) target: &'a Target,
    client: Client,
    prefix: String,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    warnings: Vec<String>,
    keys: BTreeSet<String>,
    lists: BTreeSet<String>,
    namespaces: BTreeSet<String>,
}

impl Deref for Trial<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl<'a> Trial<'a> {
    pub(super) fn new(target: &'a Target, case: &str) -> Self {
        let namespace = target.options.namespace.clone();
        let client = Client { channel: target.channel.clone(), namespace: namespace.clone() };
        let notes = Notes { namespaces: BTreeSet::from([namespace]), ..Notes::default() };
        Self {
            target,
            client,
            prefix: format!("conformance-{}/{case}/", target.id),
            notes: Mutex::new(notes),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The prefix of all keys of this case.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A key of this case, removed afterwards.
    pub(super) fn key(&self, name: &str) -> String {
        let key = format!("{}{name}", self.prefix);
        self.notes().keys.insert(key.clone());
        key
    }

    /// A list of this case, removed afterwards.
    pub(super) fn list(&self, name: &str) -> String {
        let list = format!("{}{name}", self.prefix);
        self.notes().lists.insert(list.clone());
        list
    }

    /// A key and list key of this case that is `len` bytes long, removed afterwards.
    pub(super) fn key_of_len(&self, len: usize) -> String {
        let name = "k".repeat(len.saturating_sub(self.prefix.len()));
        self.list(&name);
        self.key(&name)
    }

    /// A client of another namespace, cleaned up as well.
    pub(super) fn elsewhere(&self, namespace: &str) -> Client {
        self.notes().namespaces.insert(namespace.to_owned());
        self.client.in_namespace(namespace)
    }

    /// A client of a new namespace; not applicable behind a gateway that knows only its own.
    pub(super) async fn new_namespace(&self) -> Verdict<Client> {
        let namespace = format!("conformance-{:012x}", fastrand::u64(..1 << 48));
        self.known(self.send(self.read_method(), &namespace, &self.key("probe")).await)?;
        Ok(self.elsewhere(&namespace))
    }

    /// Not applicable if the endpoint is a gateway that does not know the namespace; otherwise the response.
    pub(super) fn known<T>(&self, answer: Result<T, Status>) -> Verdict<T> {
        match answer {
            Err(status) if reason(&status) == Some(ErrorReason::NamespaceNotFound) => {
                Err(Stop::NotApplicable(
                    "the endpoint is a gateway that does not know other namespaces".to_owned(),
                ))
            }
            answer => answered("a read in another valid namespace", answer),
        }
    }

    /// The methods of the interfaces that are served, except for those whose field 2 is no text.
    pub(super) fn methods(&self) -> impl Iterator<Item = &'static Method> {
        self.target
            .served
            .interfaces
            .iter()
            .flat_map(|interface| interface.methods())
            .filter(|method| !matches!(method.field, "items" | "options"))
    }

    /// A method that is served and has no side effects.
    pub(super) fn read_method(&self) -> &'static Method {
        self.methods().next().unwrap_or(&Interface::KeyValue.methods()[0])
    }

    /// Calls a method with a namespace and a key, list key or prefix.
    pub(super) async fn send(&self, method: &Method, namespace: &str, name: &str) -> Result<usize, Status> {
        call_method(&self.channel, method.path, namespace, name).await
    }

    /// Makes a bare call on its own connection.
    pub(super) async fn raw(&self, what: &str, call: RawCall<'_>) -> Verdict<RawAnswer> {
        let raw = self.raw_connection().await?;
        raw.call(call).await.or_else(|error| failed(format!("{what}: expected a response: {error}")))
    }

    /// A client with its own connection; `window_bytes` limits what a stream may send ahead.
    pub(super) fn connected_anew(&self, window_bytes: Option<u32>) -> Verdict<Client> {
        match self.target.endpoint.channel(window_bytes) {
            Ok(channel) => Ok(Client { channel, namespace: self.client.namespace.clone() }),
            Err(error) => failed(format!("another connection: {error}")),
        }
    }

    /// A bare connection.
    pub(super) async fn raw_connection(&self) -> Verdict<Raw> {
        let raw = Raw::connect(&self.target.endpoint).await;
        raw.or_else(|error| failed(format!("another connection was not accepted: {error}")))
    }

    /// Records a warning: something is missing although the rule is kept.
    pub(super) fn warn(&self, sentence: String) {
        let warnings = &mut self.notes().warnings;
        if !warnings.contains(&sentence) {
            warnings.push(sentence);
        }
    }

    /// Fails unless the call failed with the code of the reasons; warns unless with one of the reasons.
    pub(super) fn refused<T>(
        &self,
        what: &str,
        answer: Result<T, Status>,
        reasons: &[ErrorReason],
    ) -> Verdict {
        let code = reasons.first().map_or(Code::InvalidArgument, |reason| reason.code());
        let status = match answer {
            Ok(_) => return failed(format!("{what}: expected {}, got a response", code_name(code))),
            Err(status) => status,
        };
        if status.code() != code {
            return failed(format!("{what}: expected {}, got {}", code_name(code), describe(&status)));
        }
        let Some(error) = Error::from_status(&status) else {
            self.warn(format!("{what}: {} without ErrorInfo of domain prism", code_name(code)));
            return Ok(());
        };
        if !reasons.contains(&error.reason) {
            self.warn(format!("{what}: expected reason {}, got {}", reasons[0], error.reason));
        }
        let facts: &[&str] = match error.reason {
            ErrorReason::KeyInvalid => &["field", "limit", "size"],
            ErrorReason::ValueTooLarge | ErrorReason::MessageTooLarge => &["limit", "size"],
            _ => &[],
        };
        for fact in facts.iter().filter(|fact| error.fact(fact).is_none()) {
            self.warn(format!("{what}: the metadata of {} lacks {fact}", error.reason));
        }
        Ok(())
    }

    /// Waits until a key must have expired.
    pub(super) async fn expired(&self, set: Instant, seconds: u64) {
        let gone = set + Duration::from_secs(seconds) + EXPIRY_GRACE;
        tokio::time::sleep_until(gone.into()).await;
    }

    /// Sets many keys concurrently, each to its value.
    pub(super) async fn set_all(&self, keys: &[String], value: &bytes::Bytes) -> Verdict {
        let sets: Vec<_> = keys.iter().map(|key| self.client.set(key, value.clone())).collect();
        let mut sets = stream::iter(sets).buffer_unordered(CLEAN_UP_CONCURRENCY);
        while let Some(set) = sets.next().await {
            set?;
        }
        Ok(())
    }

    /// A request for all keys of this case.
    pub(super) fn all(&self) -> ScanRequest {
        self.range(&self.prefix)
    }

    pub(super) fn into_warnings(self) -> Vec<String> {
        std::mem::take(&mut self.notes().warnings)
    }

    /// Removes what the case may have written. Errors are ignored: the case has been decided.
    pub(super) async fn clean_up(&self) {
        let (keys, lists, namespaces) = {
            let mut notes = self.notes();
            let notes = &mut *notes;
            (
                std::mem::take(&mut notes.keys),
                std::mem::take(&mut notes.lists),
                std::mem::take(&mut notes.namespaces),
            )
        };
        let clean_up = async {
            for namespace in namespaces {
                let client = &self.client.in_namespace(&namespace);
                if self.target.served.keyvalue() {
                    let deletes: Vec<_> = keys.iter().map(|key| client.try_delete(key)).collect();
                    stream::iter(deletes).buffer_unordered(CLEAN_UP_CONCURRENCY).for_each(|_| async {}).await;
                }
                if self.target.served.list() {
                    for list in &lists {
                        // Reserved values would return.
                        if self.target.served.has(Interface::ListReserve) {
                            let (namespace, list_key) = (namespace.clone(), list.clone());
                            let _ = client.try_call::<Clear>(ClearRequest { namespace, list_key }).await;
                        }
                        while let Ok(Some(_)) = client.try_pop(End::Left, list).await {}
                    }
                }
            }
        };
        let _ = tokio::time::timeout(CLEAN_UP_MAX, clean_up).await;
    }
}
