//! `prism token`: the tokens that a proxy's or a plugin's file holds. Those of the admin are `prism-admin token`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use prism_auth::FileError;
use prism_auth::tokens::{self, Listed};
use prism_grpc::identity::{NAME_BYTES_MAX, is_name};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Format, Output, OutputArgs};
use crate::time::time_limit;

const AFTER_HELP: &str = "\
A server reads the file within a second of a change: server.token_file in a proxy's configuration, --token-file of a plugin.
For tokens of prism-admin, use prism-admin token.

Examples:
  prism token new orders --token-file tokens --expires 90d
  prism token ls --token-file tokens
  prism token revoke orders --token-file tokens";

/// Create, list and revoke the tokens with which applications call a proxy, or proxies a plugin.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Token {
    /// File with the tokens' hashes.
    #[arg(long, global = true, value_name = "FILE", default_value = "tokens")]
    token_file: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a token, append its hash to the file, which is created if missing, and print the token, this once.
    New {
        /// The caller's name. It may have several tokens, so that they can be replaced one after the other.
        #[arg(value_parser = name)]
        name: String,
        /// How long the token is accepted, such as 90d [default: until it is revoked].
        #[arg(long, value_name = "TIME", value_parser = time_limit)]
        expires: Option<Duration>,
    },
    /// List the names in the file, and when each token expires.
    Ls,
    /// Remove all tokens of a name; exits with 3 if there are none.
    Revoke {
        /// The caller's name.
        #[arg(value_parser = name)]
        name: String,
    },
}

fn name(text: &str) -> Result<String, String> {
    let is_valid = is_name(text) && !text.starts_with('#');
    let wrong = || format!("expected 1 to {NAME_BYTES_MAX} visible ASCII characters, and no # in front");
    is_valid.then(|| text.to_owned()).ok_or_else(wrong)
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::File(error.to_string())
    }
}

/// A new token, which is shown nowhere else.
#[derive(Serialize)]
struct New<'a> {
    name: &'a str,
    token: String,
}

impl Answer for New<'_> {
    fn text(&self, out: &mut dyn Write, _: bool) -> io::Result<()> {
        writeln!(out, "{}", self.token)
    }
}

/// One token of the file.
#[derive(Serialize)]
struct Line {
    name: String,
    expires: Option<String>,
}

impl Answer for Line {
    fn text(&self, out: &mut dyn Write, _: bool) -> io::Result<()> {
        writeln!(out, "{}  {}", self.name, self.expires.as_deref().unwrap_or("-"))
    }
}

/// How many tokens were removed.
#[derive(Serialize)]
struct Revoked {
    revoked: usize,
}

impl Answer for Revoked {
    fn text(&self, out: &mut dyn Write, _: bool) -> io::Result<()> {
        writeln!(out, "{}", self.revoked)
    }
}

impl Token {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let mut output = Output::new(self.format());
        let file = &self.token_file;
        match self.verb {
            Verb::New { name, expires } => {
                let beyond =
                    || Failure::Usage("--expires: expected a time that ends before the year 9999".to_owned());
                let expires = expires.map(|after| expiry(after).ok_or_else(beyond)).transpose()?;
                let token = tokens::issue(file, &name, expires)?;
                output.write(&New { name: &name, token })?;
                output.flush()?;
            }
            Verb::Ls => {
                for Listed { name, expires } in tokens::list(file)? {
                    let expires = expires.map(|at| humantime::format_rfc3339_seconds(at).to_string());
                    output.write(&Line { name, expires })?;
                }
                output.flush()?;
            }
            Verb::Revoke { name } => {
                let revoked = tokens::revoke(file, &name)?;
                output.write(&Revoked { revoked })?;
                output.flush()?;
                return Ok(Exit::found(revoked > 0));
            }
        }
        Ok(Exit::Success)
    }
}

/// The moment after a time from now, if RFC 3339 can express it.
fn expiry(after: Duration) -> Option<SystemTime> {
    const YEAR_9999: Duration = Duration::from_secs(253_370_764_800);
    let at = SystemTime::now().checked_add(after)?;
    (at < SystemTime::UNIX_EPOCH + YEAR_9999).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_on_a_line_of_the_file() {
        assert!(name("orders").is_ok() && name("spiffe://corp/report").is_ok());
        for wrong in ["", "a b", "a\nb", "#a"] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_expiry_can_be_written() {
        assert!(expiry(Duration::from_secs(90 * 86_400)).is_some());
        assert_eq!(
            (expiry(Duration::from_secs(u64::MAX)), expiry(Duration::from_secs(1 << 40))),
            (None, None)
        );
    }
}
