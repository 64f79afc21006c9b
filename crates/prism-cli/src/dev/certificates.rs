//! The throw-away certificates of `prism dev --tls`: a CA, a server's certificate for this machine, and a client's.
//!
//! The CA's key is not kept, so nobody can sign anything else that whoever trusts the CA would trust. All are made anew
//! together, when a file is missing or cannot be used, or when they end within a day.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prism_net::tls::certificate::Validity;
use prism_net::tls::pem;
use prism_net::tls::server::{Loaded, ServerFiles};
use prism_runtime::exit::ServerError;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long they are valid: longer than anybody keeps the data of `prism dev`.
const VALID: Duration = DAY.saturating_mul(90);

/// They are made anew when they are valid for less than this.
const LEFT_MIN: Duration = DAY;

/// The name in the client's certificate.
const CLIENT: &str = "developer";

/// The files in a folder.
#[derive(Clone, Debug)]
pub(super) struct Certificates {
    pub(super) ca: PathBuf,
    pub(super) server: PathBuf,
    pub(super) server_key: PathBuf,
    client: PathBuf,
    client_key: PathBuf,
}

impl Certificates {
    /// Those in this folder, made if need be. The folder, and the keys in it, become its owner's alone.
    pub(super) fn in_folder(folder: &Path) -> Result<Self, ServerError> {
        let file = |name: &str| folder.join(name);
        let files = Self {
            ca: file("ca.pem"),
            server: file("server.pem"),
            server_key: file("server.key"),
            client: file("client.pem"),
            client_key: file("client.key"),
        };
        if !files.are_usable() {
            files.make(folder).map_err(|error| {
                let folder = folder.display();
                ServerError::Config(format!(
                    "cannot make certificates in {folder}: {error}; choose another --folder"
                ))
            })?;
        }
        Ok(files)
    }

    fn pairs(&self) -> [(&Path, &Path); 2] {
        [(&self.server, &self.server_key), (&self.client, &self.client_key)]
    }

    fn are_usable(&self) -> bool {
        let until = SystemTime::now() + LEFT_MIN;
        self.pairs().into_iter().all(|(certificate, key)| {
            // Checks the CA's file, the key, and that the certificate is valid now.
            let files = ServerFiles {
                certificate_file: certificate.to_owned(),
                key_file: key.to_owned(),
                client_ca_file: Some(self.ca.clone()),
            };
            let not_after = pem::certificates(certificate)
                .ok()
                .and_then(|chain| Some(Validity::of(&chain.first()?.certificate)?.not_after));
            Loaded::read(files).is_ok() && not_after.is_some_and(|not_after| not_after > until)
        })
    }

    fn make(&self, folder: &Path) -> io::Result<()> {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        let ca_key = key()?;
        let mut ca = params("Prism development CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_pem = ca.self_signed(&ca_key).map_err(io::Error::other)?.pem();
        let ca = Issuer::new(ca, ca_key);

        let mut server = params("Prism development server");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.subject_alt_names = vec![
            dns("localhost")?,
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        let mut client = params("Prism development client");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        client.subject_alt_names = vec![dns(CLIENT)?];

        for ((certificate_file, key_file), params) in self.pairs().into_iter().zip([server, client]) {
            let key = key()?;
            let certificate = params.signed_by(&key, &ca).map_err(io::Error::other)?;
            write(certificate_file, &certificate.pem(), 0o644)?;
            write(key_file, &key.serialize_pem(), 0o600)?;
        }
        write(&self.ca, &ca_pem, 0o644)
    }
}

fn key() -> io::Result<KeyPair> {
    KeyPair::generate().map_err(io::Error::other)
}

fn dns(name: &str) -> io::Result<SanType> {
    name.try_into().map(SanType::DnsName).map_err(io::Error::other)
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    // An hour early: containers and virtual machines may have clocks of their own.
    params.not_before = epoch + now.saturating_sub(Duration::from_secs(60 * 60));
    params.not_after = epoch + now + VALID;
    params
}

/// Puts a file in place whole, with this mode from the start.
fn write(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let new = file.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    written.write_all(text.as_bytes())?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn they_are_made_once_and_again_when_one_is_unusable() {
        let folder = tempfile::tempdir().unwrap();
        let read = |files: &Certificates| fs::read(&files.server).unwrap();
        let files = Certificates::in_folder(folder.path()).unwrap();
        assert_eq!(
            (mode(folder.path()), mode(&files.server_key), mode(&files.client_key)),
            (0o700, 0o600, 0o600)
        );
        let first = read(&files);
        assert_eq!(read(&Certificates::in_folder(folder.path()).unwrap()), first);
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 5, "the CA's key is not kept");

        fs::remove_file(&files.ca).unwrap();
        let second = read(&Certificates::in_folder(folder.path()).unwrap());
        assert_ne!(second, first);
        fs::copy(&files.client_key, &files.server_key).unwrap();
        assert_ne!(read(&Certificates::in_folder(folder.path()).unwrap()), second);
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named() {
        let refused = Certificates::in_folder(Path::new("/nowhere/prism")).unwrap_err();
        assert!(refused.to_string().contains("/nowhere/prism"), "{refused}");
    }
}
