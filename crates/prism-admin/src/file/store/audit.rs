//! The audit log: one JSON object per line, appended and flushed before a change is put in force. It is opened for each
//! line, so that it can be moved away at any time.

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::place::storage;
use super::revisions::Revision;
use crate::error::Problem;

/// Only the owner reads it: it names the keys of all namespaces.
const MODE: u32 = 0o600;

/// How much is read at a time, backwards from the end.
const BLOCK_BYTES: u64 = 64 << 10;

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// The number of the revision; none for a change of data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// When (RFC 3339, UTC).
    #[schema(format = DateTime)]
    pub at: String,
    /// The name of the token; `local` without tokens; `unknown` for a change by hand; `prism-admin` for what it found.
    pub who: String,
    /// What was done, such as `create namespace orders` or `set a key in orders`.
    pub action: String,
    /// SHA-256 of the file after it, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The file's length after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// SHA-256 of the file before it, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_sha256: Option<String>,
    /// The request that did it; none for a change by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The key or list whose value was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl AuditEntry {
    /// The log entry of a revision. `previous_sha256` is that of the file before it, if known.
    pub(super) fn of(revision: &Revision, previous_sha256: Option<&str>) -> Self {
        let Revision { number, at, who, action, sha256, bytes, request_id } = revision.clone();
        Self {
            number: Some(number),
            at,
            who,
            action,
            sha256: Some(sha256),
            bytes: Some(bytes),
            previous_sha256: previous_sha256.map(str::to_owned),
            request_id,
            key: None,
        }
    }
}

/// A page of the log.
#[derive(Debug, Default)]
pub struct AuditPage {
    /// The newest first.
    pub entries: Vec<AuditEntry>,
    /// Where the next page, of older entries, ends.
    pub next_cursor: Option<u64>,
    /// Lines that are not entries.
    pub unreadable: usize,
}

/// Appends a line; the returned function removes it again. The caller holds the lock.
pub(super) fn append(path: &Path, entry: &AuditEntry) -> Result<impl Fn() + use<>, Problem> {
    let failed = |error: io::Error| storage("write", path, &error);
    let mut line = serde_json::to_vec(entry).unwrap_or_default();
    line.push(b'\n');
    let mut file =
        File::options().create(true).read(true).append(true).mode(MODE).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    // One that was made by an earlier version, or by whoever rotates it.
    if metadata.permissions().mode() & 0o077 != 0
        && let Err(error) = file.set_permissions(Permissions::from_mode(MODE))
    {
        tracing::warn!(path = %path.display(), %error, "others may read the audit log, and its mode cannot be changed to 0600");
    }
    let before = metadata.len();
    if is_torn(&mut file, before).map_err(failed)? {
        line.insert(0, b'\n');
    }
    let written = file.write_all(&line).and_then(|()| file.sync_all());
    let undo = move || {
        let _ = file.set_len(before);
    };
    written.map_err(failed).inspect_err(|_| undo())?;
    Ok(undo)
}

/// Whether the last line is incomplete; anything appended to it would be lost with it.
fn is_torn(file: &mut File, len: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if let Some(at) = len.checked_sub(1) {
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut last)?;
    }
    Ok(last != [b'\n'])
}

/// The last `limit` lines before `end` bytes, or before the end of the file.
pub(super) fn read_back(path: &Path, end: Option<u64>, limit: usize) -> Result<AuditPage, Problem> {
    let failed = |error: io::Error| storage("read", path, &error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(AuditPage::default()),
        Err(error) => return Err(failed(error)),
    };
    let len = file.metadata().map_err(failed)?.len();
    let mut start = end.map_or(len, |end| end.min(len));
    let mut read = Vec::new();
    // The newline of the line before the oldest marks the start of the oldest.
    while start > 0 && read.iter().filter(|byte| **byte == b'\n').count() <= limit {
        let block = start.min(BLOCK_BYTES);
        start -= block;
        let mut bytes = vec![0; usize::try_from(block).unwrap_or_default()];
        file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes)).map_err(failed)?;
        bytes.append(&mut read);
        read = bytes;
    }
    let mut page = AuditPage::default();
    let mut rest = read.as_slice();
    for _ in 0..limit {
        let Some(line) = last_line(&mut rest) else { break };
        match serde_json::from_slice(line) {
            Ok(entry) => page.entries.push(entry),
            Err(_) => page.unreadable += 1,
        }
    }
    let before = start + rest.len() as u64;
    page.next_cursor = (before > 0).then_some(before);
    Ok(page)
}

/// Removes the last line, and returns it without its newline.
fn last_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let text = rest.strip_suffix(b"\n").unwrap_or(rest);
    if rest.is_empty() {
        return None;
    }
    let begin = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let line = &text[begin..];
    *rest = &text[..begin];
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> AuditEntry {
        AuditEntry {
            number: Some(number),
            at: "2026-01-02T03:04:05.678Z".to_owned(),
            who: "ci".to_owned(),
            action: format!("create namespace {}", "n".repeat(usize::try_from(number % 300).unwrap())),
            sha256: None,
            bytes: None,
            previous_sha256: None,
            request_id: None,
            key: None,
        }
    }

    #[test]
    fn every_line_is_read_once_from_the_newest_to_the_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        assert!(read_back(&path, None, 10).unwrap().entries.is_empty(), "no log exists yet");
        for number in 0..1500 {
            append(&path, &entry(number)).map(drop).unwrap();
        }
        let (mut numbers, mut cursor) = (Vec::new(), None);
        loop {
            let page = read_back(&path, cursor, 400).unwrap();
            numbers.extend(page.entries.iter().filter_map(|entry| entry.number));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert!(numbers.iter().copied().eq((0..1500).rev()), "{} numbers", numbers.len());
    }

    #[test]
    fn only_the_owner_reads_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        append(&path, &entry(1)).map(drop).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        append(&path, &entry(2)).map(drop).unwrap();
        assert_eq!(mode(), 0o600, "a log of an earlier version");
    }

    #[test]
    fn a_line_that_is_no_entry_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        append(&path, &entry(1)).map(drop).unwrap();
        std::fs::write(&path, [std::fs::read(&path).unwrap(), b"{torn".to_vec()].concat()).unwrap();
        append(&path, &entry(2)).map(drop).unwrap();
        let page = read_back(&path, None, 10).unwrap();
        let numbers: Vec<_> = page.entries.iter().filter_map(|entry| entry.number).collect();
        assert_eq!((numbers, page.unreadable, page.next_cursor), (vec![2, 1], 1, None));
        assert!(read_back(&path, Some(u64::MAX), 1).unwrap().next_cursor.is_some());
    }
}
