//! Whether the reads of one register can be explained by its writes, taking effect one at a time.
//!
//! Every write has a unique value. Contradictions are a read of a value that nobody had begun to write, or that was
//! overwritten before the read began, and two reads, one after the other, that see two writes in the opposite order.

use std::time::Instant;

use bytes::Bytes;

/// One call, from before it was sent until after its response.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) value: Bytes,
}

impl Span {
    fn is_before(&self, other: &Self) -> bool {
        self.ended < other.begun
    }
}

/// The calls on one register.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) writes: Vec<Span>,
    pub(super) reads: Vec<Span>,
}

impl History {
    /// The first contradiction, if any.
    pub(super) fn contradiction(&self) -> Option<String> {
        let mut seen: Vec<(&Span, &Span)> = Vec::new();
        for read in &self.reads {
            let Some(write) = self.writes.iter().find(|write| write.value == read.value) else {
                return Some(format!("Get returned {:?}, which was never set", read.value));
            };
            if read.is_before(write) {
                return Some(format!("Get returned {:?} before its Set began", read.value));
            }
            let is_stale = |newer: &&Span| write.is_before(newer) && newer.is_before(read);
            if let Some(newer) = self.writes.iter().find(is_stale) {
                return Some(format!(
                    "Get returned {:?} after the later Set of {:?} had been acknowledged",
                    read.value, newer.value
                ));
            }
            let is_turned = |(other, other_write): &&(&Span, &Span)| {
                (other.is_before(read) && write.is_before(other_write))
                    || (read.is_before(other) && other_write.is_before(write))
            };
            if let Some((other, _)) = seen.iter().find(is_turned) {
                return Some(format!(
                    "two Gets, one after the other, saw {:?} and {:?} in the opposite order of their Sets",
                    read.value, other.value
                ));
            }
            seen.push((read, write));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Spans as (begun, ended, value), in milliseconds.
    fn contradiction(
        writes: &[(u64, u64, &'static str)],
        reads: &[(u64, u64, &'static str)],
    ) -> Option<String> {
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        let span = |&(begun, ended, value): &(u64, u64, &'static str)| Span {
            begun: at(begun),
            ended: at(ended),
            value: value.into(),
        };
        let history =
            History { writes: writes.iter().map(span).collect(), reads: reads.iter().map(span).collect() };
        history.contradiction()
    }

    #[test]
    fn overlapping_calls_may_take_effect_in_any_order() {
        let writes = [(0, 1, "a"), (2, 9, "b"), (3, 8, "c")];
        assert_eq!(contradiction(&writes, &[(4, 5, "b"), (6, 7, "c"), (10, 11, "b")]), None);
    }

    #[test]
    fn a_read_of_an_overwritten_value_is_stale() {
        let sentence = contradiction(&[(0, 1, "a"), (2, 3, "b")], &[(4, 5, "a")]).unwrap();
        assert!(sentence.contains("after the later Set"), "{sentence}");
    }

    #[test]
    fn a_value_cannot_be_read_before_it_is_written() {
        assert!(contradiction(&[(5, 6, "a")], &[(1, 2, "a")]).is_some());
        assert!(contradiction(&[], &[(1, 2, "a")]).is_some());
    }

    #[test]
    fn reads_see_writes_in_one_order() {
        // b is written after a; both writes overlap reads elsewhere.
        let writes = [(0, 3, "a"), (4, 20, "b")];
        let sentence = contradiction(&writes, &[(5, 6, "b"), (7, 8, "a")]).unwrap();
        assert!(sentence.contains("opposite order"), "{sentence}");
    }
}
