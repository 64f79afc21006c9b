//! What an import has been given and the server has not acknowledged: it is sent again after an interruption.

use std::collections::VecDeque;

use prism_proto::interfaces::transfer::{ImportRequest, item::Kind};
use prost::Message as _;

/// How much may be on its way. A list whose last part is not sent yet is never acknowledged, so it is beside it, within the limit that the
/// server has for it.
const BYTES_MAX: usize = 8 * 1024 * 1024;
const ITEMS_MAX: usize = 4096;

/// Messages, oldest first, with their sizes.
#[derive(Default)]
pub(super) struct Unacknowledged {
    messages: VecDeque<(ImportRequest, usize)>,
    bytes: usize,
    /// How many of them are sent on the current stream.
    sent: usize,
}

impl Unacknowledged {
    pub(super) fn add(&mut self, message: ImportRequest) {
        let bytes = message.encoded_len();
        self.bytes += bytes;
        self.messages.push_back((message, bytes));
    }

    /// The first one that has not been sent.
    pub(super) fn next(&self) -> Option<&ImportRequest> {
        self.messages.get(self.sent).map(|(message, _)| message)
    }

    /// The next one has been sent.
    pub(super) fn mark_sent(&mut self) {
        self.sent += 1;
    }

    /// Everything has to be sent again.
    pub(super) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// The first ones are acknowledged. Returns whether so many have been sent.
    pub(super) fn acknowledge(&mut self, count: u64) -> bool {
        let Some(count) = usize::try_from(count).ok().filter(|count| *count <= self.sent) else {
            return false;
        };
        self.bytes -= self.messages.drain(..count).map(|(_, bytes)| bytes).sum::<usize>();
        self.sent -= count;
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether an acknowledgement has to arrive before there may be more.
    pub(super) fn is_full(&self) -> bool {
        (self.bytes >= BYTES_MAX || self.messages.len() >= ITEMS_MAX) && !self.ends_within_a_list()
    }

    fn ends_within_a_list(&self) -> bool {
        let kind = self.messages.back().and_then(|(last, _)| last.item.as_ref()?.kind.as_ref());
        matches!(kind, Some(Kind::ListPart(part)) if !part.last)
    }
}

#[cfg(test)]
mod tests {
    use prism_proto::interfaces::transfer::{Item, ListPart};

    use super::*;

    fn part(bytes: usize, last: bool) -> ImportRequest {
        let part = ListPart { values: vec![vec![0; bytes].into()], last, ..ListPart::default() };
        let item = Some(Item { kind: Some(Kind::ListPart(part)) });
        ImportRequest { item, ..ImportRequest::default() }
    }

    #[test]
    fn what_is_on_its_way_is_bounded_except_within_a_list() {
        let mut waiting = Unacknowledged::default();
        waiting.add(part(BYTES_MAX, false));
        assert!(!waiting.is_full());
        waiting.add(part(0, true));
        assert!(waiting.is_full());
        assert!(!waiting.acknowledge(1), "it has not been sent");
        waiting.mark_sent();
        waiting.mark_sent();
        waiting.rewind();
        assert!(waiting.next().is_some_and(|first| first.encoded_len() > BYTES_MAX));
        waiting.mark_sent();
        waiting.mark_sent();
        assert!(waiting.acknowledge(2) && waiting.is_empty() && !waiting.is_full() && waiting.bytes == 0);
    }
}
