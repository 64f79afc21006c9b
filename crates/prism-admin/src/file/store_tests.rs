use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;
use crate::file::snapshot::sha256;

struct Folder {
    folder: tempfile::TempDir,
    store: Store,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("prism.yaml"));
        Self { folder, store }
    }

    fn with(text: &str) -> Self {
        let folder = Self::new();
        std::fs::write(folder.store.path(), text).unwrap();
        folder
    }

    fn put(&self, text: &str) -> Result<Written<()>, Problem> {
        self.store.change(&request("put"), |_| Ok((Some(file(text)), ())))
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.store.path()).unwrap()
    }

    fn actions(&self) -> Vec<(u64, String)> {
        let revisions = self.store.revisions().unwrap();
        revisions.into_iter().map(|revision| (revision.number, revision.action)).collect()
    }

    fn audit(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(beside(self.store.path(), "audit.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// All files, with their bytes.
    fn all(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let folders = [self.folder.path().to_owned(), beside(self.store.path(), "revisions")];
        let entries =
            folders.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
        let mut all: Vec<_> = entries
            .filter(|e| e.path().is_file())
            .map(|e| (e.path(), std::fs::read(e.path()).unwrap()))
            .collect();
        all.sort();
        all
    }
}

/// A file with this text, whatever rules it breaks.
fn file(text: &str) -> Snapshot {
    Snapshot::read(Path::new("prism.yaml"), Some(text.into()), false)
}

fn request(action: &str) -> Request {
    let caller = Caller { who: "tester".to_owned(), request_id: "r-1".to_owned() };
    Request { caller, action: action.to_owned() }
}

#[test]
fn a_write_is_a_revision_and_a_line_in_the_audit_log() {
    let folder = Folder::new();
    let written = folder.put("server: {}\n").unwrap();
    assert_eq!((written.revision, folder.text().as_str()), (Some(1), "server: {}\n"));
    let again = folder.put("server: {}\n").unwrap();
    assert_eq!(again.revision, Some(1), "nothing has changed");
    folder.put("namespaces: []\n").unwrap();
    assert_eq!(folder.actions(), [(1, "put".to_owned()), (2, "put".to_owned())]);
    assert_eq!(folder.store.revision_bytes(1).unwrap().unwrap(), b"server: {}\n");
    assert_eq!(folder.store.revision_bytes(3).unwrap(), None);
    let audit = folder.audit();
    assert_eq!(audit.len(), 2);
    let sha = |text: &str| sha256(text.as_bytes());
    for (field, expected) in [
        ("who", "tester"),
        ("action", "put"),
        ("request_id", "r-1"),
        ("sha256", &sha("namespaces: []\n")),
        ("previous_sha256", &sha("server: {}\n")),
    ] {
        assert_eq!(audit[1][field], expected, "{field}");
    }
}

#[test]
fn a_change_by_hand_becomes_a_revision_before_anything_else() {
    let folder = Folder::with("server: {}\n");
    folder.put("# 1\n").unwrap();
    std::fs::write(folder.store.path(), "# by hand\n").unwrap();
    folder.put("# 2\n").unwrap();
    let actions: Vec<_> = folder.actions().into_iter().map(|(_, action)| action).collect();
    assert_eq!(actions, ["found", "put", "edited by hand", "put"]);
    assert_eq!(folder.store.revision_bytes(3).unwrap().unwrap(), b"# by hand\n");
    std::fs::write(folder.store.path(), b"\xff\xfe garbled").unwrap();
    assert_eq!(folder.actions().last().unwrap().1, "edited by hand", "listing the revisions is enough");
    assert_eq!(folder.audit().len(), 5);
}

#[test]
fn a_change_at_the_same_moment_is_kept_and_the_write_refused() {
    for by_hand in [Some("# by hand\n"), None] {
        let folder = Folder::with("# 1\n");
        folder.store.revisions().unwrap();
        let before = folder.all();
        let refused = folder.store.change(&request("put"), |_| {
            match by_hand {
                Some(text) => std::fs::write(folder.store.path(), text).unwrap(),
                None => std::fs::remove_file(folder.store.path()).unwrap(),
            }
            Ok((Some(file("# 2\n")), ()))
        });
        assert_eq!(refused.unwrap_err().status, 409);
        assert_eq!(std::fs::read_to_string(folder.store.path()).ok().as_deref(), by_hand);
        let others = |all: Vec<(PathBuf, Vec<u8>)>| {
            all.into_iter().filter(|(path, _)| path != folder.store.path()).collect::<Vec<_>>()
        };
        assert_eq!(others(folder.all()), others(before), "the write leaves nothing behind");
    }
    let folder = Folder::new();
    let refused = folder.store.change(&request("put"), |_| {
        std::fs::write(folder.store.path(), "# first\n").unwrap();
        Ok((Some(file("# 2\n")), ()))
    });
    assert_eq!((refused.unwrap_err().status, folder.text().as_str()), (409, "# first\n"));
}

#[test]
fn a_refusal_changes_nothing() {
    let folder = Folder::with("# 1\n");
    folder.store.revisions().unwrap();
    let before = folder.all();
    let refused = folder.store.change(&request("put"), |_| -> Result<(Option<Snapshot>, ()), _> {
        Err(Problem::new(Kind::Exists, "it exists"))
    });
    assert_eq!((refused.unwrap_err().status, folder.all()), (409, before));
}

#[test]
fn the_last_hundred_revisions_are_kept() {
    let folder = Folder::new();
    for number in 1..=103 {
        folder.put(&format!("# {number}\n")).unwrap();
    }
    let kept = folder.actions();
    assert_eq!((kept.len(), kept[0].0, kept[99].0), (100, 4, 103));
    assert_eq!(folder.store.revision_bytes(3).unwrap(), None);
    assert_eq!(folder.store.revision_bytes(4).unwrap().unwrap(), b"# 4\n");
    let files = std::fs::read_dir(beside(folder.store.path(), "revisions")).unwrap().count();
    assert_eq!((files, folder.audit().len()), (200, 103));
}

#[test]
fn mode_owner_and_links_stay() {
    let folder = Folder::with("# 1\n");
    let target = folder.folder.path().join("elsewhere.yaml");
    std::fs::rename(folder.store.path(), &target).unwrap();
    std::os::unix::fs::symlink(&target, folder.store.path()).unwrap();
    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o640)).unwrap();
    folder.put("# 2\n").unwrap();
    assert!(std::fs::symlink_metadata(folder.store.path()).unwrap().is_symlink());
    let now = std::fs::metadata(&target).unwrap();
    assert_eq!((now.mode() & 0o777, std::fs::read_to_string(&target).unwrap().as_str()), (0o640, "# 2\n"));
}

