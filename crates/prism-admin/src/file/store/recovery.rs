//! What a process leaves behind that is killed between the line in the audit log and the swap: a pending revision. The
//! next process to hold the lock finds out whether it came into force, and records that.

use std::path::Path;

use super::audit::{self, AuditEntry};
use super::revisions::{Revision, Revisions};
use crate::error::Problem;
use crate::file::snapshot::Snapshot;

/// The name in the audit log for what the admin found.
const ADMIN: &str = "prism-admin";

/// How many lines of the audit log are searched for a revision's own: it is the last one, except for changes of data.
const LINES_MAX: usize = 1000;

/// Keeps or abandons the pending revisions. The caller holds the lock.
pub(super) fn settle(
    revisions: &Revisions,
    audit_path: &Path,
    now: &Snapshot,
    at: &str,
) -> Result<(), Problem> {
    let pending = revisions.numbers().pending;
    if pending.is_empty() {
        return Ok(());
    }
    let lines = audit::read_back(audit_path, None, LINES_MAX)?.entries;
    for number in pending {
        let revision = revisions.pending(number);
        let line = lines.iter().find(|line| line.number == Some(number));
        match &revision {
            Some(revision) if now.bytes_in_file().is_some() && now.sha256() == revision.sha256 => {
                if line.is_none() {
                    audit::append(audit_path, &AuditEntry::of(revision, None)).map(drop)?;
                }
                revisions.keep(number);
            }
            _ => {
                let was_before =
                    line.is_none_or(|line| line.previous_sha256.as_deref() == Some(now.sha256()));
                let in_force = now.bytes_in_file().map(|_| now.sha256().to_owned());
                let entry = abandoned(number, revision.as_ref(), was_before, in_force, at);
                audit::append(audit_path, &entry).map(drop)?;
                tracing::warn!(action = entry.action, "an admin was killed during a write");
                revisions.abandon(number)?;
            }
        }
    }
    Ok(())
}

/// The audit log entry of an abandoned revision.
fn abandoned(
    number: u64,
    revision: Option<&Revision>,
    was_before: bool,
    in_force: Option<String>,
    at: &str,
) -> AuditEntry {
    let what = revision.map_or_else(String::new, |revision| format!(" ({})", revision.action));
    let ended = if was_before {
        "never came into force: the admin was killed before"
    } else {
        "may have been in force for a moment: the admin was killed during the write, and the file has been changed by hand since"
    };
    AuditEntry {
        number: Some(number),
        at: at.to_owned(),
        who: ADMIN.to_owned(),
        action: format!("revision {number}{what} {ended}"),
        sha256: in_force,
        bytes: None,
        previous_sha256: None,
        request_id: revision.and_then(|revision| revision.request_id.clone()),
        key: None,
    }
}
