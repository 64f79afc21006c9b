//! Which backends are allowed: what the admin writes or probes on request must not reach what its callers could not.
//!
//! A TCP endpoint must not be a link-local address or a cloud's metadata service, in whatever form: as IPv6, mapped
//! into IPv6, or as one number. Names are resolved when they are submitted, within [`RESOLVE_MAX`], and again before
//! each probe. What a name resolves to for a proxy later is for its own network to guard.

mod address;

use std::io;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use prism_net::dial;
use prism_proxy::endpoint::Endpoint;

use super::reach::Reach;
use crate::error::FieldError;
use address::{check_address, literal};

/// How long resolving the names of one request may take. A name that does not resolve is accepted: its backend may not
/// exist yet.
pub const RESOLVE_MAX: Duration = Duration::from_secs(2);

/// Names resolved concurrently.
const RESOLVING_MAX: usize = 16;

/// Names of metadata services, refused even if they do not resolve.
const METADATA_NAMES: [&str; 4] = ["metadata.google.internal", "metadata.goog", "metadata", "instance-data"];

/// Which endpoints are allowed.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The folder that must contain Unix sockets; `None`: they are not allowed.
    pub unix_root: Option<PathBuf>,
    /// The folder that must contain the files that options and `tls` of backends name; `None`: they may name none.
    pub secrets_root: Option<PathBuf>,
    /// The folder that must contain the stores on disk of backends; `None`: there may be none.
    pub stores_root: Option<PathBuf>,
}

impl Policy {
    /// What is not allowed, by its pointers. Resolves names.
    pub async fn refusals(&self, reached: &[(String, Reach)]) -> Vec<FieldError> {
        let refusal = |pointer: &String, detail| FieldError { pointer: pointer.clone(), detail };
        let mut errors = Vec::new();
        let mut names = Vec::new();
        for (pointer, reach) in reached {
            let endpoint = match reach {
                Reach::Endpoint(endpoint) => endpoint,
                Reach::File(path, _) => {
                    errors.extend(self.check_file(path).err().map(|detail| refusal(pointer, detail)));
                    continue;
                }
                Reach::Folder(path) => {
                    errors.extend(self.check_folder(path).err().map(|detail| refusal(pointer, detail)));
                    continue;
                }
            };
            match (self.check(endpoint), endpoint) {
                (Err(detail), _) => errors.push(refusal(pointer, detail)),
                (Ok(()), Endpoint::Tcp(authority)) => names.push((pointer.clone(), authority.to_string())),
                (Ok(()), _) => {}
            }
        }
        let resolved = futures_util::stream::iter(names)
            .map(|(pointer, authority)| async move {
                match resolve(&authority).await {
                    Err(Unresolved::Refused(detail)) => Some(FieldError { pointer, detail }),
                    _ => None,
                }
            })
            .buffer_unordered(RESOLVING_MAX)
            .filter_map(std::future::ready)
            .take_until(tokio::time::sleep(RESOLVE_MAX));
        errors.extend(resolved.collect::<Vec<_>>().await);
        errors
    }

