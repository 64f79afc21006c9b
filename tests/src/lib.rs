//! What the whole-stack tests share: building and starting the real binaries ([`process`]), raw HTTP/2 for requests
//! that no client would send ([`raw`]), plain HTTP ([`http`]), an admin ([`admin`]), a trace collector ([`collector`]),
//! the test plugin's interface ([`echo`]), a call of it that stays in flight ([`open`]), a connection that breaks off
//! ([`relay`]), addresses where nothing listens or responds ([`dead`]), processes with their own mounts ([`mounts`]), a
//! name with two addresses ([`hosts`]), a CA ([`authority`]), servers with TLS ([`tls`]), a proxy whose namespaces have
//! callers ([`guarded`]), what the console stands on ([`stack`]), the table of rights ([`matrix`]), how each verb is reached ([`reach`]), a
//! gateway that records what it is asked for ([`recorder`]), everything that has secrets ([`canary`]), and a patient client ([`client`]).

use std::time::Duration;

use prism_client::Client;

pub mod admin;
pub mod authority;
pub mod canary;
pub mod collector;
pub mod dead;
pub mod dev;
pub mod guarded;
pub mod holder;
pub mod hosts;
pub mod http;
pub mod matrix;
pub mod mounts;
pub mod open;
pub mod process;
pub mod raw;
pub mod reach;
pub mod recorder;
pub mod redis;
pub mod relay;
pub mod stack;
pub mod tls;

/// A client for calls that must not fail: a busy machine is not a failure.
///
/// # Panics
/// The address is invalid.
#[must_use]
pub fn client(address: &str) -> Client {
    let client = Client::builder(address).timeout(Duration::from_secs(60)).build();
    client.expect("the address is valid")
}

/// The interface of the `echo-plugin` binary.
#[expect(missing_docs, clippy::allow_attributes_without_reason, reason = "generated")]
pub mod echo {
    include!("generated/prism.interfaces.echo.rs");

    /// The encoded descriptors of the interface.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/echo.binpb");
}
