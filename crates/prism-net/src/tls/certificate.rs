//! What a certificate says: the name it stands for, and when it is valid.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;

/// The longest name of an identity.
const NAME_BYTES_MAX: usize = 256;

/// The name that a client's certificate stands for: its only URI (`spiffe://corp/report`), or without any URI its only
/// DNS name, unless that is a wildcard. `None` if it has no such name, several, or one that is not 1 to 256 visible
/// ASCII characters.
#[must_use]
pub fn name(certificate: &CertificateDer<'_>) -> Option<String> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut uris = parsed.valid_uri_names();
    let name = match (uris.next(), uris.next()) {
        (Some(uri), None) => uri,
        (Some(_), Some(_)) => return None,
        (None, _) => {
            let mut names = parsed.valid_dns_names();
            let name = names.next()?;
            if names.next().is_some() || name.starts_with('*') {
                return None;
            }
            name
        }
    };
    let is_name =
        (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    is_name.then(|| name.to_owned())
}

/// When a certificate is valid, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From when on.
    pub not_before: SystemTime,
    /// Until when.
    pub not_after: SystemTime,
}

impl Validity {
    /// Reads it from a certificate (RFC 5280, 4.1). `None` if it is not one.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (certificate, _) = value(certificate.as_ref(), SEQUENCE)?;
        let (mut fields, _) = value(certificate, SEQUENCE)?;
        if let Some((_, rest)) = value(fields, VERSION) {
            fields = rest;
        }
        // The serial number, the signature's algorithm, the issuer.
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            (_, fields) = value(fields, tag)?;
        }
        let (validity, _) = value(fields, SEQUENCE)?;
        let (not_before, rest) = time(validity)?;
        let (not_after, _) = time(rest)?;
        Some(Self { not_before, not_after })
    }
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The value with this tag at the begin of some DER, and what follows it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, der) = der.split_first()?;
    let (&len, mut der) = der.split_first()?;
    let mut len = usize::from(len);
    if len >= 0x80 {
        let (bytes, rest) = der.split_at_checked(len - 0x80).filter(|(bytes, _)| bytes.len() <= 4)?;
        len = bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        der = rest;
    }
    der.split_at_checked(len).filter(|_| found == tag)
}

/// A time, `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(der: &[u8]) -> Option<(SystemTime, &[u8])> {
    let (text, rest, year_digits) = match value(der, UTC_TIME) {
        Some((text, rest)) => (text, rest, 2),
        None => value(der, GENERALIZED_TIME).map(|(text, rest)| (text, rest, 4))?,
    };
    let digits = text.strip_suffix(b"Z")?;
    if digits.len() != year_digits + 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    let (year, digits) = digits.split_at(year_digits);
    let year = match (number(year), year_digits) {
        (year, 4) => year,
        (year @ 50.., _) => 1900 + year,
        (year, _) => 2000 + year,
    };
    let mut parts = digits.chunks(2).map(number);
    let mut part = || parts.next();
    let (month, day, hour, minute, second) = (part()?, part()?, part()?, part()?, part()?);
    if year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some((SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?, rest))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. A year begins in March here, so that a leap day ends it.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days_before_year = 365 * year + year / 4 - year / 100 + year / 400;
    let days_before_month = (153 * month + 2) / 5;
    // 1970-01-01 is day 719,469 of this calendar, whose first day is 1.
    days_before_year + days_before_month + day - 719_469
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn named(uris: &[&str], names: &[&str]) -> Option<String> {
        let certificate = certificate(|params| {
            let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
            let names = names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap()));
            params.subject_alt_names = uris.chain(names).collect();
        });
        name(&certificate)
    }

    #[test]
    fn a_name_is_the_only_uri_or_the_only_dns_name() {
        assert_eq!(
            named(&["spiffe://corp/report"], &["a.example", "b.example"]).unwrap(),
            "spiffe://corp/report"
        );
        assert_eq!(named(&[], &["a.example"]).unwrap(), "a.example");
        let long = "u".repeat(257);
        for (uris, names) in [
            (&[][..], &[][..]),
            (&["u:a", "u:b"], &["a.example"]),
            (&[], &["a.example", "b.example"]),
            (&[], &["*.example.com"]),
            (&["u:a b"], &[]),
            (&["u:a\n"], &[]),
            (&[&long], &[]),
        ] {
            assert_eq!(named(uris, names), None, "{uris:?} {names:?}");
        }
    }

    #[test]
    fn a_validity_is_read_in_both_formats() {
        for (year, seconds) in
            [(2024, 1_709_164_800), (2049, 2_498_169_600), (2050, 2_529_705_600), (1999, 920_246_400)]
        {
            let (month, day) = if year == 2024 { (2, 29) } else { (3, 1) };
            let certificate = certificate(|params| {
                params.not_before = rcgen::date_time_ymd(1970, 1, 1);
                params.not_after = rcgen::date_time_ymd(year, month, day);
            });
            let validity = Validity::of(&certificate).unwrap();
            assert_eq!(validity.not_before, SystemTime::UNIX_EPOCH);
            assert_eq!(validity.not_after, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), "{year}");
        }
    }

    #[test]
    fn what_is_not_a_certificate_has_no_validity_and_no_name() {
        let whole = certificate(|_| {});
        for len in 0..whole.len().min(200) {
            let part = CertificateDer::from(&whole[..len]);
            assert_eq!((Validity::of(&part), name(&part)), (None, None), "{len}");
        }
    }
}
