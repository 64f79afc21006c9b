//! `prism health`: asks any gRPC server with `grpc.health.v1` whether it takes calls.

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::transport::Endpoint;
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

const AFTER_HELP: &str = "\
Ends with:
  0  the server answers SERVING
  1  it answers anything else
  3  it does not know the service
  4  it does not answer

Examples:
  prism health localhost:8980
  prism health localhost:50051 --service prism.interfaces.list.ListBasicInterface
  prism health localhost:8980 --wait 30s && ./start-tests";

/// Time between two questions of `--wait`: a start takes longer, and a server does not mind ten a second.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// Ask a server whether it takes calls (grpc.health.v1).
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Health {
    /// The server, a gateway or a plugin: HOST:PORT or unix:PATH.
    #[arg(value_name = "ADDR", env = "PRISM_ADDRESS", default_value = "localhost:8980", value_parser = address)]
    address: String,

    /// The full name of a service [default: the server as a whole].
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    service: String,

    /// Asks again until the answer is SERVING, for at most this time, such as 30s.
    #[arg(long, value_name = "TIME", value_parser = time)]
    wait: Option<Duration>,

    /// How long one question may take, connecting included.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time_limit)]
    timeout: Duration,

    #[command(flatten)]
    output: OutputArgs,
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
        let status = runtime::block_on(async {
            match self.wait {
                None => self.check().await,
                Some(wait) => self.check_until(Instant::now() + wait).await,
            }
        })?;
        let (address, service) = (self.address.as_str(), self.service.as_str());
        output.print(&Checked { address, service, status: status.as_str_name() })?;
        Ok(if status == ServingStatus::Serving { Exit::Success } else { Exit::Failed })
    }

    /// Asks until the answer is SERVING; the last answer when the time is up.
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
        let address = self.address.as_str();
        let uri = if address.starts_with("unix:") || address.starts_with("http://") {
            address.to_owned()
        } else {
            format!("http://{address}")
        };
        let unreached = |error| self.unreached(&error);
        let channel = Endpoint::from_shared(uri).map_err(unreached)?.connect().await.map_err(unreached)?;
        let request = HealthCheckRequest { service: self.service.clone() };
        match HealthClient::new(channel).check(request).await {
            Ok(answer) => Ok(answer.into_inner().status()),
            Err(status) => Err(self.refused(&status)),
        }
    }

    fn unreached(&self, error: &tonic::transport::Error) -> Failure {
        let message = format!("cannot connect to {}: {}", self.address, cause(error));
        Failure::Refused { exit: Exit::Unavailable, code: Code::Unavailable, message }
    }

    fn silent(&self) -> Failure {
        Failure::Refused {
            exit: Exit::Unavailable,
            code: Code::DeadlineExceeded,
            message: format!("{} does not answer in time", self.address),
        }
    }

    fn refused(&self, status: &Status) -> Failure {
        let address = &self.address;
        // Made by the channel, not received: whatever is there did not answer in gRPC.
        if let Some(error) = status.source() {
            let message = format!("no gRPC answer from {address}: {}", cause(error));
            return Failure::Refused { exit: Exit::Unavailable, code: Code::Unavailable, message };
        }
        let (exit, message) = match status.code() {
            Code::NotFound => {
                (Exit::NotFound, format!("the server at {address} has no service {:?}", self.service))
            }
            Code::Unimplemented => {
                (Exit::Failed, format!("the server at {address} does not tell its health (grpc.health.v1)"))
            }
            Code::Unavailable => (Exit::Unavailable, format!("{address} answers: {}", status.message())),
            _ => (Exit::Failed, format!("the server at {address} refuses to tell: {}", status.message())),
        };
        Failure::Refused { exit, code: status.code(), message }
    }
}

/// What an error chain ends with; tonic begins it with "transport error".
fn cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    error.source().map_or(error, cause)
}

impl Answer for Checked<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", self.status)
    }
}
