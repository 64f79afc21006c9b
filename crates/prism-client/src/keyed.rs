//! Whether a call is sent under an idempotency key, and what its backend must be for that.

use std::time::{Duration, Instant};

use prism_proto::interfaces::capabilities::GetCapabilitiesRequest;
use prism_proto::limits::IDEMPOTENCY_RETRY_MAX;
use prism_proto::rpc::{Rpc as _, capabilities::GetCapabilities};
use prism_proto::{ErrorReason, methods};
use tonic::Request;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::idempotency::{Known, Numbered};
use crate::metadata::Own;
use crate::method::{Method, RequestOf, path_of};
use crate::send::send_unary;
use crate::shared::Shared;
use crate::token::Token;

/// The metadata entry that carries the key.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// After this long a backend is asked again, because the gateway may have given the namespace another one.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// Longer than the wait before a repetition.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Whether a method changes one key or list, and changes more if it is applied twice.
fn is_repeatable_under_a_key(path: &str, subject: &str) -> bool {
    let is_keyed = matches!(subject, "key" | "list_key");
    let is_unary = methods::KNOWN.get(path).is_some_and(|method| method.is_unary());
    is_keyed && is_unary && !methods::IDEMPOTENT.contains(path)
}

/// Whether one call is sent under a key.
pub(crate) struct Keyed<'a> {
    namespace: &'a str,
    /// Its method, if that is repeatable under a key, until the backend is known to keep no answers.
    name: Option<&'static str>,
    numbered: Option<Numbered>,
    /// When it was first sent under its key.
    begun: Option<Instant>,
    /// The first error after which it may have been applied.
    doubt: Option<Error>,
}

impl<'a> Keyed<'a> {
    pub(crate) fn of<M: Method>(message: &'a RequestOf<M>, own: &Own) -> Self {
        let is_wanted =
            is_repeatable_under_a_key(path_of::<M>(), <M::Rpc>::SUBJECT) && !own.has(IDEMPOTENCY_KEY);
        let name = is_wanted.then_some(<M::Rpc>::NAME);
        Self { namespace: <M::Rpc>::namespace(message), name, numbered: None, begun: None, doubt: None }
    }

    /// Numbers the call before it is sent, if its backend keeps answers. If that cannot be found out, it is sent without a key.
    pub(crate) async fn prepare(&mut self, shared: &Shared, own: &Own, deadline: Deadline) {
        let Some(name) = self.name.filter(|_| self.numbered.is_none()) else { return };
        match shared.keeps_answers(self.namespace, own, deadline).await {
            Ok(true) => {
                self.numbered = Some(shared.idempotency.number(name).await);
                self.begun = Some(Instant::now());
            }
            Ok(false) => self.name = None,
            Err(error) => tracing::debug!(%error, "the backend could not be asked for its capabilities"),
        }
    }

    pub(crate) fn add_to<T>(&self, request: &mut Request<T>) {
        let key = self.numbered.as_ref().map(|numbered| numbered.key().to_string().parse());
        if let Some(Ok(key)) = key {
            request.metadata_mut().insert(IDEMPOTENCY_KEY, key);
        }
    }

    /// Whether the call may be repeated now although it may have been applied.
    pub(crate) fn repeats(&self) -> bool {
        let latest = IDEMPOTENCY_RETRY_MAX - WAIT_MAX;
        self.numbered.is_some() && self.begun.is_some_and(|begun| begun.elapsed() < latest)
    }

    /// Whether an earlier attempt may have been applied, and its answer is not on record for sure any more: it may not be sent again,
    /// whatever became of the last attempt.
    pub(crate) fn is_over(&self) -> bool {
        self.numbered.is_some() && self.doubt.is_some() && !self.repeats()
    }

    /// The error with which the call ends: it says that the call may have been applied if any attempt may have been.
    pub(crate) fn last(&mut self, error: Error) -> Error {
        match self.doubt.take() {
            Some(doubt) if self.numbered.is_some() && !error.may_have_been_applied() => doubt,
            _ => error,
        }
    }

    /// What an error means for the key: `Ok` if the call is to be sent at once without it, because the backend keeps no answers any
    /// more, and otherwise the error to go on with.
    pub(crate) async fn after(&mut self, shared: &Shared, error: Error) -> Result<(), Error> {
        if self.numbered.is_none() || error.reason() != Some(ErrorReason::IdempotencyKeyInvalid) {
            if self.doubt.is_none() && error.may_have_been_applied() {
                self.doubt = Some(error.clone());
            }
            return Err(error);
        }
        *shared.idempotency.known(self.namespace).lock().await = None;
        (self.name, self.numbered) = (None, None);
        // An earlier attempt may have been applied by a backend that did keep answers.
        self.doubt.take().map_or(Ok(()), Err)
    }
}

impl Shared {
    /// Whether a namespace's backend keeps answers. Asked once for all calls that want to know.
    async fn keeps_answers(&self, namespace: &str, own: &Own, deadline: Deadline) -> Result<bool, Error> {
        let known = self.idempotency.known(namespace);
        let mut known = known.lock().await;
        let connections = self.unary.connections_made();
        let fresh = known
            .as_ref()
            .filter(|known| known.connections == connections && known.asked.elapsed() < ASK_EVERY);
        if let Some(fresh) = fresh {
            return Ok(fresh.keeps_answers);
        }
        let keeps_answers = match Box::pin(self.ask(namespace, own, deadline)).await {
            Ok(keeps_answers) => keeps_answers,
            // Nothing is promised, or not to this caller.
            Err(error) if matches!(error.kind(), ErrorKind::Unimplemented | ErrorKind::PermissionDenied) => {
                false
            }
            Err(error) => return Err(error),
        };
        // The question may have opened the connection.
        let connections = self.unary.connections_made();
        *known = Some(Known { keeps_answers, asked: Instant::now(), connections });
        Ok(keeps_answers)
    }

    async fn ask(&self, namespace: &str, own: &Own, deadline: Deadline) -> Result<bool, Error> {
        const OPERATION: &str = GetCapabilities::OPERATION;
        let lease = self.unary.lease().await.map_err(|none| none.of(OPERATION))?;
        let token: Option<Token> = self.token(OPERATION, own).await?;
        let question = GetCapabilitiesRequest { namespace: namespace.to_owned() };
        let mut request = self.request(question, own, token.as_ref())?;
        request.set_timeout(deadline.left());
        match send_unary::<GetCapabilities>(lease, self.origin.clone(), request).await {
            Ok(answer) => Ok(answer.idempotent_retries),
            Err(status) => Err(Error::from_status(OPERATION, &status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_of_one_key_that_add_up_are_repeatable_under_a_key() {
        use prism_proto::rpc::{keyvalue, list};
        fn is<R: prism_proto::rpc::Rpc>() -> bool {
            is_repeatable_under_a_key(R::PATH, R::SUBJECT)
        }
        assert!(is::<list::PushLeft>() && is::<list::PopRight>() && is::<list::Reserve>());
        assert!(is::<keyvalue::Increment>() && is::<keyvalue::SetIf>() && is::<keyvalue::GetAndDelete>());
        assert!(!is::<keyvalue::Set>() && !is::<keyvalue::Get>() && !is::<keyvalue::BatchSet>());
        assert!(!is::<list::Length>() && !is::<list::GetRange>());
    }
}
