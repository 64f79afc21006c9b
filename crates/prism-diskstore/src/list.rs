//! The List half of the store. A list is two numbers, the positions of its first value and behind its last one, and a key
//! for each value: a push or pop changes two keys, however long the list is.

mod batch;
mod blocking;
mod indexing;
mod range;
pub(crate) mod reserve;
mod scan;

use bytes::Bytes;
use prism_plugin::list::{End, List};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::clock;
use crate::engine::{Fault, View};
use crate::layout::retries::Call;
use crate::layout::{self, Ends};
use crate::store::DiskStore;
use crate::txn::{Txn, decoded};
use crate::waiters::{Given, Handed, Place, Waiter, Wish};

impl List for DiskStore {
    async fn push(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        value: Bytes,
    ) -> Result<u64, Error> {
        // A copy: the value is a slice of what was received, which it would keep in memory.
        let value = Bytes::copy_from_slice(&value);
        let bytes = list_key.len() + value.len();
        let place = (namespace, list_key);
        self.write(context, true, bytes, move |txn| {
            let len = Opened::new(txn, &place)?.push(end, value)?;
            serve(txn, &place)?;
            Ok(len)
        })
        .await
    }

    async fn pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
    ) -> Result<Option<Bytes>, Error> {
        let place = (namespace, list_key);
        self.write(context, false, place.1.len(), move |txn| Opened::new(txn, &place)?.pop(end)).await
    }

    async fn length(&self, _: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        self.settled(&namespace, &list_key).await?;
        let ends = self.read(move |view| ends(view, &namespace, list_key.as_bytes())).await?;
        Ok(ends.len())
    }
}

/// The ends of a list as it is committed; those of a missing list are at the same place.
fn ends(view: &dyn View, namespace: &str, list: &[u8]) -> Result<Ends, Fault> {
    match view.get(&layout::list(namespace, list))? {
        None => Ok(Ends::default()),
        Some(encoded) => Ends::decode(&encoded)
            .ok_or_else(|| Fault::Damaged("the ends of a list cannot be decoded".to_owned())),
    }
}

/// A list within a write.
struct Opened<'a, 'b> {
    txn: &'a mut Txn<'b>,
    place: &'a Place,
    ends: Ends,
    existed: bool,
}

impl<'a, 'b> Opened<'a, 'b> {
    fn new(txn: &'a mut Txn<'b>, place: &'a Place) -> Result<Self, Error> {
        let encoded = txn.get(&layout::list(&place.0, place.1.as_bytes()))?;
        let existed = encoded.is_some();
        let ends =
            encoded.map(|encoded| decoded(Ends::decode(&encoded), "the ends of a list")).transpose()?;
        Ok(Self { txn, place, ends: ends.unwrap_or_default(), existed })
    }

    fn element(&self, position: i64) -> Vec<u8> {
        layout::element(&self.place.0, self.place.1.as_bytes(), position)
    }

    fn value(&mut self, position: i64) -> Result<Bytes, Error> {
        let element = self.element(position);
        decoded(self.txn.get(&element)?, "a list without one of its values")
    }

    fn put(&mut self, position: i64, value: Bytes) {
        let element = self.element(position);
        self.txn.put(element, value);
    }

    fn remove(&mut self, position: i64) {
        let element = self.element(position);
        self.txn.remove(element);
    }

    /// The position of the value at an end, of a list that has values.
    fn last(&self, end: End) -> i64 {
        match end {
            End::Left => self.ends.head,
            End::Right => self.ends.tail - 1,
        }
    }

    fn add(&mut self, end: End, value: Bytes) {
        let position = match end {
            End::Left => {
                self.ends.head -= 1;
                self.ends.head
            }
            End::Right => {
                self.ends.tail += 1;
                self.ends.tail - 1
            }
        };
        self.put(position, value);
    }

    /// How often the value at a position has been delivered.
    fn deliveries(&mut self, position: i64) -> Result<u32, Error> {
        if self.ends.delivered == 0 {
            return Ok(0);
        }
        let key = layout::leases::deliveries(&self.place.0, self.place.1.as_bytes(), position);
        let Some(encoded) = self.txn.get(&key)? else { return Ok(0) };
        let count = encoded.first_chunk().map(|count| u32::from_be_bytes(*count));
        decoded(count, "the deliveries of a value")
    }

