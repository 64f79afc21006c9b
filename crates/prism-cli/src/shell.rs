//! `prism shell`: commands line by line, with history and completion.
//!
//! Each line runs as a command of its own, in a process of its own: what it prints and how it ends is what `docs/CLI.md` says of it, and Ctrl-C ends
//! the command, not the shell. What the shell was told is handed on in the variables that every command reads.

mod completion;
mod history;

use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use prism_proto::limits::is_namespace;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};
use tokio::signal::unix::{SignalKind, signal};

use self::completion::Completion;
use self::history::History;
use crate::connect::ConnectArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Format;

const AFTER_HELP: &str = "\
In the shell:
  kv get user:1      any command of prism, without its first word
  -n orders          go on in another namespace
  help               the commands; kv --help and kv get --help say more
  exit, Ctrl-D       end it
Tab completes commands, options, and keys and lists of the namespace. Up and Ctrl-R find earlier lines.

Without a terminal, lines are read from standard input; one that fails does not end it, and the exit code is that of the
last one.

Examples:
  prism shell
  prism shell --address gateway:8980 -n orders
  echo 'kv get user:1' | prism shell";

const HELP: &str = "\
Commands: those of prism, such as kv, list, export, namespaces and health. `kv --help` lists the verbs of kv.
-n NAME changes the namespace; exit ends the shell.";

/// Commands that make no sense from here: they take over the terminal, or are this one.
const NOT_HERE: [&str; 3] = ["shell", "dev", "completions"];

/// Enter commands line by line, with history and completion.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Shell {
    #[command(flatten)]
    connect: ConnectArgs,

    /// File that keeps the lines, values included, for the next time; only its owner can read it
    /// [default: prism/history in XDG_STATE_HOME, which is ~/.local/state by default].
    #[arg(long, env = "PRISM_HISTORY_FILE", value_name = "FILE")]
    history_file: Option<PathBuf>,

    /// Keep no lines.
    #[arg(long, conflicts_with = "history_file")]
    no_history: bool,
}

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Nothing,
    Exit,
    Help,
    Namespace(String),
    Command(Vec<String>),
    Wrong(String),
}

