//! Who may call: how callers are identified, and what goes beyond the namespaces. Part of the table, so that names and
//! rights change together.

use std::sync::Arc;

use http::HeaderMap;
use prism_auth::error::missing;
use prism_auth::{AuthSettings, Authenticator, FileError, Identity};
use prism_grpc::Context;
use prism_net::tls::trust::ClientCertificate;
use prism_proto::{Error, ErrorReason};
use rustc_hash::FxHashSet;

use crate::config::{Callers, Mistake, Namespace};

/// Who may call.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    authenticator: Option<Arc<Authenticator>>,
    operators: Option<FxHashSet<Identity>>,
    /// Whether a namespace has `access`.
    is_guarded: bool,
}

impl Gate {
    /// The gate of a configuration; an authenticator with the same settings is kept.
    pub(super) fn open(
        callers: &Callers,
        namespaces: &[Namespace],
        previous: &Self,
    ) -> Result<Self, Vec<Mistake>> {
        let settings = AuthSettings {
            token_file: callers.token_file.clone(),
            jwt: callers.jwt.clone(),
            certificates: callers.certificates,
        };
        let kept = previous.authenticator.as_ref().filter(|before| *before.settings() == settings);
        let authenticator = match kept {
            Some(kept) => Some(Arc::clone(kept)),
            None if settings.is_empty() => None,
            None => {
                let wrong = |error: FileError| {
                    let of_tokens = Some(&error.file) == callers.token_file.as_ref();
                    let field = if of_tokens { "server.token_file" } else { "server.jwt.jwks_file" };
                    vec![Mistake { field: field.to_owned(), why: error.to_string(), line: None }]
                };
                Some(Arc::new(Authenticator::open(settings).map_err(wrong)?))
            }
        };
        let operators = callers.operators.as_ref().map(|names| names.iter().cloned().collect());
        let is_guarded = namespaces.iter().any(|namespace| namespace.access.is_some());
        Ok(Self { authenticator, operators, is_guarded })
    }

    /// What identifies callers; `None` if nothing does.
    #[must_use]
    pub fn authenticator(&self) -> Option<&Arc<Authenticator>> {
        self.authenticator.as_ref()
    }

    /// Whether a namespace has `access`: then names of namespaces and endpoints are not for everybody.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.is_guarded
    }

    /// Who makes a call; `None` if it presents no credential, or nothing identifies callers.
    ///
    /// # Errors
    /// TOKEN_INVALID: the credential is not accepted.
    pub fn identify(&self, context: &Context) -> Result<Option<Identity>, Error> {
        let Some(authenticator) = &self.authenticator else { return Ok(None) };
        authenticator.identify_call(context)
    }

    /// Who makes a call to reflection, which with `access` anywhere is for known callers only.
    ///
    /// # Errors
    /// TOKEN_INVALID: the credential is missing or not accepted.
    pub fn admit_to_reflection(&self, context: &Context) -> Result<Option<Identity>, Error> {
        let caller = self.identify(context)?;
        if self.is_guarded && caller.is_none() {
            return Err(missing());
        }
        Ok(caller)
    }

    /// Whether operators are named, without whom everybody who reaches the HTTP port may read it.
    #[must_use]
    pub fn has_operators(&self) -> bool {
        self.operators.is_some()
    }

    /// Whether a caller is an operator.
    #[must_use]
    pub fn is_operator(&self, caller: &Identity) -> bool {
        self.operators.as_ref().is_some_and(|operators| operators.contains(caller))
    }

    /// Admits a request to the HTTP port: with operators named, only theirs.
    ///
    /// # Errors
    /// TOKEN_INVALID or PERMISSION_DENIED.
    pub fn admit_operator(
        &self,
        headers: &HeaderMap,
        certificate: Option<&ClientCertificate>,
    ) -> Result<(), Error> {
        if self.operators.is_none() {
            return Ok(());
        }
        let Some(authenticator) = &self.authenticator else { return Err(missing()) };
        let caller = authenticator.identify(headers, certificate)?.ok_or_else(missing)?;
        if self.is_operator(&caller) {
            return Ok(());
        }
        let why = format!("{caller} is not an operator of this proxy; ask for its name in server.operators");
        Err(Error::new(ErrorReason::PermissionDenied, why))
    }

    /// Whether errors may tell a caller where a backend is.
    #[must_use]
    pub fn shows_backends(&self, caller: Option<&Identity>) -> bool {
        !self.is_guarded || caller.is_some_and(|caller| self.is_operator(caller))
    }
}
