//! The calls that change a key by a rule, and batches.

use anyhow::ensure;
use prism_client::{Condition, KeyValue};
use prism_proto::interfaces::keyvalue::{
    BatchGetRequest, BatchGetResponse, ExpireRequest, ExpireResponse, IncrementRequest, IncrementResponse,
    ItemStatus, SetIfRequest, SetIfResponse,
};
use prism_proto::rpc::{Rpc as _, keyvalue as rpc};
use prost::Message as _;

use super::data::{VALUE_BYTES, framed, key, value};

/// What counters start with, so that all sums are encoded in the same number of bytes.
pub(crate) const COUNTER_START: i64 = 1 << 40;
/// The time to live that is renewed.
pub(crate) const TTL_MILLIS: i64 = 3_600_000;
/// The keys.
pub(crate) const COUNTER: &str = "bench-counter";
pub(crate) const ABSENT: &str = "bench-absent";
pub(crate) const PRESENT: &str = "bench-present";
pub(crate) const EXPIRING: &str = "bench-expiring";

/// One of these calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    /// Adds one to a counter.
    Increment,
    /// Stores a value if the key is absent, which it is not.
    SetIfAbsent,
    /// Stores a value if the key is present, which it is.
    SetIfPresent,
    /// Renews the time to live of a key.
    Expire,
    /// Reads this many keys.
    BatchGet(usize),
}

/// The keys of a batch.
pub(crate) fn batch_keys(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| key("batch:", number))
}

impl Verb {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Increment => rpc::Increment::PATH,
            Self::SetIfAbsent | Self::SetIfPresent => rpc::SetIf::PATH,
            Self::Expire => rpc::Expire::PATH,
            Self::BatchGet(_) => rpc::BatchGet::PATH,
        }
    }

    /// The encoded request.
    pub(super) fn request(self) -> Vec<u8> {
        let set_if = |key: &str, condition: Condition| {
            let (key, condition) = (key.to_owned(), Some(condition.into()));
            SetIfRequest { key, value: value(VALUE_BYTES), condition, ..SetIfRequest::default() }
                .encode_to_vec()
        };
        match self {
            Self::Increment => {
                let (key, initial) = (COUNTER.to_owned(), COUNTER_START);
                IncrementRequest { key, delta: 1, initial, ..IncrementRequest::default() }.encode_to_vec()
            }
            Self::SetIfAbsent => set_if(ABSENT, Condition::Absent),
            Self::SetIfPresent => set_if(PRESENT, Condition::Present),
            Self::Expire => {
                let key = EXPIRING.to_owned();
                ExpireRequest { key, ttl_millis: TTL_MILLIS, ..ExpireRequest::default() }.encode_to_vec()
            }
            Self::BatchGet(count) => {
                BatchGetRequest { keys: batch_keys(count).collect(), ..BatchGetRequest::default() }
                    .encode_to_vec()
            }
        }
    }

    pub(super) fn answer_bytes(self) -> usize {
        match self {
            Self::Increment => framed(&IncrementResponse { value: COUNTER_START }),
            Self::SetIfAbsent => framed(&SetIfResponse { applied: false, current: None }),
            Self::SetIfPresent => framed(&SetIfResponse { applied: true, current: None }),
            Self::Expire => framed(&ExpireResponse {}),
            Self::BatchGet(count) => {
                let status = Some(ItemStatus::default());
                let found =
                    BatchGetResponse { status, value: value(VALUE_BYTES), ..BatchGetResponse::default() };
                count * framed(&found)
            }
        }
    }

    pub(super) async fn verify(self, keyvalue: &KeyValue) -> anyhow::Result<()> {
        match self {
            Self::Increment => {
                let before = keyvalue.increment(COUNTER, 0).initial(COUNTER_START).await?;
                let after = keyvalue.increment(COUNTER, 1).await?;
                ensure!(
                    before >= COUNTER_START && after == before + 1,
                    "an Increment made {after} of {before}"
                );
            }
            Self::SetIfAbsent => {
                keyvalue.set(ABSENT, value(VALUE_BYTES)).await?;
                ensure!(!keyvalue.set_if_absent(ABSENT, "other").await?, "a SetIf replaced a key");
                ensure!(keyvalue.get(ABSENT).await? == value(VALUE_BYTES), "a SetIf changed a value");
            }
            Self::SetIfPresent => {
                keyvalue.set(PRESENT, "other").await?;
                let changed = keyvalue.set_if(PRESENT, value(VALUE_BYTES), Condition::Present).await?;
                ensure!(changed.applied, "a SetIf was not applied");
                ensure!(keyvalue.get(PRESENT).await? == value(VALUE_BYTES), "a SetIf stored the wrong value");
            }
            Self::Expire => {
                keyvalue.set(EXPIRING, value(VALUE_BYTES)).await?;
                ensure!(keyvalue.expire(EXPIRING, TTL_MILLIS).await?, "an Expire found no key");
                ensure!(keyvalue.get_ttl(EXPIRING).await?.is_some(), "an Expire set no time to live");
            }
            Self::BatchGet(count) => {
                let items = batch_keys(count).map(|key| (key, value(VALUE_BYTES)));
                for stored in keyvalue.set_many(items).await {
                    stored?;
                }
                for found in keyvalue.get_many(batch_keys(count)).await {
                    ensure!(found? == Some(value(VALUE_BYTES)), "a BatchGet returned a wrong value");
                }
            }
        }
        Ok(())
    }
}
