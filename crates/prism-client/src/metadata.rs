//! The metadata that a call sends: its client's, and its own.

use tonic::metadata::{Ascii, KeyAndValueRef, MetadataKey, MetadataMap, MetadataValue};

use crate::error::Error;

/// The entry that carries a credential.
pub(crate) const AUTHORIZATION: &str = "authorization";

/// Adds an entry to `map`, replacing one of the same name.
pub(crate) fn insert(map: &mut MetadataMap, name: &str, value: &str) -> Result<(), Error> {
    let key: MetadataKey<Ascii> =
        name.parse().map_err(|_| Error::setting(format!("`{name}` is not a valid metadata name")))?;
    let mut value: MetadataValue<Ascii> =
        value.parse().map_err(|_| Error::setting(format!("the metadata `{name}` must be visible ASCII")))?;
    value.set_sensitive(name == AUTHORIZATION);
    map.insert(key, value);
    Ok(())
}

/// What one call sends in addition to its client's metadata, usually nothing. An invalid entry fails the call.
#[derive(Clone, Debug)]
pub(crate) struct Own(Result<Option<Box<MetadataMap>>, Error>);

impl Default for Own {
    fn default() -> Self {
        Self(Ok(None))
    }
}

impl Own {
    /// Adds an entry, replacing one of the same name.
    pub(crate) fn insert(&mut self, name: &str, value: &str) {
        if let Ok(map) = &mut self.0
            && let Err(error) = insert(map.get_or_insert_default(), name, value)
        {
            self.0 = Err(error);
        }
    }

    /// Whether it has an entry of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        matches!(&self.0, Ok(Some(own)) if own.contains_key(name))
    }

    /// Whether it has a credential of its own.
    pub(crate) fn has_credential(&self) -> bool {
        self.has(AUTHORIZATION)
    }

    /// The client's metadata, overridden by this call's own.
    pub(crate) fn over(&self, client: &MetadataMap) -> Result<MetadataMap, Error> {
        let mut map = client.clone();
        for entry in self.0.as_ref().map_err(Error::clone)?.iter().flat_map(|own| own.iter()) {
            if let KeyAndValueRef::Ascii(name, value) = entry {
                map.insert(name, value.clone());
            }
        }
        Ok(map)
    }
}
