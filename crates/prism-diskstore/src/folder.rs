//! A store's folder: whose it is, whether it is whole, and how much room its disk has.
//!
//! | file | what |
//! |---|---|
//! | `FORMAT` | the version of the layout; written last when a store is created |
//! | `lock` | locked while a process has the store open |
//! | `creating` | the store is being created: nothing was acknowledged yet |
//! | `CLOSED` | names and sizes of all files when the store was closed; removed when it is opened |
//! | `data/` | the engine's files |
//!
//! An empty folder becomes a store. A folder that is not empty is a store or is refused, so that damage never ends in an
//! empty store.

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::engine::{After, Fault};
use crate::layout::FORMAT;

const FORMAT_FILE: &str = "FORMAT";
const LOCK: &str = "lock";
const CREATING: &str = "creating";
const CLOSED: &str = "CLOSED";
const DATA: &str = "data";

/// The oldest version that is read as it is: what is not in it is not there yet.
const FORMAT_MIN: u32 = 1;

/// What `FORMAT` says, before the version.
const TITLE: &str = "prism-diskstore format ";

/// A store's folder that this process has locked. Dropping it unlocks it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// What a locked folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Nothing,
    Store,
}

impl Folder {
    /// Locks a folder, creating it if it does not exist, and says what it holds.
    ///
    /// # Errors
    /// A sentence with the path and what to do.
    pub(crate) fn lock(path: &Path) -> Result<(Self, Holds), String> {
        let shown = path.display();
        match fs::create_dir(path) {
            Ok(()) => sync_parent(path).map_err(|error| cannot("create", path, &error))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(format!(
                    "{shown} is a file, not a folder; name a folder, which may be missing or empty"
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(format!(
                    "the folder that is to hold {shown} does not exist; create it, or mount its disk"
                ));
            }
            Err(error) => return Err(cannot("create", path, &error)),
        }
        let names = names(path).map_err(|error| cannot("read", path, &error))?;
        let has = |name: &str| names.iter().any(|known| known == name);
        let is_store = has(FORMAT_FILE);
        if !is_store && !has(CREATING) && names.iter().any(|name| name != LOCK && name != "lost+found") {
            return Err(not_a_store(path));
        }
        if is_store {
            check_format(path)?;
        }
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK));
        let lock = lock.map_err(|error| cannot("write to", path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "{shown} is open in another process, or as another backend; stop that one, or name another folder"
                ));
            }
            Err(TryLockError::Error(error)) => return Err(cannot("lock", path, &error)),
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        Ok((folder, if is_store { Holds::Store } else { Holds::Nothing }))
    }

    /// The engine's files.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join(DATA)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a store: `make` creates the engine, and the store is one when its format is on disk.
    pub(crate) fn create<E>(&self, make: impl FnOnce(&Path) -> Result<E, Fault>) -> Result<E, String> {
        let failed = |error: io::Error| cannot("create a store in", &self.path, &error);
        File::create(self.path.join(CREATING)).and_then(|file| file.sync_all()).map_err(failed)?;
        sync(&self.path).map_err(failed)?;
        // Of an earlier attempt, which ended before the store was one.
        match fs::remove_dir_all(self.data()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let engine = make(&self.data()).map_err(|fault| {
            format!(
                "cannot create a store in {}: {fault}; make room or name another folder",
                self.path.display()
            )
        })?;
        sync(&self.path).map_err(failed)?;
        write_whole(&self.path, FORMAT_FILE, &format!("{TITLE}{FORMAT}\n")).map_err(failed)?;
        fs::remove_file(self.path.join(CREATING)).map_err(failed)?;
        sync(&self.path).map_err(failed)?;
        Ok(engine)
    }

    /// Checks that a store which was closed is still what it was, such as after a copy, and returns what happened to it.
    pub(crate) fn check_whole(&self) -> Result<After, String> {
        let shown = self.path.display();
        if !self.data().is_dir() {
            return Err(format!(
                "{shown} has no folder {DATA}; it is not whole: copy it again, or restore it"
            ));
        }
        let closed = match fs::read_to_string(self.path.join(CLOSED)) {
            Ok(closed) => closed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(After::Anything),
            Err(error) => return Err(cannot("read", &self.path, &error)),
        };
        let unreadable = || {
            format!("{shown}: {CLOSED} cannot be read; the store is not whole: copy it again, or restore it")
        };
        let mut lines = closed.lines();
        let number = lines.next().and_then(|number| number.parse().ok()).ok_or_else(unreadable)?;
        for line in lines {
            let (bytes, name) = line.split_once(' ').ok_or_else(unreadable)?;
            let file = self.path.join(name);
            let found = fs::metadata(&file).map(|file| file.len().to_string());
            if found.as_deref().ok() != Some(bytes) {
                let found = found.map_or_else(
                    |_| "is missing".to_owned(),
                    |found| format!("has {found} bytes instead of {bytes}"),
                );
                return Err(format!(
                    "{} {found}; the store is not whole: copy it again, or restore it",
                    file.display()
                ));
            }
        }
        Ok(After::Close(number))
    }

    /// Marks a store as open, and as one of the current format.
    pub(crate) fn reopen(&self) -> Result<(), String> {
        let failed = |error: io::Error| cannot("open", &self.path, &error);
        let format = format!("{TITLE}{FORMAT}\n");
        if fs::read_to_string(self.path.join(FORMAT_FILE)).map_err(failed)? != format {
            write_whole(&self.path, FORMAT_FILE, &format).map_err(failed)?;
        }
        match fs::remove_file(self.path.join(CLOSED)) {
            Ok(()) => sync(&self.path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // Left over if the process ended between writing the format and here.
        match fs::remove_file(self.path.join(CREATING)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    /// Records the files of a store whose engine was closed with this number as the last batch.
    pub(crate) fn close(&self, number: u64) -> io::Result<()> {
        let mut files = Vec::new();
        walk(&self.data(), &mut files)?;
        files.sort();
        let mut text = format!("{number}\n");
        for (file, bytes) in files {
            if let Ok(name) = file.strip_prefix(&self.path) {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{bytes} {}", name.display());
            }
        }
        write_whole(&self.path, CLOSED, &text)
    }
}

/// Whether a path is a store, rather than one that it may become. Opens nothing.
///
/// # Errors
/// It is neither.
pub(crate) fn is_store(path: &Path) -> Result<bool, String> {
    if path.join(FORMAT_FILE).exists() {
        return check_format(path).map(|()| true);
    }
    match names(path) {
        Ok(names) if names.is_empty() => Ok(false),
        Ok(_) => Err(not_a_store(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot("read", path, &error)),
    }
}

fn not_a_store(path: &Path) -> String {
    format!(
        "{} is neither empty nor a store: it has no file {FORMAT_FILE}; name another folder, or restore the missing files from \
         a copy",
        path.display()
    )
}

/// The room on the disk of a path: bytes that are free for this user, and all bytes.
pub(crate) fn room(path: &Path) -> io::Result<(u64, u64)> {
    let disk = rustix::fs::statvfs(path)?;
    Ok((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}

fn check_format(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let text = fs::read_to_string(path.join(FORMAT_FILE)).map_err(|error| cannot("read", path, &error))?;
    let version = text.strip_prefix(TITLE).and_then(|version| version.trim_end().parse::<u32>().ok());
    match version {
        Some(FORMAT_MIN..=FORMAT) => Ok(()),
        Some(newer) if newer > FORMAT => Err(format!(
            "{shown} has format {newer}, from a newer version of Prism; this one reads format {FORMAT}: use the newer version"
        )),
        _ => Err(format!(
            "{shown}: {FORMAT_FILE} cannot be read; the store is damaged: restore it from a copy"
        )),
    }
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn walk(folder: &Path, files: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.metadata()?;
        if file.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            files.push((entry.path(), file.len()));
        }
    }
    Ok(())
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let new = folder.join(format!("{name}.new"));
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, folder.join(name))?;
    sync(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync(parent),
        _ => sync(Path::new(".")),
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    let next = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on its disk, or name another folder"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let this user write there, or name another folder"
        }
        _ => "check the disk, or name another folder",
    };
    format!("cannot {what} {}: {error}; {next}", path.display())
}
