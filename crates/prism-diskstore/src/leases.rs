//! When leases end, in memory, so that a store without ended leases looks for none on disk. It knows what is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::{Fault, View};
use crate::layout::Kind;
use crate::layout::leases::{is_lease, leases, until};

/// The leases of a store, by their keys of the engine.
#[derive(Default)]
pub(crate) struct Leases(Mutex<Table>);

#[derive(Default)]
struct Table {
    until: BTreeMap<Vec<u8>, u64>,
    ends: BTreeSet<(u64, Vec<u8>)>,
}

impl Leases {
    /// The leases in a view.
    pub(crate) fn read(view: &dyn View) -> Result<Self, Fault> {
        let read = Self::default();
        let (from, to) = Kind::Leases.bounds();
        view.scan(&from, &to, &mut |key, encoded| {
            read.changed(key, Some(encoded));
            std::ops::ControlFlow::Continue(())
        })?;
        Ok(read)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key of the engine was changed, perhaps that of a lease.
    pub(crate) fn changed(&self, key: &[u8], encoded: Option<&[u8]>) {
        if !is_lease(key) {
            return;
        }
        let mut table = self.lock();
        let is_until = encoded.map(until);
        let was_until = match is_until {
            Some(until) => table.until.insert(key.to_vec(), until),
            None => table.until.remove(key),
        };
        if let Some(until) = was_until {
            table.ends.remove(&(until, key.to_vec()));
        }
        if let Some(until) = is_until {
            table.ends.insert((until, key.to_vec()));
        }
    }

    /// Some of the leases that have ended: the keys of at most `max`.
    pub(crate) fn ended(&self, now: u64, max: usize) -> Vec<Vec<u8>> {
        let table = self.lock();
        let ended = table.ends.iter().take_while(|(until, _)| *until <= now).take(max);
        ended.map(|(_, key)| key.clone()).collect()
    }

    /// Whether a lease of this list has ended.
    pub(crate) fn have_ended(&self, namespace: &str, list: &[u8], now: u64) -> bool {
        let table = self.lock();
        if table.ends.first().is_none_or(|(until, _)| *until > now) {
            return false;
        }
        let (from, to) = leases(namespace, list);
        table.until.range(from..to).any(|(_, until)| *until <= now)
    }
}
