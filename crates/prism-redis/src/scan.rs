//! Walking through all keys.
//!
//! `SCAN` walks one server, and returns each key that was there throughout at least once. A key may repeat. In a cluster
//! the walk goes from primary to primary until each slot was owned by one of them through a whole walk, neither on its
//! way to nor from it; slots that move are walked again where they went. The cost is that of the whole keyspace, however
//! few keys match.

mod values;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use prism_plugin::types::{Key, Namespace};
use redis::{Value, cmd};
use tokio::time::{Instant, sleep, timeout};

use crate::answer::{array, text};
use crate::connection::Connection;
use crate::discover::discover;
use crate::fault::Fault;
use crate::names::{Kind, application_key, pattern, slot};
use crate::ownership::Ownership;
use crate::position::{Pass, Position};
use crate::route::topology;
use crate::shared::Shared;
use crate::slots::SlotSet;
use crate::worker::Lane;

/// How many keys the server looks at in one step: enough to hide the round trip, and little enough to hold up nobody.
const COUNT_MAX: usize = 512;
const COUNT_MIN: usize = 16;

/// The size at which a page ends.
const PAGE_BYTES: u64 = 256 * 1024;

/// How long a cluster may keep moving slots before a scan gives up.
const MOVING_MAX: Duration = Duration::from_secs(20);

/// How long the server may take to answer one step.
const STEP_MAX: Duration = Duration::from_secs(30);

/// The pause before a cluster whose slots are moving is asked again.
const MOVING_PAUSE: Duration = Duration::from_millis(200);

/// What a scan has read, and where it stands afterwards.
#[derive(Debug)]
pub(crate) struct Found<T> {
    /// At least one item.
    pub(crate) items: Vec<T>,
    pub(crate) position: Position,
}

/// A scan between two pages.
pub(crate) struct Scan {
    shared: Arc<Shared>,
    beginning: String,
    pattern: String,
    /// How many items may still be returned.
    left: usize,
    done: SlotSet,
    pass: Option<Walk>,
    pending: VecDeque<(Vec<u8>, Key)>,
    /// How many keys the next step looks at.
    count: usize,
    /// Since when no walk has completed a slot.
    stuck: Option<Instant>,
}

/// The walk through one server, and the connection on which it goes.
struct Walk {
    pass: Pass,
    connection: Option<Arc<Connection>>,
}

