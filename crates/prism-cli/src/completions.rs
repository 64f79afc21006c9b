//! `prism completions`: a script that gives a shell completion of the commands.

use std::io::Write as _;

use clap::Args;
use clap_complete::Shell;

use crate::exit::Exit;
use crate::failure::Failure;

const AFTER_HELP: &str = "\
Examples:
  prism completions bash > ~/.local/share/bash-completion/completions/prism
  prism completions zsh > ~/.zfunc/_prism
  prism completions fish > ~/.config/fish/completions/prism.fish";

/// Print a shell completion script.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// `grammar`: the whole command line's.
    pub(crate) fn run(self, mut grammar: clap::Command) -> Result<Exit, Failure> {
        // Through a buffer, because the generator panics if the reader has gone.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut grammar, "prism", &mut script);
        std::io::stdout().write_all(&script)?;
        Ok(Exit::Success)
    }
}
