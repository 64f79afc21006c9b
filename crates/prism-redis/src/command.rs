//! One command for one key.

use redis::{Arg, Cmd, Pipeline, ToRedisArgs};

use crate::greeting::{Greeting, Version};
use crate::lane::Lane;
use crate::script::Script;

/// Whether a command changes anything, and so waits for replicas if it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
}

/// One command for one key.
pub(crate) struct Command {
    pub(crate) command: Cmd,
    pub(crate) key: String,
    pub(crate) lane: Lane,
    pub(crate) effect: Effect,
    /// What the command runs, unless it is one of the server's own.
    script: Option<&'static Script>,
    /// What does the same on a newer Valkey.
    valkey: Option<(Version, Cmd)>,
}

/// The arguments of `EVAL` and `EVALSHA` in front of the script's own: the name, and the script or its hash.
const HEAD: usize = 2;

impl Command {
    /// A command with its key as the first argument.
    pub(crate) fn new(name: &str, key: String, effect: Effect) -> Self {
        let mut command = Cmd::with_capacity(5, key.len() + 64);
        command.arg(name).arg(&key);
        Self { command, key, lane: Lane::Small, effect, script: None, valkey: None }
    }

    /// A script for one key.
    pub(crate) fn script(script: &'static Script, key: String, effect: Effect) -> Self {
        let mut command = Cmd::with_capacity(9, key.len() + 128);
        command.arg("EVALSHA").arg(&script.hash).arg(1).arg(&key);
        Self { command, key, lane: Lane::Small, effect, script: Some(script), valkey: None }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds a value, which decides the lane.
    pub(crate) fn value(mut self, value: &[u8]) -> Self {
        self.command.arg(value);
        self.lane = self.lane.max(Lane::of(value.len()));
        self
    }

    /// Names what does the same on a Valkey of this version or a later one.
    pub(crate) fn or_on_valkey(mut self, since: Version, command: Cmd) -> Self {
        self.valkey = Some((since, command));
        self
    }

    /// What is sent to a server.
    pub(crate) fn to(&self, server: &Greeting) -> &Cmd {
        match &self.valkey {
            Some((since, command)) if server.is_valkey_since(*since) => command,
            _ => &self.command,
        }
    }

    /// About how large it is.
    pub(crate) fn bytes(&self) -> usize {
        self.command
            .args_iter()
            .map(|argument| if let Arg::Simple(bytes) = argument { bytes.len() } else { 0 })
            .sum()
    }

    /// The same for a server that does not know the script, which will know it then; `None` if there is no script.
    pub(crate) fn in_full(&self) -> Option<Cmd> {
        let script = self.script?;
        let mut command = Cmd::with_capacity(9, script.source.len() + 256);
        command.arg("EVAL").arg(script.source);
        for argument in self.command.args_iter().skip(HEAD) {
            if let Arg::Simple(argument) = argument {
                command.arg(argument);
            }
        }
        Some(command)
    }
}

/// Commands that travel together.
pub(crate) fn pipeline<'a>(commands: impl IntoIterator<Item = &'a Cmd>) -> Pipeline {
    let mut pipeline = redis::pipe();
    commands.into_iter().for_each(|command| _ = pipeline.add_command(command.clone()));
    pipeline
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::GET_WITH_TTL;

    #[test]
    fn a_script_in_full_has_the_same_arguments() {
        let command = Command::script(&GET_WITH_TTL, "k".to_owned(), Effect::Read).arg(7).value(b"\xff");
        let arguments = |command: &Cmd| {
            let argument = |argument: Arg<&[u8]>| match argument {
                Arg::Simple(argument) => argument.to_vec(),
                _ => Vec::new(),
            };
            command.args_iter().map(argument).collect::<Vec<_>>()
        };
        let (short, full) = (arguments(&command.command), arguments(&command.in_full().unwrap()));
        assert_eq!(short[..2], [b"EVALSHA".to_vec(), GET_WITH_TTL.hash.clone().into_bytes()]);
        assert_eq!(full[..2], [b"EVAL".to_vec(), GET_WITH_TTL.source.into()]);
        assert_eq!(short[2..], full[2..]);
        assert_eq!(short[2..], [b"1".to_vec(), b"k".to_vec(), b"7".to_vec(), vec![0xff]]);
        assert!(Command::new("GET", "k".to_owned(), Effect::Read).in_full().is_none());
    }

    #[test]
    fn what_only_valkey_knows_is_sent_to_it_alone() {
        let command = Command::new("GET", "k".to_owned(), Effect::Read);
        let command = command.or_on_valkey((8, 1), redis::cmd("DELIFEQ"));
        for (product, version, is_known) in [
            ("valkey", "8.1.0", true),
            ("valkey", "9.1.2", true),
            ("valkey", "8.0.9", false),
            ("redis", "9.0.0", false),
        ] {
            let (product, version) = (product.to_owned(), version.to_owned());
            let server = Greeting { product, version, ..Greeting::default() };
            let is_sent = command.to(&server).get_packed_command().ends_with(b"DELIFEQ\r\n");
            assert_eq!(is_sent, is_known, "{server:?}");
        }
    }
}
