//! The options that name a gateway and a namespace, and the client created from them.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::sync::Once;
use std::time::Duration;

use clap::Args;
use prism_client::{Client, Error, Namespace};
use prism_net::tls::Protocol;

use crate::credential::TokenArgs;
use crate::failure::Failure;
use crate::time::time_limit;
use crate::tls::TlsArgs;
use crate::variable::Variable;

/// Which gateway data commands use, and how long they wait.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
pub(crate) struct GatewayArgs {
    /// The gateway: HOST:PORT, https://HOST:PORT or unix:PATH.
    #[arg(
        long,
        global = true,
        env = "PRISM_ADDRESS",
        value_name = "ADDR",
        default_value = "localhost:8980",
        value_parser = address
    )]
    address: String,

    /// Timeout of a call, such as 500ms or 10s [default: 2s; none for scans].
    #[arg(long, global = true, env = "PRISM_TIMEOUT", value_name = "TIME", value_parser = time_limit)]
    timeout: Option<Duration>,

    #[command(flatten)]
    token: TokenArgs,

    #[command(flatten)]
    tls: TlsArgs,
}

/// Which namespace data commands use, and how long they wait.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    gateway: GatewayArgs,

    /// The namespace that holds the data.
    #[arg(
        short,
        long,
        global = true,
        env = "PRISM_NAMESPACE",
        value_name = "NAME",
        default_value = "default"
    )]
    namespace: String,
}

impl GatewayArgs {
    /// The same, at another address.
    pub(crate) fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    /// The gateway's address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A handle to a namespace; connects at the first call.
    pub(crate) fn namespace(&self, name: &str) -> Result<Namespace, Failure> {
        let mut builder = Client::builder(&self.address).on_retry(tell_a_person_once());
        let server = self.tls.server(&self.address, Protocol::Http2)?;
        builder = self.token.apply(self.tls.apply(builder), &server)?;
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout);
        }
        Ok(builder.build()?.namespace(name))
    }
}

impl ConnectArgs {
    /// The name of the namespace.
    pub(crate) fn namespace_name(&self) -> &str {
        &self.namespace
    }

    /// Goes on in another namespace.
    pub(crate) fn set_namespace(&mut self, name: String) {
        self.namespace = name;
    }

    /// The variables with which another command has the same options, unless it is given its own.
    pub(crate) fn variables(&self) -> Vec<Variable> {
        let GatewayArgs { address, timeout, token, tls } = &self.gateway;
        let timeout = timeout.map(|timeout| format!("{}ms", timeout.as_millis()).into());
        let mut variables = vec![
            ("PRISM_ADDRESS", Some(address.into())),
            ("PRISM_NAMESPACE", Some(OsString::from(&self.namespace))),
            ("PRISM_TIMEOUT", timeout),
        ];
        variables.extend(token.variables());
        variables.extend(tls.variables());
        variables
    }

    /// Lets the timeout be no longer than this.
    pub(crate) fn limit_timeout(&mut self, max: Option<Duration>) {
        self.gateway.timeout =
            self.gateway.timeout.map(|timeout| max.map_or(timeout, |max| timeout.min(max)));
    }

    /// The timeout that was given, if any.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.gateway.timeout
    }

    /// A handle to the namespace; connects at the first call.
    pub(crate) fn namespace(&self) -> Result<Namespace, Failure> {
        self.gateway.namespace(&self.namespace)
    }
}

/// Reports once, on a terminal, why a command does not end yet; scripts get only the final error.
fn tell_a_person_once() -> impl Fn(&Error) {
    let told = Once::new();
    move |error| {
        if io::stderr().is_terminal() {
            // Overwrites the current line: `import` and `export` show a bar there.
            told.call_once(|| eprintln!("\r\u{1b}[Kprism: {error}; retrying"));
        }
    }
}

/// Checks an address with the client's rules, so that an invalid one is wrong usage.
pub(crate) fn address(text: &str) -> Result<String, String> {
    match Client::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.message().to_owned()),
    }
}
