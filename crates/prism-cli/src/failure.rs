//! What went wrong, reported on standard error: a sentence and what to do next, or a JSON object.

use std::io;

use prism_client::{Error, ErrorKind, ErrorReason};
use prism_proto::error::code_name;
use prism_runtime::exit::ServerError;
use serde::Serialize;
use tonic::Code;

use crate::exit::Exit;
use crate::output::{Format, write_json};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A call failed.
    Call(Error),
    /// A server could not start or keep running.
    Server(ServerError),
    /// The command line is invalid.
    Usage(String),
    /// A value is larger than any message can hold.
    TooLarge { name: String, limit: usize },
    /// A server responded, but refused.
    Refused { exit: Exit, code: Code, message: String },
    /// An admin refused, or was not reached.
    Admin {
        exit: Exit,
        code: Code,
        message: String,
        /// The JSON pointers of what breaks a rule.
        fields: Vec<String>,
        /// The options that set them.
        hint: Option<String>,
        retryable: bool,
    },
    /// A copy was interrupted: why, and how to continue.
    Partial { failure: Box<Failure>, hint: String, start_after: Option<String>, resume: Option<String> },
    /// A file cannot be read or written.
    File(String),
    /// The result could not be printed.
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The JSON form.
#[derive(Serialize)]
struct Object<'a> {
    error: Told<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    kind: &'static str,
    code: Option<&'static str>,
    reason: Option<&'static str>,
    message: String,
    operation: Option<&'static str>,
    retryable: bool,
    field: Option<&'a str>,
    limit: Option<u64>,
    size: Option<u64>,
    hint: Option<&'a str>,
    /// The key after which an interrupted import can continue, if its last line was one.
    start_after: Option<&'a str>,
    /// Where an interrupted export, import or copy can continue: a token, or a number of lines.
    resume: Option<&'a str>,
}

impl Failure {
    /// A file, or standard input, cannot be read.
    pub(crate) fn file(name: &str, error: &io::Error) -> Self {
        Self::File(format!("{name}: {error}"))
    }

    /// The same, with the options of the command that set what an admin finds wrong, by its JSON pointers.
    pub(crate) fn naming(self, option_of: impl Fn(&str) -> Option<String>) -> Self {
        let Self::Admin { exit, code, message, fields, retryable, .. } = self else { return self };
        let mut options = Vec::new();
        for option in fields.iter().filter_map(|pointer| option_of(pointer)) {
            if !options.contains(&option) {
                options.push(option);
            }
        }
        let hint = match &options[..] {
            [] => None,
            [option] => Some(format!("the option is {option}")),
            _ => Some(format!("the options are {}", options.join(", "))),
        };
        Self::Admin { exit, code, message, fields, hint, retryable }
    }

    /// Reports it, and returns the exit code.
    pub(crate) fn report(&self, format: Format) -> Exit {
        let exit = self.exit();
        if exit == Exit::Success {
            return exit;
        }
        let told = self.told();
        // If standard error cannot be written, nothing can be done.
        let _ = match format {
            Format::Json => write_json(&mut io::stderr(), &Object { error: told }),
            Format::Text => {
                eprintln!("prism: {}", self.sentence());
                if let Some(hint) = told.hint {
                    eprintln!("  {hint}");
                }
                Ok(())
            }
        };
        exit
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Call(error) => error.kind().into(),
            Self::Server(error) => error.into(),
            Self::Usage(_) => Exit::Usage,
            Self::Refused { exit, .. } | Self::Admin { exit, .. } => *exit,
            Self::Partial { failure, .. } => failure.exit(),
            // The reader, such as `head`, has seen enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
            Self::TooLarge { .. } | Self::File(_) | Self::Output(_) => Exit::Failed,
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Call(error) => error.to_string(),
            Self::Server(error) => error.to_string(),
            Self::TooLarge { name, limit } => {
                format!("{name} has more than {limit} bytes, the maximum that a message can hold")
            }
            Self::Usage(message)
            | Self::File(message)
            | Self::Refused { message, .. }
            | Self::Admin { message, .. } => message.clone(),
            Self::Partial { failure, .. } => failure.sentence(),
            Self::Output(error) => format!("cannot write the output: {error}"),
        }
    }

    fn told(&self) -> Told<'_> {
        let told = Told {
            kind: "failed",
            code: None,
            reason: None,
            message: self.sentence(),
            operation: None,
            retryable: false,
            field: None,
            limit: None,
            size: None,
            hint: None,
            start_after: None,
            resume: None,
        };
        match self {
            Self::Call(error) => of_call(error),
            Self::Usage(_) => Told { kind: "usage", ..told },
            Self::TooLarge { limit, .. } => Told {
                kind: kind_name(ErrorKind::InvalidArgument),
                reason: Some(ErrorReason::MessageTooLarge.as_str_name()),
                limit: Some(*limit as u64),
                ..told
            },
            Self::Refused { exit, code, .. } => Told {
                kind: match exit {
                    Exit::NotFound => kind_name(ErrorKind::NotFound),
                    Exit::Unavailable => kind_name(ErrorKind::Unavailable),
                    _ => "failed",
                },
                code: Some(code_name(*code)),
                retryable: *exit == Exit::Unavailable,
                ..told
            },
            Self::Admin { code, fields, hint, retryable, .. } => Told {
                hint: hint.as_deref().or((*code == Code::Unauthenticated).then_some(TOKEN_HINT)),
                kind: admin_kind(*code),
                code: Some(code_name(*code)),
                retryable: *retryable,
                field: fields.first().map(String::as_str),
                ..told
            },
            Self::Partial { failure, hint, start_after, resume } => Told {
                hint: Some(hint),
                start_after: start_after.as_deref(),
                resume: resume.as_deref(),
                ..failure.told()
            },
            Self::Server(_) | Self::File(_) | Self::Output(_) => told,
        }
    }
}

