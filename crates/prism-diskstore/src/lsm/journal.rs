//! The engine's journal, checked before the engine opens it.
//!
//! The engine's own recovery ends in silence at the first entry that it cannot read, so damage in the middle would drop the
//! acknowledged batches behind it; and it refuses a journal whose last batch was torn by a power loss, which is no damage.
//! Here the two are told apart. Each batch has a number, and the number of the last batch that was synced when it was
//! written (see [`Batch`](crate::engine::Batch)). What cannot be read is
//!
//! - **damage**, if a readable batch behind it says that the missing one was synced, or if the journal is sealed: it was
//!   synced before the next was begun. The store is not opened.
//! - **a write that the power loss interrupted**, otherwise: it was not acknowledged as synced, and the journal is cut off
//!   there.
//!
//! The format is that of fjall 3:
//!
//! ```text
//! batch = start item… end
//! start = 1 | items u32 | sequence number u64
//! item  = 2 | type u8 | compression u8 | keyspace u64 | key bytes u16 | value bytes u32 | stored bytes u32 | key | value
//! clear = 4 | keyspace u64                                     in the place of an item
//! end   = 3 | XXH3 of the items u64 | "FJL" 3
//! ```
//!
//! All numbers are little-endian. A new file is 64 MiB of zeros.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::engine::{After, Fault};
use crate::layout;

const TRAILER: &[u8] = b"FJL\x03";
/// The engine keeps the upper half of the numbers for itself.
const SEQUENCE_MAX: u64 = 1 << 62;
const START_BYTES: usize = 13;
const ITEM_BYTES: usize = 21;

/// A batch that was read whole.
struct Found {
    end: usize,
    sequence: u64,
    /// Its number and that of the last one synced before it; `None` for a batch of the engine itself.
    numbers: Option<(u64, u64)>,
}

/// Checks all journals, and cuts off what a power loss interrupted or what was not acknowledged. Returns the number of the
/// last batch, `None` if the journals hold none.
///
/// # Errors
/// [`Fault::Damaged`], naming the file and the place.
pub(super) fn recover(folder: &Path, after: After) -> Result<Option<u64>, Fault> {
    let journals = journals(folder)?;
    let mut last = Last::default();
    for (index, path) in journals.iter().enumerate() {
        let sealed = index + 1 < journals.len();
        one(path, sealed, after, &mut last)?;
    }
    Ok(last.number)
}

/// The journals, oldest first. The engine never has none, and removes the oldest first.
fn journals(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let id =
                path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
            let id = id.ok_or_else(|| Fault::Damaged(format!("{} is no journal's name", path.display())))?;
            found.push((id, path));
        }
    }
    found.sort();
    let missing =
        |id: u64| Err(Fault::Damaged(format!("{} is missing", folder.join(format!("{id}.jnl")).display())));
    if found.is_empty() {
        return missing(0);
    }
    if let Some(gap) = found.windows(2).find(|pair| pair[0].0 + 1 != pair[1].0) {
        return missing(gap[0].0 + 1);
    }
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The last batch so far.
#[derive(Default)]
struct Last {
    number: Option<u64>,
    sequence: Option<u64>,
}

