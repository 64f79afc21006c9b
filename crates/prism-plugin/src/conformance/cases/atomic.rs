//! Concurrent calls on one list or one key.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::{join_all, try_join, try_join_all};

use super::table;
use crate::conformance::calls::Client;
use crate::conformance::expect::{Stop, Verdict, failed, holds, same};
use crate::conformance::history::{History, Span};
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "list/pushes-are-atomic",
        "concurrent pushes at both ends: none is lost or duplicated",
        [List], pushes_are_atomic;
    "list/pops-are-atomic",
        "concurrent pops at both ends: no value is lost or returned twice",
        [List], pops_are_atomic;
    "keyvalue/calls-on-a-key-are-linearizable",
        "where linearizable is declared, a Get over any connection sees every Set of its key that was acknowledged before it",
        [KeyValue, Linearizable], calls_on_a_key_are_linearizable;
    "list/calls-on-a-list-are-linearizable",
        "where linearizable is declared, Length over any connection sees every push that was acknowledged before it",
        [List, Linearizable], calls_on_a_list_are_linearizable;
}

/// Concurrent callers, and the calls of each.
const CALLERS: usize = 8;
const CALLS: usize = 12;

fn end_of(caller: usize) -> End {
    if caller.is_multiple_of(2) { End::Left } else { End::Right }
}

/// Fails unless both hold the same values, in any order, each once.
fn same_values(what: &str, mut got: Vec<Bytes>, mut expected: Vec<Bytes>) -> Verdict {
    got.sort_unstable();
    expected.sort_unstable();
    let lost = expected.iter().filter(|value| got.binary_search(value).is_err()).count();
    holds(got == expected, || {
        format!(
            "{what}: {} values were pushed, {} popped; {lost} of those pushed are lost",
            expected.len(),
            got.len()
        )
    })
}

async fn pushes_are_atomic(t: &Trial<'_>) -> Verdict {
    let list = &t.list("l");
    let value = |caller, call| Bytes::from(format!("{caller}-{call}"));
    let callers = (0..CALLERS).map(|caller| async move {
        for call in 0..CALLS {
            t.push(end_of(caller), list, value(caller, call)).await?;
        }
        Verdict::Ok(())
    });
    try_join_all(callers).await?;
    let pushed = (0..CALLERS).flat_map(|caller| (0..CALLS).map(move |call| value(caller, call))).collect();
    let popped = t.drain(End::Left, list, CALLERS * CALLS).await?;
    same_values("concurrent pushes at both ends", popped, pushed)
}

async fn pops_are_atomic(t: &Trial<'_>) -> Verdict {
    let list = &t.list("l");
    let values: Vec<_> = (0..CALLERS * CALLS).map(|n| Bytes::from(n.to_string())).collect();
    for value in &values {
        t.push(End::Right, list, value.clone()).await?;
    }
    let callers = (0..CALLERS).map(|caller| t.drain(end_of(caller), list, CALLERS * CALLS));
    let popped = try_join_all(callers).await?.into_iter().flatten().collect();
    same_values("concurrent pops at both ends", popped, values)
}

/// Clients with one connection each.
fn clients(t: &Trial<'_>, count: usize) -> Verdict<Vec<Client>> {
    (0..count).map(|_| t.connected_anew(None)).collect()
}

async fn calls_on_a_key_are_linearizable(t: &Trial<'_>) -> Verdict {
    let clients = &clients(t, 3)?;
    let key = &t.key("k");
    let history = &Mutex::new(History::default());
    let write = |client: usize, value: String| async move {
        let begun = Instant::now();
        clients[client].set(key, value.clone()).await?;
        let span = Span { begun, ended: Instant::now(), value: value.into() };
        history.lock().unwrap_or_else(PoisonError::into_inner).writes.push(span);
        Verdict::Ok(())
    };
    let read = |client: usize| async move {
        let begun = Instant::now();
        let Some(value) = clients[client].get(key).await? else {
            return failed("Get while the key is overwritten: expected a value, got NOT_FOUND");
        };
        let span = Span { begun, ended: Instant::now(), value };
        history.lock().unwrap_or_else(PoisonError::into_inner).reads.push(span);
        Ok(())
    };
    write(0, "a-00".to_owned()).await?;
    let callers = (0..CALLERS).map(|caller| async move {
        for call in 0..CALLS {
            match caller % 2 {
                0 => write(caller % 3, format!("{caller}-{call:02}")).await?,
                _ => read(caller % 3).await?,
            }
        }
        Verdict::Ok(())
    });
    try_join_all(callers).await?;
    write(0, "z-00".to_owned()).await?;
    try_join_all([0, 1, 2, 0, 1, 2].map(read)).await?;
    let contradiction = history.lock().unwrap_or_else(PoisonError::into_inner).contradiction();
    contradiction.map_or(Ok(()), |sentence| Err(Stop::Failed(sentence)))
}

async fn calls_on_a_list_are_linearizable(t: &Trial<'_>) -> Verdict {
    let clients = &clients(t, 3)?;
    let list = &t.list("l");
    let (begun, acknowledged) = (&AtomicI64::new(0), &AtomicI64::new(0));
    // Only one caller pushes: concurrent pushes are the subject of another case.
    let push = async {
        for _ in 0..2 * CALLS {
            begun.fetch_add(1, SeqCst);
            clients[0].push(End::Right, list, "v").await?;
            acknowledged.fetch_add(1, SeqCst);
        }
        Verdict::Ok(())
    };
    let readers = clients.iter().map(|client| async move {
        for _ in 0..CALLS {
            let least = acknowledged.load(SeqCst);
            let length = client.length(list).await?;
            let most = begun.load(SeqCst);
            holds((least..=most).contains(&length), || {
                format!("Length during pushes: expected {least} to {most}, got {length}")
            })?;
        }
        Verdict::Ok(())
    });
    try_join(push, try_join_all(readers)).await?;
    let pushed = acknowledged.load(SeqCst);
    for length in join_all(clients.iter().map(|client| client.length(list))).await {
        same("Length over several connections at once after the last push", &length?, &pushed)?;
    }
    Ok(())
}
