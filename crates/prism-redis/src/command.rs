//! One command for one key.

use crate::greeting::{Greeting, Version};
use crate::lane::Lane;
use crate::record::{Manner, Record};
use crate::resp::{Argument, Cmd, cmd};
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
        let command = Cmd::with_capacity(key.len() + 64).arg(name).arg(&key);
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
        let command = Cmd::with_capacity(bytes + 16 * named.len() + 192).arg("EVALSHA").arg(&script.hash);
        let command = named.iter().fold(command.arg(named.len()), Cmd::arg);
        let (keys, key) = (named.len(), named.swap_remove(0));
        let script = Some(script);
        Self { command, key, lane: Lane::Small, effect, awaits_slot: true, script, keys, valkey: None }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl Argument) -> Self {
        self.command = self.command.arg(argument);
        self
    }

    /// Adds a value, which decides the lane.
    pub(crate) fn value(mut self, value: &[u8]) -> Self {
        self.command.push(value);
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
        let mut arguments = self.command.arguments();
        let keys = self.keys + more.len();
        let bytes = self.bytes() + more.iter().map(|key| key.len()).sum::<usize>();
        let mut command = Cmd::with_capacity(bytes + 512).arg("EVALSHA").arg(&script.hash).arg(keys);
        let name = match self.script {
            Some(_) => arguments.nth(HEAD).and(None),
            None => arguments.next(),
        };
        arguments.by_ref().take(self.keys).for_each(|key| command.push(key));
        more.iter().for_each(|key| command.push(key.as_bytes()));
        name.into_iter().chain(arguments).for_each(|argument| command.push(argument));
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
        self.command.arguments().map(<[u8]>::len).sum()
    }

    /// The same for a server that does not know the script, which will know it then; `None` if there is no script.
    pub(crate) fn in_full(&self) -> Option<Cmd> {
        let script = self.script?;
        let mut command = cmd("EVAL").arg(&script.source);
        self.command.arguments().skip(HEAD).for_each(|argument| command.push(argument));
        Some(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::GET_WITH_TTL;

    #[test]
    fn a_script_in_full_has_the_same_arguments() {
        let command = Command::script(&GET_WITH_TTL, "k".to_owned(), Effect::Read).arg(7_u8).value(b"\xff");
        let arguments = |command: &Cmd| command.arguments().map(<[u8]>::to_vec).collect::<Vec<_>>();
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
            recorded.command.arguments().skip(HEAD).map(<[u8]>::to_vec).collect()
        };
        let tail = [b"oT".to_vec(), vec![7; 32], b"00000000000000ff".to_vec(), b"0000000000000001".to_vec()];
        let plain = Command::new("SETEX", "k".to_owned(), Effect::Write).arg(7_u8).value(b"v");
        let head = ["3", "k", "answers", "open", "SETEX", "7", "v"].map(|word| word.as_bytes().to_vec());
        assert_eq!(shown(&plain), [&head[..], &tail].concat());
        let keys = ["k", "l"].map(str::to_owned);
        let script = Command::script_on(&GET_WITH_TTL, keys, Effect::Write).arg(7_u8);
        let head = ["4", "k", "l", "answers", "open", "7"].map(|word| word.as_bytes().to_vec());
        assert_eq!(shown(&script), [&head[..], &tail].concat());
    }

    #[test]
    fn what_only_valkey_knows_is_sent_to_it_alone() {
        let command = Command::new("GET", "k".to_owned(), Effect::Read);
        let command = command.or_on_valkey((8, 1), cmd("DELIFEQ"));
        for (product, version, is_known) in [
            ("valkey", "8.1.0", true),
            ("valkey", "9.1.2", true),
            ("valkey", "8.0.9", false),
            ("redis", "9.0.0", false),
        ] {
            let (product, version) = (product.to_owned(), version.to_owned());
            let server = Greeting { product, version, ..Greeting::default() };
            let is_sent = command.to(&server).arguments().next() == Some(b"DELIFEQ");
            assert_eq!(is_sent, is_known, "{server:?}");
        }
    }
}
