//! Where a scan is, and how another attempt continues there: behind the last key, or at the last token.
//!
//! Behind the last key nothing repeats; at the last token, everything since then does. So the token is used only where
//! there is no order, and in a scan that began with one: it may keep an end of the scan that only the token knows.

use bytes::Bytes;
use prism_proto::EPOCH_HEADER;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use super::item::{RequestOf, ScanItem};

/// How an entry follows those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// It is a new one.
    Forward,
    /// It may have been returned before, as can be where there is no order.
    Unordered,
    /// The server was asked for the keys behind the last one, and this is none.
    Backward,
}

#[derive(Debug)]
pub(super) struct Position {
    delivered: i64,
    last_key: String,
    /// The last token that arrived, or the caller's; empty if there is none.
    token: Bytes,
    /// Identifies the data with which the scan began, if the backend reports it.
    epoch: Option<AsciiMetadataValue>,
    /// Whether every key so far was behind the previous one, and the backend has not refused to continue there.
    in_order: bool,
    /// Whether keys are to arrive from the greatest to the least.
    reverse: bool,
    /// Whether it may begin again where there is no token.
    begins_again: bool,
}

impl Position {
    /// The position of a scan that has not begun. `in_order`: it may be continued behind a key.
    pub(super) fn new(in_order: bool, begins_again: bool) -> Self {
        Self {
            delivered: 0,
            last_key: String::new(),
            token: Bytes::new(),
            epoch: None,
            in_order,
            reverse: false,
            begins_again,
        }
    }

    /// The number of entries returned so far.
    pub(super) fn delivered(&self) -> i64 {
        self.delivered
    }

    pub(super) fn token(&self) -> Option<&Bytes> {
        Some(&self.token).filter(|token| !token.is_empty())
    }

    /// The scan begins with this token.
    pub(super) fn set_token(&mut self, token: Bytes) {
        (self.token, self.in_order) = (token, false);
    }

    pub(super) fn set_reverse(&mut self, reverse: bool) {
        self.reverse = reverse;
    }

    /// The request that continues here.
    pub(super) fn request<E: ScanItem>(&self, first: &RequestOf<E>) -> RequestOf<E> {
        let mut request = first.clone();
        if self.delivered == 0 {
            return request;
        }
        match E::bounds(&mut request) {
            Some(bounds) if self.in_order => {
                let behind = if self.reverse { bounds.before } else { bounds.start_after };
                *behind = Some(self.last_key.clone());
            }
            bounds => {
                // The token keeps them.
                if let Some(bounds) = bounds {
                    (*bounds.start_after, *bounds.before) = (None, None);
                }
                *E::resume(&mut request) = self.token.clone();
            }
        }
        if let Some(limit) = E::limit(&mut request).filter(|limit| **limit > 0) {
            *limit = i32::try_from(i64::from(*limit) - self.delivered).expect("less than the limit");
        }
        request
    }

    /// Whether a stream reads the data with which the scan began. Before the first entry, any data will do.
    pub(super) fn has_epoch_of(&mut self, metadata: &MetadataMap) -> bool {
        let epoch = metadata.get(EPOCH_HEADER);
        if self.delivered == 0 {
            self.epoch = epoch.cloned();
        }
        self.epoch.as_ref() == epoch
    }

    /// Whether there is a way to continue: any, before the first entry.
    pub(super) fn can_continue(&self) -> bool {
        self.in_order || self.begins_again || self.delivered == 0 || !self.token.is_empty()
    }

    /// The backend refused to continue behind a key: returns whether there is another way.
    pub(super) fn leave_order(&mut self) -> bool {
        std::mem::replace(&mut self.in_order, false) && !self.token.is_empty()
    }

    /// Moves behind an entry. `resumed` says whether it is the first one of another attempt.
    pub(super) fn step(&mut self, key: &str, token: Bytes, resumed: bool) -> Moved {
        let last_key = self.last_key.as_str();
        let is_behind = self.delivered == 0 || if self.reverse { key < last_key } else { key > last_key };
        if resumed && self.in_order && !is_behind {
            return Moved::Backward;
        }
        self.in_order &= is_behind;
        let moved = if self.in_order || !token.is_empty() { Moved::Forward } else { Moved::Unordered };
        self.delivered += 1;
        self.last_key.clear();
        self.last_key.push_str(key);
        if !token.is_empty() {
            // A share of the response would keep the whole read buffer in memory.
            self.token = Bytes::copy_from_slice(&token);
        }
        moved
    }
}
