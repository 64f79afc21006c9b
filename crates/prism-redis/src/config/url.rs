//! The URL of a server: `redis://HOST[:PORT][/DATABASE]`, `rediss://…` for TLS, `unix:PATH`.

use std::path::PathBuf;

use url::Url;

use crate::address::NodeAddress;

/// What a URL looks like, for messages.
pub(super) const EXPECTED: &str = "expected redis://HOST[:PORT][/DATABASE], rediss://HOST[:PORT][/DATABASE] for TLS, or \
                                   unix:PATH; the default port is 6379, the default database 0";

/// A server as its URL names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) address: NodeAddress,
    pub(super) tls: bool,
    pub(super) database: i64,
}

/// Parses a URL.
///
/// # Errors
/// What was expected. It repeats nothing of the URL, which may hold a password.
pub(super) fn parse(text: &str) -> Result<Server, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') || path.contains(['?', '#']) {
            return Err("expected unix: with an absolute path and nothing behind it, such as unix:/run/redis/redis.sock".to_owned());
        }
        return Ok(Server { address: NodeAddress::Unix(PathBuf::from(path)), tls: false, database: 0 });
    }
    let url = Url::parse(text).map_err(|_| EXPECTED.to_owned())?;
    let tls = match url.scheme() {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return Err(EXPECTED.to_owned()),
    };
    if url.password().is_some() {
        return Err("expected a URL without a password: write it into a file and name that in password_file"
            .to_owned());
    }
    if !url.username().is_empty() {
        return Err("expected a URL without a user: name it in username".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL without ? and #: the other options say the same".to_owned());
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(EXPECTED)?;
    let database = match url.path().trim_start_matches('/') {
        "" => 0,
        number => {
            number.parse().ok().filter(|number| (0..=i64::from(u16::MAX)).contains(number)).ok_or(EXPECTED)?
        }
    };
    Ok(Server { address: NodeAddress::tcp(host, url.port()), tls, database })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_in_every_form() {
        let read = |text: &str| {
            let server = parse(text).unwrap();
            (server.address.to_string(), server.tls, server.database)
        };
        assert_eq!(read("redis://10.0.0.5"), ("10.0.0.5:6379".to_owned(), false, 0));
        assert_eq!(read("rediss://cache.example:7000/3"), ("cache.example:7000".to_owned(), true, 3));
        assert_eq!(read("valkey://[::1]:7000/"), ("[::1]:7000".to_owned(), false, 0));
        assert_eq!(read("unix:/run/redis.sock"), ("unix:/run/redis.sock".to_owned(), false, 0));
        assert_eq!(read("unix:///run/redis.sock"), ("unix:/run/redis.sock".to_owned(), false, 0));
    }

    #[test]
    fn a_wrong_url_is_refused_and_nothing_of_it_repeated() {
        for (text, expected) in [
            ("", "redis://HOST"),
            ("10.0.0.5:6379", "redis://HOST"),
            ("http://10.0.0.5", "redis://HOST"),
            ("redis://", "redis://HOST"),
            ("redis://host/hunter2", "redis://HOST"),
            ("redis://host/-1", "redis://HOST"),
            ("redis://:hunter2@host", "password_file"),
            ("redis://app:hunter2@host", "password_file"),
            ("redis://app@host", "username"),
            ("redis://host?password=hunter2", "without ?"),
            ("redis://host#hunter2", "without ?"),
            ("redis://host:port:hunter2", "redis://HOST"),
            ("unix:hunter2", "absolute path"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
    }
}
