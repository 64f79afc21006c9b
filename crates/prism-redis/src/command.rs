//! One command for one key.

use redis::{Arg, Cmd, Pipeline, ToRedisArgs};

use crate::greeting::{Greeting, Version};
use crate::lane::Lane;
use crate::record::{Manner, Record};
use crate::script::{ON_ANY, Script};

/// Whether a command changes anything, and so waits for replicas if it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
}

/// One command for one key.
#[derive(Clone)]
pub(crate) struct Command {
    pub(crate) command: Cmd,
    pub(crate) key: String,
    pub(crate) lane: Lane,
    pub(crate) effect: Effect,
    /// Whether it waits while its slot is on its way to another node.
    pub(crate) awaits_slot: bool,
    /// What the command runs, unless it is one of the server's own.
    script: Option<&'static Script>,
    /// How many keys it has; the first is `key`.
    keys: usize,
    /// What does the same on a newer Valkey.
    valkey: Option<(Version, Cmd)>,
}

/// The arguments of `EVAL` and `EVALSHA` in front of the number of keys: the name, and the script or its hash.
const HEAD: usize = 2;

impl Command {
    /// A command with its key as the first argument.
    pub(crate) fn new(name: &str, key: String, effect: Effect) -> Self {
        let mut command = Cmd::with_capacity(5, key.len() + 64);
        command.arg(name).arg(&key);
        Self {
            command,
            key,
            lane: Lane::Small,
            effect,
            awaits_slot: true,
            script: None,
            keys: 1,
            valkey: None,
        }
    }

    /// A script for one key.
    pub(crate) fn script(script: &'static Script, key: String, effect: Effect) -> Self {
        Self::script_on(script, [key], effect)
    }

    /// A script for a key, the first, and others in its slot.
    pub(crate) fn script_on(script: &'static Script, keys: impl Into<Vec<String>>, effect: Effect) -> Self {
        let mut named = keys.into();
        let bytes: usize = named.iter().map(String::len).sum();
        let mut command = Cmd::with_capacity(9 + named.len(), bytes + 128);
        command.arg("EVALSHA").arg(&script.hash).arg(named.len()).arg(&named);
        let (keys, key) = (named.len(), named.swap_remove(0));
        let script = Some(script);
        Self { command, key, lane: Lane::Small, effect, awaits_slot: true, script, keys, valkey: None }
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

    /// Lets it be refused while its slot is on its way to another node.
    pub(crate) fn without_waiting(mut self) -> Self {
        self.awaits_slot = false;
        self
    }

    /// Names what does the same on a Valkey of this version or a later one.
    pub(crate) fn or_on_valkey(mut self, since: Version, command: Cmd) -> Self {
        self.valkey = Some((since, command));
        self
    }

    /// The same as one step with the record of its answer.
    pub(crate) fn recorded(&self, record: &Record, manner: Manner<'_>) -> Self {
        let recorded = self.within(Script::recorded, &[&record.answers, &record.open]);
        let recorded = recorded.arg(manner.word()).arg(&record.digest[..]);
        recorded.arg(record.number()).arg(record.acknowledged())
    }

    /// The same as one step with a note of what it takes.
    pub(crate) fn taken(&self, note: &str) -> Self {
        self.within(Script::taken, &[note])
    }

    /// The same as a part of another script, which has these keys besides.
    fn within(&self, part_of: fn(&'static Script) -> &'static Script, more: &[&str]) -> Self {
        let script = part_of(self.script.unwrap_or_else(|| &ON_ANY));
        let mut arguments = simple(&self.command);
        let keys = self.keys + more.len();
        let bytes = self.bytes() + more.iter().map(|key| key.len()).sum::<usize>();
        let mut command = Cmd::with_capacity(keys + 12, bytes + 256);
        command.arg("EVALSHA").arg(&script.hash).arg(keys);
        let name = match self.script {
            Some(_) => arguments.nth(HEAD).and(None),
            None => arguments.next(),
        };
        arguments.by_ref().take(self.keys).for_each(|key| _ = command.arg(key));
        command.arg(more);
        name.into_iter().chain(arguments).for_each(|argument| _ = command.arg(argument));
        let Self { lane, effect, awaits_slot, .. } = *self;
        Self {
            command,
            key: self.key.clone(),
            lane,
            effect,
            awaits_slot,
            script: Some(script),
            keys,
            valkey: None,
        }
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
        simple(&self.command).map(<[u8]>::len).sum()
    }

    /// The same for a server that does not know the script, which will know it then; `None` if there is no script.
    pub(crate) fn in_full(&self) -> Option<Cmd> {
        let script = self.script?;
        let mut command = Cmd::with_capacity(9, script.source.len() + 256);
        command.arg("EVAL").arg(&script.source);
        simple(&self.command).skip(HEAD).for_each(|argument| _ = command.arg(argument));
        Some(command)
    }
}

/// The arguments of a command, of which none is a cursor.
fn simple(command: &Cmd) -> impl Iterator<Item = &[u8]> {
    command.args_iter().filter_map(|argument| match argument {
        Arg::Simple(bytes) => Some(bytes),
        _ => None,
    })
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
        assert_eq!(full[..2], [b"EVAL".to_vec(), GET_WITH_TTL.source.clone().into_bytes()]);
        assert_eq!(short[2..], full[2..]);
        assert_eq!(short[2..], [b"1".to_vec(), b"k".to_vec(), b"7".to_vec(), vec![0xff]]);
        assert!(Command::new("GET", "k".to_owned(), Effect::Read).in_full().is_none());
    }

    #[test]
    fn a_recorded_step_has_what_it_acts_on_first_and_its_record_last() {
        let record = Record {
            answers: "answers".to_owned(),
            open: "open".to_owned(),
            digest: [7; 32],
            seq: 255,
            acked: 1,
        };
        let shown = |command: &Command| -> Vec<Vec<u8>> {
            let recorded = command.recorded(&record, Manner::Open("T"));
            simple(&recorded.command).skip(HEAD).map(<[u8]>::to_vec).collect()
        };
        let tail = [b"oT".to_vec(), vec![7; 32], b"00000000000000ff".to_vec(), b"0000000000000001".to_vec()];
        let plain = Command::new("SETEX", "k".to_owned(), Effect::Write).arg(7).value(b"v");
        let head = ["3", "k", "answers", "open", "SETEX", "7", "v"].map(|word| word.as_bytes().to_vec());
        assert_eq!(shown(&plain), [&head[..], &tail].concat());
        let keys = ["k", "l"].map(str::to_owned);
        let script = Command::script_on(&GET_WITH_TTL, keys, Effect::Write).arg(7);
        let head = ["4", "k", "l", "answers", "open", "7"].map(|word| word.as_bytes().to_vec());
        assert_eq!(shown(&script), [&head[..], &tail].concat());
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