    /// Checks what can be checked without resolving names.
    ///
    /// # Errors
    /// Why the endpoint is not allowed.
    pub fn check(&self, endpoint: &Endpoint) -> Result<(), String> {
        match endpoint {
            Endpoint::Embedded(_) => Ok(()),
            Endpoint::Unix(path) => self.check_path(path),
            Endpoint::Tcp(authority) => {
                let host = authority.host().trim_start_matches('[').trim_end_matches(']');
                let name = host.trim_end_matches('.');
                if METADATA_NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    return Err(format!("{host} is a metadata service, which cannot be a backend"));
                }
                match literal(host) {
                    Some(address) => check_address(address),
                    None => Ok(()),
                }
            }
        }
    }

    fn check_path(&self, path: &Path) -> Result<(), String> {
        let Some(root) = &self.unix_root else {
            return Err(
                "unix: is not allowed here; start prism-admin with --unix-root FOLDER to allow sockets \
                        below that folder"
                    .to_owned(),
            );
        };
        Self::check_below(root, path, "unix:")
    }

    /// Checks a file that a driver, or a connection with TLS, would read.
    fn check_file(&self, path: &Path) -> Result<(), String> {
        let Some(root) = &self.secrets_root else {
            return Err(
                "settings that name a file are not allowed here; start prism-admin with --secrets-root FOLDER to allow \
                 files below that folder, or edit the configuration file"
                    .to_owned(),
            );
        };
        Self::check_below(root, path, "a setting that names a file")
    }

    /// Checks a folder in which a store would be created.
    fn check_folder(&self, path: &Path) -> Result<(), String> {
        let Some(root) = &self.stores_root else {
            return Err(
                "a store on disk is not allowed here; start prism-admin with --stores-root FOLDER to allow stores below that \
                 folder of each proxy's machine, or edit the configuration file"
                    .to_owned(),
            );
        };
        Self::check_below(root, path, "a store on disk")
    }

    fn check_below(root: &Path, path: &Path, what: &str) -> Result<(), String> {
        let refused = || format!("{what} is only allowed below {}", root.display());
        if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
            return Err(format!("{}, as an absolute path without ..", refused()));
        }
        // A slash at its end would make a link without a target look as if nothing were there.
        let path: PathBuf = path.components().collect();
        // An existing path may be reached through links; for one that does not exist yet, its nearest existing folder
        // is checked. A link whose target does not exist yet counts as existing: its target could appear anywhere.
        let root = root.canonicalize().map_err(|error| format!("{}: {error}", refused()))?;
        let is_there = |path: &&Path| !matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound);
        let there = path.ancestors().find(is_there).and_then(|there| there.canonicalize().ok());
        if there.is_some_and(|there| there.starts_with(&root)) { Ok(()) } else { Err(refused()) }
    }
}

/// Why a host has no address to connect to.
#[derive(Debug)]
pub enum Unresolved {
    /// The resolver does not know it.
    Unknown(std::io::Error),
    /// It is not allowed.
    Refused(String),
}

