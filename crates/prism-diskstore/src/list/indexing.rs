//! Single values within lists.

use bytes::Bytes;
use prism_plugin::list::{End, ListIndexing};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use super::ends;
use crate::layout::{self, Ends};
use crate::lists::Opened;
use crate::store::DiskStore;

/// The position of the value at an index; `None` if the list has no such index.
fn position(ends: Ends, index: i64) -> Option<i64> {
    let from = if index < 0 { ends.tail } else { ends.head };
    from.checked_add(index).filter(|position| (ends.head..ends.tail).contains(position))
}

impl ListIndexing for DiskStore {
    async fn get_at(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        index: i64,
    ) -> Result<Option<Bytes>, Error> {
        self.settled(&namespace, &list_key).await?;
        self.read(move |view| {
            let ends = ends(view, &namespace, list_key.as_bytes())?;
            let element =
                position(ends, index).map(|at| layout::element(&namespace, list_key.as_bytes(), at));
            Ok(element.map(|element| view.get(&element)).transpose()?.flatten())
        })
        .await
    }

    async fn set_at(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        index: i64,
        value: Bytes,
    ) -> Result<bool, Error> {
        let value = Bytes::copy_from_slice(&value);
        let (bytes, place) = (list_key.len() + value.len(), (namespace, list_key));
        self.write(context, true, bytes, move |txn| {
            let mut list = Opened::new(txn, &place)?;
            let position = position(list.ends, index);
            if let Some(position) = position {
                list.put(position, value);
                // Another value, which has not been delivered.
                list.set_deliveries(position, 0)?;
                list.close()?;
            }
            Ok(position.is_some())
        })
        .await
    }

    async fn remove(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        value: Bytes,
        count: i64,
    ) -> Result<u64, Error> {
        let (bytes, place) = (list_key.len(), (namespace, list_key));
        self.write(context, false, bytes, move |txn| {
            let mut list = Opened::new(txn, &place)?;
            let from = if count < 0 { End::Right } else { End::Left };
            let max = if count == 0 { u64::MAX } else { count.unsigned_abs() };
            let found = list.find(&value, from, max)?;
            list.close_gaps(&found)?;
            list.close()?;
            Ok(found.len() as u64)
        })
        .await
    }
}

impl Opened<'_, '_> {
    /// The positions of at most `max` values that are equal to this one, from one end on, in ascending order.
    fn find(&mut self, value: &[u8], from: End, max: u64) -> Result<Vec<i64>, Error> {
        let mut found = Vec::new();
        for offset in 0..self.ends.len().cast_signed() {
            if found.len() as u64 == max {
                break;
            }
            let position = match from {
                End::Left => self.ends.head + offset,
                End::Right => self.ends.tail - 1 - offset,
            };
            if self.value(position)? == value {
                found.push(position);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Removes the values at these positions, which ascend. Those on the shorter side move up.
    fn close_gaps(&mut self, gaps: &[i64]) -> Result<(), Error> {
        let (Some(&first), Some(&last)) = (gaps.first(), gaps.last()) else { return Ok(()) };
        let is_gap = |position: &i64| gaps.binary_search(position).is_ok();
        let count = gaps.len() as i64;
        if last - self.ends.head < self.ends.tail - first {
            let mut to = last;
            for position in (self.ends.head..last).rev().filter(|position| !is_gap(position)) {
                let (value, deliveries) = (self.value(position)?, self.deliveries(position)?);
                self.put(to, value);
                self.set_deliveries(to, deliveries)?;
                to -= 1;
            }
            (0..count).try_for_each(|_| self.cut(End::Left))
        } else {
            let kept = (first + 1..self.ends.tail).filter(|position| !is_gap(position));
            for (to, position) in (first..).zip(kept) {
                let (value, deliveries) = (self.value(position)?, self.deliveries(position)?);
                self.put(to, value);
                self.set_deliveries(to, deliveries)?;
            }
            (0..count).try_for_each(|_| self.cut(End::Right))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_counts_from_either_end() {
        let ends = Ends { head: -2, tail: 3, delivered: 0 };
        for (index, expected) in [(0, Some(-2)), (4, Some(2)), (-1, Some(2)), (-5, Some(-2))] {
            assert_eq!(position(ends, index), expected, "{index}");
        }
        for index in [5, -6, i64::MIN, i64::MAX] {
            assert_eq!(position(ends, index), None, "{index}");
        }
        assert_eq!(position(Ends::default(), 0), None);
    }
}
