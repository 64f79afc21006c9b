//! Creating, listing and revoking the tokens of a file.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};

use super::lines::{Line, Tokens, lines};
use crate::error::FileError;

/// A token of a file, without itself and without its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its owner.
    pub name: String,
    /// When it stops being accepted; `None` for never.
    pub expires: Option<SystemTime>,
}

/// Creates a token, adds its hash to the file, which is created if necessary, and returns the token. It is not stored
/// anywhere.
///
/// # Errors
/// The file is not one of tokens, or cannot be written.
pub fn issue(path: &Path, name: &str, expires: Option<SystemTime>) -> Result<String, FileError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| FileError::new(path, None, format!("the system has no random bits: {error}")))?;
    let token = format!("prism_{}", URL_SAFE_NO_PAD.encode(random));
    let expiry =
        expires.map_or_else(String::new, |at| format!(" expires={}", humantime::format_rfc3339_seconds(at)));
    let line = format!("{name} sha256:{:x}{expiry}\n", Sha256::digest(token.as_bytes()));
    change(path, true, |text| {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        Some(format!("{text}{end}{line}"))
    })?;
    Ok(token)
}

/// The tokens of a file, in its order.
///
/// # Errors
/// The file cannot be read, or a line is invalid.
pub fn list(path: &Path) -> Result<Vec<Listed>, FileError> {
    let (text, _) = crate::file::read(path)?;
    Tokens::parse(path, &text)?;
    let parsed = lines(&text).filter_map(|(_, line)| Line::parse(line).ok());
    Ok(parsed.map(|line| Listed { name: line.name.to_owned(), expires: line.expires }).collect())
}

/// Removes all tokens of a name, and returns how many there were.
///
/// # Errors
/// The file is not one of tokens, or cannot be written.
pub fn revoke(path: &Path, name: &str) -> Result<usize, FileError> {
    let mut removed = 0;
    change(path, false, |text| {
        let is_of_name = |line: &str| {
            let line = line.trim();
            !line.starts_with('#') && line.split_ascii_whitespace().next() == Some(name)
        };
        removed = text.lines().filter(|line| is_of_name(line)).count();
        let stay = text.split_inclusive('\n').filter(|line| !is_of_name(line));
        (removed > 0).then(|| stay.collect())
    })?;
    Ok(removed)
}

/// Replaces a file of tokens by what `edit` makes of its text, atomically; `None` changes nothing. Those who change it at
/// the same time wait for each other.
fn change(path: &Path, create: bool, edit: impl FnOnce(&str) -> Option<String>) -> Result<(), FileError> {
    let failed = |error: io::Error| {
        FileError::new(path, None, format!("cannot be changed: {error}; expected a file that you may write"))
    };
    loop {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        if !is_still(&file, path) {
            continue;
        }
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text)).map_err(failed)?;
        Tokens::parse(path, &text)?;
        let Some(changed) = edit(&text) else { return Ok(()) };
        return replace(path, &file, &changed).map_err(failed);
    }
}

/// Whether a file that was waited for is still the one at `path`.
fn is_still(file: &File, path: &Path) -> bool {
    let id = |metadata: io::Result<fs::Metadata>| metadata.map(|of| (of.dev(), of.ino())).ok();
    id(file.metadata()) == id(fs::metadata(path))
}

/// Writes a new file beside the old one and renames it, so that no reader sees half of it. It has the owner and the mode of the old.
fn replace(path: &Path, old: &File, text: &str) -> io::Result<()> {
    // A link stays one: what it points to is replaced.
    let path = fs::canonicalize(path)?;
    let old = old.metadata()?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.new", u64::from_ne_bytes(random)));
    let beside = path.with_file_name(name);
    let written = (|| {
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        new.write_all(text.as_bytes())?;
        let made = new.metadata()?;
        if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
            // A server that runs as another user must still be able to read it.
            fchown(&new, Some(old.uid()), Some(old.gid()))?;
        }
        new.set_permissions(Permissions::from_mode(old.mode() & 0o777))?;
        new.sync_all()?;
        fs::rename(&beside, &path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn accepts(path: &Path, token: &str) -> Option<String> {
        let tokens = Tokens::parse(path, &fs::read_to_string(path).unwrap()).unwrap();
        tokens.owner(token, SystemTime::now()).unwrap().map(|owner| owner.identity.name().to_owned())
    }

    #[test]
    fn a_token_is_accepted_until_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let expires = SystemTime::now() + Duration::from_secs(3600);
        let (first, second) =
            (issue(&path, "orders", None).unwrap(), issue(&path, "orders", Some(expires)).unwrap());
        let other = issue(&path, "report", None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(first != second && first.len() == "prism_".len() + 43, "{}", first.len());
        assert!(!fs::read_to_string(&path).unwrap().contains(&first));
        assert_eq!(accepts(&path, &second).as_deref(), Some("orders"));
        let names: Vec<_> = list(&path).unwrap().into_iter().map(|listed| listed.name).collect();
        assert_eq!(names, ["orders", "orders", "report"]);

        assert_eq!(revoke(&path, "orders").unwrap(), 2);
        assert_eq!(revoke(&path, "orders").unwrap(), 0);
        assert_eq!((accepts(&path, &first), accepts(&path, &second)), (None, None));
        assert_eq!(accepts(&path, &other).as_deref(), Some("report"));
    }

    #[test]
    fn what_stands_beside_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        fs::write(&path, "# orders of the shop").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        issue(&path, "orders", None).unwrap();
        revoke(&path, "orders").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "# orders of the shop\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn tokens_created_at_the_same_time_are_all_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let path = &path;
                scope.spawn(move || (0..10).for_each(|_| drop(issue(path, name, None).unwrap())));
            }
        });
        assert_eq!(list(&path).unwrap().len(), 40);
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prism.yaml");
        fs::write(&path, "namespaces: []\n").unwrap();
        assert!(issue(&path, "orders", None).unwrap_err().to_string().contains("prism.yaml:1: "));
        assert!(revoke(&path, "namespaces:").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "namespaces: []\n");
        assert!(revoke(&folder.path().join("missing"), "a").unwrap_err().why.contains("cannot be changed"));
    }
}
