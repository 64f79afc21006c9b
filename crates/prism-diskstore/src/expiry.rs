//! Freeing what has expired. Reads check deadlines themselves, so this only decides when room is freed.

use prism_plugin::Error;

use crate::layout;
use crate::layout::retries::{answer_of, is_client};
use crate::txn::Txn;

/// How many keys a batch frees: few enough that the writes which wait do not notice.
const SWEEP_KEYS: usize = 256;

/// What a sweep has done.
pub(crate) struct Swept {
    pub(crate) freed: u64,
    pub(crate) more: bool,
}

/// Removes keys whose deadline has passed, oldest first.
pub(crate) fn sweep(txn: &mut Txn<'_>) -> Result<Swept, Error> {
    let expired = txn.expired(SWEEP_KEYS)?;
    let more = expired.len() == SWEEP_KEYS;
    let mut freed = 0;
    for (deadline, key) in expired {
        freed += u64::from(txn.step(|txn| free(txn, deadline, &key))?);
    }
    Ok(Swept { freed, more })
}

fn free(txn: &mut Txn<'_>, deadline: u64, key: &[u8]) -> Result<bool, Error> {
    if is_client(key) {
        return txn.expire_client(deadline, key).map(|()| false);
    }
    if answer_of(key).is_some() {
        return txn.expire_answer(deadline, key).map(|()| false);
    }
    let is_due = txn.record(key)?.is_some_and(|record| record.deadline == Some(deadline));
    match layout::parts(key) {
        Some((namespace, _)) if is_due => {
            txn.replace(namespace, key.to_vec(), None)?;
            Ok(true)
        }
        // An entry of the index without its key: nothing to free but itself.
        _ => {
            txn.remove(layout::expiry(deadline, key));
            Ok(false)
        }
    }
}
