//! Who may do what by a client certificate: every method and every path of a proxy, compared with the table of rights; and
//! connections that last longer than what their certificate stands for.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use prism_e2e::authority::Authority;
use prism_e2e::guarded::{Files, Guarded, PATIENCE, uri_of};
use prism_e2e::http::KeptOpen;
use prism_e2e::matrix::Kind::Operator;
use prism_e2e::matrix::Outcome::{Admitted, Denied, Unauthenticated};
use prism_e2e::matrix::{
    GET, METHODS, PATHS, SET, Who, authorization, call, expected, outcome, status, try_call,
};
use prism_e2e::raw;
use prism_e2e::tls::{Site, connect};
use prism_net::tls::Protocol;
use rcgen::SanType;
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A certificate and its key, in PEM.
type Pem = (String, String);

fn of(authority: &Authority, name: &str) -> Pem {
    authority.sign(&uri_of(name), |_| {})
}

/// What a client presents.
struct Shown {
    name: &'static str,
    certificate: Option<Pem>,
    token: Option<String>,
    /// Whom that makes of it; `None`: the server refuses the connection.
    who: Option<Who>,
}

/// Certificates of every kind, alone and beside a bearer credential.
fn all(site: &Site, files: &Files) -> Vec<Shown> {
    let ca = &site.clients;
    let good = |name: &str| Some(of(ca, name));
    let nameless = |names: &[SanType]| Some(ca.sign("x", |params| params.subject_alt_names = names.to_vec()));
    let uri = |name: &str| SanType::URI(uri_of(name).try_into().unwrap());
    let expired = ca.sign(&uri_of("reader"), |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let future = ca.sign(&uri_of("reader"), |params| params.not_before = rcgen::date_time_ymd(2999, 1, 1));
    let shown = |name, certificate, token, who| Shown { name, certificate, token, who };
    let garbage = || Some("prism_garbage".to_owned());
    let operator = Some(files.token("operator"));
    let jwt = Some(files.issuer.token("writer", 3600));
    vec![
        shown("no certificate", None, None, Some(Who::Nobody)),
        shown("an expired certificate", Some(expired), None, None),
        shown("a certificate that is not valid yet", Some(future), None, None),
        shown("a foreign CA's certificate", Some(of(&Authority::new("foreign"), "reader")), None, None),
        shown("a certificate of the servers' CA", Some(of(&site.servers, "reader")), None, None),
        shown("a certificate without a name", nameless(&[]), None, Some(Who::Nobody)),
        shown("a certificate with two", nameless(&[uri("reader"), uri("writer")]), None, Some(Who::Nobody)),
        shown("a certificate that nobody lists", good("stranger"), None, Some(Who::Other)),
        shown("another namespace's certificate", good("other"), None, Some(Who::Other)),
        shown("a certificate that may read", good("reader"), None, Some(Who::Reader)),
        shown("a certificate that may write", good("writer"), None, Some(Who::Writer)),
        shown("an operator's certificate", good("operator"), None, Some(Who::AnOperator)),
        shown("a good certificate and a bad token", good("operator"), garbage(), Some(Who::Nobody)),
        shown("a certificate and another's token", good("reader"), operator, Some(Who::AnOperator)),
        shown("a certificate and another's JWT", good("operator"), jwt, Some(Who::Writer)),
    ]
}

#[tokio::test]
async fn each_method_admits_the_certificates_that_the_table_says() {
    let (site, files) = (Site::default(), Files::new());
    let all = all(&site, &files);
    let stack = Guarded::start_with_tls(files, &site, &[]);
    // Each call has a connection of its own, since one that is refused ends its connection.
    let ended = async |shown: &Shown, path, namespace| {
        let client = site.showing(Protocol::Http2, shown.certificate.as_ref());
        let stream = connect(&client, stack.proxy.grpc()).await.ok()?;
        let connection = raw::Connection::over(stream).await.ok()?;
        let answer = try_call(&connection, path, namespace, shown.token.as_ref()).await.ok()?;
        Some(outcome(&answer))
    };
    for shown in &all {
        for (path, kind) in METHODS {
            let expected = shown.who.map(|who| expected(kind, who));
            assert_eq!(ended(shown, path, "mine").await, expected, "{path} with {}", shown.name);
        }
        // A namespace without access is for everybody, but not with a credential that is not accepted.
        let refused = shown.token.is_some() && shown.who == Some(Who::Nobody);
        let expected = shown.who.map(|_| if refused { Unauthenticated } else { Admitted });
        assert_eq!(ended(shown, SET, "open").await, expected, "{}", shown.name);
    }
}

#[tokio::test]
async fn each_path_admits_the_certificates_that_the_table_says() {
    let (site, files) = (Site::default(), Files::new());
    let all = all(&site, &files);
    let stack = Guarded::start_with_tls(files, &site, &[]);
    let address = stack.proxy.process.address("http");
    for shown in &all {
        let client = site.showing(Protocol::Http1, shown.certificate.as_ref());
        for (path, kind) in PATHS.into_iter().chain([("/nowhere", Operator)]) {
            let headers = authorization(shown.token.as_ref());
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = match connect(&client, address).await {
                Ok(stream) => KeptOpen::over(stream).get(path, &headers).await.ok(),
                Err(_) => None,
            };
            let expected = shown.who.map(|who| status(expected(kind, who), path));
            assert_eq!(answer.map(|(status, _)| status), expected, "{path} with {}", shown.name);
        }
    }
}

/// Connections of a client to both ports.
struct Open {
    grpc: raw::Connection,
    http: KeptOpen<TlsStream<TcpStream>>,
}

impl Open {
    async fn new(site: &Site, stack: &Guarded, certificate: &Pem) -> Option<Self> {
        let [http2, http1] =
            [Protocol::Http2, Protocol::Http1].map(|protocol| site.showing(protocol, Some(certificate)));
        let grpc = connect(&http2, stack.proxy.grpc()).await.ok()?;
        let http = connect(&http1, stack.proxy.process.address("http")).await.ok()?;
        Some(Self { grpc: raw::Connection::over(grpc).await.ok()?, http: KeptOpen::over(http) })
    }

    /// Checks every method and every path.
    async fn check(&mut self, who: Who) {
        for (path, kind) in METHODS {
            let answer = call(&self.grpc, path, "mine", None).await;
            assert_eq!(outcome(&answer), expected(kind, who), "{path} with {who:?}: {answer:?}");
        }
        for (path, kind) in PATHS {
            let (found, text) = self.http.get(path, &[]).await.unwrap();
            assert_eq!(found, status(expected(kind, who), path), "{path} with {who:?}: {text}");
        }
    }

    /// Calls until nobody is known any more.
    async fn until_unknown(&mut self) {
        let unknown = async {
            while outcome(&call(&self.grpc, GET, "mine", None).await) != Unauthenticated {}
            while self.http.get("/traffic", &[]).await.unwrap().0 != 401 {}
        };
        tokio::time::timeout(PATIENCE, unknown).await.unwrap();
    }
}

#[tokio::test]
async fn a_ca_that_leaves_the_file_takes_its_names_from_open_connections() {
    let (site, files) = (Site::default(), Files::new());
    let (leaving, token) = (Authority::new("leaving"), files.token("reader"));
    leaving.write(&site.path("leaving.ca"));
    let [stays, leaves] =
        ["clients.ca", "leaving.ca"].map(|name| std::fs::read_to_string(site.path(name)).unwrap());
    std::fs::write(site.path("clients.ca"), stays.clone() + &leaves).unwrap();
    let mut stack = Guarded::start_with_tls(files, &site, &[]);
    let mut open = Vec::new();
    for (name, who) in [("reader", Who::Reader), ("writer", Who::Writer), ("operator", Who::AnOperator)] {
        let mut left = Open::new(&site, &stack, &of(&leaving, name)).await.unwrap();
        let mut staying = Open::new(&site, &stack, &of(&site.clients, name)).await.unwrap();
        left.check(who).await;
        staying.check(who).await;
        open.push((left, staying, who));
    }
    // A session of before must not be resumed later: a resumed one is not verified again.
    let returning = site.showing(Protocol::Http2, Some(&of(&leaving, "reader")));
    let first = raw::Connection::over(connect(&returning, stack.proxy.grpc()).await.unwrap()).await.unwrap();
    assert_eq!(outcome(&call(&first, GET, "mine", None).await), Admitted);

    std::fs::write(site.path("clients.new"), stays).unwrap();
    std::fs::rename(site.path("clients.new"), site.path("clients.ca")).unwrap();
    stack.proxy.process.signal(Signal::HUP);
    for (left, staying, who) in &mut open {
        left.until_unknown().await;
        left.check(Who::Nobody).await;
        staying.check(*who).await;
        // The connection goes on, for what needs nobody and with another credential.
        assert_eq!(outcome(&call(&left.grpc, SET, "open", None).await), Admitted);
        assert_eq!(outcome(&call(&left.grpc, GET, "mine", Some(&token)).await), Admitted);
    }
    let again = async {
        let stream = connect(&returning, stack.proxy.grpc()).await.ok()?;
        try_call(&raw::Connection::over(stream).await.ok()?, GET, "mine", None).await.ok()
    };
    assert!(again.await.is_none(), "the CA is not trusted any more");
}

/// A certificate that ends so many seconds from now, and its end.
fn ending_in(seconds: u64, name: &str, authority: &Authority) -> (Pem, SystemTime) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let since_1970 = Duration::from_secs(now + seconds);
    let pem = authority.sign(&uri_of(name), |params| {
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970;
    });
    (pem, SystemTime::UNIX_EPOCH + since_1970)
}

