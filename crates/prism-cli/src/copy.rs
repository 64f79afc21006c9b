//! `prism copy`: the keys and lists of a namespace into another, without a file in between.

use std::collections::VecDeque;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use prism_client as client;
use serde::Serialize;

use crate::connect::{self, GatewayArgs};
use crate::dump::{Bar, Copied};
use crate::exit::Exit;
use crate::export::count;
use crate::export::written::{decode, must_start_over};
use crate::failure::Failure;
use crate::import::{HowArgs, were};
use crate::interrupt::{Interrupt, interrupted};
use crate::output::{Answer, Format, Output, OutputArgs, counted};
use crate::runtime;

const AFTER_HELP: &str = "\
What is copied replaces existing keys and lists, unless --if-absent; everything else stays. The copy is not a snapshot: what changes
meanwhile is copied as it was or as it is. Values that are reserved are left out.

Examples:
  prism copy orders orders-on-disk
  prism copy orders orders --to-address gateway-2:8980
  prism copy sessions archive --prefix user: --if-absent";

/// Copy the keys and lists of a namespace, with times to live, into another.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Copy {
    /// The namespace to copy.
    #[arg(value_name = "FROM")]
    from: String,

    /// The namespace that gets the copy.
    #[arg(value_name = "TO")]
    to: String,

    /// The gateway that has TO, if it is another one. Token and TLS options are the same for both.
    #[arg(long, value_name = "ADDR", value_parser = connect::address)]
    to_address: Option<String>,

    /// Only keys and lists whose names begin with this.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,

    /// Continue where an interrupted copy was, with the token that it printed.
    #[arg(long, value_name = "TOKEN")]
    resume: Option<String>,

    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Serialize)]
struct Answered {
    from: String,
    to: String,
    #[serde(flatten)]
    copied: Copied,
    /// How many keys, and parts of lists, were skipped.
    skipped: u64,
}

/// What has been stored so far, and where the copy can be continued.
#[derive(Default)]
struct Progress {
    copied: Copied,
    skipped: u64,
    sent: u64,
    /// The number of items up to which everything is stored once one of these is: what has been copied then, and the token behind it.
    waiting: VecDeque<(u64, Copied, Option<Bytes>)>,
    /// What has been sent.
    ahead: Copied,
    token: Option<Bytes>,
}

impl Copy {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let to_gateway = match &self.to_address {
            Some(address) => self.gateway.at(address),
            None => self.gateway.clone(),
        };
        if self.from == self.to && to_gateway.address() == self.gateway.address() {
            let why = "FROM and TO are the same namespace; choose another one, or another gateway with --to-address";
            return Err(Failure::Usage(why.to_owned()));
        }
        let token = self.resume.as_deref().map(decode).transpose()?;
        let mut progress = Progress { token: token.clone(), ..Progress::default() };
        let copied = runtime::block_on(self.copy(&to_gateway, token, &mut progress));
        if let Err(failure) = copied {
            return Err(progress.told_with(failure));
        }
        let Progress { copied, skipped, .. } = progress;
        let answer = Answered { from: self.from, to: self.to, copied, skipped };
        Output::new(self.output.output).print(&answer)?;
        Ok(Exit::Success)
    }

    async fn copy(
        &self,
        to_gateway: &GatewayArgs,
        token: Option<Bytes>,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let from = self.gateway.namespace(&self.from)?;
        let mut interrupt = Interrupt::take()?;
        let mut import = self.how.begin(&to_gateway.namespace(&self.to)?);
        let bar = Bar::new("copying", count(&from, &self.prefix).await);
        let mut export = from.transfer().export(self.prefix.as_str());
        if let Some(token) = token {
            export = export.resume(token);
        }
        let end = loop {
            let exported = tokio::select! {
                exported = export.next() => exported,
                () = interrupt.next() => break Err(interrupted()),
            };
            let exported = match exported {
                Some(Ok(exported)) => exported,
                Some(Err(error)) => break Err(error.into()),
                None => break Ok(()),
            };
            progress.add(&exported.item, export.resume_token());
            let steps = u64::from(!exported.item.is_continued());
            let sent = tokio::select! {
                sent = import.send(exported) => sent,
                () = interrupt.next() => break Err(interrupted()),
            };
            progress.acknowledge(import.acknowledged());
            sent?;
            bar.step(steps);
        };
        // What is on its way is stored first, so that the report is true, unless there is another interrupt. A list that lacks
        // its end is not.
        let flushed = tokio::select! {
            flushed = import.flush() => flushed,
            () = interrupt.next() => return Err(interrupted()),
        };
        progress.acknowledge(import.acknowledged());
        end.and_then(|()| flushed.map(drop).map_err(Failure::from))
    }
}

impl Progress {
    fn add(&mut self, item: &client::Item, token: Option<&Bytes>) {
        self.sent += 1;
        self.ahead.add(item);
        self.waiting.push_back((self.sent, self.ahead, token.cloned()));
    }

    fn acknowledge(&mut self, imported: client::Imported) {
        self.skipped = imported.skipped;
        while self.waiting.front().is_some_and(|(sent, ..)| *sent <= imported.items) {
            let Some((_, copied, token)) = self.waiting.pop_front() else { break };
            self.copied = copied;
            self.token = token.or(self.token.take());
        }
    }

    /// A failure, with how to continue.
    fn told_with(self, failure: Failure) -> Failure {
        match self.token {
            Some(token) if !must_start_over(&failure) => {
                let token = STANDARD.encode(token);
                let hint = format!("{} copied; continue with --resume {token}", self.copied.were());
                Failure::Partial { failure: Box::new(failure), hint, start_after: None, resume: Some(token) }
            }
            _ => failure,
        }
    }
}

impl Answer for Answered {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        write!(out, "copied {} of {} to {}", self.copied.counted(), self.from, self.to)?;
        match self.skipped {
            0 => writeln!(out),
            skipped => {
                writeln!(out, ", except for {} that {} skipped", counted(skipped, "item"), were(skipped))
            }
        }
    }
}
