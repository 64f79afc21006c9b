//! Sessions of browsers: a token is sent once, and from then on represented by a cookie that scripts cannot read. A
//! session remembers only the token's hash, and is valid while the token is. Sessions end with the process.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};

use crate::auth::{self, Identity, TokenHash, Tokens};
use crate::error::{Kind, Problem};

/// What a proxy says of the connection to it, by convention.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The start of the cookie's name.
const COOKIE_NAME: &str = "prism_session";

/// A working day; after that, the token is required again.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// Beyond it, the oldest session of the token with the most sessions ends, so that its holder ends nobody else's.
const SESSIONS_MAX: usize = 1000;

/// The sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sessions {
    sessions: Arc<Mutex<HashMap<TokenHash, Session>>>,
    cookie: Arc<str>,
    /// Whether the admin itself speaks TLS.
    has_tls: bool,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { sessions: Arc::default(), cookie: COOKIE_NAME.into(), has_tls: false }
    }
}

#[derive(Clone, Copy, Debug)]
struct Session {
    token: TokenHash,
    begun: Instant,
}

impl Sessions {
    /// An empty set of sessions, for the admin identified by these words. Browsers store cookies by host, not by port:
    /// two admins on one host, or behind one proxy, must not use the same name.
    #[must_use]
    pub fn of_instance(words: &[&str], has_tls: bool) -> Self {
        let hash = Sha256::digest(words.join("\n").as_bytes());
        let name =
            hash.iter().take(4).fold(format!("{COOKIE_NAME}_"), |name, byte| format!("{name}{byte:02x}"));
        Self { cookie: name.into(), has_tls, ..Self::default() }
    }

    /// The value of the header that sets a browser's cookie or deletes it.
    ///
    /// `SameSite=Strict`: no page from elsewhere sends it. `Secure` if the browser came over TLS: it rejects such a cookie
    /// over plain HTTP.
    pub(crate) fn cookie(&self, id: &str, age: Duration, request: &HeaderMap) -> [(HeaderName, String); 1] {
        let (name, age) = (&self.cookie, age.as_secs());
        let secure = if self.came_over_tls(request) { "; Secure" } else { "" };
        [(SET_COOKIE, format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}"))]
    }

    /// A proxy that ends TLS in front of the admin says so. Whoever lies about it only makes their own browser drop the
    /// cookie.
    fn came_over_tls(&self, request: &HeaderMap) -> bool {
        self.has_tls
            || request
                .get(FORWARDED_PROTO)
                .is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
    }

    /// Starts a session for the holder of a token and returns its id, which is not stored anywhere.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn begin(&self, token: TokenHash) -> Result<String, Problem> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
        let id = URL_SAFE_NO_PAD.encode(random);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.begun.elapsed() < AGE_MAX);
        if sessions.len() >= SESSIONS_MAX
            && let Some(one_too_many) = one_too_many(&sessions)
        {
            sessions.remove(&one_too_many);
        }
        sessions.insert(hash(&id), Session { token, begun: Instant::now() });
        Ok(id)
    }

    pub(crate) fn end(&self, headers: &HeaderMap) {
        if let Some(id) = self.id_of(headers) {
            self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash(id));
        }
    }

    /// Identifies the sender of a request: the holder of the token in its headers, or else of its session's token. A
    /// scheme other than Bearer is meant for a proxy in front of the admin, which passes it on.
    ///
    /// # Errors
    /// The sender is unknown, or no longer known.
    pub fn identify(&self, tokens: &Tokens, headers: &HeaderMap) -> Result<Identity, Problem> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let is_ours = header.is_some_and(auth::is_bearer);
        match (!is_ours).then(|| self.token(headers)).flatten() {
            Some(token) => tokens.identify_hash(&token),
            None => tokens.identify(header),
        }
    }

    fn id_of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs =
            cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == &*self.cookie).map(|(_, id)| id)
    }

    /// The hash of the token that the request's session represents, if any.
    fn token(&self, headers: &HeaderMap) -> Option<TokenHash> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(&hash(self.id_of(headers)?))?;
        (session.begun.elapsed() < AGE_MAX).then_some(session.token)
    }
}

