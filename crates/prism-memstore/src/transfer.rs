//! Copies of keys and lists: a list is replaced in one step, and read in pages as large as a message.

use bytes::Bytes;
use prism_plugin::list::{End, ListRange as _, Values};
use prism_plugin::transfer::{IfExists, Transfer};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error, List as _};
use tokio::task::yield_now;

use crate::items::Items;
use crate::lists::{PageMax, Taken, Unplaced};
use crate::memory::Full;
use crate::store::{MemStore, Shared};

/// A page is what a message takes, so that a list which fits into one is read at one moment; and no more values than can be copied
/// without holding up others.
const PAGE_MAX: PageMax = (16 * 1024, 3 * 1024 * 1024);

/// How many values are stored before other calls get their turn.
const STEP_VALUES: usize = 4096;

impl Transfer for MemStore {
    fn list_values(&self, _: &Context, namespace: Namespace, list_key: Key) -> Values {
        self.pages(namespace, list_key, (0, -1), PAGE_MAX)
    }

    async fn put_list(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        values: Vec<Bytes>,
        if_exists: IfExists,
    ) -> Result<bool, Error> {
        self.shared.settle(&namespace, &list_key);
        let keeps = if_exists == IfExists::Keep;
        if keeps && self.length(context, namespace.clone(), list_key.clone()).await? > 0 {
            return Ok(false);
        }
        if values.is_empty() {
            if !keeps {
                self.clear(context, namespace, list_key).await?;
            }
            return Ok(true);
        }
        let detached = self.detached(values).await?;
        let place = (namespace, list_key);
        let placed = self.shared.place_list(&place, detached, keeps)?;
        if let Some(before) = placed.before {
            self.free_taken(before);
        }
        self.shared.serve(&place.0, &place.1);
        Ok(placed.stored)
    }
}

impl MemStore {
    /// A list that nobody sees yet.
    async fn detached(&self, values: Vec<Bytes>) -> Result<Detached<'_>, Error> {
        let mut detached = Detached { shared: &self.shared, items: Items::default() };
        for (at, value) in values.iter().enumerate() {
            if detached.push(value).is_err() {
                // Expired keys may still take room.
                self.shared.free_expired().await;
                detached.push(value).map_err(|Full| self.shared.memory_limit())?;
            }
            if at % STEP_VALUES == STEP_VALUES - 1 {
                yield_now().await;
            }
        }
        Ok(detached)
    }
}

/// The values of a list that nobody sees. Their memory is freed unless they are taken.
struct Detached<'a> {
    shared: &'a Shared,
    items: Items,
}

impl Detached<'_> {
    fn push(&mut self, value: &[u8]) -> Result<(), Full> {
        self.items.push(End::Right, value.into(), &self.shared.memory).map(drop)
    }
}

impl Drop for Detached<'_> {
    fn drop(&mut self) {
        let items = std::mem::take(&mut self.items);
        self.shared.memory.release(items.capacity_bytes());
        Taken::of(items).free_all(&self.shared.memory);
    }
}

/// What became of a list that was to be placed.
struct Placed {
    stored: bool,
    /// The values that it had before.
    before: Option<Taken>,
}

impl Shared {
    /// Gives a list its values in one step. If it `keeps` what is there, an existing list stays.
    fn place_list(
        &self,
        place: &(Namespace, Key),
        mut detached: Detached<'_>,
        keeps: bool,
    ) -> Result<Placed, Error> {
        let (namespace, list_key) = place;
        let placed = self.lists.write(namespace, &self.memory, |lists| {
            let items = std::mem::take(&mut detached.items);
            let end_leases = || {
                if !keeps {
                    self.drop_leases(place)
                }
            };
            match lists.replace(list_key.as_bytes(), items, keeps, &self.memory, end_leases) {
                Ok(before) => Ok(Placed { stored: true, before }),
                Err(Unplaced { values, is_full }) => {
                    detached.items = values;
                    if is_full { Err(Full) } else { Ok(Placed { stored: false, before: None }) }
                }
            }
        });
        placed.map_err(|Full| self.memory_limit())
    }
}
