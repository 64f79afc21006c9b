//! A CA and the certificates that it signs, as files of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

/// A CA.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// The files of a certificate and its key.
pub(crate) struct Pair {
    pub(crate) certificate_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// Writes the CA's certificate.
    pub(crate) fn write(&self, file: &Path) -> PathBuf {
        fs::write(file, &self.certificate).unwrap();
        file.to_owned()
    }

    /// A certificate for a DNS name, or for a URI, and its key; changed before it is signed.
    pub(crate) fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![match name.contains(':') {
            true => SanType::URI(name.try_into().unwrap()),
            false => SanType::DnsName(name.try_into().unwrap()),
        }];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Writes a certificate for a name and its key as `STEM.crt` and `STEM.key`.
    pub(crate) fn write_pair(&self, folder: &Path, stem: &str, name: &str) -> Pair {
        let (certificate, key) = self.sign(name, |_| {});
        let pair = Pair {
            certificate_file: folder.join(format!("{stem}.crt")),
            key_file: folder.join(format!("{stem}.key")),
        };
        fs::write(&pair.certificate_file, certificate).unwrap();
        fs::write(&pair.key_file, key).unwrap();
        pair
    }
}
