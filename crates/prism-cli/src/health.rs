//! `prism health`: asks any gRPC server with `grpc.health.v1`, or an HTTP endpoint, whether the server accepts calls.

mod page;

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use http::Uri;
use prism_net::tls::Protocol;
use prism_runtime::channel;
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::connect::address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Format, Output, OutputArgs};
use crate::runtime;
use crate::time::{time, time_limit};
use crate::tls::TlsArgs;

const AFTER_HELP: &str = "\
Exits with:
  0  the server answers SERVING
  1  it answers anything else
  3  it does not know the service
  4  it does not answer

Examples:
  prism health localhost:8980
  prism health localhost:50051 --service prism.interfaces.list.ListBasicInterface
  prism health http://127.0.0.1:8090/readyz
  prism health localhost:8980 --wait 30s && ./start-tests";

/// The interval of `--wait`: a start takes longer, and a server can handle ten queries a second.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// Check the health of a server (grpc.health.v1, or an HTTP endpoint).
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Health {
    /// A gateway or a plugin: HOST:PORT or unix:PATH; or an HTTP endpoint such as https://HOST:PORT/readyz, which
    /// the admin has, too.
    #[arg(value_name = "ADDR", env = "PRISM_ADDRESS", default_value = "localhost:8980", value_parser = target)]
    target: Target,

    /// Full name of a service [default: the server as a whole]. Not for HTTP endpoints.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    service: String,

    /// Poll until the answer is SERVING, for at most this time, such as 30s.
    #[arg(long, value_name = "TIME", value_parser = time)]
    wait: Option<Duration>,

    /// Timeout of one query, connecting included.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time_limit)]
    timeout: Duration,

    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Which server is queried, and how.
#[derive(Clone, Debug)]
enum Target {
    /// A server, queried over gRPC.
    Server(String),
    /// An HTTP endpoint: a success or 503.
    Page(Uri),
}

fn target(text: &str) -> Result<Target, String> {
    match page::of(text) {
        Some(page) => Ok(Target::Page(page)),
        None => address(text).map(Target::Server),
    }
}

#[derive(Serialize)]
struct Checked<'a> {
    address: &'a str,
    service: &'a str,
    status: &'static str,
}

impl Health {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let output = Output::new(self.format());
        if matches!(self.target, Target::Page(_)) && !self.service.is_empty() {
            let message = "an HTTP endpoint reports the health of the whole server: leave out --service, or pass the gRPC address";
            return Err(Failure::Usage(message.to_owned()));
        }
        let status = runtime::block_on(async {
            match self.wait {
                None => self.check().await,
                Some(wait) => self.check_until(Instant::now() + wait).await,
            }
        })?;
        let (address, service) = (self.target.to_string(), self.service.as_str());
        let address = address.as_str();
        output.print(&Checked { address, service, status: status.as_str_name() })?;
        Ok(if status == ServingStatus::Serving { Exit::Success } else { Exit::Failed })
    }

    /// Polls until the answer is SERVING; returns the last answer when the time is up.
    async fn check_until(&self, deadline: Instant) -> Result<ServingStatus, Failure> {
        let mut last = None;
        loop {
            let answer = match timeout_at(deadline, self.check()).await {
                Ok(Ok(ServingStatus::Serving)) => return Ok(ServingStatus::Serving),
                Ok(answer) => answer,
                Err(_) => return last.unwrap_or_else(|| Err(self.silent())),
            };
            if Instant::now() + POLL_EVERY >= deadline {
                return answer;
            }
            last = Some(answer);
            sleep(POLL_EVERY).await;
        }
    }

    async fn check(&self) -> Result<ServingStatus, Failure> {
        timeout(self.timeout, self.ask()).await.unwrap_or_else(|_| Err(self.silent()))
    }

    async fn ask(&self) -> Result<ServingStatus, Failure> {
        let address = match &self.target {
            Target::Server(address) => address,
            Target::Page(page) => return page::ask(page, &self.tls, self.timeout).await,
        };
        let server = self.tls.server(address, Protocol::Http2)?;
        let stream = server.dial(self.timeout).await.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => self.silent(),
            _ => self.unreached(&error),
        })?;
        let channel = channel::over(stream, server.address.authority()).await;
        let channel = channel.map_err(|error| self.unreached(cause(&error)))?;
        let request = HealthCheckRequest { service: self.service.clone() };
        match HealthClient::new(channel).check(request).await {
            Ok(answer) => Ok(answer.into_inner().status()),
            Err(status) => Err(self.refused(&status)),
        }
    }

    fn unreached(&self, error: &dyn Error) -> Failure {
        let message = format!("cannot connect to {}: {error}", self.target);
        Failure::Refused { exit: Exit::Unavailable, code: Code::Unavailable, message }
    }

    fn silent(&self) -> Failure {
        Failure::Refused {
            exit: Exit::Unavailable,
            code: Code::DeadlineExceeded,
            message: format!("{} did not respond in time", self.target),
        }
    }

    fn refused(&self, status: &Status) -> Failure {
        let address = &self.target;
        // Created by the channel, not received: whatever listens there did not respond in gRPC.
        if let Some(error) = status.source() {
            let message = format!("no gRPC response from {address}: {}", cause(error));
            return Failure::Refused { exit: Exit::Unavailable, code: Code::Unavailable, message };
        }
        let (exit, message) = match status.code() {
            Code::NotFound => {
                (Exit::NotFound, format!("the server at {address} has no service {:?}", self.service))
            }
            Code::Unimplemented => (
                Exit::Failed,
                format!("the server at {address} does not serve health checks (grpc.health.v1)"),
            ),
            Code::Unavailable => (Exit::Unavailable, format!("{address} responded: {}", status.message())),
            _ => (
                Exit::Failed,
                format!("the server at {address} refused the health check: {}", status.message()),
            ),
        };
        Failure::Refused { exit, code: status.code(), message }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(address) => address.fmt(f),
            Self::Page(page) => page.fmt(f),
        }
    }
}

/// The last error of the chain; tonic starts it with "transport error".
fn cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    error.source().map_or(error, cause)
}

impl Answer for Checked<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", self.status)
    }
}
