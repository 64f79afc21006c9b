//! The calls that make up a load: their bytes on the wire, and the check of their responses.

mod data;
pub(crate) mod verb;

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use prism_proto::interfaces::keyvalue::{
    CountRequest, CountResponse, GetRequest, GetResponse, ScanRequest, ScanResponse, SetRequest, SetResponse,
};
use prism_proto::rpc::{Rpc as _, keyvalue as rpc};
use prost::Message as _;

use crate::contender::{Contender, etcd};
pub(crate) use data::{KEY_BYTES, VALUE_BYTES, key, value, value_text};
use data::{framed, framed_bytes};
pub(crate) use verb::Verb;

/// How long verifying a call may take; counting a million keys takes a while.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One call; all calls of a load are the same.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// Reads a value of this length.
    Get { namespace: String, key: String, value_bytes: usize },
    /// Stores one.
    Set { key: String, value_bytes: usize, ttl_seconds: Option<i64> },
    /// Reads all keys with a prefix.
    Scan { prefix: String, keys: usize },
    /// Counts all keys.
    Count { keys: usize },
    /// Changes a key by a rule, or reads several.
    Verb(Verb),
    /// Stores a value in etcd.
    EtcdPut { key: String, value_bytes: usize },
}

impl Call {
    /// A Get in the namespace `default`, of a key that [`verify`](Self::verify) stores.
    pub(crate) fn get(value_bytes: usize) -> Self {
        Self::Get { namespace: String::new(), key: format!("bench-{value_bytes}"), value_bytes }
    }

    /// A Set of 100 bytes without TTL.
    pub(crate) fn set() -> Self {
        Self::Set { key: "bench-set".to_owned(), value_bytes: VALUE_BYTES, ttl_seconds: None }
    }

    /// The path of the URL.
    pub(crate) fn path(&self) -> &'static str {
        match self {
            Self::Get { .. } => rpc::Get::PATH,
            Self::Set { .. } => rpc::Set::PATH,
            Self::Scan { .. } => rpc::Scan::PATH,
            Self::Count { .. } => rpc::Count::PATH,
            Self::Verb(verb) => verb.path(),
            Self::EtcdPut { .. } => etcd::PUT,
        }
    }

    /// The request's body.
    pub(crate) fn body(&self) -> anyhow::Result<Vec<u8>> {
        let message = match self {
            Self::Get { namespace, key, .. } => {
                GetRequest { namespace: namespace.clone(), key: key.clone(), with_ttl: false }.encode_to_vec()
            }
            Self::Set { key, value_bytes, ttl_seconds } => SetRequest {
                namespace: String::new(),
                key: key.clone(),
                value: value(*value_bytes),
                ttl_seconds: *ttl_seconds,
                ttl_millis: None,
            }
            .encode_to_vec(),
            Self::Scan { prefix, .. } => {
                ScanRequest { prefix: prefix.clone(), ..ScanRequest::default() }.encode_to_vec()
            }
            Self::Count { .. } => CountRequest::default().encode_to_vec(),
            Self::Verb(verb) => verb.request(),
            Self::EtcdPut { key, value_bytes } => {
                etcd::PutRequest { key: key.clone(), value: value(*value_bytes) }.encode_to_vec()
            }
        };
        framed_bytes(&message)
    }

    /// The length of a correct response's body, at least and at most. An error has none.
    pub(crate) fn answer_bytes(&self) -> anyhow::Result<RangeInclusive<usize>> {
        let bytes = match self {
            Self::Get { value_bytes, .. } => {
                framed(&GetResponse { value: value(*value_bytes), ttl_millis_left: None })
            }
            Self::Set { .. } => framed(&SetResponse { success: true }),
            Self::Scan { keys, .. } => {
                keys * framed(&ScanResponse {
                    key: key("", 0),
                    value: value(VALUE_BYTES),
                    ..ScanResponse::default()
                })
            }
            Self::Count { keys } => framed(&CountResponse { count: i64::try_from(*keys)? }),
            Self::Verb(verb) => verb.answer_bytes(),
            Self::EtcdPut { .. } => return Ok(etcd::ANSWER_BYTES),
        };
        Ok(bytes..=bytes)
    }

    /// Makes the call once through a contender, with a client that reads the gRPC status, and compares the result. First
    /// stores what a Get should find.
    pub(crate) async fn verify(&self, contender: &Contender) -> anyhow::Result<()> {
        let client = contender.client().timeout(TIMEOUT).build()?;
        let keyvalue = client.keyvalue();
        match self {
            Self::Get { namespace, key, value_bytes } => {
                let keyvalue = if namespace.is_empty() {
                    keyvalue
                } else {
                    client.namespace(namespace.as_str()).keyvalue()
                };
                keyvalue.set(key, value(*value_bytes)).await?;
                ensure!(keyvalue.get(key).await? == value(*value_bytes), "a Get returned the wrong value");
            }
            Self::Set { key, value_bytes, ttl_seconds } => {
                let set = keyvalue.set(key, value(*value_bytes));
                match ttl_seconds {
                    Some(ttl) => set.ttl(Duration::from_secs(u64::try_from(*ttl)?)).await?,
                    None => set.await?,
                };
                ensure!(keyvalue.get(key).await? == value(*value_bytes), "a Set stored the wrong value");
            }
            Self::Scan { prefix, keys } => {
                let mut scan = keyvalue.scan(prefix);
                let mut found = 0;
                while let Some(entry) = scan.next().await {
                    let entry = entry?;
                    ensure!(
                        entry.key.starts_with(prefix) && entry.value.len() == VALUE_BYTES,
                        "a wrong entry"
                    );
                    found += 1;
                }
                ensure!(found == *keys, "a Scan returned {found} keys, not {keys}");
            }
            Self::Count { keys } => {
                let found = keyvalue.count("").await?;
                ensure!(
                    i64::try_from(*keys)? == i64::try_from(found)?,
                    "a Count returned {found}, not {keys}"
                );
            }
            Self::Verb(verb) => verb.verify(&keyvalue).await?,
            Self::EtcdPut { key, value_bytes } => {
                let request = etcd::PutRequest { key: key.clone(), value: value(*value_bytes) };
                etcd::verify(&contender.address, request).await?;
            }
        }
        Ok(())
    }

    /// [`verify`](Self::verify), with an error that names the contender.
    pub(crate) async fn verify_through(&self, label: &str, contender: &Contender) -> anyhow::Result<()> {
        self.verify(contender).await.with_context(|| format!("a call through {label} went wrong"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_carry_their_length() {
        let body = Call::get(100).body().unwrap();
        assert_eq!(body[..5], [0, 0, 0, 0, 11]);
        assert_eq!(&body[7..], b"bench-100");
        assert_eq!(Call::get(100).answer_bytes().unwrap(), 107..=107);
        assert_eq!(Call::set().answer_bytes().unwrap(), 7..=7);
        assert_eq!(Call::Count { keys: 300 }.answer_bytes().unwrap(), 8..=8);
    }

    #[test]
    fn keys_have_one_length() {
        assert_eq!(key("", 7), "0000000000000007");
        assert_eq!(key("scan:", 1_000_000), "scan:00001000000");
    }
}
