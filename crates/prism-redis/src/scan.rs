//! Walking through all keys.
//!
//! `SCAN` walks one server, and returns each key that was there throughout at least once. A key may repeat. In a cluster
//! the walk goes from primary to primary until each slot was owned by one of them through a whole walk, neither on its
//! way to nor from it; slots that move are walked again where they went. The cost is that of the whole keyspace, however
//! few keys match.

mod pages;
mod values;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use prism_plugin::keyvalue::Range;
use prism_plugin::types::Key;
use tokio::time::{Instant, sleep, timeout};

use crate::answer::{array, text};
use crate::connection::Connection;
use crate::discover::discover;
use crate::fault::Fault;
use crate::lane::Lane;
use crate::names::{Kind, application_key, pattern, slot};
use crate::ownership::Ownership;
use crate::position::{Hash, Pass, Position, fits, hash};
use crate::resp::{Value, cmd};
use crate::route::topology;
use crate::shared::Shared;
use crate::slots::SlotSet;

/// How many keys the server looks at in one step: enough to hide the round trip, and little enough to hold up nobody.
const COUNT_MAX: usize = 512;

/// About how large a key is, to guess how many a small page holds.
const KEY_BYTES: usize = 64;

/// How many bytes of keys may wait for the next small page, so that a position can hold them.
const PENDING_BYTES: usize = 2048;

/// The size at which a page ends.
const PAGE_BYTES: usize = 256 * 1024;

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
    items: Vec<T>,
    /// What each has left to live, if that was asked for.
    ttls_left: Vec<Option<Duration>>,
    position: Position,
}

/// Keys: the Redis key, and the application's.
type Keys = Vec<(Bytes, Key)>;

/// A scan between two pages.
pub(crate) struct Scan {
    shared: Arc<Shared>,
    kind: Kind,
    beginning: String,
    pattern: String,
    /// How many items may still be returned.
    left: usize,
    done: SlotSet,
    pass: Option<Walk>,
    pending: VecDeque<(Bytes, Key)>,
    /// What has been returned of the keys that one step found, if the rest does not fit into a position: the step is then
    /// taken again.
    returned: HashSet<Hash>,
    with_ttl: bool,
    /// The size at which a page ends, if it was asked for.
    page_bytes: Option<usize>,
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
    /// A scan for keys of a kind. Of the range, its start does not count: that is the position.
    pub(crate) fn new(shared: &Arc<Shared>, kind: Kind, range: &Range, position: Position) -> Self {
        let Range { namespace, prefix, limit, with_ttl, page_bytes, .. } = range;
        let beginning = shared.names.beginning(kind, namespace);
        let left = limit.unwrap_or(usize::MAX);
        let in_page = page_bytes.map_or(COUNT_MAX, |bytes| bytes / KEY_BYTES);
        let key = |redis_key: Vec<u8>| Some((application_key(&redis_key, &beginning)?, redis_key));
        let pending = position
            .pending
            .into_iter()
            .filter_map(key)
            .map(|(key, redis_key)| (redis_key.into(), key))
            .collect();
        Self {
            shared: Arc::clone(shared),
            kind,
            pattern: pattern(&[&beginning, prefix.as_str()].concat()),
            left,
            done: position.done,
            pass: position.pass.map(|pass| Walk { pass, connection: None }),
            pending,
            returned: position.returned.into_iter().collect(),
            with_ttl: *with_ttl,
            page_bytes: *page_bytes,
            count: left.min(in_page).clamp(1, COUNT_MAX),
            stuck: None,
            beginning,
        }
    }

    /// Where the scan stands.
    fn position(&self) -> Position {
        Position {
            done: self.done.clone(),
            pass: self.pass.as_ref().map(|walk| walk.pass.clone()),
            pending: self.pending.iter().map(|(redis_key, _)| redis_key.to_vec()).collect(),
            returned: self.returned.iter().copied().collect(),
        }
    }

    /// Takes the first pending keys.
    fn taken(&mut self, number: usize) -> Keys {
        let keys: Keys = self.pending.drain(..number).collect();
        if !fits(self.pending.iter().map(|(redis_key, _)| &redis_key[..])) {
            self.returned.extend(keys.iter().map(|(redis_key, _)| hash(redis_key)));
        }
        keys
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
            let address = address.to_string();
            let pass = Pass { address, run_id, epoch, slots, cursor: 0, found_at: 0, is_over: false };
            self.pass = Some(Walk { pass, connection: Some(connection) });
            self.returned.clear();
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
        let question = cmd("SCAN").arg(walk.pass.cursor).arg("MATCH").arg(&self.pattern);
        let kind = if self.kind == Kind::List { "list" } else { "string" };
        let question = question.arg("COUNT").arg(self.count).arg("TYPE").arg(kind);
        let answer = array(Fault::of(connection.send(&question).await?)?)?;
        let Ok([cursor, keys]) = <[Value; 2]>::try_from(answer) else { return Err(Fault::Unexpected) };
        if walk.pass.found_at != walk.pass.cursor {
            self.returned.clear();
        }
        walk.pass.found_at = walk.pass.cursor;
        walk.pass.cursor = text(&cursor).and_then(|cursor| cursor.parse().ok()).ok_or(Fault::Unexpected)?;
        walk.pass.is_over = walk.pass.cursor == 0;
        for redis_key in array(keys)? {
            let Value::BulkString(redis_key) = redis_key else { return Err(Fault::Unexpected) };
            self.take(redis_key);
        }
        self.count = self.next_count();
        Ok(())
    }

    /// How many keys the next step looks at: more if there were too few, and fewer if they wait for small pages.
    fn next_count(&self) -> usize {
        let is_too_few = match self.page_bytes {
            None => self.pending.len() < self.left,
            Some(_) => self.pending.is_empty(),
        };
        let pending: usize = self.pending.iter().map(|(redis_key, _)| redis_key.len()).sum();
        match (is_too_few, self.page_bytes) {
            (true, _) => (self.count * 2).min(COUNT_MAX),
            (false, Some(_)) if pending > PENDING_BYTES => (self.count / 2).max(1),
            _ => self.count,
        }
    }

    /// Keeps a key that the scan returns.
    fn take(&mut self, redis_key: Bytes) {
        let Some(walk) = &self.pass else { return };
        if redis_key.starts_with(self.shared.names.internal().as_bytes())
            || !walk.pass.slots.contains(slot(&redis_key))
            || (!self.returned.is_empty() && self.returned.contains(&hash(&redis_key)))
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
