//! Reading everything in a view: every checksum is verified on the way, and what depends on each other is compared.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::engine::{Fault, View};
use crate::layout::leases::Lease;
use crate::layout::retries::{Answered, Client, answer_of};
use crate::layout::{self, Counts, Ends, Kind, Record};

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Namespaces that hold something.
    pub namespaces: u64,
    /// Keys, including expired ones that are not freed yet.
    pub keys: u64,
    /// Keys among them that expire.
    pub expiring: u64,
    /// Lists.
    pub lists: u64,
    /// Values in lists.
    pub list_values: u64,
    /// Values under leases, which are in no list.
    pub reserved_values: u64,
    /// Answers to calls under idempotency keys.
    pub answers: u64,
    /// Bytes of keys and values.
    pub data_bytes: u64,
    /// Bytes of all files.
    pub disk_bytes: u64,
}

/// Reads everything in a view.
pub(crate) fn everything(view: &dyn View) -> Result<Report, Fault> {
    let mut report = Report::default();
    let mut counted: BTreeMap<String, Counts> = BTreeMap::new();
    each(view, Kind::Values, |key, encoded| {
        let namespace = namespace(key)?;
        let record = Record::decode(Bytes::copy_from_slice(encoded)).ok_or_else(|| broken("a record"))?;
        if let Some(deadline) = record.deadline {
            report.expiring += 1;
            view.get(&layout::expiry(deadline, key))?.ok_or_else(|| broken("the index of what expires"))?;
        }
        report.keys += 1;
        report.data_bytes += (key.len() + encoded.len()) as u64;
        counted.entry(namespace).or_default().keys += 1;
        Ok(())
    })?;
    let mut delivered = 0;
    each(view, Kind::Lists, |key, encoded| {
        let namespace = namespace(key)?;
        let ends = Ends::decode(encoded)
            .filter(|ends| ends.len() > 0)
            .ok_or_else(|| broken("the ends of a list"))?;
        let list = layout::parts(key).map(|(_, list)| list).ok_or_else(|| broken("a key"))?;
        values(view, &namespace, list, ends)?;
        report.lists += 1;
        counted.entry(namespace).or_default().lists += 1;
        report.list_values += ends.len();
        delivered += ends.delivered;
        Ok(())
    })?;
    let clients = answers(view, &mut report)?;
    leases(view, &mut report, delivered)?;
    let (mut values, mut due) = (0, 0);
    each(view, Kind::Elements, |key, value| {
        report.data_bytes += (key.len() + value.len()) as u64;
        values += 1;
        Ok(())
    })?;
    each(view, Kind::Expiry, |_, _| {
        due += 1;
        Ok(())
    })?;
    let mut counts = BTreeMap::new();
    each(view, Kind::Counts, |key, encoded| {
        counts.insert(namespace(key)?, Counts::decode(encoded).ok_or_else(|| broken("counts"))?);
        Ok(())
    })?;
    if values != report.list_values {
        return Err(broken("a list, which has lost or kept a value"));
    }
    if due != report.expiring + report.answers + clients {
        return Err(broken("the index of what expires"));
    }
    if counts != counted {
        return Err(broken("the counts of a namespace"));
    }
    report.namespaces = counts.len() as u64;
    Ok(report)
}

/// Reads the leases, and the deliveries of values that came back.
fn leases(view: &dyn View, report: &mut Report, mut delivered: u64) -> Result<(), Fault> {
    each(view, Kind::Leases, |key, encoded| {
        let lease = Lease::decode(Bytes::copy_from_slice(encoded)).ok_or_else(|| broken("a lease"))?;
        report.reserved_values += lease.values.len() as u64;
        report.data_bytes += (key.len() + encoded.len()) as u64;
        Ok(())
    })?;
    each(view, Kind::Deliveries, |key, _| {
        // The value that it is about.
        let element = layout::parts(key)
            .and_then(|(namespace, rest)| Some((namespace, layout::placed(rest)?)))
            .map(|(namespace, (list, position))| layout::element(namespace, list, position));
        let is_there = element.map(|element| view.get(&element)).transpose()?.flatten().is_some();
        delivered = delivered.checked_sub(u64::from(is_there)).unwrap_or(u64::MAX);
        if is_there { Ok(()) } else { Err(broken("the deliveries of a value")) }
    })?;
    if delivered == 0 { Ok(()) } else { Err(broken("the deliveries of a list's values")) }
}

/// Reads the answers to calls under idempotency keys, and returns how many clients there are.
fn answers(view: &dyn View, report: &mut Report) -> Result<u64, Fault> {
    let mut counted: BTreeMap<Vec<u8>, (u32, u64)> = BTreeMap::new();
    each(view, Kind::Answers, |key, encoded| {
        let (client, _) = answer_of(key).ok_or_else(|| broken("a key"))?;
        let answered = Answered::decode(Bytes::copy_from_slice(encoded));
        let answered = answered.ok_or_else(|| broken("an answer on record"))?;
        view.get(&layout::expiry(answered.deadline(), key))?
            .ok_or_else(|| broken("the index of what expires"))?;
        let (records, bytes) = counted.entry(client).or_default();
        *records += 1;
        *bytes += answered.answer.len() as u64;
        report.answers += 1;
        report.data_bytes += (key.len() + encoded.len()) as u64;
        Ok(())
    })?;
    let mut clients = 0;
    each(view, Kind::Clients, |key, encoded| {
        let client = Client::decode(encoded).ok_or_else(|| broken("what is known about a client"))?;
        view.get(&layout::expiry(client.due, key))?.ok_or_else(|| broken("the index of what expires"))?;
        if (client.records, client.bytes) != counted.remove(key).unwrap_or_default() {
            return Err(broken("the count of a client's answers"));
        }
        clients += 1;
        Ok(())
    })?;
    if counted.is_empty() { Ok(clients) } else { Err(broken("an answer, which has no client")) }
}

/// Reads only what namespaces hold.
pub(crate) fn counts(view: &dyn View) -> Result<Report, Fault> {
    let mut report = Report::default();
    each(view, Kind::Counts, |_, encoded| {
        let counts = Counts::decode(encoded).ok_or_else(|| broken("counts"))?;
        report.namespaces += 1;
        report.keys += counts.keys;
        report.lists += counts.lists;
        Ok(())
    })?;
    Ok(report)
}

/// Whether a list has all of its values.
fn values(view: &dyn View, namespace: &str, list: &[u8], ends: Ends) -> Result<(), Fault> {
    let (from, to) = layout::elements(namespace, list);
    let mut expected = ends.head;
    let mut is_whole = true;
    view.scan(&from, &to, &mut |key, _| {
        let placed = layout::parts(key).and_then(|(_, rest)| layout::placed(rest));
        is_whole &= placed == Some((list, expected));
        expected += 1;
        if is_whole { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if is_whole && expected == ends.tail { Ok(()) } else { Err(broken("a list, which lacks a value")) }
}

/// Visits all keys of a kind.
fn each(
    view: &dyn View,
    kind: Kind,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (from, to) = kind.bounds();
    let mut result = Ok(());
    view.scan(&from, &to, &mut |key, value| match visit(key, value) {
        Ok(()) => ControlFlow::Continue(()),
        Err(fault) => {
            result = Err(fault);
            ControlFlow::Break(())
        }
    })?;
    result
}

fn namespace(key: &[u8]) -> Result<String, Fault> {
    layout::parts(key).map(|(namespace, _)| namespace.to_owned()).ok_or_else(|| broken("a key"))
}

fn broken(what: &str) -> Fault {
    Fault::Damaged(format!("{what} is not what it must be"))
}