fn admin_kind(code: Code) -> &'static str {
    let kind = match code {
        Code::NotFound => ErrorKind::NotFound,
        Code::InvalidArgument => ErrorKind::InvalidArgument,
        Code::FailedPrecondition => ErrorKind::FailedPrecondition,
        Code::Unauthenticated => ErrorKind::Unauthenticated,
        Code::PermissionDenied => ErrorKind::PermissionDenied,
        Code::Unavailable => ErrorKind::Unavailable,
        Code::DeadlineExceeded => ErrorKind::DeadlineExceeded,
        _ => return "failed",
    };
    kind_name(kind)
}

fn of_call(error: &Error) -> Told<'_> {
    Told {
        kind: kind_name(error.kind()),
        code: Some(error.code_name()),
        reason: error.reason().map(|reason| reason.as_str_name()),
        message: error.message().to_owned(),
        operation: Some(error.operation()),
        retryable: error.is_retryable(),
        field: error.field(),
        limit: error.limit(),
        size: error.size(),
        hint: hint(error),
        start_after: None,
        resume: None,
    }
}

/// What to do next, unless the message says it.
fn hint(error: &Error) -> Option<&'static str> {
    match (error.kind(), error.reason()) {
        (_, Some(ErrorReason::BackendUnreachable)) => Some(
            "the gateway is running, but the backend of this namespace is not: start it, or check its endpoint",
        ),
        (_, Some(ErrorReason::LeaseEnded)) => Some(
            "its values may be delivered again: reserve them for longer with --lease, or extend the lease in time",
        ),
        (_, Some(ErrorReason::Draining)) => Some("the server is stopping: retry when it is back"),
        (_, Some(ErrorReason::CursorUnsupported)) => {
            Some("this backend does not scan in order: scan without --start-after")
        }
        (_, Some(ErrorReason::ScanInterrupted | ErrorReason::ResumeInvalid)) => Some("start the scan over"),
        // The client's words name its settings; these are their options.
        (ErrorKind::Unavailable, None) if error.is_tls() => Some(
            "the options of TLS are --tls, --ca-file, --certificate-file with --key-file, and --server-name",
        ),
        (ErrorKind::Unavailable, None) if error.is_retryable() => Some(
            "is the gateway running? start one with `prism dev`, or set another address with --address or PRISM_ADDRESS",
        ),
        (ErrorKind::Unavailable, _) if !error.is_retryable() => {
            Some("the write may have been applied: check before you retry it")
        }
        (ErrorKind::DeadlineExceeded, _) => {
            Some("give it more time with --timeout; a write may still have been applied")
        }
        (ErrorKind::NamespaceNotFound, _) => {
            Some("`prism namespaces ls` lists the namespaces; choose one with --namespace or PRISM_NAMESPACE")
        }
        (ErrorKind::Unauthenticated, _) => Some(TOKEN_HINT),
        (ErrorKind::PermissionDenied, _) => Some(
            "the token is known, but its name has no such right in this namespace: `access` in the gateway's configuration lists them",
        ),
        (ErrorKind::Unimplemented, None | Some(ErrorReason::MethodUnknown)) => Some(
            "is this a Prism gateway? check it with `prism health`, or set another address with --address",
        ),
        _ => None,
    }
}

const TOKEN_HINT: &str =
    "pass a token that is in force with --token-file or PRISM_TOKEN_FILE, or in PRISM_TOKEN";

fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "not_found",
        ErrorKind::InvalidArgument => "invalid_argument",
        ErrorKind::NamespaceNotFound => "namespace_not_found",
        ErrorKind::FailedPrecondition => "failed_precondition",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::DeadlineExceeded => "deadline_exceeded",
        ErrorKind::ResourceExhausted => "resource_exhausted",
        ErrorKind::Unauthenticated => "unauthenticated",
        ErrorKind::PermissionDenied => "permission_denied",
        ErrorKind::Unimplemented => "unimplemented",
        ErrorKind::OutOfRange => "out_of_range",
        ErrorKind::Aborted => "aborted",
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::Closed => "closed",
        ErrorKind::Internal => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let gone = Failure::Output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(gone.exit(), Exit::Success);
        assert_eq!(Failure::Output(io::ErrorKind::StorageFull.into()).exit(), Exit::Failed);
    }

    #[test]
    fn the_json_form_has_every_field() {
        let error = prism_client::Client::new("nowhere").unwrap_err();
        let object = serde_json::to_value(Object { error: Failure::Call(error).told() }).unwrap();
        let told = object["error"].as_object().unwrap();
        assert_eq!(told["kind"], "invalid_argument");
        assert_eq!(told["code"], "INVALID_ARGUMENT");
        assert_eq!(told["reason"], serde_json::Value::Null);
        assert_eq!(told["operation"], "client");
        assert_eq!(told["retryable"], false);
        for field in ["message", "field", "limit", "size", "hint", "start_after", "resume"] {
            assert!(told.contains_key(field), "{field} is missing");
        }
    }
}