/// Checks one journal.
fn one(path: &Path, sealed: bool, after: After, last: &mut Last) -> Result<(), Fault> {
    let data = content(path)?;
    let damaged =
        |what: &str, at: usize| Err(Fault::Damaged(format!("{}: {what} at byte {at}", path.display())));
    let mut at = 0;
    while let Some(found) = batch(&data, at) {
        // The checksum does not cover it; out of order, it would bring back what was replaced.
        if last.sequence.is_some_and(|before| found.sequence <= before) || found.sequence > SEQUENCE_MAX {
            return damaged("a sequence number is damaged", at);
        }
        if let Some((this, _)) = found.numbers {
            if matches!(after, After::Fault(last) if this > last) {
                break;
            }
            if last.number.is_some_and(|number| this != number + 1) {
                return damaged(
                    &format!("batch {this} follows batch {}", last.number.unwrap_or_default()),
                    at,
                );
            }
            last.number = Some(this);
        }
        last.sequence = Some(found.sequence);
        at = found.end;
    }
    let number = last.number;
    if data[at..].iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    if sealed {
        return damaged("the journal is damaged", at);
    }
    match (after, behind(&data, at)) {
        (After::Close(_), _) => damaged("the journal is damaged", at),
        (After::Anything, Some((next, synced)))
            if synced >= number.map_or(next.saturating_sub(1), |number| number + 1) =>
        {
            damaged("the journal is damaged before its end", at)
        }
        _ => cut(path, at as u64),
    }
}

/// Everything up to the zeros at the end, and less than a block of those.
fn content(path: &Path) -> Result<Vec<u8>, Fault> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut data = Vec::new();
    File::open(path)?.read_to_end(&mut data)?;
    let blocks = data.chunks(ZEROS.len()).rev().take_while(|block| **block == ZEROS[..block.len()]).count();
    data.truncate((data.len().div_ceil(ZEROS.len()) - blocks) * ZEROS.len());
    Ok(data)
}

fn cut(path: &Path, at: u64) -> Result<(), Fault> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(at)?;
    Ok(file.sync_all()?)
}

/// The number of the first readable batch behind `at`, and the largest number that one of them says was synced.
fn behind(data: &[u8], at: usize) -> Option<(u64, u64)> {
    let mut found: Option<(u64, u64)> = None;
    let mut from = at;
    while from + START_BYTES < data.len() {
        let Some(start) = data[from..].iter().position(|byte| *byte == 1) else { break };
        from += start;
        let looks = matches!(data.get(from + START_BYTES), Some(2 | 4));
        match looks.then(|| batch(data, from)).flatten() {
            Some(batch) => {
                if let Some((number, synced)) = batch.numbers {
                    found = Some(found.map_or((number, synced), |(first, most)| (first, most.max(synced))));
                }
                from = batch.end;
            }
            None => from += 1,
        }
    }
    found
}

/// The batch that begins at `at`; `None` if there is none, or not whole.
fn batch(data: &[u8], at: usize) -> Option<Found> {
    let mut reader = Reader { data, at };
    if reader.u8()? != 1 {
        return None;
    }
    let (items, sequence) = (reader.u32()?, reader.u64()?);
    let mut hash = Xxh3::new();
    let mut numbers = None;
    for _ in 0..items {
        let begin = reader.at;
        match reader.u8()? {
            2 => {
                let head = reader.take(ITEM_BYTES - 1)?;
                let key_bytes = u16::from_le_bytes(head[10..12].try_into().ok()?);
                let stored_bytes = u32::from_le_bytes(head[16..20].try_into().ok()?);
                let key = reader.take(usize::from(key_bytes))?;
                let value = reader.take(stored_bytes as usize)?;
                if key == layout::BATCH {
                    numbers = layout::numbers(Some(value));
                }
            }
            4 => drop(reader.u64()?),
            _ => return None,
        }
        hash.update(&data[begin..reader.at]);
    }
    let whole = reader.u8()? == 3 && reader.u64()? == hash.digest() && reader.take(TRAILER.len())? == TRAILER;
    whole.then_some(Found { end: reader.at, sequence, numbers })
}

struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let taken = self.data.get(self.at..self.at.checked_add(bytes)?)?;
        self.at += bytes;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch as the engine writes it, with one item besides its numbers.
    fn written(number: u64, synced: u64) -> Vec<u8> {
        let mut items = Vec::new();
        for (key, value) in
            [(&b"Vkey"[..], &b"value"[..]), (layout::BATCH, &layout::numbered(number, synced))]
        {
            items.extend([2, 0, 0]);
            items.extend(1_u64.to_le_bytes());
            items.extend((key.len() as u16).to_le_bytes());
            items.extend((value.len() as u32).to_le_bytes());
            items.extend((value.len() as u32).to_le_bytes());
            items.extend([key, value].concat());
        }
        let mut hash = Xxh3::new();
        hash.update(&items);
        let start = [&[1][..], &2_u32.to_le_bytes(), &number.to_le_bytes()].concat();
        [start, items, vec![3], hash.digest().to_le_bytes().to_vec(), TRAILER.to_vec()].concat()
    }

    /// What becomes of a journal, and its size afterwards.
    fn recovered(data: &[u8], after: After) -> (Result<Option<u64>, Fault>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("0.jnl");
        fs::write(&file, data).unwrap();
        (recover(folder.path(), after), fs::read(&file).unwrap().len())
    }

    fn is_damaged(data: &[u8], after: After) -> bool {
        let (found, size) = recovered(data, after);
        assert!(size == data.len() || found.is_ok(), "a journal that is refused is left as it is");
        matches!(found, Err(Fault::Damaged(_)))
    }

    #[test]
    fn a_journal_ends_with_zeros_or_where_it_was_torn() {
        let (one, two) = (written(1, 0), written(2, 1));
        let whole = [one.clone(), two.clone(), vec![0; 10_000]].concat();
        assert_eq!(recovered(&whole, After::Anything), (Ok(Some(2)), whole.len()));
        assert_eq!(recovered(&whole, After::Close(2)), (Ok(Some(2)), whole.len()));
        for torn in [1, two.len() / 2, two.len() - 1] {
            let data = [&one[..], &two[..torn], &[0; 100]].concat();
            assert_eq!(recovered(&data, After::Anything), (Ok(Some(1)), one.len()));
            assert!(is_damaged(&data, After::Close(2)), "a store that was closed has no torn batch");
        }
    }

    #[test]
    fn damage_before_a_batch_that_was_synced_later_is_refused() {
        // As every_write writes them: each says that the one before was synced.
        let batches = [written(1, 0), written(2, 1), written(3, 2)];
        for damaged in 0..2 {
            let mut data = batches.concat();
            let begin: usize = batches[..damaged].iter().map(Vec::len).sum();
            for at in begin..begin + batches[damaged].len() {
                // The sequence number of the first batch may be 0 as well as 1.
                if at == 5 {
                    continue;
                }
                data[at] ^= 1;
                assert!(is_damaged(&data, After::Anything), "batch {damaged}, byte {at}");
                data[at] ^= 1;
            }
        }
    }

    #[test]
    fn what_was_never_synced_may_be_torn_in_the_middle() {
        let (one, two, three) = (written(1, 0), written(2, 1), written(3, 1));
        let mut torn = two.clone();
        torn[20] ^= 1;
        let data = [&one[..], &torn, &three].concat();
        assert_eq!(recovered(&data, After::Anything), (Ok(Some(1)), one.len()));
    }

    #[test]
    fn batches_that_were_not_acknowledged_are_cut_off() {
        let (one, two) = (written(1, 0), written(2, 1));
        let data = [one.clone(), two].concat();
        assert_eq!(recovered(&data, After::Fault(1)), (Ok(Some(1)), one.len()));
    }

    #[test]
    fn a_missing_batch_or_journal_is_refused() {
        assert!(is_damaged(&[written(1, 0), written(3, 2)].concat(), After::Anything));
        let folder = tempfile::tempdir().unwrap();
        assert!(recover(folder.path(), After::Anything).is_err());
        for id in [3, 5] {
            fs::write(folder.path().join(format!("{id}.jnl")), written(id, id - 1)).unwrap();
        }
        let Err(Fault::Damaged(what)) = recover(folder.path(), After::Anything) else {
            panic!("4.jnl is missing")
        };
        assert!(what.contains("4.jnl is missing"), "{what}");
    }
}
