//! Certificates and keys in files, in PEM. Errors name the file, the line and what to do; none shows what a file holds.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::str;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// The largest file that is read: a bundle of all public CAs has some 250 KiB.
const FILE_BYTES_MAX: u64 = 4 << 20;

const CERTIFICATE: &str = "CERTIFICATE";
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A part of a file, from its BEGIN to its END.
struct Section<'a> {
    label: &'a str,
    /// The line of its BEGIN, from 1.
    line: usize,
    text: &'a str,
}

/// A certificate and where it begins in its file.
#[derive(Debug)]
pub struct Located {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its first line, from 1.
    pub line: usize,
}

/// Reads all certificates of a file, at least one, in the order in which they are there.
///
/// # Errors
/// The file cannot be read, holds no certificate, or something that is not a certificate where one should be.
pub fn certificates(file: &Path) -> Result<Vec<Located>, TlsError> {
    let text = read(file)?;
    let mut certificates = Vec::new();
    for section in sections(file, &text)? {
        if section.label != CERTIFICATE {
            continue;
        }
        let line = section.line;
        let decoded = CertificateDer::from_pem_slice(section.text.as_bytes());
        let certificate = decoded.ok().filter(|decoded| webpki::EndEntityCert::try_from(decoded).is_ok());
        let certificate = certificate.ok_or_else(|| {
            TlsError::of(
                file,
                line,
                "this is not a certificate (X.509 version 3, in base64); write the file again",
            )
        })?;
        certificates.push(Located { certificate, line });
    }
    if certificates.is_empty() {
        return Err(absent(file, &text, "certificate", "BEGIN CERTIFICATE"));
    }
    Ok(certificates)
}

/// Reads the only private key of a file, and the line on which it begins.
///
/// # Errors
/// The file cannot be read, or does not hold exactly one private key that is not encrypted.
pub fn private_key(file: &Path) -> Result<(PrivateKeyDer<'static>, usize), TlsError> {
    let text = read(file)?;
    let mut keys =
        sections(file, &text)?.into_iter().filter(|section| section.label.ends_with("PRIVATE KEY"));
    let section = keys.next().ok_or_else(|| absent(file, &text, "private key", "BEGIN PRIVATE KEY"))?;
    if let Some(second) = keys.next() {
        return Err(TlsError::of(file, second.line, "the file holds a second private key; leave one in it"));
    }
    let line = section.line;
    if section.label.starts_with("ENCRYPTED") || section.text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::of(
            file,
            line,
            "the private key is encrypted; decrypt it with `openssl pkey`, and let only the server's user read the file",
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(section.text.as_bytes()).map_err(|_| {
        TlsError::of(
            file,
            line,
            "this is not a private key (PKCS#8, PKCS#1 or SEC1, in base64); write the file again",
        )
    })?;
    Ok((key, line))
}

/// Reads the certificates of the CAs that are trusted.
///
/// # Errors
/// As [`certificates`].
pub fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for Located { certificate, line } in certificates(file)? {
        roots.add(certificate).map_err(|_| {
            TlsError::of(
                file,
                line,
                "this certificate cannot be that of a CA; give the certificate of the CA itself",
            )
        })?;
    }
    Ok(roots)
}

/// Whether others than the owner and the group may read a file.
#[must_use]
pub fn is_readable_by_others(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

fn read(file: &Path) -> Result<String, TlsError> {
    let failed = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => {
                "there is no such file; check the path, which is relative to the working folder".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "this process may not read the file; let its user read it".to_owned()
            }
            _ => format!("cannot be read: {error}; check the path"),
        };
        TlsError::of(file, None, hint)
    };
    let len = fs::metadata(file).map_err(failed)?.len();
    if len > FILE_BYTES_MAX {
        let why = format!("the file has {len} bytes; expected PEM of at most {FILE_BYTES_MAX} bytes");
        return Err(TlsError::of(file, None, why));
    }
    let bytes = fs::read(file).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| {
        TlsError::of(file, None, "the file is not text; convert it to PEM (it may be DER or PKCS#12)")
    })
}

