//! [`Client`], the handle to the connections, and [`Namespace`], a handle to a part of the data.

use std::fmt;
use std::sync::Arc;

use prism_proto::interfaces::capabilities::GetCapabilitiesRequest;
use prism_proto::interfaces::usage::GetUsageRequest;
use prism_proto::limits::NAMESPACE_DEFAULT;

use crate::builder::Builder;
use crate::call::Call;
use crate::error::Error;
use crate::keyvalue::KeyValue;
use crate::list::List;
use crate::method::{Capabilities, Usage};
use crate::shared::Shared;
use crate::transfer::Transfer;

/// A client of one gateway. Cloning is cheap and shares the connections.
///
/// Calls must be made within a tokio runtime; a connection lives on the runtime of the call that opened it.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

impl Client {
    /// A client of the gateway at `address`, with the default settings: `host:port`, also with `http://` or `https://`, or
    /// `unix:PATH`.
    /// Does no I/O: if the gateway is down, the first call fails.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if the address is invalid.
    pub fn new(address: &str) -> Result<Self, Error> {
        Self::builder(address).build()
    }

    /// Settings for a client of the gateway at `address`.
    pub fn builder(address: &str) -> Builder {
        Builder::new(address)
    }

    /// A handle to the namespace called `name`: 1 to 64 of `a-z 0-9 -`, starting with a letter. If it does not exist,
    /// the first call fails.
    #[must_use]
    pub fn namespace(&self, name: impl Into<Arc<str>>) -> Namespace {
        Namespace { shared: self.shared.clone(), name: name.into() }
    }

    /// Values by key, in the namespace `default`.
    #[must_use]
    pub fn keyvalue(&self) -> KeyValue {
        self.namespace(NAMESPACE_DEFAULT).keyvalue()
    }

    /// Lists, in the namespace `default`.
    #[must_use]
    pub fn list(&self) -> List {
        self.namespace(NAMESPACE_DEFAULT).list()
    }

    /// Closes this client and all its clones: further calls fail with `Closed`. Calls and scans in flight are not
    /// interrupted; the connections close when the last of them ends.
    pub fn close(&self) {
        self.shared.unary.close();
        self.shared.scans.close();
    }
}

impl Builder {
    /// Creates the client. Does no I/O.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if the address, the token, the metadata or a number is invalid.
    pub fn build(self) -> Result<Client, Error> {
        Ok(Client { shared: Arc::new(self.shared()?) })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("origin", &self.shared.origin).finish_non_exhaustive()
    }
}

/// A handle to one namespace of a [`Client`].
#[derive(Clone)]
pub struct Namespace {
    shared: Arc<Shared>,
    name: Arc<str>,
}

impl Namespace {
    /// The namespace's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Values by key.
    #[must_use]
    pub fn keyvalue(&self) -> KeyValue {
        KeyValue::new(self.shared.clone(), self.name.clone())
    }

    /// Lists.
    #[must_use]
    pub fn list(&self) -> List {
        List::new(self.shared.clone(), self.name.clone())
    }

    /// Copies of keys and lists.
    #[must_use]
    pub fn transfer(&self) -> Transfer {
        Transfer::new(self.shared.clone(), self.name.clone())
    }

    /// What the backend promises; fails with `Unimplemented` if it declares nothing, which means no promises.
    pub fn capabilities(&self) -> Call<Capabilities> {
        Call::new(&self.shared, GetCapabilitiesRequest { namespace: self.name.as_ref().to_owned() })
    }

    /// What the backend holds; fails with `Unimplemented` if it does not report that.
    pub fn usage(&self) -> Call<Usage> {
        Call::new(&self.shared, GetUsageRequest { namespace: self.name.as_ref().to_owned() })
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("name", &self.name).finish_non_exhaustive()
    }
}
