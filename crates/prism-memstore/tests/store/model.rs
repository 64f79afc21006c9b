use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

#[derive(Default)]
struct Model {
    now: Duration,
    keys: BTreeMap<String, (Vec<u8>, Option<Duration>)>,
    lists: BTreeMap<String, std::collections::VecDeque<Vec<u8>>>,
}

impl Model {
    fn live(&self, prefix: &str) -> Vec<String> {
        let live = |key: &&String| key.starts_with(prefix) && self.get(key).is_some();
        self.keys.keys().filter(live).cloned().collect()
    }

    fn get(&self, key: &str) -> Option<&Vec<u8>> {
        let (value, deadline) = self.keys.get(key)?;
        deadline.is_none_or(|deadline| self.now < deadline).then_some(value)
    }

    async fn advance(&mut self, duration: Duration) {
        self.now += duration;
        tokio::time::sleep(duration).await;
    }
}

/// Random calls on a few keys and lists, with and without the expiry task and a limit, compared with plain maps.
#[tokio::test(start_paused = true)]
async fn a_store_behaves_as_plain_maps_do() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let limit = (seed % 3 == 0).then_some(12_000);
        let mut store = Store::with_limit(limit);
        if seed % 2 == 0 {
            store = store.expiring();
        }
        run(&store, &mut random, limit).await;
    }
}

async fn run(store: &Store, random: &mut fastrand::Rng, limit: Option<u64>) {
    let mut model = Model::default();
    for _ in 0..1500 {
        let key = format!("{}{}", random.choice(["a", "ab", "b"]).unwrap(), random.u8(..6));
        let end = if random.bool() { End::Left } else { End::Right };
        match random.u8(..12) {
            0..4 => {
                let value = vec![random.u8(..); random.usize(..2000)];
                let ttl = random.bool().then(|| random.i64(1..100));
                match store.try_set(&key, &value, ttl).await {
                    Ok(()) => {
                        let deadline = ttl.map(|ttl| model.now + Duration::from_secs(ttl as u64));
                        model.keys.insert(key, (value, deadline));
                    }
                    error => drop(assert_full(error)),
                }
            }
            4 => assert_eq!(store.get(&key).await.as_deref(), model.get(&key).map(Vec::as_slice)),
            5 => {
                assert_eq!(store.delete(&key).await, model.get(&key).is_some());
                model.keys.remove(&key);
            }
            6 => assert_eq!(store.exists(&key).await, model.get(&key).is_some()),
            7 => {
                let prefix = &key[..random.usize(..=key.len())];
                assert_eq!(store.scan(prefix).await, model.live(prefix));
                assert_eq!(store.count(prefix).await, model.live(prefix).len() as u64);
            }
            8 => {
                let value = vec![random.u8(..); random.usize(..200)];
                match store.try_push(&key, end, &value).await {
                    Ok(length) => {
                        let list = model.lists.entry(key).or_default();
                        match end {
                            End::Left => list.push_front(value),
                            End::Right => list.push_back(value),
                        }
                        assert_eq!(length, list.len() as u64);
                    }
                    error => drop(assert_full(error)),
                }
            }
            9 => {
                let list = model.lists.entry(key.clone()).or_default();
                let value = if end == End::Left { list.pop_front() } else { list.pop_back() };
                assert_eq!(store.pop(&key, end).await.as_deref(), value.as_deref());
            }
            10 => {
                let length = model.lists.get(&key).map_or(0, |list| list.len());
                assert_eq!(store.length(&key).await, length as u64);
            }
            _ => model.advance(Duration::from_millis(random.u64(..10_000))).await,
        }
        assert!(store.bytes() <= limit.unwrap_or(u64::MAX));
    }
    empty(store, &model).await;
}

/// Whatever the history, nothing remains of it.
async fn empty(store: &Store, model: &Model) {
    for key in model.keys.keys() {
        store.delete(key).await;
    }
    for (list, values) in &model.lists {
        for _ in values {
            assert!(store.pop(list, End::Left).await.is_some());
        }
    }
    let usage = store.store.totals();
    assert_eq!((usage.keys, usage.lists, usage.namespaces), (0, 0, 0));
    assert_eq!(usage.bytes, 0);
}