/// The addresses of `HOST:PORT`, all of which are allowed.
///
/// # Errors
/// There are none, or one of them is not allowed.
pub async fn resolve(authority: &str) -> Result<Vec<SocketAddr>, Unresolved> {
    let addresses = dial::resolve(authority).await.map_err(Unresolved::Unknown)?;
    for address in &addresses {
        check_address(address.ip()).map_err(Unresolved::Refused)?;
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use prism_plugin::driver::Options;
    use prism_proxy::config::Place;

    use super::*;

    #[tokio::test]
    async fn a_file_must_be_below_the_root_of_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("secrets");
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap();
        let place = Place::Embedded { driver: "redis".to_owned(), options: Options::new() };
        let refused = async |policy: &Policy, path: &Path| {
            let reach = Reach::File(path.to_owned(), place.clone());
            policy.refusals(&[("/options".to_owned(), reach)]).await.pop().map(|error| error.detail)
        };
        let none = refused(&Policy::default(), &root.join("password")).await.unwrap();
        assert!(none.contains("--secrets-root FOLDER"), "{none}");
        let policy = Policy { secrets_root: Some(root.clone()), ..Policy::default() };
        assert_eq!(refused(&policy, &root.join("password")).await, None);
        for outside in ["/etc/passwd", "password"]
            .map(PathBuf::from)
            .into_iter()
            .chain([root.join("link"), root.join("../password")])
        {
            let detail = refused(&policy, &outside).await.unwrap_or_default();
            assert!(detail.contains("only allowed below"), "{}: {detail}", outside.display());
        }
    }

    #[tokio::test]
    async fn a_store_must_be_below_the_root_of_stores() {
        let folder = tempfile::tempdir().unwrap();
        let refused = async |policy: &Policy, path: &Path| {
            let reach = Reach::Folder(path.to_owned());
            policy.refusals(&[("/options".to_owned(), reach)]).await.pop().map(|error| error.detail)
        };
        let none = refused(&Policy::default(), &folder.path().join("store")).await.unwrap();
        assert!(none.contains("--stores-root FOLDER"), "{none}");
        let policy = Policy { stores_root: Some(folder.path().to_owned()), ..Policy::default() };
        assert_eq!(refused(&policy, &folder.path().join("new/store")).await, None);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/nowhere/at/all", &link).unwrap();
        let links = ["", "store", "store/"].map(|below| link.join(below));
        for outside in ["/var/lib/prism", "store"].map(PathBuf::from).into_iter().chain(links) {
            let detail = refused(&policy, &outside).await.unwrap_or_default();
            assert!(detail.contains("only allowed below"), "{}: {detail}", outside.display());
        }
    }

    fn refused(endpoint: &str) -> bool {
        Policy::default().check(&endpoint.parse().unwrap()).is_err()
    }

    #[test]
    fn metadata_and_link_local_are_refused_in_every_form() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0xA9.0xFE.0xA9.0xFE",
            "0251.0376.0251.0376",
            "169.254.43518",
            "169.16689662",
            "169.254.169.254.",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[::a9fe:a9fe]",
            "[::169.254.169.254]",
            "[::ffff:0:a9fe:a9fe]",
            "[64:ff9b:1::a9fe:a9fe]",
            "[64:ff9b:1:a9fe:a9:fe00::]",
            "[64:ff9b:1:fea9:fe:a9fe::]",
            "[64:ff9b:1:0:a9:fea9:fe00:0]",
            "[2002:a9fe:a9fe::]",
            "[2002:a9fe:a9fe::1]",
            "[2001:0:a9fe:a9fe::]",
            "[2001::5601:5601]",
            "[2001:db8::5efe:a9fe:a9fe]",
            "[2001:db8::200:5efe:a9fe:a9fe]",
            "[::ffff:100.100.100.200]",
            "[2002:a83f:8110::1]",
            "[fd00:ec2::23]",
            "[fd20:ce::254]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "Metadata.Google.Internal.",
            "metadata",
        ] {
            assert!(refused(&format!("{host}:80")), "{host}");
        }
    }

    #[test]
    fn backends_are_allowed() {
        for endpoint in [
            "localhost:50051",
            "127.0.0.1:1",
            "[::1]:1",
            "[::ffff:10.0.0.1]:1",
            "[64:ff9b::a00:1]:1",
            "[2002:a00:1::1]:1",
            "[fd00:1::254]:1",
            "10.0.0.1:1",
            "redis.internal:1",
            "1.example:1",
            "embedded:memstore",
        ] {
            assert!(!refused(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn sockets_are_allowed_below_the_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink("/", root.join("out")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("nothing"), root.join("dangling")).unwrap();
        std::os::unix::fs::symlink(root.join("within"), root.join("dangling-within")).unwrap();
        std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
        let policy = Policy { unix_root: Some(root.clone()), ..Policy::default() };
        let check = |path: &Path| policy.check(&Endpoint::Unix(path.to_owned()));
        assert_eq!(check(&root.join("a/b.sock")), Ok(()));
        for outside in [
            &root.join("../x"),
            &root.join("out/run/x"),
            &root.join("dangling"),
            &root.join("dangling/x"),
            &root.join("dangling-within"),
            &root.join("loop"),
            &root.join("loop/x"),
            Path::new("/run/x"),
            Path::new("x"),
            folder.path(),
        ] {
            assert!(check(outside).is_err(), "{}", outside.display());
        }
        assert!(refused("unix:/run/x"), "without a folder, sockets are not allowed");
    }

    #[tokio::test]
    async fn names_are_judged_by_what_they_resolve_to() {
        let endpoints = ["localhost:1", "169.254.1.1:1", "a-name-that-is-not.invalid:1"];
        let endpoints: Vec<_> = endpoints
            .iter()
            .map(|text| ((*text).to_owned(), Reach::Endpoint(text.parse().unwrap())))
            .collect();
        let refused = Policy::default().refusals(&endpoints).await;
        assert_eq!(refused.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(), ["169.254.1.1:1"]);
    }
}