impl Scan {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        namespace: &Namespace,
        prefix: &str,
        limit: Option<usize>,
        position: Position,
    ) -> Self {
        let beginning = shared.names.beginning(Kind::Value, namespace);
        let pattern = pattern(&[&beginning, prefix].concat());
        let left = limit.unwrap_or(usize::MAX);
        let key = |redis_key: Vec<u8>| Some((application_key(&redis_key, &beginning)?, redis_key));
        let pending =
            position.pending.into_iter().filter_map(key).map(|(key, redis_key)| (redis_key, key)).collect();
        Self {
            shared: Arc::clone(shared),
            pattern,
            left,
            done: position.done,
            pass: position.pass.map(|pass| Walk { pass, connection: None }),
            pending,
            count: left.clamp(COUNT_MIN, COUNT_MAX),
            stuck: None,
            beginning,
        }
    }

    /// The next keys; `None` at the end.
    pub(crate) async fn next_keys(&mut self) -> Result<Option<Found<Key>>, Fault> {
        if !self.fill().await? {
            return Ok(None);
        }
        let number = self.left.min(self.pending.len());
        let items: Vec<_> = self.pending.drain(..number).map(|(_, key)| key).collect();
        self.left -= items.len();
        Ok(Some(Found { items, position: self.position() }))
    }

    /// The next keys with their values; `None` at the end.
    pub(crate) async fn next_values(&mut self) -> Result<Option<Found<(Key, Bytes)>>, Fault> {
        while self.fill().await? {
            let connection = self.connection().await?;
            let keys = in_time(self.next_batch(&connection)).await?;
            let values = in_time(self.values(&connection, &keys)).await?;
            let read = keys.into_iter().zip(values).filter_map(|((_, key), value)| Some((key, value?)));
            let items: Vec<_> = read.collect();
            if !items.is_empty() {
                self.left -= items.len();
                return Ok(Some(Found { items, position: self.position() }));
            }
        }
        Ok(None)
    }

    /// Where the scan stands.
    fn position(&self) -> Position {
        Position {
            done: self.done.clone(),
            pass: self.pass.as_ref().map(|walk| walk.pass.clone()),
            pending: self.pending.iter().map(|(redis_key, _)| redis_key.clone()).collect(),
        }
    }

    /// Looks for keys until there are some; false at the end.
    async fn fill(&mut self) -> Result<bool, Fault> {
        while self.left > 0 && self.pending.is_empty() {
            match &self.pass {
                Some(walk) if walk.pass.is_over => self.end_walk().await?,
                Some(_) => in_time(self.step()).await?,
                None if self.done.is_all() => return Ok(false),
                None => self.begin_walk().await?,
            }
        }
        Ok(self.left > 0)
    }

    /// Chooses the next server to walk: one that has slots which are not done.
    async fn begin_walk(&mut self) -> Result<(), Fault> {
        let topology = topology(&self.shared).await?;
        for address in topology.primaries() {
            let connection = self.shared.worker().node(address).link(Lane::Bulk).connection().await?;
            let Ownership { epoch, slots } = match topology.is_single() {
                true => Ownership::everything(),
                false => Ownership::of(&connection).await?,
            };
            let slots = slots.without(&self.done);
            if slots.is_empty() {
                continue;
            }
            let run_id = connection.greeting.run_id.clone();
            let pass = Pass { address: address.to_string(), run_id, epoch, slots, cursor: 0, is_over: false };
            self.pass = Some(Walk { pass, connection: Some(connection) });
            return Ok(());
        }
        self.wait_for_slots().await
    }

    /// Waits for slots that nobody has for sure.
    async fn wait_for_slots(&mut self) -> Result<(), Fault> {
        let since = *self.stuck.get_or_insert_with(Instant::now);
        if since.elapsed() >= MOVING_MAX {
            let why = "the cluster has slots that keep moving or that nobody serves; end the resharding, then scan again";
            return Err(Fault::Unreachable(why.to_owned()));
        }
        sleep(MOVING_PAUSE).await;
        discover(&self.shared).await?;
        Ok(())
    }

    /// One step of the walk. Another run of the server, or another server, begins the walk again: a cursor means nothing
    /// there.
    async fn step(&mut self) -> Result<(), Fault> {
        let Some(connection) = self.walked().await? else {
            self.pass = None;
            return Ok(());
        };
        let Some(walk) = &mut self.pass else { return Ok(()) };
        let mut question = cmd("SCAN");
        question.arg(walk.pass.cursor).arg("MATCH").arg(&self.pattern).arg("COUNT").arg(self.count);
        question.arg("TYPE").arg("string");
        let answer = array(Fault::of(connection.send(&question).await?)?)?;
        let Ok([cursor, keys]) = <[Value; 2]>::try_from(answer) else { return Err(Fault::Unexpected) };
        walk.pass.cursor = text(&cursor).and_then(|cursor| cursor.parse().ok()).ok_or(Fault::Unexpected)?;
        walk.pass.is_over = walk.pass.cursor == 0;
        for redis_key in array(keys)? {
            let Value::BulkString(redis_key) = redis_key else { return Err(Fault::Unexpected) };
            self.take(redis_key);
        }
        if self.pending.len() < self.left {
            self.count = (self.count * 2).min(COUNT_MAX);
        }
        Ok(())
    }

    /// Keeps a key that the scan returns.
    fn take(&mut self, redis_key: Vec<u8>) {
        let Some(walk) = &self.pass else { return };
        if redis_key.starts_with(self.shared.names.internal().as_bytes())
            || !walk.pass.slots.contains(slot(&redis_key))
        {
            return;
        }
        match application_key(&redis_key, &self.beginning) {
            Some(key) => self.pending.push_back((redis_key, key)),
            None => _ = self.shared.counters.unnameable_keys.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The connection of the walk; `None` if the walk must begin again.
    async fn walked(&mut self) -> Result<Option<Arc<Connection>>, Fault> {
        let topology = topology(&self.shared).await?;
        let Some(walk) = &mut self.pass else { return Ok(None) };
        let address = topology.primaries().iter().find(|address| address.to_string() == walk.pass.address);
        let Some(address) = address else { return Ok(None) };
        let connection = self.shared.worker().node(address).link(Lane::Bulk).connection().await?;
        let same = walk.connection.as_ref().is_some_and(|walked| Arc::ptr_eq(walked, &connection))
            || (walk.pass.run_id.is_some() && walk.pass.run_id == connection.greeting.run_id);
        walk.connection = Some(Arc::clone(&connection));
        Ok(same.then_some(connection))
    }

    /// Counts as done what the server had all the time, once all of its keys have been returned.
    async fn end_walk(&mut self) -> Result<(), Fault> {
        let connection = self.walked().await?;
        let Some(Walk { pass, .. }) = self.pass.take() else { return Ok(()) };
        let now = match connection {
            None => return Ok(()),
            Some(connection) if connection.is_of_cluster() => in_time(Ownership::of(&connection)).await?,
            Some(_) => Ownership::everything(),
        };
        let kept = pass.slots.common(&now.slots);
        if now.epoch == pass.epoch && !kept.is_empty() {
            self.done.add(&kept);
            self.stuck = None;
            return Ok(());
        }
        self.wait_for_slots().await
    }
}

/// Limits how long one step may take; the scan itself takes as long as there are keys.
async fn in_time<T>(step: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let overdue = || Fault::Lost(format!("the server did not answer within {STEP_MAX:?}"));
    timeout(STEP_MAX, step).await.unwrap_or_else(|_| Err(overdue()))
}
