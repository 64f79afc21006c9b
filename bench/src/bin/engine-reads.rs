//! What the engine of the disk store does alone: fjall, filled with keys and values like those of a load, then read by one thread.
//!
//! `engine-reads FOLDER KEYS CACHE_BYTES SECONDS` prints the reads per second.

use std::error::Error;
use std::time::{Duration, Instant};

use fjall::{Database, KeyspaceCreateOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VALUE: [u8; 100] = [b'x'; 100];
/// As the store has it.
const MEMTABLE_BYTES: u64 = 16 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, keys, cache, seconds] = arguments.as_slice() else {
        return Err("usage: engine-reads FOLDER KEYS CACHE_BYTES SECONDS".into());
    };
    let (keys, cache, time) = (keys.parse::<u64>()?, cache.parse()?, Duration::from_secs(seconds.parse()?));
    let database = Database::builder(folder).cache_size(cache).open()?;
    let keyspace =
        database.keyspace("bench", || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))?;
    let key = |number: u64| format!("big:{number:012}");
    if !keyspace.contains_key(key(keys - 1))? {
        for number in 0..keys {
            keyspace.insert(key(number), VALUE)?;
        }
    }
    // A linear congruential generator (Knuth's MMIX constants) is random enough to visit keys uniformly.
    let mut state = 1_u64;
    let (begun, mut reads) = (Instant::now(), 0_u64);
    while begun.elapsed() < time {
        for _ in 0..100 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let found = keyspace.get(key((state >> 33) % keys))?;
            if found.is_none_or(|value| *value != VALUE) {
                return Err("a key has not the value that was stored".into());
            }
            reads += 1;
        }
    }
    println!("{:.0}", reads as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}