/// The oldest session of the token with the most sessions.
fn one_too_many(sessions: &HashMap<TokenHash, Session>) -> Option<TokenHash> {
    let mut counts = HashMap::<_, usize>::new();
    for session in sessions.values() {
        *counts.entry(session.token).or_default() += 1;
    }
    let rank = |session: &Session| (counts[&session.token], Reverse(session.begun));
    sessions.iter().max_by_key(|(_, session)| rank(session)).map(|(id, _)| *id)
}

fn hash(id: &str) -> TokenHash {
    Sha256::digest(id.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn a_session_stands_for_its_token_until_it_ends() {
        let sessions = Sessions::default();
        let id = sessions.begin([7; 32]).unwrap();
        let sent = with(&format!("theme=dark; prism_session={id}"));
        assert_eq!(sessions.token(&sent), Some([7; 32]));
        for other in ["", "prism_session=", "prism_session=x", "session=y", "prism_session"] {
            assert_eq!(sessions.token(&with(other)), None, "{other}");
        }
        sessions.end(&sent);
        assert_eq!(sessions.token(&sent), None);
    }

    #[test]
    fn admins_on_one_host_have_cookies_of_their_own() {
        let (one, other) =
            (Sessions::of_instance(&["a:1", "x"], false), Sessions::of_instance(&["a:2", "x"], false));
        let cookie = |sessions: &Sessions, token| {
            let id = sessions.begin(token).unwrap();
            let [(_, set)] = sessions.cookie(&id, AGE_MAX, &HeaderMap::new());
            set.split(';').next().unwrap().to_owned()
        };
        let both = with(&format!("{}; {}", cookie(&one, [1; 32]), cookie(&other, [2; 32])));
        assert_eq!((one.token(&both), other.token(&both)), (Some([1; 32]), Some([2; 32])));
    }

    #[test]
    fn a_cookie_that_came_over_tls_goes_over_nothing_else() {
        let sessions = Sessions::default();
        assert!(Sessions::of_instance(&[], true).came_over_tls(&HeaderMap::new()));
        let is_secure = |proto: Option<&'static str>| {
            let headers = proto.map(|proto| (FORWARDED_PROTO, proto.parse().unwrap()));
            let [(_, set)] = sessions.cookie("id", AGE_MAX, &HeaderMap::from_iter(headers));
            set.contains("; Secure")
        };
        assert_eq!(
            [None, Some("http"), Some("https"), Some("HTTPS")].map(is_secure),
            [false, false, true, true]
        );
    }

    #[test]
    fn a_session_holds_beside_what_another_scheme_tells_a_proxy() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let token = auth::issue(&file, "ci", auth::Role::Write).unwrap();
        let tokens = Tokens::new(file);
        let sessions = Sessions::default();
        let id = sessions.begin(Sha256::digest(token.as_bytes()).into()).unwrap();
        let who = |authorization: &str, cookie: &str| {
            let mut headers = with(cookie);
            headers.insert(AUTHORIZATION, authorization.parse().unwrap());
            sessions
                .identify(&tokens, &headers)
                .map(|identity| identity.name)
                .map_err(|problem| problem.status)
        };
        let cookie = format!("prism_session={id}");
        for other in ["Basic eDp5", "Digest x", "Negotiate"] {
            assert_eq!(who(other, &cookie), Ok("ci".to_owned()), "{other}");
            assert_eq!(who(other, ""), Err(401), "{other}");
        }
        assert_eq!(who(&format!("bearer {token}"), ""), Ok("ci".to_owned()));
        for wrong in ["Bearer wrong", "Bearer", "bearer "] {
            assert_eq!(who(wrong, &cookie), Err(401), "a token in the headers takes precedence");
        }
    }

    #[test]
    fn there_are_never_more_sessions_than_the_most_and_no_token_ends_those_of_others() {
        let sessions = Sessions::default();
        let first = sessions.begin([1; 32]).unwrap();
        let many: Vec<_> = (0..SESSIONS_MAX).map(|_| sessions.begin([2; 32]).unwrap()).collect();
        let late = sessions.begin([3; 32]).unwrap();
        assert_eq!(sessions.sessions.lock().unwrap().len(), SESSIONS_MAX);
        let token = |id: &str| sessions.token(&with(&format!("prism_session={id}")));
        assert_eq!([&first, &late].map(|id| token(id)), [Some([1; 32]), Some([3; 32])]);
        assert_eq!(
            [&many[0], &many[1], &many[2]].map(|id| token(id)),
            [None, None, Some([2; 32])],
            "the oldest sessions of the token with the most have ended"
        );
    }
}
