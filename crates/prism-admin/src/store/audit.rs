//! The audit log: one JSON object a line, appended and flushed before a change is put in force. It is opened anew for
//! each line, so that it can be moved away at any time.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

use super::{Revision, storage};
use crate::error::Problem;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    revision: &'a Revision,
    previous_sha256: &'a str,
}

/// Appends a line; what it returns takes it back. The caller holds the lock.
pub(super) fn append(
    path: &Path,
    revision: &Revision,
    previous_sha256: &str,
) -> Result<impl Fn() + use<>, Problem> {
    let failed = |error: io::Error| storage("write", path, &error);
    let mut line = serde_json::to_vec(&Line { revision, previous_sha256 }).unwrap_or_default();
    line.push(b'\n');
    let mut file = File::options().create(true).append(true).open(path).map_err(failed)?;
    let before = file.metadata().map_err(failed)?.len();
    let written = file.write_all(&line).and_then(|()| file.sync_all());
    let undo = move || {
        let _ = file.set_len(before);
    };
    written.map_err(failed).inspect_err(|_| undo())?;
    Ok(undo)
}
