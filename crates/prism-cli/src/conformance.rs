//! `prism conformance`: runs the contract's cases against a plugin or a gateway.

use std::io::{self, Write};

use clap::Args;
use prism_net::tls::Protocol;
use prism_plugin::Promise;
use prism_plugin::conformance::{self, CaseReport, InterfaceReport, Options, Report, SuiteError};
use serde::Serialize;
use tonic::Code;

use crate::admin::table;
use crate::connect::address;
use crate::credential::TokenArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Format, Output, OutputArgs};
use crate::runtime;
use crate::tls::TlsArgs;

const AFTER_HELP: &str = "\
Each case is one line:
  pass  the rule is kept
  warn  a rule is broken that a plugin should keep
  FAIL  a rule is broken that every plugin must keep
  n/a   the plugin does not offer what the case tests

Then come the interfaces with their cases, and what a namespace on this backend can rely on, and lose.

Cases write under keys of their own and remove them. Exits with 0 if no case failed.

Examples:
  prism conformance localhost:50051
  prism conformance localhost:8980 -n orders --case ttl/ --case list/
  prism conformance unix:/run/plugin.sock -o json";

/// Check a plugin, or a gateway in front of one, against the contract.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Conformance {
    /// The plugin or gateway: HOST:PORT or unix:PATH.
    #[arg(value_name = "ADDR", value_parser = address)]
    address: String,

    /// The namespace to use.
    #[arg(short, long, env = "PRISM_NAMESPACE", value_name = "NAME", default_value = "default")]
    namespace: String,

    /// Run only the case of this name, or those whose names start with it, such as ttl/; may be repeated.
    #[arg(long = "case", value_name = "PATTERN")]
    cases: Vec<String>,

    #[command(flatten)]
    token: TokenArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// How many cases ended in which way.
#[derive(Serialize)]
struct Summary<'a> {
    endpoint: &'a str,
    conformant: bool,
    passed: usize,
    failed: usize,
    warned: usize,
    not_applicable: usize,
    interfaces: &'a [InterfaceReport],
    capabilities: [Promise; 7],
    can_lose: String,
}

#[derive(Serialize)]
struct Summed<'a> {
    summary: Summary<'a>,
}

impl Conformance {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        for pattern in &self.cases {
            if !conformance::cases().any(|case| case.name().starts_with(pattern)) {
                return Err(Failure::Usage(format!("unknown case {pattern:?}")));
            }
        }
        let mut output = Output::new(self.format());
        let server = self.tls.server(&self.address, Protocol::Http2)?;
        let authorization = self.token.header(&server)?;
        let options = Options {
            namespace: self.namespace,
            only: self.cases,
            authorization,
            tls: server.connector,
            ..Options::default()
        };
        // The suite runs to its end even if nobody reads any more, so that it removes what it wrote.
        let mut printed = Ok(());
        let report = runtime::block_on(async {
            let print = |case: &CaseReport| {
                if printed.is_ok() {
                    printed = output.write(case).and_then(|()| output.flush());
                }
            };
            Ok(conformance::run(&self.address, &options, print).await?)
        })?;
        printed?;
        output.print(&Summed { summary: Summary::of(&report) })?;
        Ok(if report.is_conformant() { Exit::Success } else { Exit::Failed })
    }
}

impl<'a> Summary<'a> {
    fn of(report: &'a Report) -> Self {
        let count = |word| report.cases.iter().filter(|case| case.outcome.word() == word).count();
        Self {
            endpoint: &report.endpoint,
            conformant: report.is_conformant(),
            passed: count("passed"),
            failed: count("failed"),
            warned: count("warned"),
            not_applicable: count("not_applicable"),
            interfaces: &report.interfaces,
            capabilities: report.declared.promises(),
            can_lose: report.declared.can_lose(),
        }
    }
}

impl From<SuiteError> for Failure {
    fn from(error: SuiteError) -> Self {
        let message = error.to_string();
        match error {
            SuiteError::Endpoint(_) => Self::Usage(message),
            SuiteError::Unreachable(_) => {
                Self::Refused { exit: Exit::Unavailable, code: Code::Unavailable, message }
            }
            SuiteError::NothingServed(_) => {
                Self::Refused { exit: Exit::Failed, code: Code::FailedPrecondition, message }
            }
        }
    }
}

impl Answer for CaseReport {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{self}")
    }
}

impl Answer for Summed<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let Summary { endpoint, conformant, passed, failed, warned, not_applicable, .. } = &self.summary;
        let verdict = if *conformant { "conformant" } else { "NOT conformant" };
        writeln!(out)?;
        table(out, &interfaces(self.summary.interfaces))?;
        writeln!(out, "\nA namespace on this backend")?;
        table(out, &promises(&self.summary))?;
        writeln!(
            out,
            "\n{endpoint} is {verdict}: {passed} passed, {failed} failed, {warned} warned, {not_applicable} not applicable"
        )
    }
}

fn interfaces(reports: &[InterfaceReport]) -> Vec<Vec<String>> {
    let heads = ["interface", "served", "passed", "failed", "warned", "n/a"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for report in reports {
        let InterfaceReport { interface, served, passed, failed, warned, not_applicable } = *report;
        let name = interface.strip_prefix("prism.interfaces.").unwrap_or(interface);
        let served = if served { "yes" } else { "no" };
        let counts = [passed, failed, warned, not_applicable].map(|count| count.to_string());
        rows.push([name.to_owned(), served.to_owned()].into_iter().chain(counts).collect());
    }
    rows
}

fn promises(summary: &Summary<'_>) -> Vec<Vec<String>> {
    let mut rows = vec![["  can lose", "", &summary.can_lose].map(str::to_owned).to_vec()];
    for Promise { capability, declared, meaning } in summary.capabilities {
        let declared = if declared { "yes" } else { "no" };
        rows.push([&format!("  {capability}"), declared, meaning].map(|cell: &str| cell.to_owned()).to_vec());
    }
    rows
}
