//! Values that leave their list under a lease and return: the steps that change a list and the table of leases together.

use std::sync::Arc;
use std::time::Duration;

use prism_plugin::list::{End, Filling, Reservation, Reserved};
use prism_plugin::types::{Key, Namespace};
use tokio::task::yield_now;

use crate::clock::Time;
use crate::items::Items;
use crate::leases::{Lease, Place, Table};
use crate::lists::Taken as Cleared;
use crate::memory::{Full, Memory};
use crate::store::Shared;
use crate::value::Value;

/// How often ended leases are looked for while there are leases at all.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// How many lists get back the values of their ended leases between two looks at other work.
const SWEEP_MAX: usize = 64;

/// How many values move to a dead letter list in one step: the lists are locked meanwhile.
const MOVED_MAX: usize = 1000;

/// What an attempt to reserve values came to.
pub(crate) struct Attempt {
    pub(crate) reserved: Result<Option<Reserved>, Full>,
    /// Whether values have moved to the dead letter list, which is to be [settled](Shared::settle) then.
    pub(crate) moved: bool,
}

/// What leases that ended have returned.
#[derive(Default)]
struct Returned {
    /// The number of values, wherever they went.
    count: u64,
    /// The lists to which some have moved.
    dead_letters: Vec<Place>,
}

/// What one look at a list came to.
enum Look {
    Reserved(Reserved),
    Moved,
    Nothing,
}

impl Shared {
    /// Returns the values of a list's leases that have ended. To be called before anything is done with a list.
    pub(crate) fn settle(self: &Arc<Self>, namespace: &Namespace, list_key: &Key) {
        if self.leases.are_there() {
            self.settle_place(&(namespace.clone(), list_key.clone()));
        }
    }

    /// The same for a list, and for the dead letter lists of those leases; they may have such leases in turn.
    fn settle_place(self: &Arc<Self>, place: &Place) {
        let now = self.clock.now();
        let mut places = vec![place.clone()];
        while let Some(place) = places.pop() {
            if self.leases.lock().is_due(&place, now) {
                let returned = self.put_back(&place, |table| table.take_until(&place, now));
                self.serve(&place.0, &place.1);
                places.extend(returned.dead_letters);
            }
        }
    }

    /// Gives a list what is arriving, and the values of the leases that `take` takes, in the order in which they were made.
    fn put_back<I: IntoIterator<Item = Lease>>(
        &self,
        place: &Place,
        take: impl FnOnce(&mut Table) -> I,
    ) -> Returned {
        let (namespace, list_key) = place;
        let memory = self.memory.beyond_limit();
        let mut returned = Returned::default();
        let put = |items: &mut Items| {
            self.leases.change(|table| {
                for value in table.take_arriving(place) {
                    items.push(End::Right, Value::Plain(value), &memory)?;
                }
                let mut leases: Vec<_> = take(table).into_iter().collect();
                for lease in &mut leases {
                    memory.release(lease.charged_bytes(place));
                    returned.count += lease.values.len() as u64;
                    if let Some((list_key, dead)) = lease.take_dead() {
                        let dead_letter = (namespace.clone(), list_key);
                        table.give(dead_letter.clone(), dead);
                        returned.dead_letters.push(dead_letter);
                    }
                }
                // The lease that was made last took the values behind those of the others.
                for lease in leases.into_iter().rev() {
                    give_back(items, lease, &memory)?;
                }
                // A list that holds nothing is not created.
                if items.is_empty() { Err(Full) } else { Ok(()) }
            })
        };
        // There is no limit, so the only refusal is that of a list that would be empty.
        let _ = self.lists.write(namespace, &memory, |lists| lists.grow(list_key.as_bytes(), &memory, put));
        returned
    }

    /// Reserves what is there.
    pub(crate) fn try_reserve(&self, (namespace, list_key): &Place, wanted: &Reservation) -> Attempt {
        let mut moved = false;
        let reserved = loop {
            let look = self.lists.remove(namespace, &self.memory, |lists| {
                lists.shrink(list_key.as_bytes(), &self.memory, |items| {
                    self.look(namespace, list_key, items, wanted)
                })
            });
            match look.flatten() {
                // Behind the values that have moved there may be others.
                Some(Ok(Look::Moved)) => moved = true,
                Some(Ok(Look::Reserved(reserved))) => break Ok(Some(reserved)),
                Some(Err(full)) => break Err(full),
                Some(Ok(Look::Nothing)) | None => break Ok(None),
            }
        };
        Attempt { reserved, moved }
    }

