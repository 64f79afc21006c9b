//! A CA and the certificates that it signs, as files of a folder.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

const WHY: &str = "a certificate can be made and written";

/// A CA.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// The files of a certificate and its key.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
}

impl Authority {
    /// A CA of this name, with a key of its own.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect(WHY);
        let certificate = params.self_signed(&key).expect(WHY).pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// Writes the CA's certificate.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, file: &Path) -> PathBuf {
        fs::write(file, &self.certificate).expect(WHY);
        file.to_owned()
    }

    /// A certificate for a DNS name, or for a URI, and its key; changed before it is signed.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![match name.contains(':') {
            true => SanType::URI(name.try_into().expect(WHY)),
            false => SanType::DnsName(name.try_into().expect(WHY)),
        }];
        change(&mut params);
        let key = KeyPair::generate().expect(WHY);
        (params.signed_by(&key, &self.issuer).expect(WHY).pem(), key.serialize_pem())
    }

    /// Writes a certificate for a name and its key as `STEM.crt` and `STEM.key`, each at once, as a renewal
    /// should.
    ///
    /// # Panics
    /// They cannot be written.
    pub fn write_pair(&self, folder: &Path, stem: &str, name: &str) -> Pair {
        let (certificate, key) = self.sign(name, |_| {});
        let pair = Pair {
            certificate_file: folder.join(format!("{stem}.crt")),
            key_file: folder.join(format!("{stem}.key")),
        };
        for (file, text) in [(&pair.certificate_file, certificate), (&pair.key_file, key)] {
            let new = file.with_extension("new");
            fs::write(&new, text).expect(WHY);
            fs::set_permissions(&new, Permissions::from_mode(0o600)).expect(WHY);
            fs::rename(new, file).expect(WHY);
        }
        pair
    }
}