#[tokio::test]
async fn a_connection_outlives_its_certificate_without_what_that_stood_for() {
    let (site, files) = (Site::default(), Files::new());
    let token = files.token("reader");
    let stack = Guarded::start_with_tls(files, &site, &[]);
    for (name, who) in [("reader", Who::Reader), ("operator", Who::AnOperator)] {
        // As long as this machine takes to connect and to be admitted once.
        let mut lifetime = 2;
        let (mut open, certificate, end) = loop {
            let (certificate, end) = ending_in(lifetime, name, &site.clients);
            if let Some(mut open) = Open::new(&site, &stack, &certificate).await
                && let Ok(answer) = try_call(&open.grpc, GET, "mine", None).await
                && let Ok((found, _)) = open.http.get("/traffic", &[]).await
                && SystemTime::now() < end
            {
                let admits = if who == Who::Reader { (Admitted, 403) } else { (Denied, 200) };
                assert_eq!((outcome(&answer), found), admits);
                break (open, certificate, end);
            }
            lifetime *= 2;
            assert!(lifetime < PATIENCE.as_secs());
        };
        open.until_unknown().await;
        assert!(SystemTime::now() > end, "it ended before its time");
        open.check(Who::Nobody).await;
        assert_eq!(outcome(&call(&open.grpc, SET, "open", None).await), Admitted);
        assert_eq!(outcome(&call(&open.grpc, GET, "mine", Some(&token)).await), Admitted);
        // A handshake knows whole seconds only: within that of the end it may succeed, but nobody is known.
        let client = site.showing(Protocol::Http2, Some(&certificate));
        let again = async {
            let stream = connect(&client, stack.proxy.grpc()).await.ok()?;
            try_call(&raw::Connection::over(stream).await.ok()?, GET, "mine", None).await.ok()
        };
        let again = again.await.map(|answer| outcome(&answer));
        assert!(matches!(again, None | Some(Unauthenticated)), "{again:?}");
    }
}