fn absent(file: &Path, text: &str, what: &str, begin: &str) -> TlsError {
    if text.trim().is_empty() {
        return TlsError::of(file, None, format!("the file is empty; expected a {what} in PEM"));
    }
    TlsError::of(file, 1, format!("the file holds no {what}; expected a line {DASHES}{begin}{DASHES}"))
}

fn sections<'a>(file: &Path, text: &'a str) -> Result<Vec<Section<'a>>, TlsError> {
    let mut sections = Vec::new();
    // Label, line and offset of the section that has begun.
    let mut open: Option<(&str, usize, usize)> = None;
    let mut offset = 0;
    for (index, whole) in text.split_inclusive('\n').enumerate() {
        let line = whole.trim_end();
        if let Some(label) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES)) {
            if let Some((label, begun, _)) = open {
                return Err(unfinished(file, label, begun));
            }
            open = Some((label, index + 1, offset));
        } else if let Some(label) = line.strip_prefix(END).and_then(|rest| rest.strip_suffix(DASHES)) {
            match open.take() {
                Some((begun, line, from)) if begun == label => {
                    sections.push(Section { label, line, text: &text[from..offset + whole.len()] });
                }
                _ => {
                    let why = format!("{line} ends nothing that has begun; write the file again");
                    return Err(TlsError::of(file, index + 1, why));
                }
            }
        }
        offset += whole.len();
    }
    match open {
        Some((label, line, _)) => Err(unfinished(file, label, line)),
        None => Ok(sections),
    }
}

fn unfinished(file: &Path, label: &str, line: usize) -> TlsError {
    TlsError::of(
        file,
        line,
        format!("{BEGIN}{label}{DASHES} has no END; the file is cut off: write it again"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn failure<T>(text: &[u8], read: impl FnOnce(&Path) -> Result<T, TlsError>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.pem");
        fs::write(&file, text).unwrap();
        let error = read(&file).err().unwrap().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn a_chain_and_a_key_are_read_with_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("both.pem");
        let (certificate, key) = pair();
        fs::write(&file, format!("# a comment\n{key}{certificate}\n{certificate}")).unwrap();
        let lines: Vec<_> = certificates(&file).unwrap().iter().map(|located| located.line).collect();
        let key_lines = key.lines().count();
        assert_eq!(lines, [2 + key_lines, 3 + key_lines + certificate.lines().count()]);
        assert_eq!(private_key(&file).unwrap().1, 2);
        assert_eq!(roots(&file).unwrap().len(), 2);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_line() {
        let (certificate, key) = pair();
        let cut = certificate.replace("-----END CERTIFICATE-----", "");
        let garbage = "\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, why) in [
            (String::new(), "f.pem: the file is empty; expected a certificate"),
            (key.clone(), "f.pem:1: the file holds no certificate"),
            (cut, "f.pem:1: -----BEGIN CERTIFICATE----- has no END"),
            (garbage.to_owned(), "f.pem:2: this is not a certificate"),
            ("-----END CERTIFICATE-----".to_owned(), "f.pem:1: -----END CERTIFICATE----- ends nothing"),
        ] {
            let told = failure(text.as_bytes(), certificates);
            assert!(told.starts_with(why), "{told}");
        }
        for (text, why) in [
            ("\n".to_owned(), "f.pem: the file is empty; expected a private key"),
            (certificate, "f.pem:1: the file holds no private key"),
            (format!("{key}{key}"), "f.pem:6: the file holds a second private key"),
            (key.replace("PRIVATE", "ENCRYPTED PRIVATE"), "f.pem:1: the private key is encrypted"),
            (key.replace("M", "*"), "f.pem:1: this is not a private key"),
        ] {
            let told = failure(text.as_bytes(), private_key);
            assert!(told.starts_with(why), "{told}");
            assert!(!told.contains(key.lines().nth(1).unwrap()));
        }
        assert!(failure(&[0x30, 0x82, 0xff], certificates).contains("it may be DER"));
        let absent = certificates(Path::new("/nonexistent.pem")).unwrap_err().to_string();
        assert!(absent.starts_with("/nonexistent.pem: there is no such file"), "{absent}");
    }
}