impl Shell {
    /// `grammar`: the whole command line's.
    pub(crate) fn run(mut self, grammar: clap::Command) -> Result<Exit, Failure> {
        // Refuses wrong options now rather than at every line.
        self.connect.namespace()?;
        if !io::stdin().is_terminal() {
            return self.read_lines();
        }
        let failed_to = |what: &str, error: io::Error| Failure::File(format!("cannot {what}: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed_to("create a runtime", error))?;
        // While a command runs, Ctrl-C is its own. Never read: from here on, the signal does not end this process.
        let interrupt = runtime.block_on(async { signal(SignalKind::interrupt()) });
        let _interrupt = interrupt.map_err(|error| failed_to("catch Ctrl-C", error))?;
        let mut history = if self.no_history { None } else { History::open(self.history_file.take())? };
        let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
        let mut editor: Editor<Completion, FileHistory> = Editor::with_config(config).map_err(failed)?;
        editor.set_helper(Some(Completion::new(grammar, self.connect.clone(), runtime)));
        if let Some(history) = &history {
            history.load(&mut editor)?;
        }
        loop {
            match editor.readline(&format!("{}> ", self.connect.namespace_name())) {
                Ok(line) => {
                    if self.obey(&line).is_none() {
                        break;
                    }
                }
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(failed(error)),
            }
            if let Some(completion) = editor.helper_mut() {
                completion.go_to(self.connect.namespace_name());
            }
            // What cannot be kept is no reason to end.
            if let Some(failed) = history.as_ref().and_then(|history| history.save(&mut editor).err()) {
                failed.report(Format::Text);
                history = None;
            }
        }
        Ok(Exit::Success)
    }

    fn read_lines(mut self) -> Result<Exit, Failure> {
        let mut exit = Exit::Success;
        for line in io::stdin().lines() {
            let line = line.map_err(|error| Failure::file("standard input", &error))?;
            match self.obey(&line) {
                Some(ended) => exit = ended,
                None => break,
            }
        }
        Ok(exit)
    }

    /// Does what a line asks for, and returns how it ended; `None` if it ends the shell.
    fn obey(&mut self, line: &str) -> Option<Exit> {
        match Line::parse(line) {
            Line::Nothing => Some(Exit::Success),
            Line::Exit => None,
            Line::Help => {
                println!("{HELP}");
                Some(Exit::Success)
            }
            Line::Namespace(name) => {
                self.connect.set_namespace(name);
                Some(Exit::Success)
            }
            Line::Command(words) => Some(self.command(&words)),
            Line::Wrong(why) => {
                eprintln!("prism: {why}");
                Some(Exit::Usage)
            }
        }
    }

    fn command(&self, words: &[String]) -> Exit {
        let mut command = Command::new(own_binary());
        command.arg0("prism").args(words);
        for (name, value) in self.connect.variables() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // Lines that were typed ahead are the shell's.
        if !io::stdin().is_terminal() {
            command.stdin(std::process::Stdio::null());
        }
        // What it prints comes after what was printed here.
        let _ = io::stdout().flush();
        match command.status() {
            Ok(status) => Exit::of_code(status.code()),
            Err(error) => {
                eprintln!("prism: a command cannot be started: {error}");
                Exit::Failed
            }
        }
    }
}

impl Line {
    fn parse(line: &str) -> Self {
        let Some(words) = shlex::split(line) else {
            return Self::Wrong("a quote is not closed, or the line ends in a backslash".to_owned());
        };
        let texts: Vec<_> = words.iter().map(String::as_str).collect();
        match texts.as_slice() {
            [] => Self::Nothing,
            ["exit" | "quit"] => Self::Exit,
            ["help" | "?"] => Self::Help,
            ["-n" | "--namespace", name] => Self::of_namespace(name),
            [option] if option.starts_with("--namespace=") => {
                Self::of_namespace(option.trim_start_matches("--namespace="))
            }
            ["-n" | "--namespace", ..] => Self::Wrong("expected -n NAME".to_owned()),
            [name, ..] if NOT_HERE.contains(name) => {
                Self::Wrong(format!("{name} does not run in a shell of prism"))
            }
            ["prism", ..] => Self::Wrong("leave out the word prism".to_owned()),
            _ => Self::Command(words),
        }
    }

    fn of_namespace(name: &str) -> Self {
        if is_namespace(name) {
            return Self::Namespace(name.to_owned());
        }
        Self::Wrong("-n: expected 1 to 64 of a-z, 0-9 and -, beginning with a letter".to_owned())
    }
}

/// This very binary, on Linux even if its file has been replaced meanwhile.
fn own_binary() -> PathBuf {
    let own = if cfg!(target_os = "linux") { None } else { std::env::current_exe().ok() };
    own.unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

fn failed(error: ReadlineError) -> Failure {
    Failure::File(format!("cannot read from the terminal: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_a_shell_reads_words() {
        let command = |words: &[&str]| Line::Command(words.iter().map(|word| (*word).to_owned()).collect());
        for (line, expected) in [
            ("", Line::Nothing),
            ("   # a remark", Line::Nothing),
            ("kv set a 'two words'", command(&["kv", "set", "a", "two words"])),
            ("kv get \"\"", command(&["kv", "get", ""])),
            ("-n orders", Line::Namespace("orders".to_owned())),
            ("--namespace=orders", Line::Namespace("orders".to_owned())),
            (" exit ", Line::Exit),
            ("help", Line::Help),
            ("help kv", command(&["help", "kv"])),
        ] {
            assert_eq!(Line::parse(line), expected, "{line:?}");
        }
        for (line, told) in [
            ("kv get 'a", "not closed"),
            ("kv get a\\", "backslash"),
            ("-n", "expected -n NAME"),
            ("-n Orders", "a-z"),
            ("-n a b", "expected -n NAME"),
            ("shell", "does not run"),
            ("prism kv get a", "leave out"),
        ] {
            let Line::Wrong(why) = Line::parse(line) else { panic!("{line:?} is accepted") };
            assert!(why.contains(told), "{line:?}: {why}");
        }
    }
}
