//! Completion: of commands and options by the grammar, of keys and lists by what the namespace has.

use std::time::Duration;

use clap::{Arg, Command};
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::connect::ConnectArgs;

/// How many keys are offered.
const KEYS_MAX: i32 = 100;
/// How long a gateway may take to say them.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Completion {
    grammar: Command,
    connect: ConnectArgs,
    runtime: Runtime,
}

/// What may come next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// One of these.
    Words(Vec<String>),
    /// A key with a value.
    Key,
    /// A list.
    List,
}

impl Completion {
    pub(super) fn new(mut grammar: Command, connect: ConnectArgs, runtime: Runtime) -> Self {
        grammar.build();
        Self { grammar, connect, runtime }
    }

    pub(super) fn go_to(&mut self, namespace: &str) {
        self.connect.set_namespace(namespace.to_owned());
    }

    /// Keys or lists that begin with a prefix; none if the gateway does not say them in time.
    fn names(&self, prefix: &str, of_lists: bool) -> Vec<String> {
        let Ok(namespace) = self.connect.namespace() else { return Vec::new() };
        let names = async {
            let mut names = Vec::new();
            if of_lists {
                let mut lists = namespace.list().lists(prefix).limit(KEYS_MAX);
                while let Some(Ok(list)) = lists.next().await {
                    names.push(list.list_key);
                }
            } else {
                let mut keys = namespace.keyvalue().scan_keys(prefix).limit(KEYS_MAX);
                while let Some(Ok(key)) = keys.next().await {
                    names.push(key);
                }
            }
            names
        };
        let mut names = self.runtime.block_on(async { timeout(PATIENCE, names).await.unwrap_or_default() });
        names.sort_unstable();
        names
    }
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let Some((before, word, start)) = split(line.get(..pos).unwrap_or_default()) else {
            return Ok((pos, Vec::new()));
        };
        let words = match next(&self.grammar, &before, &word) {
            Next::Words(words) => words,
            Next::Key => self.names(&word, false),
            Next::List => self.names(&word, true),
        };
        let pairs =
            words.into_iter().filter(|candidate| candidate.starts_with(&word)).filter_map(|candidate| {
                // A name with a NUL cannot be typed.
                let quoted = shlex::try_quote(&candidate).ok()?.into_owned();
                // One with control characters would move the cursor.
                (!candidate.chars().any(char::is_control))
                    .then_some(Pair { display: candidate, replacement: quoted })
            });
        let mut pairs: Vec<_> = pairs.collect();
        if let [only] = pairs.as_mut_slice() {
            only.replacement.push(' ');
        }
        Ok((start, pairs))
    }
}

/// The words before the one at the end, that one, and where it starts; `None` within quotes that cannot be understood.
fn split(line: &str) -> Option<(Vec<String>, String, usize)> {
    // A word with quotes around it or in it starts behind the last space that is not quoted.
    let is_escaped = |at: usize| {
        let before = &line[..at];
        (before.len() - before.trim_end_matches('\\').len()) % 2 == 1
    };
    let spaces = line.match_indices(' ').map(|(at, _)| at).filter(|at| !is_escaped(*at));
    let starts = spaces.map(|at| at + 1).rev().chain([0]);
    for start in starts {
        let (before, word) = line.split_at(start);
        let closed = [word.to_owned(), format!("{word}'"), format!("{word}\"")];
        let Some(before) = shlex::split(before) else { continue };
        let word = closed.iter().find_map(|word| shlex::split(word))?;
        return match word.as_slice() {
            [] => Some((before, String::new(), start)),
            [word] => Some((before, word.clone(), start)),
            _ => None,
        };
    }
    None
}

