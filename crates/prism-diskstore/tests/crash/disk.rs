//! A model of a disk: what is on it for certain, and what the system may or may not have written when the power failed.
//!
//! A file's writes and truncations are certain once the file was synced; that a name is there, is gone, or is another file is
//! certain once its folder was synced. Before, each write may be there, missing, or there in some of its sectors, whatever
//! happened to the others. Names change in order: of the changes since the last sync, the first few are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fastrand::Rng;

use crate::recorder::Op;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A file's content; beyond `data` it is zeros, up to `len`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    data: Vec<u8>,
    len: usize,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, data: Vec<u8> },
    Truncate(usize),
}

#[derive(Clone, Debug, Default)]
struct File {
    certain: Content,
    current: Content,
    pending: Vec<Change>,
}

/// Folders and the names of files.
#[derive(Clone, Debug, Default)]
struct Names {
    folders: BTreeSet<String>,
    files: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
enum Naming {
    Folder(String),
    File(String, usize),
    Rename(String, String),
    Unlink(String),
}

/// The disk after some of a log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    certain: Names,
    current: Names,
    pending: Vec<Naming>,
}

/// How much of what is not certain is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All of it: the process was killed, the system lives.
    Nothing,
    /// None of it.
    Everything,
    /// All names and sizes, and none of the data: zeros.
    Data,
    /// The first few writes, and of the one behind them some sectors.
    Tail,
    /// Any of it, by sector.
    Any,
}

impl Loss {
    pub(crate) const ALL: [Self; 5] = [Self::Nothing, Self::Everything, Self::Data, Self::Tail, Self::Any];
}

impl Content {
    fn apply(&mut self, change: &Change, keep: &mut impl FnMut() -> bool) {
        match change {
            Change::Truncate(bytes) => {
                if keep() {
                    self.data.truncate(*bytes);
                    self.len = *bytes;
                }
            }
            Change::Write { at, data } => {
                let mut from = 0;
                while from < data.len() {
                    let to = data.len().min((at + from) / SECTOR * SECTOR + SECTOR - at);
                    if keep() {
                        self.put(at + from, &data[from..to]);
                    }
                    from = to;
                }
            }
        }
    }

    fn put(&mut self, at: usize, data: &[u8]) {
        let end = at + data.len();
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        self.data[at..end].copy_from_slice(data);
        self.len = self.len.max(end);
    }

    fn whole(&self) -> Vec<u8> {
        let mut whole = self.data.clone();
        whole.resize(self.len, 0);
        whole
    }
}

impl Names {
    fn apply(&mut self, naming: &Naming) {
        match naming {
            Naming::Folder(path) => drop(self.folders.insert(path.clone())),
            Naming::File(path, file) => drop(self.files.insert(path.clone(), *file)),
            Naming::Unlink(path) => {
                self.folders.remove(path);
                self.files.remove(path);
            }
            Naming::Rename(from, to) => {
                if let Some(file) = self.files.remove(from) {
                    self.files.insert(to.clone(), file);
                }
            }
        }
    }
}

impl Naming {
    fn folder(&self) -> &str {
        let (Self::Folder(path) | Self::File(path, _) | Self::Unlink(path) | Self::Rename(_, path)) = self;
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl Disk {
    /// The next op of the log.
    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Folder(path) => self.name(Naming::Folder(path.clone())),
            Op::Create(path) => {
                self.files.push(File::default());
                self.name(Naming::File(path.clone(), self.files.len() - 1));
            }
            Op::Rename { from, to } => self.name(Naming::Rename(from.clone(), to.clone())),
            Op::Unlink(path) => self.name(Naming::Unlink(path.clone())),
            Op::Write { path, at, data } => self.change(path, Change::Write { at: *at, data: data.clone() }),
            Op::Truncate { path, bytes } => self.change(path, Change::Truncate(*bytes)),
            Op::Sync(path) => self.sync(path),
        }
    }

    fn name(&mut self, naming: Naming) {
        self.current.apply(&naming);
        self.pending.push(naming);
    }

    fn change(&mut self, path: &str, change: Change) {
        // A file that is written after its name is gone matters to nobody.
        if let Some(file) = self.current.files.get(path) {
            let file = &mut self.files[*file];
            file.current.apply(&change, &mut || true);
            file.pending.push(change);
        }
    }

    fn sync(&mut self, path: &str) {
        if let Some(file) = self.current.files.get(path) {
            let file = &mut self.files[*file];
            for change in file.pending.drain(..) {
                file.certain.apply(&change, &mut || true);
            }
            return;
        }
        for naming in self.pending.extract_if(.., |naming| naming.folder() == path) {
            self.certain.apply(&naming);
        }
    }

    /// Writes what may be left after a power loss into a folder.
    pub(crate) fn restore(&self, loss: Loss, rng: &mut Rng, folder: &Path) {
        let mut names = self.certain.clone();
        let kept = match loss {
            Loss::Nothing | Loss::Data => self.pending.len(),
            Loss::Everything => 0,
            Loss::Tail | Loss::Any => rng.usize(..=self.pending.len()),
        };
        for naming in &self.pending[..kept] {
            names.apply(naming);
        }
        fs::create_dir_all(folder).unwrap();
        for path in &names.folders {
            fs::create_dir_all(folder.join(path)).unwrap();
        }
        for (path, file) in &names.files {
            let content = self.files[*file].after(loss, rng);
            let path = folder.join(path);
            // A file whose folder's name is not there is not there either.
            if path.parent().is_some_and(Path::is_dir) {
                fs::write(&path, &content.data).unwrap();
                fs::File::options().write(true).open(&path).unwrap().set_len(content.len as u64).unwrap();
            }
        }
    }

    /// The names and contents of all files, as the process saw them.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.current
            .files
            .iter()
            .map(|(path, file)| (path.clone(), self.files[*file].current.whole()))
            .collect()
    }

    /// A file as the process saw it.
    pub(crate) fn file(&self, path: &str) -> Vec<u8> {
        self.current.files.get(path).map(|file| self.files[*file].current.whole()).unwrap_or_default()
    }
}

impl File {
    fn after(&self, loss: Loss, rng: &mut Rng) -> Content {
        let mut content = self.certain.clone();
        match loss {
            Loss::Nothing => return self.current.clone(),
            Loss::Everything => {}
            Loss::Data => content.len = self.current.len.max(content.data.len()),
            Loss::Tail => {
                let kept = rng.usize(..=self.pending.len());
                for change in &self.pending[..kept] {
                    content.apply(change, &mut || true);
                }
                if let Some(torn) = self.pending.get(kept) {
                    content.apply(torn, &mut || rng.bool());
                }
            }
            Loss::Any => {
                for change in &self.pending {
                    content.apply(change, &mut || rng.bool());
                }
            }
        }
        content
    }
}
