use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;

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
        self.store.change(&request("put"), |_| Ok((Some(text.into()), ())))
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

    /// Every file, with its bytes.
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
    let sha = |text: &str| snapshot::sha256(text.as_bytes());
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
    assert_eq!(folder.actions().last().unwrap().1, "edited by hand", "reading the list is enough");
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
            Ok((Some(b"# 2\n".to_vec()), ()))
        });
        assert_eq!(refused.unwrap_err().status, 409);
        assert_eq!(std::fs::read_to_string(folder.store.path()).ok().as_deref(), by_hand);
        let others = |all: Vec<(PathBuf, Vec<u8>)>| {
            all.into_iter().filter(|(path, _)| path != folder.store.path()).collect::<Vec<_>>()
        };
        assert_eq!(others(folder.all()), others(before), "nothing is left of the write");
    }
    let folder = Folder::new();
    let refused = folder.store.change(&request("put"), |_| {
        std::fs::write(folder.store.path(), "# first\n").unwrap();
        Ok((Some(b"# 2\n".to_vec()), ()))
    });
    assert_eq!((refused.unwrap_err().status, folder.text().as_str()), (409, "# first\n"));
}

#[test]
fn a_refusal_changes_nothing() {
    let folder = Folder::with("# 1\n");
    folder.store.revisions().unwrap();
    let before = folder.all();
    let refused = folder.store.change(&request("put"), |_| -> Result<(Option<Vec<u8>>, ()), _> {
        Err(Problem::new(Kind::Exists, "it is there"))
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
    assert_eq!((now.bytes_in_file(), now.usable().unwrap().1.len()), (None, 1));
    folder.put("namespaces: []\n").unwrap();
    std::fs::remove_file(folder.store.path()).unwrap();
    let problem = folder.store.read().unwrap().usable().unwrap_err();
    assert!(problem.status == 409 && problem.detail.contains("deleted"), "{problem:?}");
}

#[test]
fn a_file_that_breaks_rules_is_kept_and_cannot_be_edited() {
    for garbled in ["namespaces: {\n", "colour: red\n", "namespaces: [{name: A}]\n"] {
        let folder = Folder::with(garbled);
        let problem = folder.store.read().unwrap().usable().unwrap_err();
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
                // A store of its own, as another process would have.
                let store = Store::new(path.to_owned());
                for _ in 0..10 {
                    let counted = store.change(&request("count"), |now| {
                        let count: u32 = std::str::from_utf8(now.bytes()).unwrap().parse().unwrap();
                        Ok((Some((count + 1).to_string().into_bytes()), ()))
                    });
                    counted.unwrap();
                }
            });
        }
    });
    assert_eq!((folder.text().as_str(), folder.actions().len()), ("40", 41));
}