fn next(grammar: &Command, before: &[String], word: &str) -> Next {
    let mut command = grammar;
    let mut positionals = 0;
    let mut valued: Option<&Arg> = None;
    for given in before {
        if valued.take().is_some() {
            // It was the option's.
        } else if given.starts_with('-') && given.len() > 1 {
            valued = option(command, given).filter(|option| option.get_action().takes_values());
        } else if let Some(inner) = command.find_subcommand(given) {
            command = inner;
        } else {
            positionals += 1;
        }
    }
    let of_lists = before.first().is_some_and(|group| group == "list");
    if let Some(option) = valued {
        return by_id(option, of_lists);
    }
    if word.starts_with('-') {
        let options = command.get_arguments().filter(|option| !option.is_hide_set());
        let mut words: Vec<_> = options.filter_map(Arg::get_long).map(|long| format!("--{long}")).collect();
        words.sort_unstable();
        return Next::Words(words);
    }
    if command.has_subcommands() {
        return Next::Words(command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect());
    }
    // The last positional argument may stand for several.
    let arguments: Vec<_> = command.get_positionals().collect();
    let last =
        arguments.last().filter(|last| last.get_num_args().is_some_and(|count| count.max_values() > 1));
    match arguments.get(positionals).or(last) {
        Some(argument) => by_id(argument, of_lists),
        None => Next::Words(Vec::new()),
    }
}

/// What an argument may be, by the name that commands give to keys.
fn by_id(argument: &Arg, of_lists: bool) -> Next {
    match argument.get_id().as_str() {
        "key" | "keys" | "prefix" => {
            if of_lists {
                Next::List
            } else {
                Next::Key
            }
        }
        _ => Next::Words(
            argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect(),
        ),
    }
}

fn option<'a>(command: &'a Command, given: &str) -> Option<&'a Arg> {
    if given.contains('=') {
        return None;
    }
    command.get_arguments().find(|argument| {
        argument.get_long().is_some_and(|long| given.strip_prefix("--") == Some(long))
            || argument
                .get_short()
                .is_some_and(|short| given.strip_prefix('-') == Some(short.to_string().as_str()))
    })
}

impl Hinter for Completion {
    type Hint = String;
}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_under_the_cursor_is_found() {
        for (line, expected) in [
            ("", Some((&[][..], "", 0))),
            ("kv ge", Some((&["kv"], "ge", 3))),
            ("kv get ", Some((&["kv", "get"], "", 7))),
            ("kv get 'two wo", Some((&["kv", "get"], "two wo", 7))),
            ("kv get two\\ wo", Some((&["kv", "get"], "two wo", 7))),
            ("kv set a 'b' c", Some((&["kv", "set", "a", "b"], "c", 13))),
        ] {
            let found = split(line);
            let expected = expected.map(|(before, word, start)| {
                (before.iter().map(|word| (*word).to_owned()).collect(), word.to_owned(), start)
            });
            assert_eq!(found, expected, "{line:?}");
        }
    }

    #[test]
    fn the_grammar_says_what_comes_next() {
        let mut grammar = crate::args::command();
        grammar.build();
        let next = |line: &str| {
            let (before, word, _) = split(line).unwrap();
            next(&grammar, &before, &word)
        };
        let Next::Words(commands) = next("") else { panic!() };
        assert!(commands.contains(&"kv".to_owned()) && commands.contains(&"list".to_owned()), "{commands:?}");
        let Next::Words(verbs) = next("kv -n orders ") else { panic!() };
        assert!(verbs.contains(&"incr".to_owned()), "{verbs:?}");
        let Next::Words(options) = next("kv set a b --t") else { panic!() };
        assert!(
            options.contains(&"--ttl".to_owned()) && options.contains(&"--timeout".to_owned()),
            "{options:?}"
        );
        for (line, expected) in [
            ("kv get us", Next::Key),
            ("kv mget a us", Next::Key),
            ("kv del --prefix us", Next::Key),
            ("kv scan us", Next::Key),
            ("kv set --ttl 1h us", Next::Key),
            ("kv set user:1 va", Next::Words(Vec::new())),
            ("kv get -n ord", Next::Words(Vec::new())),
            ("list length que", Next::List),
            ("list reserve que", Next::List),
            ("kv get a -o j", Next::Words(vec!["text".to_owned(), "json".to_owned()])),
        ] {
            assert_eq!(next(line), expected, "{line}");
        }
    }
}
