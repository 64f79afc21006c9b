//! The change to make.

use serde_yaml::Value;

use crate::file::yaml::{NAMESPACES, namespaces};

/// A change of the list of namespaces.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds a namespace at the end.
    Append(Value),
    /// Replaces the one at this index.
    Replace(usize, Value),
    /// Removes the one at this index.
    Remove(usize),
}

impl Change {
    /// Applies the change to the parsed file.
    ///
    /// # Errors
    /// The index does not exist.
    pub(super) fn applied(&self, old: &Value) -> Result<Value, String> {
        let mut list = namespaces(old).to_vec();
        match self {
            Self::Append(value) => list.push(value.clone()),
            Self::Replace(index, value) => {
                list.get_mut(*index).ok_or("no namespace has this index")?.clone_from(value);
            }
            Self::Remove(index) if *index < list.len() => drop(list.remove(*index)),
            Self::Remove(_) => return Err("no namespace has this index".to_owned()),
        }
        let mut wanted = old.clone();
        if let Value::Mapping(file) = &mut wanted {
            file.insert(NAMESPACES.into(), Value::Sequence(list));
        }
        Ok(wanted)
    }
}
