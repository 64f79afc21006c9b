//! The flags that all servers share. Precedence: flag, then variable, then configuration file, then default.

mod variables;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use prism_net::address::Address;

use crate::limits::LimitArgs;
use crate::tls::TlsArgs;
use crate::traces::TraceArgs;

pub use variables::{parse_words, with_variables};

/// Flags that every server has.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// gRPC address: HOST:PORT (port 0 picks a free one) or unix:PATH.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<Address>,

    /// HTTP address for /metrics, /livez and /readyz: HOST:PORT, unix:PATH, or "off".
    #[arg(long, value_name = "ADDR")]
    pub http_listen: Option<HttpListen>,

    /// Worker threads, each with its own connections [default: one per core].
    #[arg(long, value_name = "N", value_parser = workers)]
    pub workers: Option<NonZeroUsize>,

    /// Maximum open connections; lower if the open file limit is lower. At the limit, a new connection evicts the one that has
    /// been idle longest.
    #[arg(long, value_name = "N", default_value = "10000")]
    pub connections_max: NonZeroUsize,

    /// How long a stopping server waits for calls in flight, such as 10s or 2min; 0s to 1h.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = drain_timeout)]
    pub drain_timeout: Duration,

    /// How long a stopping server keeps accepting calls while its health reports NOT_SERVING, so that load balancers can take
    /// it out of rotation before the drain begins; 0s to 1h.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = drain_timeout)]
    pub drain_delay: Duration,

    /// Refuse to start, with code 78, if other machines could reach a port without TLS or without credentials.
    #[arg(long)]
    pub require_secure: bool,

    /// What to log: a level (error, warn, info, debug, trace) or a filter such as info,prism_net=debug. Release builds have no trace level.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// Log format, on standard error.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub tls: TlsArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub limits: LimitArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub traces: TraceArgs,
}

/// Where the HTTP port listens, if anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpListen {
    /// No HTTP port.
    Off,
    /// The address of the HTTP port.
    At(Address),
}

impl std::str::FromStr for HttpListen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" { Ok(Self::Off) } else { text.parse().map(Self::At) }
    }
}

/// The format of the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line, for collectors.
    Json,
}

fn workers(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(workers) if workers.get() <= 1024 => Ok(workers),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

/// Parses a drain timeout: 0s to 1h.
///
/// # Errors
/// It is not a time, or too long.
pub fn drain_timeout(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(timeout) if timeout <= Duration::from_secs(60 * 60) => Ok(timeout),
        Ok(_) => Err("expected at most 1h".to_owned()),
        Err(error) => Err(format!("{error}; expected a number and a unit, such as 10s")),
    }
}

/// Parses the command line of the service called `name` (`prism-memstore`). `defaults` are the service's own, by flag,
/// shown in the help: what a shared flag means when it is absent. Wrong usage, `--help` and `--version` [`end`] the
/// process.
#[must_use]
pub fn parse<A: Parser>(name: &'static str, defaults: &[(&str, &str)]) -> A {
    parse_from(name, defaults, std::env::args_os()).unwrap_or_else(|error| end(name, &error))
}

/// Prints clap's message, whether about wrong usage or requested, and ends the process called `name` with clap's exit
/// code, or with 1 if requested help cannot be written. A reader that has gone, such as `head`, has seen enough.
pub fn end(name: &str, said: &clap::Error) -> ! {
    let code = match said.print().and_then(|()| io::stdout().flush()) {
        Err(error) if !said.use_stderr() && error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "{name}: cannot write to standard output: {error}");
            1
        }
        _ => said.exit_code(),
    };
    std::process::exit(code)
}

fn parse_from<A: Parser>(
    name: &'static str,
    defaults: &[(&str, &str)],
    words: impl IntoIterator<Item = OsString>,
) -> Result<A, clap::Error> {
    let command = A::command().name(name).version(env!("CARGO_PKG_VERSION"));
    parse_words(with_variables(command, name, defaults), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser)]
    struct Sample {
        #[command(flatten)]
        server: ServerArgs,
    }

    fn parsed(words: &[&str]) -> Result<Sample, clap::Error> {
        parse_from(
            "prism-sample",
            &[("listen", "127.0.0.1:1")],
            ["prism-sample"].iter().chain(words).map(OsString::from),
        )
    }

    #[test]
    fn each_flag_has_the_variable_of_its_service() {
        let help = parsed(&["--help"]).err().unwrap().to_string();
        for variable in ["PRISM_SAMPLE_LISTEN", "PRISM_SAMPLE_HTTP_LISTEN", "PRISM_SAMPLE_DRAIN_TIMEOUT"] {
            assert!(help.contains(variable), "{variable} is missing in {help}");
        }
        // Regardless of how the lines are wrapped.
        let words: Vec<_> = help.split_whitespace().collect();
        assert!(words.join(" ").contains("[default: 127.0.0.1:1]"), "{help}");
    }

    #[test]
    fn wrong_values_are_refused_with_what_was_expected() {
        for (words, expected) in [
            (["--drain-timeout", "10"], "such as 10s"),
            (["--drain-timeout", "2h"], "at most 1h"),
            (["--workers", "0"], "1 to 1024"),
            (["--listen", "nowhere"], "HOST:PORT"),
            (["--log-format", "xml"], "text, json"),
        ] {
            let error = parsed(&words).err().unwrap();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn http_can_be_off() {
        assert_eq!(parsed(&["--http-listen", "off"]).ok().unwrap().server.http_listen, Some(HttpListen::Off));
    }
}