#[test]
fn without_a_file_the_built_in_namespace_is_shown_until_one_was_there() {
    let folder = Folder::new();
    let now = folder.store.read().unwrap();
    assert_eq!((now.bytes_in_file(), now.entries().unwrap().len()), (None, 1));
    folder.put("namespaces: []\n").unwrap();
    std::fs::remove_file(folder.store.path()).unwrap();
    let problem = folder.store.read().unwrap().entries().unwrap_err();
    assert!(problem.status == 409 && problem.detail.contains("deleted"), "{problem:?}");
}

#[test]
fn a_file_that_breaks_rules_is_kept_and_cannot_be_edited() {
    for garbled in ["namespaces: {\n", "colour: red\n", "namespaces: [{name: A}]\n"] {
        let folder = Folder::with(garbled);
        let problem = folder.store.read().unwrap().entries().unwrap_err();
        assert!(problem.status == 409 && problem.detail.contains("PUT /config"), "{problem:?}");
        assert_eq!(folder.text(), garbled);
    }
}

#[test]
fn writers_follow_each_other() {
    let folder = Folder::with("0");
    let path = folder.store.path();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // A separate store, as another process would have.
                let store = Store::new(path.to_owned());
                for _ in 0..10 {
                    let counted = store.change(&request("count"), |now| {
                        let count: u32 = std::str::from_utf8(now.bytes()).unwrap().parse().unwrap();
                        Ok((Some(file(&(count + 1).to_string())), ()))
                    });
                    counted.unwrap();
                }
            });
        }
    });
    assert_eq!((folder.text().as_str(), folder.actions().len()), ("40", 41));
}

/// What a process leaves behind that is killed while it writes this text: before the line in the audit log, before the
/// swap, or before the revision is kept.
fn killed(folder: &Folder, text: &str, before: &str) -> u64 {
    let (store, now, after) = (&folder.store, folder.store.read().unwrap(), file(text));
    let revision = store.revision("tester", "put", &after, Some("r-1"));
    store.revisions.add(&revision, text.as_bytes()).map(drop).unwrap();
    if before != "line" {
        let line = AuditEntry::of(&revision, Some(now.sha256()));
        audit::append(&store.audit_path(), &line).map(drop).unwrap();
    }
    if before == "keep" {
        durable::swap(store.path(), now.bytes_in_file(), text.as_bytes()).unwrap();
    }
    std::fs::write(folder.folder.path().join(".prism-prism.yaml-aB3dE6.tmp"), text).unwrap();
    revision.number
}

#[test]
fn a_write_that_was_killed_before_the_swap_never_was_in_force() {
    for before in ["line", "swap"] {
        let folder = Folder::with("# 1\n");
        folder.store.revisions().unwrap();
        let number = killed(&folder, "# 2\n", before);
        let store = Store::new(folder.store.path().to_owned());
        assert_eq!(store.revision_bytes(number).unwrap(), None, "it cannot be rolled back to");
        store.open().unwrap();
        assert_eq!((folder.text().as_str(), folder.actions()), ("# 1\n", vec![(1, "found".to_owned())]));
        let last = folder.audit().pop().unwrap();
        let action = last["action"].as_str().unwrap();
        assert!(action.contains("revision 2 (put) never came into force"), "{action}");
        assert_eq!((&last["who"], &last["sha256"]), (&"prism-admin".into(), &sha256(b"# 1\n").into()));
        assert!(!folder.all().iter().any(|(path, _)| path.extension() == Some("tmp".as_ref())), "no litter");
        // Its number is not reused: the audit log contains it.
        folder.put("# 3\n").unwrap();
        assert_eq!(folder.actions(), [(1, "found".to_owned()), (3, "put".to_owned())]);
    }
}

