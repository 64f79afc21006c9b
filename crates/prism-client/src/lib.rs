//! The Rust client of Prism, the data-access gateway.
//!
//! A [`Client`] is a cheap handle to a few shared HTTP/2 connections. Creating it does no I/O; it connects when first
//! used, and reconnects when a connection is lost. Data is in namespaces: [`Client::keyvalue`] and [`Client::list`] use
//! the namespace `default`, [`Client::namespace`] selects another.
//!
//! ```
//! # mod fake { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake/mod.rs")); }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), prism_client::Error> {
//! # let server = fake::Fake::start().await;
//! # let address = server.address();
//! use prism_client::{Client, ErrorKind};
//! use std::time::Duration;
//!
//! let client = Client::new(&address)?; // "localhost:8980"
//! let users = client.namespace("users").keyvalue();
//!
//! users.set("user:1", "alice").await?;
//! users.set("user:2", "bob").ttl(Duration::from_secs(60)).await?;
//! assert_eq!(users.get("user:1").await?, "alice");
//!
//! let mut scan = users.scan("user:").limit(10);
//! while let Some(entry) = scan.next().await {
//!     let entry = entry?;
//!     println!("{} has {} bytes", entry.key, entry.value.len());
//! }
//!
//! users.delete("user:1").await?;
//! let error = users.get("user:1").timeout(Duration::from_millis(500)).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::NotFound);
//! # Ok(())
//! # }
//! ```
//!
//! # Deadlines
//!
//! A unary call has 2 s by default, for everything: waiting for a slot, connecting, sending, retrying and reading the
//! response. [`Builder::timeout`] changes it for a client, [`Call::timeout`] for a call. A scan may take as long as it
//! likes while entries arrive; it fails if none has arrived for 60 s ([`Builder::stall_timeout`]).
//!
//! # Retries
//!
//! The client retries a call that failed without reaching the backend, and a call without side effects whose connection
//! was lost. Pushes, pops, reserves, increments and conditional writes are sent under an idempotency key where the backend keeps answers (its
//! capability `idempotent_retries`, for which the client asks once per namespace), and then retried as well, for 60 s: they are applied once.
//! The client never retries any other write that may have been applied: a second `set` might overwrite a later one, and without a key a
//! second `pop` takes another value. The error of such a write says so, and the caller decides. Nor does it retry when TLS fails for
//! a certificate or a setting, which no retry changes.
//!
//! # Tokens
//!
//! [`Builder::token`] sends a fixed token with each call, [`Builder::token_file`] the content of a file, and
//! [`Builder::token_provider`] what a function of the application returns. The latter two are asked again when the server
//! answers a call with UNAUTHENTICATED, and the call is sent once more if there is another token, so a token can be rotated
//! while the client is in use. No token is sent in plaintext to another machine unless [`Builder::insecure_token`] allows it.
//!
//! # TLS
//!
//! [`Builder::tls`], or an address that begins with `https://`, encrypts the connections and verifies the gateway by the
//! system's CAs; [`Builder::ca_file`] names others. [`Builder::certificate_file`] and [`Builder::key_file`] show the gateway
//! who calls.
//!
//! # Traces
//!
//! With [`Builder::traces`] each operation creates a span through the tracer provider that the application has set in the
//! crate `opentelemetry`, and the gateway's own spans are its children. Without it, [`Call::metadata`] can send a
//! `traceparent` with a call.
//!
//! # Cancellation
//!
//! Dropping the future of a call, or a scan, resets its HTTP/2 stream at once. A write may still have been applied.

mod address;
mod answer;
mod batch;
mod builder;
mod call;
mod client;
mod condition;
mod deadline;
mod deletion;
mod error;
mod idempotency;
mod keyed;
mod keyvalue;
mod lease;
mod list;
mod metadata;
pub mod method;
mod retry;
mod scan;
mod send;
mod shared;
mod stream;
mod token;
mod trace;
mod transfer;
mod transport;
mod waiting;

pub use answer::{Changed, Pushed};
pub use batch::{Batch, BatchItem, BatchMethod};
pub use builder::Builder;
pub use call::Call;
pub use client::{Client, Namespace};
pub use condition::Condition;
pub use deletion::DeletePrefix;
pub use error::{Error, ErrorKind};
pub use keyvalue::KeyValue;
pub use lease::{Lease, ReserveCall, Reserved};
pub use list::{End, List};
pub use prism_proto::ErrorReason;
pub use prism_proto::interfaces::capabilities::durability::Level as DurabilityLevel;
pub use prism_proto::interfaces::capabilities::{Durability, GetCapabilitiesResponse as Capabilities};
pub use prism_proto::interfaces::usage::GetUsageResponse as Usage;
pub use scan::{Entry, KeyItem, ListEntry, Scan, ScanItem};
pub use token::read_token_file;
pub use transfer::{Export, Exported, Import, Imported, Item, Transfer};
pub use waiting::BlockingPop;