    /// Moves values that have been delivered too often, or reserves others. Under the lock of the list's map shard.
    fn look(
        &self,
        namespace: &Namespace,
        list_key: &Key,
        items: &mut Items,
        wanted: &Reservation,
    ) -> Result<Look, Full> {
        let memory = self.memory.with_headroom();
        let gives_up =
            |value: &Value| wanted.deliveries.as_ref().filter(|limit| value.deliveries() >= limit.max);
        if let Some(limit) = items.peek(wanted.end).and_then(gives_up) {
            let mut dead = Vec::new();
            while dead.len() < MOVED_MAX && items.peek(wanted.end).and_then(gives_up).is_some() {
                dead.extend(items.pop(wanted.end, &memory).map(Value::into_bytes));
            }
            let dead_letter = (namespace.clone(), limit.dead_letter.clone());
            self.leases.change(|table| table.give(dead_letter, dead));
            return Ok(Look::Moved);
        }
        let (mut values, mut filling) = (Vec::new(), Filling::default());
        while values.len() < wanted.count
            && items
                .peek(wanted.end)
                .is_some_and(|value| gives_up(value).is_none() && filling.takes(value.len()))
        {
            let counted = |value: Value| (value.deliveries().saturating_add(1), value.into_bytes());
            values.extend(items.pop(wanted.end, &memory).map(counted));
        }
        if values.is_empty() {
            return Ok(Look::Nothing);
        }
        values.shrink_to_fit();
        let until = self.clock.now().plus(wanted.lease);
        let mut lease = Lease { until, end: wanted.end, values, deliveries: wanted.deliveries.clone() };
        let place = (namespace.clone(), list_key.clone());
        let Ok(room) = memory.reserve(lease.charged_bytes(&place)) else {
            lease.uncount();
            give_back(items, lease, &memory.beyond_limit())?;
            return Err(Full);
        };
        room.keep();
        let values = lease.to_reserved_values();
        let number = self.leases.change(|table| table.add(&place, lease));
        Ok(Look::Reserved(Reserved { lease: self.leases.token(number), values }))
    }

    /// Returns the values of a lease that nobody has been given, as if there had been none.
    pub(crate) fn undo(&self, place: &Place, token: &[u8]) {
        let Some(wanted) = self.leases.number(token) else { return };
        self.put_back(place, |table| {
            let mut lease = table.take(place, wanted);
            lease.iter_mut().for_each(Lease::uncount);
            lease
        });
    }

    /// Removes the values of a lease, and returns how many; `None` if it has ended.
    pub(crate) fn ack(&self, place: &Place, token: &[u8]) -> Option<u64> {
        let wanted = self.leases.number(token)?;
        let now = self.clock.now();
        let acked = self.leases.change(|table| table.take_live(place, wanted, now))?;
        self.memory.release(acked.charged_bytes(place));
        Some(acked.values.len() as u64)
    }

    /// Lets a lease end at another moment, and returns whether it is live.
    pub(crate) fn extend(&self, place: &Place, token: &[u8], duration: Duration) -> bool {
        let Some(wanted) = self.leases.number(token) else { return false };
        let now = self.clock.now();
        self.leases.change(|table| table.extend(place, wanted, now, duration))
    }

    /// Ends a lease, and returns how many values it had; `None` if it has ended.
    pub(crate) fn release(self: &Arc<Self>, place: &Place, token: &[u8]) -> Option<u64> {
        let wanted = self.leases.number(token)?;
        let now = self.clock.now();
        // Ended by somebody else meanwhile, it has no values any more.
        let returned = self.put_back(place, |table| table.take_live(place, wanted, now));
        self.serve(&place.0, &place.1);
        returned.dead_letters.iter().for_each(|dead_letter| self.settle_place(dead_letter));
        (returned.count > 0).then_some(returned.count)
    }

    /// Removes a list and ends its leases.
    pub(crate) fn clear(&self, place: &Place) -> Option<Cleared> {
        let (namespace, list_key) = place;
        let end_leases = || self.drop_leases(place);
        // Leases may be all that is left of a list and its namespace, which therefore is created.
        let cleared = self.lists.write(namespace, &self.memory.beyond_limit(), |lists| {
            Ok(lists.take(list_key.as_bytes(), &self.memory, end_leases))
        });
        self.lists.remove_empty(namespace, &self.memory);
        cleared.ok().flatten()
    }

    /// Ends the leases of a list, whose values are gone then. Under the lock of the list's map shard.
    pub(crate) fn drop_leases(&self, place: &Place) {
        let leases = self.leases.change(|table| {
            table.take_arriving(place);
            table.take_until(place, Time::NEVER)
        });
        self.memory.release(leases.iter().map(|lease| lease.charged_bytes(place)).sum());
    }

    /// Returns the values of leases that have ended, as long as it runs.
    pub(crate) async fn sweep(self: &Arc<Self>) {
        loop {
            if !self.leases.are_there() {
                self.leases.told.notified().await;
            }
            tokio::time::sleep(SWEEP_EVERY).await;
            loop {
                let ended = self.leases.lock().ended(self.clock.now(), SWEEP_MAX);
                ended.iter().for_each(|place| self.settle_place(place));
                if ended.len() < SWEEP_MAX {
                    break;
                }
                yield_now().await;
            }
        }
    }
}

/// Returns values to the end that they came from.
fn give_back(items: &mut Items, lease: Lease, memory: &Memory) -> Result<(), Full> {
    for (deliveries, value) in lease.values.into_iter().rev() {
        items.push(lease.end, Value::delivered(value, deliveries), memory)?;
    }
    Ok(())
}
