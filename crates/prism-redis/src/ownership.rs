//! Which slots a cluster's node has for sure: it owns them, and they are not on their way to or from it.

use crate::answer::text;
use crate::connection::Connection;
use crate::fault::Fault;
use crate::resp::cmd;
use crate::slots::SlotSet;

/// What a node has, under its configuration epoch. The epoch changes when the node takes over a slot, so that a slot which
/// it has before and after a while under one epoch never left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ownership {
    pub(crate) epoch: u64,
    pub(crate) slots: SlotSet,
}

impl Ownership {
    /// That of a server which is no cluster's node.
    pub(crate) fn everything() -> Self {
        Self { epoch: 0, slots: SlotSet::all() }
    }

    /// Asks a node for its own.
    pub(crate) async fn of(connection: &Connection) -> Result<Self, Fault> {
        let answer = Fault::of(connection.send(&cmd("CLUSTER").arg("NODES")).await?)?;
        text(&answer).and_then(Self::parse).ok_or(Fault::Unexpected)
    }

    /// Reads the node's own line of `CLUSTER NODES`: `ID ADDRESS FLAGS PRIMARY PING PONG EPOCH STATE SLOT…`, where a slot is
    /// `1`, `1-5`, or in brackets if it is on its way.
    fn parse(nodes: &str) -> Option<Self> {
        let own = |line: &&str| {
            line.split(' ').nth(2).is_some_and(|flags| flags.split(',').any(|flag| flag == "myself"))
        };
        let mut words = nodes.lines().find(own)?.split(' ').skip(6);
        let epoch = words.next()?.parse().ok()?;
        let mut slots = SlotSet::default();
        let mut moving = Vec::new();
        for word in words.skip(1) {
            if let Some(slot) = word.strip_prefix('[') {
                moving.push(slot.split('-').next()?.parse().ok()?);
                continue;
            }
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            slots.insert(first.parse().ok()?..=last.parse().ok()?);
        }
        moving.into_iter().for_each(|slot| slots.remove(slot));
        Some(Self { epoch, slots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_on_their_way_are_left_out() {
        let nodes = "aa 10.0.0.2:7001@17001 master - 0 1 9 connected 5461-10922\n\
                     bb 10.0.0.1:7000@17000,host myself,master - 0 0 12 connected 0-93 95 97-100 [95->-aa] [7000-<-aa]\n";
        let ownership = Ownership::parse(nodes).unwrap();
        assert_eq!(ownership.epoch, 12);
        assert_eq!(ownership.slots.ranges(), [0..=93, 97..=100]);
        let replica = Ownership::parse("aa 10.0.0.2:7001@17001 myself,slave bb 0 1 9 connected\n").unwrap();
        assert!(replica.slots.is_empty());
        for wrong in
            ["", "aa 10.0.0.2:7001@17001 master - 0 1 9 connected 0-1\n", "aa b myself - 0 0 x connected\n"]
        {
            assert_eq!(Ownership::parse(wrong), None, "{wrong}");
        }
    }
}
