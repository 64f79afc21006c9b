//! Why a command failed, and the error that the caller gets: whether it may have been applied, and what to do next.

use prism_plugin::{Applied, Error, ErrorReason, retries};

use crate::resp::{Refusal, Value};

/// Why a command has no answer, or the wrong one.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// There is no connection: the command was not sent.
    Unreachable(String),
    /// The connection was lost, or did not answer in time, after the command may have been sent.
    Lost(String),
    /// The server refused the command.
    Refused(Refusal),
    /// The answer is of a type that the command never has.
    Unexpected,
    /// Fewer replicas than required had the write in time.
    NotReplicated {
        /// How many had it.
        reached: u64,
        /// How many must.
        required: u32,
    },
}

impl Fault {
    /// The server's answer, unless that is a refusal.
    pub(crate) fn of(answer: Value) -> Result<Value, Self> {
        match answer {
            Value::ServerError(error) => Err(Self::Refused(error)),
            answer => Ok(answer),
        }
    }

    /// Whether the server refused the command itself with one of these codes, not one within a script.
    pub(crate) fn is(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Refused(refusal) if codes.contains(&refusal.code()))
    }

    /// The code of the server's refusal, such as `WRONGTYPE`.
    pub(crate) fn code(&self) -> Option<&str> {
        let Self::Refused(refusal) = self else { return None };
        // Before Redis 7, the error of a command within a script is in the details of one of the script.
        let details = refusal.details();
        let is_wrapped = details.starts_with("Error running script");
        let is_in = |code: &&&str| is_wrapped && details.contains(**code);
        match IN_SCRIPTS.iter().find(is_in) {
            Some(code) => Some(code),
            None if self.is_denied_to_script() => Some("NOPERM"),
            None if self.is_elsewhere() => Some("TRYAGAIN"),
            None => Some(refusal.code()),
        }
    }

    /// Whether the user may run a script, but not a command within it: one before it may have been applied.
    fn is_denied_to_script(&self) -> bool {
        // Redis, and Valkey.
        self.says("The user executing the script can't run") || self.says("ACL failure in script")
    }

    /// Whether a script has found a key missing that it had itself emptied, while the key's slot moves to another node. Scripts do so before
    /// they change anything, except that the values of leases which have ended return.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.says("access a non local key")
    }

    /// Whether the server refused the command with these words.
    pub(crate) fn says(&self, words: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.details().contains(words))
    }

    /// Whether the servers may have changed roles, so that it is worth asking them.
    pub(crate) fn suggests_failover(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Lost(_))
            || self.is(&["READONLY", "MASTERDOWN", "CLUSTERDOWN", "MOVED"])
    }

    /// In words, for logs and health.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Unreachable(why) | Self::Lost(why) => why.clone(),
            Self::Refused(_) => {
                let code = self.code().unwrap_or_default();
                match state(code) {
                    Some(state) => format!("{state} ({code})"),
                    None => format!("the server answered {code}"),
                }
            }
            Self::Unexpected => "the server's answer is not of the type that the command has".to_owned(),
            Self::NotReplicated { reached, required } => {
                format!("{reached} of {required} required replicas had the write in time")
            }
        }
    }
}

/// The codes with which a command within a script may be refused.
const IN_SCRIPTS: [&str; 5] = ["WRONGTYPE", "OOM", "READONLY", "NOREPLICAS", "MISCONF"];

