//! The folder of `prism dev`, and the configuration file in it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use prism_runtime::exit::ServerError;

const BEGIN: &str = "\
# The namespaces of `prism dev`. A change takes effect at once: by hand, by `prism namespaces`, or over HTTP.
namespaces:
  - name: default
    pattern: keyvalue
    plugin:
      endpoint: \"embedded:memstore\"
";

/// The file in this folder. Both are created if they do not exist; what exists is not changed.
pub(super) fn at(folder: &Path) -> Result<PathBuf, ServerError> {
    let file = folder.join("prism.yaml");
    make(folder, &file).map_err(|error| {
        ServerError::Config(format!(
            "cannot create {}: {error}; choose another folder with --folder, or turn the admin off with --admin-listen off",
            file.display()
        ))
    })?;
    Ok(file)
}

fn make(folder: &Path, file: &Path) -> io::Result<()> {
    if file.exists() {
        return Ok(());
    }
    make_folder(folder)?;
    create(file, BEGIN)
}

/// Creates the folder if it does not exist.
pub(super) fn folder(folder: &Path) -> Result<(), ServerError> {
    make_folder(folder).map_err(|error| {
        ServerError::Config(format!("cannot create {}: {error}; choose another --folder", folder.display()))
    })
}

fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // It is this machine's state, not a part of the project around it.
    create(&folder.join(".gitignore"), "*\n")
}

fn create(file: &Path, text: &str) -> io::Result<()> {
    match File::create_new(file) {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
