//! The change to make.

use serde_yaml::{Mapping, Value};

use crate::file::yaml::{List, items};

/// A change of a list.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds an item at the end.
    Append(Value),
    /// Replaces the one at this index.
    Replace(usize, Value),
    /// Removes the one at this index.
    Remove(usize),
}

impl Change {
    /// Applies the change to a list of the parsed file.
    ///
    /// # Errors
    /// The index does not exist.
    pub(super) fn applied(&self, old: &Value, list: List) -> Result<Value, String> {
        let mut changed = items(old, list).to_vec();
        match self {
            Self::Append(value) => changed.push(value.clone()),
            Self::Replace(index, value) => {
                changed.get_mut(*index).ok_or_else(|| format!("no {list} has this index"))?.clone_from(value);
            }
            Self::Remove(index) if *index < changed.len() => drop(changed.remove(*index)),
            Self::Remove(_) => return Err(format!("no {list} has this index")),
        }
        let changed = Value::Sequence(changed);
        let Value::Mapping(old) = old else { return Err("the file is not a mapping".to_owned()) };
        let mut wanted = Mapping::with_capacity(old.len() + 1);
        for (key, value) in old {
            // Once it is there, inserting it again keeps its place.
            if list.follower().is_some_and(|follower| key == follower) && !wanted.contains_key(list.key()) {
                wanted.insert(list.key().into(), Value::Null);
            }
            wanted.insert(key.clone(), value.clone());
        }
        wanted.insert(list.key().into(), changed);
        Ok(Value::Mapping(wanted))
    }
}
