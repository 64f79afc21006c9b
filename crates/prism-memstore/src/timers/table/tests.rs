//! Any order of sets, refreshes, deletes, timers and searches, compared with a simple model; and the limits.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::Arc;

use futures_util::StreamExt as _;
use prism_plugin::types::Key;

use super::*;
use crate::keys::Keys;
use crate::namespaces::Space as _;
use crate::timers::lists::List;

fn entry(id: usize, deadline: Time) -> Entry {
    Entry::new(&Key::stored(id.to_string()), b"", deadline)
}

fn keys() -> Arc<Keys> {
    Arc::new(Keys::new("".into(), RandomState::new()))
}

/// A table, the entries that it should have by key, and the time by which each must be checked.
struct Model {
    table: Table<Keys>,
    entries: HashMap<Vec<u8>, (Entry, Time)>,
    keys: Arc<Keys>,
    clock: Clock,
    queue: DelayQueue<Time>,
}

impl Model {
    fn new() -> Self {
        let (table, clock, queue) = (Table::default(), Clock::start(), DelayQueue::new());
        Self { table, entries: HashMap::new(), keys: keys(), clock, queue }
    }

    fn set(&mut self, id: usize, ttl: Duration) {
        let now = self.clock.now();
        let new = entry(id, now.plus(ttl));
        let due = due(new.deadline(), now);
        match self.entries.insert(new.key().to_vec(), (new.clone(), due)) {
            Some((old, _)) => self.table.replace(&old, &new, due),
            None => self.table.add((self.keys.clone(), new), due).unwrap(),
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some((entry, _)) = self.entries.remove(key) {
            self.table.remove(&entry);
        }
    }

    /// Frees the returned keys, as the store does, except for some that are set again first.
    fn free(&mut self, expired: &[Expiring<Keys>]) {
        assert!(expired.len() <= BATCH);
        for (_, entry) in expired {
            let (stored, _) = &self.entries[entry.key()];
            assert!(stored.key().as_ptr() == entry.key().as_ptr() && !entry.is_live(self.clock.now()));
            if fastrand::u8(..8) == 0 {
                let id = entry.to_key().into_string().parse().unwrap();
                self.set(id, Duration::from_secs(20));
            } else {
                self.remove(entry.key());
            }
            self.check_all_but_timers();
        }
    }

    /// What the task does until it waits.
    async fn run_task(&mut self) {
        while self.table.see_to_changed(&mut self.queue, &self.clock) {}
        loop {
            let fired = tokio::select! {
                biased;
                Some(fired) = self.queue.next(), if !self.queue.is_empty() => fired.into_inner(),
                () = tokio::time::sleep(Duration::from_millis(1)) => break,
            };
            while let Some(expired) = self.table.fired(fired, self.clock.now()) {
                let list = self.table.lists.number(fired).map(|list| self.table.lists.get_mut(list));
                assert!(
                    list.is_none_or(|list| !matches!(list.timer, Timer::Armed(_))),
                    "a timer that fired is kept"
                );
                self.free(&expired);
            }
        }
        let now = self.clock.now();
        let in_time =
            |due: Time| due.plus(Duration::from_millis(3)) > now || self.table.changed.contains(&due);
        assert!(self.entries.values().all(|(_, due)| in_time(*due)), "a key was not checked in time");
    }

    /// What a writer does that found the store full, while others write.
    fn search(&mut self) {
        let now = self.clock.now();
        let expired_before: Vec<_> = self
            .entries
            .values()
            .filter(|(entry, _)| !entry.is_live(now))
            .map(|(entry, _)| entry.clone())
            .collect();
        let mut walk = Walk::start();
        while let Some(expired) = self.table.expired(&mut walk, now) {
            self.free(&expired);
            self.remove(fastrand::usize(..1000).to_string().as_bytes());
            self.set(fastrand::usize(..1000), Duration::from_secs(fastrand::u64(1..100)));
        }
        for entry in expired_before {
            let stored = self.entries.get(entry.key());
            assert!(stored.is_none_or(|(stored, _)| stored.is_live(now)), "an expired key was missed");
        }
    }

    fn check(&mut self) {
        self.check_all_but_timers();
        for list in self.lists() {
            let armed = matches!(list.timer, Timer::Armed(_)) && !list.slots.is_empty();
            assert!(armed || self.table.changed.contains(&list.due), "the task does not know of a list");
        }
        assert!(self.table.changed.iter().all(|due| self.table.lists.number(*due).is_some()));
    }

    fn lists(&self) -> impl Iterator<Item = &List<Keys>> {
        let first_from = |due| self.table.lists.first_from(due);
        let next = move |list: &&List<Keys>| first_from(list.due.plus(Duration::from_nanos(1)));
        std::iter::successors(first_from(Time::START), next)
    }

    fn check_all_but_timers(&mut self) {
        for (entry, due) in self.entries.values() {
            let slot = self.table.slot(entry.position());
            assert_eq!(slot.1.key().as_ptr(), entry.key().as_ptr(), "the slot belongs to another key");
            assert!(self.table.lists.get_mut(entry.position().list).due <= *due);
        }
        let slots: usize = self.lists().map(|list| list.slots.len()).sum();
        assert_eq!((slots, self.table.slots as usize), (self.entries.len(), self.entries.len()));
        assert_eq!(self.table.timers(), self.lists().count());
    }
}

#[tokio::test(start_paused = true)]
async fn every_entry_knows_its_slot_and_is_looked_at_in_time_whatever_happens() {
    let mut model = Model::new();
    for _ in 0..1000 {
        let (id, ttl) = (fastrand::usize(..1000), Duration::from_secs(fastrand::u64(1..100)));
        match fastrand::u8(..100) {
            0..50 => model.set(id, ttl),
            50..80 => model.remove(id.to_string().as_bytes()),
            80..84 => (0..600).for_each(|more| model.set((id + more) % 1000, ttl)),
            84..90 => tokio::time::advance(ttl / 10).await,
            90..97 => model.run_task().await,
            _ => model.search(),
        }
        model.check();
    }
    while !model.entries.is_empty() {
        tokio::time::advance(Duration::from_secs(1)).await;
        model.run_task().await;
    }
    model.run_task().await;
    assert_eq!(model.table.timers(), 0);
}

#[test]
fn lists_are_bounded_and_keys_that_joined_an_earlier_one_move_on() {
    let at = |step: usize| Time::START.plus(Duration::from_nanos((step as u64) << 27));
    let (mut table, keys) = (Table::default(), keys());
    let by_writers = LISTS_OF_WRITERS_MAX + 1000;
    for step in 1..=by_writers {
        table.add((keys.clone(), entry(step, at(step))), at(step)).unwrap();
    }
    assert_eq!(table.timers(), LISTS_OF_WRITERS_MAX);

    // Brought forward, to a moment that has no list.
    let (old, _) =
        table.lists.first_from(at(LISTS_OF_WRITERS_MAX)).unwrap().slots.batch_before(1, 1).unwrap();
    let (old, new) = (old[0].1.clone(), entry(0, at(1000)));
    table.replace(&old, &new, at(1000).plus(Duration::from_nanos(1)));
    assert_eq!(table.lists.get_mut(new.position().list).due, at(1000));

    let count = by_writers + LISTS_MAX;
    for step in by_writers + 1..=count {
        table.put((keys.clone(), entry(step, at(step))), at(step), LISTS_MAX);
        table.slots += 1;
    }
    assert_eq!(table.timers(), LISTS_MAX);

    let mut freed = 0;
    while let Some(due) = table.lists.first_from(Time::START).map(|list| list.due) {
        while let Some(expired) = table.fired(due, due) {
            for (_, entry) in expired {
                assert!(!entry.is_live(due));
                table.remove(&entry);
                freed += 1;
            }
        }
    }
    assert_eq!((freed, table.slots), (count, 0));
    assert!(!table.has_changed());
}

/// Another task frees it when the walk is halfway through it.
#[test]
fn a_walk_goes_on_behind_a_list_that_is_gone() {
    let (mut table, keys, now) = (Table::default(), keys(), Time::START.plus(Duration::from_secs(3)));
    let due = |list: u64| Time::START.plus(Duration::from_secs(list));
    for list in 1..=2 {
        for id in 0..2 * BATCH - 10 {
            table.add((keys.clone(), entry(id, due(list))), due(list)).unwrap();
        }
    }
    let mut walk = Walk::start();
    assert_eq!(table.expired(&mut walk, now).unwrap().len(), BATCH);
    while let Some(expired) = table.fired(due(1), now) {
        expired.iter().for_each(|(_, entry)| table.remove(entry));
    }
    assert_eq!(table.expired(&mut walk, now).unwrap().len(), BATCH);
    assert_eq!(table.expired(&mut walk, now).unwrap().len(), BATCH - 10);
    assert!(table.expired(&mut walk, now).is_none());
}

#[test]
fn a_slot_takes_16_bytes() {
    assert_eq!((size_of::<Expiring<Keys>>(), SLOT_BYTES), (16, 18));
}
