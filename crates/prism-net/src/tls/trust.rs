//! Whom a server trusts to sign the certificates of its clients, and the certificate of one client.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;

use super::certificate::{self, Validity};

/// The CAs that a server trusts at the moment.
#[derive(Debug, Default)]
pub(super) struct Trust {
    verifier: ArcSwapOption<Verifier>,
    /// Counts the changes.
    generation: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Verifier(pub(super) Arc<dyn ClientCertVerifier>);

impl Trust {
    /// Trusts these CAs from now on, or none, and returns the number of this change.
    pub(super) fn set(&self, verifier: Option<Arc<dyn ClientCertVerifier>>) -> u64 {
        self.verifier.store(verifier.map(|verifier| Arc::new(Verifier(verifier))));
        // Whoever sees the number sees the CAs, too.
        self.generation.fetch_add(1, Ordering::Release) + 1
    }
}

/// The certificate that the client of a connection has proved to own. It is valid for as long as it says and its CA is
/// trusted; the connection may last longer.
pub struct ClientCertificate {
    name: Option<Arc<str>>,
    not_after: SystemTime,
    chain: Box<[CertificateDer<'static>]>,
    trust: Arc<Trust>,
    /// Twice the number of the change after which it was verified, plus one if it passed.
    verified: AtomicU64,
}

impl ClientCertificate {
    /// The certificate at the head of a chain that was verified after this change of the CAs.
    pub(super) fn new(
        chain: &[CertificateDer<'static>],
        trust: &Arc<Trust>,
        generation: u64,
    ) -> Option<Self> {
        let first = chain.first()?;
        Some(Self {
            name: certificate::name(first).map(Arc::from),
            not_after: Validity::of(first)?.not_after,
            chain: chain.into(),
            trust: Arc::clone(trust),
            verified: AtomicU64::new(2 * generation + 1),
        })
    }

    /// The name it stands for; see [`certificate::name`].
    #[must_use]
    pub fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// Until when it is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Whether it is valid now: it has not expired, and its CA is trusted still. Costs a look at the clock, and a
    /// verification after the CAs have changed.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        SystemTime::now() <= self.not_after && self.is_trusted()
    }

    fn is_trusted(&self) -> bool {
        let generation = self.trust.generation.load(Ordering::Acquire);
        let verified = self.verified.load(Ordering::Relaxed);
        if verified / 2 == generation {
            return verified % 2 == 1;
        }
        let passed = self.trust.verifier.load().as_ref().is_some_and(|verifier| self.passes(&*verifier.0));
        self.verified.store(2 * generation + u64::from(passed), Ordering::Relaxed);
        passed
    }

    fn passes(&self, verifier: &dyn ClientCertVerifier) -> bool {
        let Some((first, others)) = self.chain.split_first() else { return false };
        verifier.verify_client_cert(first, others, UnixTime::now()).is_ok()
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ClientCertificate");
        debug.field("name", &self.name).field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_certificate_is_not_valid_after_its_end() {
        let trust = Arc::new(Trust::default());
        let generation = trust.set(None);
        let ending_in = |year| {
            let mut params = CertificateParams::default();
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            ClientCertificate::new(&[certificate.der().clone()], &trust, generation).unwrap().is_valid()
        };
        assert_eq!([ending_in(2020), ending_in(4000)], [false, true]);
        assert!(ClientCertificate::new(&[], &trust, generation).is_none());
    }
}