#[test]
fn a_write_that_was_killed_behind_the_swap_is_a_revision() {
    let folder = Folder::with("# 1\n");
    folder.store.revisions().unwrap();
    killed(&folder, "# 2\n", "keep");
    let lines = folder.audit().len();
    Store::new(folder.store.path().to_owned()).open().unwrap();
    assert_eq!(folder.actions(), [(1, "found".to_owned()), (2, "put".to_owned())]);
    assert_eq!((folder.text().as_str(), folder.audit().len()), ("# 2\n", lines), "there is nothing to add");
}

#[test]
fn the_first_write_of_all_that_was_killed_leaves_no_file_that_was_deleted() {
    let folder = Folder::new();
    killed(&folder, "# 1\n", "swap");
    let store = Store::new(folder.store.path().to_owned());
    store.open().unwrap();
    assert_eq!(store.read().unwrap().entries().unwrap().len(), 1, "the built-in namespace");
    assert!(folder.audit().pop().unwrap()["action"].as_str().unwrap().contains("never came into force"));
}

#[test]
fn a_write_that_was_killed_and_a_change_by_hand_are_told_as_what_is_known() {
    let folder = Folder::with("# 1\n");
    folder.store.revisions().unwrap();
    killed(&folder, "# 2\n", "keep");
    std::fs::write(folder.store.path(), "# by hand\n").unwrap();
    Store::new(folder.store.path().to_owned()).open().unwrap();
    assert_eq!(folder.actions(), [(1, "found".to_owned()), (3, "edited by hand".to_owned())]);
    let lines = folder.audit();
    let action = lines[lines.len() - 2]["action"].as_str().unwrap();
    assert!(action.contains("may have been in force for a moment"), "{action}");
}

#[test]
fn a_file_that_was_there_at_the_start_is_known_when_it_goes() {
    let folder = Folder::with("namespaces: []\n");
    folder.store.open().unwrap();
    std::fs::remove_file(folder.store.path()).unwrap();
    let problem = folder.store.read().unwrap().entries().unwrap_err();
    assert!(problem.status == 409 && problem.detail.contains("deleted"), "{problem:?}");
    assert_eq!(folder.store.revision_bytes(1).unwrap().unwrap(), b"namespaces: []\n");
    let none = Folder::new();
    none.store.open().unwrap();
    assert!(none.all().is_empty(), "without a file there is nothing to record");
}

#[test]
fn what_came_after_a_revision_is_later_and_what_was_before_earlier() {
    let folder = Folder::with("# 1\n");
    let number = folder.put("# 2\n").unwrap().revision.unwrap();
    folder.put("# 3\n").unwrap();
    let age = |text: &str| folder.store.age(&sha256(text.as_bytes()), number).unwrap();
    assert_eq!((age("# 1\n"), age("# 3\n"), age("# 4\n")), (Age::Earlier(1), Age::Later, Age::Unknown));
    std::fs::write(folder.store.path(), "# 4\n").unwrap();
    assert_eq!(age("# 4\n"), Age::Later, "a change by hand that is not a revision yet");
}

#[test]
fn writers_of_one_process_queue_and_no_lock_runs_out() {
    let folder = Folder::with("0");
    let store = &folder.store;
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let counted = store.change(&request("count"), |now| {
                    let count: u32 = std::str::from_utf8(now.bytes()).unwrap().parse().unwrap();
                    // 50 of them take longer than the wait for the lock.
                    std::thread::sleep(std::time::Duration::from_millis(120));
                    Ok((Some(file(&(count + 1).to_string())), ()))
                });
                counted.unwrap();
            });
        }
    });
    assert_eq!(folder.text(), "50");
}

#[test]
fn what_is_known_of_the_file_is_not_found_out_again() {
    let folder = Folder::with("namespaces: []\n");
    let written = folder.put("namespaces: [] # 2\n").unwrap();
    let read = || folder.store.read().unwrap();
    assert!(Arc::ptr_eq(&read(), &written.after));
    std::fs::write(folder.store.path(), written.before.bytes()).unwrap();
    assert!(Arc::ptr_eq(&read(), &written.before), "the snapshot that was read before the write");
    for number in 3..20 {
        folder.put(&format!("namespaces: [] # {number}\n")).unwrap();
    }
    assert_eq!(folder.store.known.lock().unwrap().len(), KNOWN_MAX);
}