/// What a refusal says about the state of the server; `None` if it is about the command.
fn state(code: &str) -> Option<&'static str> {
    Some(match code {
        "LOADING" => "the server is loading its data",
        "READONLY" => "the server is a replica and does not accept writes",
        "MASTERDOWN" => "the server is a replica that has lost its primary",
        "CLUSTERDOWN" => "the cluster is down, or nobody serves the key's slot",
        "TRYAGAIN" => "the key's slot is being moved to another node",
        "MOVED" | "ASK" => "the key's slot keeps moving between nodes",
        "BUSY" => "the server is busy running a script",
        "NOREPLICAS" => "the server has too few replicas to accept writes",
        "MISCONF" => "the server cannot save its data and does not accept writes",
        "NOAUTH" => "the server wants a password: set password_file",
        "WRONGPASS" => "the server refuses the user or the password: check username and password_file",
        "NOPERM" => "the server's ACL does not permit the command or the key: check the user's permissions",
        _ => return None,
    })
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let no = |why: String| {
            let message = format!("{why}; nothing was applied, retry later");
            Error::unavailable(ErrorReason::BackendUnreachable, Applied::No, message)
        };
        match &fault {
            Fault::Unreachable(_) => no(fault.words()),
            Fault::Lost(why) => {
                let message = format!("{why}; a write may have been applied");
                Error::unavailable(ErrorReason::BackendLost, Applied::Maybe, message)
            }
            Fault::Refused(_) => match fault.code().unwrap_or_default() {
                "OOM" => {
                    let message = "the server is at its memory limit (maxmemory) and evicts nothing; delete data or raise the limit";
                    Error::new(ErrorReason::MemoryLimit, message)
                }
                "WRONGTYPE" => {
                    let message = "the key holds a value of another type than this interface serves; use another key, or delete it";
                    Error::new(ErrorReason::WrongType, message)
                }
                "PRISMREUSED" => retries::reused(),
                "PRISMFORGOTTEN" => retries::window_passed(),
                "PRISMFULL" => retries::too_many(),
                "PRISMUNCOUNTED" => {
                    let message = "the list has moved while it was copied, and it is not known how far: nobody has read its next page for too long, or \
                                   what counts it has been removed; start the export over";
                    Error::new(ErrorReason::ScanInterrupted, message)
                }
                _ if fault.is_denied_to_script() => {
                    let message = format!("{}; a write may have been applied in part", fault.words());
                    Error::unavailable(ErrorReason::BackendUnreachable, Applied::Maybe, message)
                }
                code if state(code).is_some() => no(fault.words()),
                // Not the server's words: they may repeat the key.
                _ => Error::new(ErrorReason::Internal, fault.words()),
            },
            Fault::Unexpected => Error::new(ErrorReason::Internal, fault.words()),
            Fault::NotReplicated { reached, required } => {
                let message = format!("{}; the primary has it, and it may still reach them", fault.words());
                Error::unavailable(ErrorReason::DurabilityNotReached, Applied::Maybe, message)
                    .with("limit", required.to_string())
                    .with("size", reached.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> Error {
        Fault::of(Value::ServerError(Refusal::new(line))).unwrap_err().into()
    }

    #[test]
    fn each_state_of_a_server_is_unavailable_and_nothing_was_applied() {
        for line in [
            "LOADING Redis is loading the dataset in memory",
            "READONLY You can't write against a read only replica.",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "CLUSTERDOWN The cluster is down",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "ERR Script attempted to access a non local key in a cluster node script: 0, on @user_script:1.",
            "ERR Attempted to access a non local key in a cluster node script: 0, on @user_script:1.",
            "MOVED 1 10.0.0.1:1",
            "BUSY Redis is busy running a script.",
            "NOREPLICAS Not enough good replicas to write.",
            "MISCONF Errors writing to the AOF file",
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "NOPERM this user has no permissions to run the 'set' command",
        ] {
            let error = refused(line);
            assert_eq!(
                (error.reason, error.fact("applied")),
                (ErrorReason::BackendUnreachable, Some("no")),
                "{line}"
            );
            assert!(error.retry_delay.is_some(), "{line}");
        }
    }

    #[test]
    fn what_is_about_the_command_has_its_own_reason() {
        assert_eq!(
            refused("OOM command not allowed when used memory > 'maxmemory'.").reason,
            ErrorReason::MemoryLimit
        );
        for (line, reason) in [
            ("PRISMREUSED x", ErrorReason::IdempotencyKeyReused),
            ("PRISMFORGOTTEN x", ErrorReason::IdempotencyWindowPassed),
            ("PRISMFULL x", ErrorReason::IdempotencyLimit),
            ("PRISMUNCOUNTED x", ErrorReason::ScanInterrupted),
        ] {
            assert_eq!(refused(line).reason, reason, "{line}");
        }
        assert_eq!(refused("WRONGTYPE Operation against a key").reason, ErrorReason::WrongType);
        for line in [
            "ERR Error running script (call to f_0): @user_script:1: @user_script: 1: -OOM command not allowed",
            "OOM command not allowed when used memory > 'maxmemory'. script: 0, on @user_script:1.",
        ] {
            assert_eq!(refused(line).reason, ErrorReason::MemoryLimit, "{line}");
        }
        let unknown = refused("ERR unknown command 'SET', with args beginning with: 'secret'");
        assert_eq!(unknown.reason, ErrorReason::Internal);
        assert!(!unknown.message.contains("secret"), "{unknown}");
    }

    #[test]
    fn a_script_that_lacks_a_permission_may_have_been_applied_in_part() {
        for line in [
            "ERR The user executing the script can't run this command or subcommand script: 0, on @user_script:1.",
            "ERR ACL failure in script: User u has no permissions to run the 'set' command script: on @user_script:1.",
        ] {
            let error = refused(line);
            assert_eq!(
                (error.reason, error.fact("applied")),
                (ErrorReason::BackendUnreachable, Some("maybe"))
            );
            assert!(error.message.contains("NOPERM"), "{error}");
        }
    }

    #[test]
    fn what_was_lost_may_have_been_applied() {
        let lost = Error::from(Fault::Lost("the connection was lost".to_owned()));
        assert_eq!((lost.reason, lost.fact("applied")), (ErrorReason::BackendLost, Some("maybe")));
        let short = Error::from(Fault::NotReplicated { reached: 1, required: 2 });
        assert_eq!((short.reason, short.fact("applied")), (ErrorReason::DurabilityNotReached, Some("maybe")));
    }
}
