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
    make(folder, &file, BEGIN).map_err(|error| {
        ServerError::Config(format!(
            "cannot create {}: {error}; choose another folder with --folder, or turn the admin off with --admin-listen off",
            file.display()
        ))
    })?;
    Ok(file)
}

/// The file in a folder with data, and the folder of the store, which the file names.
pub(super) fn with_data(folder: &Path) -> Result<PathBuf, ServerError> {
    let file = folder.join("prism.yaml");
    let made = store(folder).and_then(|store| make(folder, &file, &beginning_with(&store)?));
    made.map_err(|error| {
        ServerError::Config(format!(
            "cannot create {}: {error}; choose another folder with --data",
            file.display()
        ))
    })?;
    Ok(file)
}

/// Where the data is.
fn store(folder: &Path) -> io::Result<PathBuf> {
    Ok(std::path::absolute(folder)?.join("store"))
}

fn beginning_with(store: &Path) -> io::Result<String> {
    // A JSON string is a YAML string.
    let path = serde_json::to_string(store).map_err(|_| io::Error::other("its path is not UTF-8"))?;
    Ok(format!(
        "\
# The namespaces of `prism dev --data`. A change takes effect at once: by hand, by `prism namespaces`, or over HTTP.
backends:
  - name: data
    embedded: diskstore
    options: {{ path: {path} }}
namespaces:
  - name: default
    pattern: keyvalue
    plugin: {{ backend: data }}
"
    ))
}

fn make(folder: &Path, file: &Path, begin: &str) -> io::Result<()> {
    if file.exists() {
        return Ok(());
    }
    make_folder(folder)?;
    create(file, begin)
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
