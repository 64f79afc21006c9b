//! What is changed.

use serde_yaml::Value;

use crate::file::yaml::{NAMESPACES, namespaces};

/// A change of the list of namespaces.
#[derive(Clone, Debug)]
pub enum Change {
    /// One more, at the end.
    Append(Value),
    /// The one at this index becomes this.
    Replace(usize, Value),
    /// The one at this index goes.
    Remove(usize),
}

impl Change {
    /// The file after it.
    ///
    /// # Errors
    /// The index is not there.
    pub(super) fn applied(&self, old: &Value) -> Result<Value, String> {
        let mut list = namespaces(old).to_vec();
        match self {
            Self::Append(value) => list.push(value.clone()),
            Self::Replace(index, value) => {
                list.get_mut(*index).ok_or("there is no namespace at this index")?.clone_from(value);
            }
            Self::Remove(index) if *index < list.len() => drop(list.remove(*index)),
            Self::Remove(_) => return Err("there is no namespace at this index".to_owned()),
        }
        let mut wanted = old.clone();
        if let Value::Mapping(file) = &mut wanted {
            file.insert(NAMESPACES.into(), Value::Sequence(list));
        }
        Ok(wanted)
    }
}