    fn set_deliveries(&mut self, position: i64, count: u32) -> Result<(), Error> {
        let was_delivered = self.deliveries(position)? > 0;
        if count == 0 && !was_delivered {
            return Ok(());
        }
        let key = layout::leases::deliveries(&self.place.0, self.place.1.as_bytes(), position);
        if count == 0 {
            self.ends.delivered = self.ends.delivered.saturating_sub(1);
            self.txn.remove(key);
        } else {
            self.ends.delivered += u64::from(!was_delivered);
            self.txn.put(key, Bytes::copy_from_slice(&count.to_be_bytes()));
        }
        Ok(())
    }

    /// Removes the value at an end of a list that has values.
    fn cut(&mut self, end: End) -> Result<(), Error> {
        self.set_deliveries(self.last(end), 0)?;
        self.remove(self.last(end));
        match end {
            End::Left => self.ends.head += 1,
            End::Right => self.ends.tail -= 1,
        }
        Ok(())
    }

    fn push(mut self, end: End, value: Bytes) -> Result<u64, Error> {
        self.add(end, value);
        self.close()
    }

    fn pop(mut self, end: End) -> Result<Option<Bytes>, Error> {
        if self.ends.len() == 0 {
            return Ok(None);
        }
        let value = self.value(self.last(end))?;
        self.cut(end)?;
        self.close()?;
        Ok(Some(value))
    }

    /// Writes the ends, and returns how many values there are.
    fn close(self) -> Result<u64, Error> {
        let len = self.ends.len();
        let key = layout::list(&self.place.0, self.place.1.as_bytes());
        match len {
            0 if self.existed => self.txn.remove(key),
            0 => {}
            _ => self.txn.put(key, self.ends.encode()),
        }
        match (self.existed, len > 0) {
            (false, true) => self.txn.count(&self.place.0, |counts| counts.lists += 1)?,
            (true, false) => {
                self.txn.count(&self.place.0, |counts| counts.lists = counts.lists.saturating_sub(1))?;
            }
            _ => {}
        }
        Ok(len)
    }
}

/// Hands the values of a list to those who wait for it.
fn serve(txn: &mut Txn<'_>, place: &Place) -> Result<(), Error> {
    if !txn.waiters.are_there() {
        return Ok(());
    }
    while let Some(waiter) = txn.waiters.next(place) {
        match take(txn, place, &waiter) {
            Ok(Some(given)) => txn.handed.push(Handed { place: place.clone(), waiter, given }),
            nothing => {
                txn.waiters.enter(place.clone(), waiter);
                return nothing.map(drop);
            }
        }
    }
    Ok(())
}

/// Takes out of a list what a waiter wishes, and records it as the answer to its call.
fn take(txn: &mut Txn<'_>, place: &Place, waiter: &Waiter) -> Result<Option<Given>, Error> {
    match &waiter.wish {
        Wish::Pop(end) => {
            let value = Opened::new(txn, place)?.pop(*end)?;
            record(txn, waiter, &value)?;
            Ok(value.map(|value| Given::Value(*end, value)))
        }
        Wish::Reserve(wanted) => {
            let reserved = reserve::reserve(txn, place, wanted)?;
            record(txn, waiter, &reserved)?;
            Ok(reserved.map(Given::Reserved))
        }
    }
}

/// Records the answer to the call of a waiter that is given something.
fn record<R: 'static>(txn: &mut Txn<'_>, waiter: &Waiter, given: &Option<R>) -> Result<(), Error> {
    match waiter.context.attempt().filter(|_| given.is_some()) {
        Some(attempt) => txn.record_answer(attempt, given),
        None => Ok(()),
    }
}

/// Puts back what nobody took, and forgets that it was the answer to a call.
pub(crate) fn put_back(
    txn: &mut Txn<'_>,
    place: &Place,
    given: &Given,
    call: Option<&Call>,
) -> Result<(), Error> {
    if let Some(call) = call {
        txn.forget_answer(call)?;
    }
    match given {
        Given::Value(end, value) => {
            Opened::new(txn, place)?.push(*end, value.clone())?;
            serve(txn, place)
        }
        Given::Reserved(reserved) => reserve::undo(txn, place, &reserved.lease),
    }
}

impl DiskStore {
    /// Waits until the leases of a list that have ended have returned their values: a batch begins with that.
    async fn settled(&self, namespace: &Namespace, list_key: &Key) -> Result<(), Error> {
        if !self.shared.leases.have_ended(namespace, list_key.as_bytes(), clock::now()) {
            return Ok(());
        }
        self.batched(&Context::default(), false, 0, |_| Ok(())).await
    }
}
