//! The options that name a token, and the rule that it is not sent where others can read it.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use http::HeaderValue;
use prism_client::Builder;

use crate::failure::Failure;
use crate::tls::Server;
use crate::variable::Variable;

const TOKEN: &str = "PRISM_TOKEN";
const TOKEN_FILE: &str = "PRISM_TOKEN_FILE";
const INSECURE_TOKEN: &str = "PRISM_INSECURE_TOKEN";

/// Which token is sent.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
pub(crate) struct TokenArgs {
    /// Token to send. Prefer the variable or --token-file: other users can see command lines.
    #[arg(long, global = true, env = TOKEN, value_name = "TOKEN", hide_env_values = true)]
    token: Option<Secret>,

    /// File whose only word is the token to send; read again when it changes.
    #[arg(long, global = true, env = TOKEN_FILE, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Send the token even in plaintext to another machine, where whoever is on the way can read and use it.
    #[arg(long, global = true, env = INSECURE_TOKEN)]
    insecure_token: bool,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Where the token comes from.
enum Source<'a> {
    Text(&'a Secret),
    File(&'a PathBuf),
}

impl TokenArgs {
    /// As variables; [`source`](Self::source) has decided between token and file.
    pub(crate) fn variables(&self) -> [Variable; 3] {
        let (token, file) = match self.source() {
            Ok(Some(Source::Text(Secret(token)))) => (Some(token.into()), None),
            Ok(Some(Source::File(path))) => (None, Some(path.into())),
            Ok(None) | Err(_) => (None, None),
        };
        [(TOKEN, token), (TOKEN_FILE, file), (INSECURE_TOKEN, self.insecure_token.then(|| "true".into()))]
    }

    /// Lets a client send the token, unless it would do so where others can read it.
    pub(crate) fn apply(&self, builder: Builder, server: &Server) -> Result<Builder, Failure> {
        let builder = builder.insecure_token(self.insecure_token);
        Ok(match self.checked(server)? {
            None => builder,
            Some(Source::Text(Secret(token))) => builder.token(token),
            Some(Source::File(path)) => builder.token_file(path),
        })
    }

    /// The header `authorization`, if there is a token.
    pub(crate) fn header(&self, server: &Server) -> Result<Option<HeaderValue>, Failure> {
        let token = match self.checked(server)? {
            None => return Ok(None),
            Some(Source::Text(Secret(token))) => token.clone(),
            Some(Source::File(path)) => prism_client::read_token_file(path)?,
        };
        let is_word = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        let header = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| is_word);
        let mut header =
            header.ok_or_else(|| Failure::Usage("the token must be one word of visible ASCII".to_owned()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }

    fn checked(&self, server: &Server) -> Result<Option<Source<'_>>, Failure> {
        let source = self.source()?;
        let is_safe = server.connector.is_some() || server.address.is_this_machine();
        if source.is_some() && !self.insecure_token && !is_safe {
            return Err(Failure::Usage(format!(
                "the token was not sent: {} is another machine, and the connection is not encrypted; connect with --tls or \
                 --ca-file, or allow this with --insecure-token",
                server.address
            )));
        }
        Ok(source)
    }

    /// A flag takes precedence over the other one's variable.
    fn source(&self) -> Result<Option<Source<'_>>, Failure> {
        let is_variable = |name, value: &OsStr| std::env::var_os(name).is_some_and(|set| set == value);
        match (&self.token, &self.token_file) {
            (None, None) => Ok(None),
            (Some(token), None) => Ok(Some(Source::Text(token))),
            (None, Some(path)) => Ok(Some(Source::File(path))),
            (Some(token), Some(path)) => {
                let of_variables =
                    (is_variable(TOKEN, OsStr::new(&token.0)), is_variable(TOKEN_FILE, path.as_os_str()));
                match of_variables {
                    (true, false) => Ok(Some(Source::File(path))),
                    (false, true) => Ok(Some(Source::Text(token))),
                    (true, true) => {
                        Err(Failure::Usage(format!("unset {TOKEN} or {TOKEN_FILE}: both are set")))
                    }
                    (false, false) => {
                        Err(Failure::Usage("give --token or --token-file, not both".to_owned()))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plaintext(address: &str) -> Server {
        Server { address: address.parse().unwrap(), connector: None }
    }

    #[test]
    fn a_token_is_not_shown_nor_sent_where_it_can_be_read() {
        let token = Some(Secret("s3cret".to_owned()));
        let mut args = TokenArgs { token, token_file: None, insecure_token: false };
        assert!(!format!("{args:?}").contains("s3cret"));
        let (here, there) = (plaintext("localhost:1"), plaintext("gateway:1"));
        assert_eq!(args.header(&here).unwrap().unwrap(), "Bearer s3cret");
        let Err(Failure::Usage(refusal)) = args.header(&there) else { panic!("it is sent") };
        assert!(refusal.contains("--insecure-token") && !refusal.contains("s3cret"), "{refusal}");
        args.insecure_token = true;
        assert!(args.header(&there).is_ok());
    }

    #[test]
    fn what_no_header_can_carry_is_refused_without_showing_it() {
        for wrong in ["", "s3cret s3cret", "s3cret\n"] {
            let token = Some(Secret(wrong.to_owned()));
            let args = TokenArgs { token, token_file: None, insecure_token: false };
            let refused = args.header(&plaintext("localhost:1"));
            let Err(Failure::Usage(refusal)) = refused else { panic!("{wrong:?} is sent") };
            assert!(!refusal.contains("s3cret"), "{refusal}");
        }
    }
}
