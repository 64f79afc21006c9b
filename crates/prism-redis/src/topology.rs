//! Who serves which slot.

use crate::address::NodeAddress;
use crate::answer::text;
use crate::names::SLOTS;
use crate::resp::Value;

/// Nobody serves the slot.
const NOBODY: u16 = u16::MAX;

/// The primaries, and the slots of each if there is more than one. It never changes: a new one replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topology {
    primaries: Vec<NodeAddress>,
    /// The index of the primary of each slot; `None` if one has them all.
    owners: Option<Box<[u16]>>,
}

impl Topology {
    /// One primary for everything.
    pub(crate) fn single(primary: NodeAddress) -> Self {
        Self { primaries: vec![primary], owners: None }
    }

    /// Reads the answer of `CLUSTER SLOTS` from `origin`: ranges, each with its first and last slot and its primary. `None`
    /// if it names no primary at all.
    pub(crate) fn of_slots(answer: &Value, origin: &NodeAddress) -> Option<Self> {
        let Value::Array(ranges) = answer else { return None };
        let mut primaries: Vec<NodeAddress> = Vec::new();
        let mut owners = vec![NOBODY; usize::from(SLOTS)].into_boxed_slice();
        for range in ranges {
            let Value::Array(parts) = range else { continue };
            let [Value::Int(first), Value::Int(last), primary, ..] = parts.as_slice() else { continue };
            let (Ok(first), Ok(last)) = (usize::try_from(*first), usize::try_from(*last)) else { continue };
            let Some(address) = node_address(primary, origin) else { continue };
            let Some(slots) = owners.get_mut(first..=last) else { continue };
            let known = primaries.iter().position(|known| *known == address);
            let index = known.unwrap_or_else(|| {
                primaries.push(address);
                primaries.len() - 1
            });
            slots.fill(u16::try_from(index).unwrap_or(NOBODY));
        }
        (!primaries.is_empty()).then_some(Self { primaries, owners: Some(owners) })
    }

    /// The primary of a slot; `None` if nobody serves it.
    pub(crate) fn owner(&self, slot: u16) -> Option<&NodeAddress> {
        match &self.owners {
            None => self.primaries.first(),
            Some(owners) => self.primaries.get(usize::from(*owners.get(usize::from(slot))?)),
        }
    }

    /// Whether one primary has all slots.
    pub(crate) fn is_single(&self) -> bool {
        self.owners.is_none()
    }

    /// All primaries.
    pub(crate) fn primaries(&self) -> &[NodeAddress] {
        &self.primaries
    }
}

/// A node in the answer of `CLUSTER SLOTS`: its host, which is null or empty where the node does not know its own, and its
/// port.
fn node_address(node: &Value, origin: &NodeAddress) -> Option<NodeAddress> {
    let Value::Array(parts) = node else { return None };
    let [host, Value::Int(port), ..] = parts.as_slice() else { return None };
    let port = u16::try_from(*port).ok()?;
    let host = match host {
        Value::Nil => "",
        host => text(host)?,
    };
    match (host, origin) {
        ("?", _) => None,
        ("", NodeAddress::Tcp { host, .. }) => Some(NodeAddress::tcp(host, Some(port))),
        ("", NodeAddress::Unix(_)) => None,
        (host, _) => Some(NodeAddress::tcp(host, Some(port))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let node = Value::Array(vec![Value::BulkString(host.to_owned().into()), Value::Int(port)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node])
    }

    #[test]
    fn each_slot_leads_to_its_primary() {
        let origin = NodeAddress::tcp("10.0.0.9", None);
        let answer = Value::Array(vec![
            range(0, 99, "10.0.0.1", 7000),
            range(100, 16382, "", 7001),
            range(200, 300, "?", 7002),
            range(16383, 16390, "10.0.0.1", 7000),
        ]);
        let topology = Topology::of_slots(&answer, &origin).unwrap();
        let owner = |slot| topology.owner(slot).map(ToString::to_string);
        assert_eq!(owner(0).unwrap(), "10.0.0.1:7000");
        assert_eq!(owner(99).unwrap(), "10.0.0.1:7000");
        assert_eq!(
            owner(100).unwrap(),
            "10.0.0.9:7001",
            "a node that does not know its host has the answer's"
        );
        assert_eq!(owner(16383), None, "a range beyond the last slot counts for nothing");
        assert_eq!(topology.primaries().len(), 2);
        assert!(!topology.is_single());
    }

    #[test]
    fn an_answer_without_primaries_is_none() {
        let origin = NodeAddress::tcp("a", None);
        for answer in [
            Value::Nil,
            Value::Array(vec![]),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![range(5, 1, "a", 1)]),
        ] {
            assert_eq!(Topology::of_slots(&answer, &origin), None);
        }
    }
}
