//! The gateway as seen by a client: where the console's keys and values come from, and whether a namespace responds.

use std::path::Path;
use std::time::Duration;

use prism_client::{Client, Error, ErrorKind, ErrorReason, Namespace};
use prism_runtime::exit::ServerError;

use crate::error::{Kind, Problem};

/// How long a query about a backend may take: the result is shown every few seconds.
const QUESTION_MAX: Duration = Duration::from_secs(2);

/// How long a call on somebody's data may take: half of a request's limit.
const DATA_MAX: Duration = Duration::from_secs(15);

/// How long the deletion of a prefix may find no key that has it: it may walk past millions that have another.
const NOTHING_FOUND_MAX: Duration = Duration::from_secs(60 * 60);

/// The gateway. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {
    data: Client,
    /// For calls that walk through all keys.
    walks: Client,
    /// A client without retries: a failure is to be shown at once.
    questions: Client,
}

impl Gateway {
    /// A client of the gateway at this address. If it is `https://`, the gateway's certificate is signed by the CAs of the
    /// file, or by those of the system. Sends nothing yet.
    ///
    /// # Errors
    /// The address is invalid.
    pub fn new(
        address: &str,
        ca_file: Option<&Path>,
        token_file: Option<&Path>,
    ) -> Result<Self, ServerError> {
        let wrong = |error: Error| ServerError::Config(format!("--gateway {address}: {}", error.message()));
        let builder = match ca_file.filter(|_| address.starts_with("https://")) {
            Some(file) => Client::builder(address).ca_file(file),
            None => Client::builder(address),
        };
        let builder = match token_file {
            Some(file) => builder.token_file(file),
            None => builder,
        };
        let questions = builder.clone().timeout(QUESTION_MAX).attempts_max(1).connections(1);
        let walks = builder.clone().stall_timeout(NOTHING_FOUND_MAX).connections(1);
        Ok(Self {
            walks: walks.build().map_err(wrong)?,
            data: builder.timeout(DATA_MAX).stall_timeout(DATA_MAX).build().map_err(wrong)?,
            questions: questions.build().map_err(wrong)?,
        })
    }

    /// The data of a namespace.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Namespace {
        self.data.namespace(name)
    }

    /// The same for a call that walks through all keys, and may be silent while it finds none.
    #[must_use]
    pub fn walked(&self, name: &str) -> Namespace {
        self.walks.namespace(name)
    }

    /// Queries the state of a namespace's backend.
    pub async fn ask(&self, name: &str) -> Told {
        let namespace = self.questions.namespace(name);
        let (usage, capabilities) = tokio::join!(namespace.usage().send(), namespace.capabilities().send());
        // A backend that serves neither has responded nonetheless.
        let health = match (&usage, &capabilities) {
            (Ok(_), _) | (_, Ok(_)) => Health::Serving,
            (Err(error), _) => Health::of(error),
        };
        Told { health, usage: usage.ok(), capabilities: capabilities.ok() }
    }
}

/// What a backend reports about itself; `None` for what it does not report.
#[derive(Debug)]
pub struct Told {
    /// Whether it responds.
    pub health: Health,
    /// What it holds.
    pub usage: Option<prism_client::Usage>,
    /// What it promises.
    pub capabilities: Option<prism_client::Capabilities>,
}

/// Whether a namespace is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// A query through the gateway got a response.
    Serving,
    /// The gateway cannot reach the backend.
    Down(String),
    /// The gateway does not serve it.
    Refused(String),
    /// The gateway itself was not reached.
    Unknown(String),
    /// The gateway knows, without asking, that the backend serves no such queries.
    NotAsked,
}

impl Health {
    fn of(error: &Error) -> Self {
        let why = error.message().to_owned();
        match (error.kind(), error.reason()) {
            (ErrorKind::Unimplemented, _) => Self::Serving,
            (_, Some(ErrorReason::InterfaceNotServed)) => Self::NotAsked,
            (
                ErrorKind::NamespaceNotFound
                | ErrorKind::FailedPrecondition
                | ErrorKind::InvalidArgument
                | ErrorKind::Unauthenticated
                | ErrorKind::PermissionDenied,
                _,
            ) => Self::Refused(why),
            (_, Some(ErrorReason::BackendUnreachable | ErrorReason::BackendLost)) => Self::Down(why),
            (ErrorKind::DeadlineExceeded, _) => Self::Down(why),
            // Too many calls: the backend is reachable.
            (ErrorKind::ResourceExhausted, _) => Self::Serving,
            _ => Self::Unknown(why),
        }
    }
}

/// A failed call as a problem of the API.
#[must_use]
pub fn problem(error: &Error) -> Problem {
    let kind = match error.kind() {
        ErrorKind::NotFound => Kind::NotFound,
        ErrorKind::InvalidArgument => Kind::Invalid,
        ErrorKind::OutOfRange => Kind::WrongValue,
        ErrorKind::FailedPrecondition if is_of_the_value(error.reason()) => Kind::WrongValue,
        ErrorKind::NamespaceNotFound
        | ErrorKind::FailedPrecondition
        | ErrorKind::Unauthenticated
        | ErrorKind::PermissionDenied => Kind::NotServed,
        ErrorKind::ResourceExhausted => Kind::Limited,
        ErrorKind::Unimplemented => Kind::Unsupported,
        ErrorKind::DeadlineExceeded => Kind::GatewayTimeout,
        ErrorKind::Unavailable
        | ErrorKind::Aborted
        | ErrorKind::Cancelled
        | ErrorKind::Closed
        | ErrorKind::Internal => Kind::Gateway,
    };
    let reason = error.reason();
    let told = reason.map_or_else(String::new, |reason| format!(" ({})", reason.as_str_name()));
    Problem { reason, ..Problem::new(kind, format!("{}{told}", error.message())) }
}

/// Whether a call failed for what is stored, not for a setting.
fn is_of_the_value(reason: Option<ErrorReason>) -> bool {
    matches!(reason, Some(ErrorReason::NotANumber | ErrorReason::WrongType))
}
