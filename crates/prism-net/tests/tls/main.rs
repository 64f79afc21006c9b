//! TLS between our two sides, and between each and a stranger.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../../tests/src/authority.rs"]
#[expect(unreachable_pub, reason = "shared with the tests of the whole stack")]
mod authority;

use std::fs;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use prism_net::stream::{Stream, TlsStream};
use prism_net::tls::client::{ClientOptions, Connector};
use prism_net::tls::server::{Loaded, NotAccepted, ServerFiles, ServerTls};
use prism_net::tls::trust::ClientCertificate;
use prism_net::tls::{Protocol, is_lasting, is_tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use authority::Authority;

/// A server's files in a folder of their own, its CA, and the CA of its clients.
struct Site {
    folder: tempfile::TempDir,
    servers: Authority,
    clients: Authority,
}

type Accepted = Result<(TlsStream, Option<ClientCertificate>), NotAccepted>;

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
            servers: Authority::new("servers"),
            clients: Authority::new("clients"),
        };
        site.servers.write(&site.path("servers.ca"));
        site.clients.write(&site.path("clients.ca"));
        site.servers.write_pair(site.folder.path(), "server", "server.example");
        site
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn files(&self) -> ServerFiles {
        ServerFiles {
            certificate_file: self.path("server.crt"),
            key_file: self.path("server.key"),
            client_ca_file: Some(self.path("clients.ca")),
        }
    }

    fn server(&self) -> Arc<ServerTls> {
        ServerTls::new(Loaded::read(self.files()).unwrap())
    }

    fn client(&self, change: impl FnOnce(&mut ClientOptions)) -> Connector {
        let mut options =
            ClientOptions { ca_file: Some(self.path("servers.ca")), ..ClientOptions::default() };
        change(&mut options);
        Connector::new(options, Some(Protocol::Http2)).unwrap()
    }

    /// A client with a certificate for this name.
    fn client_named(&self, name: &str) -> Connector {
        let pair = self.clients.write_pair(self.folder.path(), "client", name);
        self.client(|options| {
            options.certificate_file = Some(pair.certificate_file);
            options.key_file = Some(pair.key_file);
        })
    }

    /// What an error says without the folder.
    fn told(&self, error: impl ToString) -> String {
        error.to_string().replace(&format!("{}/", self.folder.path().display()), "")
    }
}

fn pair() -> (Stream, Stream) {
    let (near, far) = UnixStream::pair().unwrap();
    (Stream::Unix(near), Stream::Unix(far))
}

async fn shake_hands(server: &ServerTls, client: &Connector, host: &str) -> (Accepted, io::Result<Stream>) {
    let (near, far) = pair();
    tokio::join!(server.accept(near, Protocol::Http2, &"test"), client.connect(far, host))
}

/// Both ends of a connection, and the client's certificate.
async fn connected(server: &ServerTls, client: &Connector) -> (TlsStream, Stream, Option<ClientCertificate>) {
    let (accepted, connected) = shake_hands(server, client, "server.example").await;
    let (near, certificate) = accepted.unwrap();
    (near, connected.unwrap(), certificate)
}

#[tokio::test]
async fn bytes_travel_both_ways_in_whatever_pieces() {
    let site = Site::new();
    let (mut near, mut far, certificate) = connected(&site.server(), &site.client(|_| {})).await;
    assert!(certificate.is_none());
    assert_eq!(near.protocol(), Some(&b"h2"[..]));
    let data: Vec<u8> = (0..1_000_003_u32).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
    let (head, rest) = data.split_at(7);
    let send = async {
        let mut sent = far.write_vectored(&[IoSlice::new(head), IoSlice::new(rest)]).await.unwrap();
        assert!(sent > head.len(), "both slices are sent at once");
        while sent < data.len() {
            sent += far.write(&data[sent..]).await.unwrap();
        }
        far.flush().await.unwrap();
        let mut echo = vec![0; data.len()];
        far.read_exact(&mut echo).await.unwrap();
        far.shutdown().await.unwrap();
        echo
    };
    let answer = async {
        let mut read = vec![0; data.len()];
        near.read_exact(&mut read).await.unwrap();
        near.write_all(&read).await.unwrap();
        near.flush().await.unwrap();
        assert_eq!(near.read(&mut read).await.unwrap(), 0, "close_notify is the end");
    };
    let (echo, ()) = tokio::join!(send, answer);
    assert!(echo == data);
}

#[tokio::test]
async fn a_client_says_why_it_does_not_trust_the_server() {
    let site = Site::new();
    let server = site.server();
    let strangers = Authority::new("strangers").write(&site.path("strangers.ca"));
    let wrong_ca = site.client(|options| options.ca_file = Some(strangers));
    let (accepted, connected) = shake_hands(&server, &wrong_ca, "server.example").await;
    assert!(
        connected.unwrap_err().to_string().contains("not signed by a CA that is trusted here; set ca_file")
    );
    let Err(NotAccepted::Failed(why)) = accepted else { panic!("{accepted:?}") };
    assert!(why.to_string().starts_with("the client refuses our certificate"), "{why}");
    let (_, connected) = shake_hands(&server, &site.client(|_| {}), "other.example").await;
    let why = connected.unwrap_err().to_string();
    assert!(why.contains("is for server.example, not for other.example; connect"), "{why}");
    let named = site.client(|options| options.server_name = Some("server.example".to_owned()));
    let (_, connected) = shake_hands(&server, &named, "10.0.0.1").await;
    assert!(connected.is_ok());
    let (_, connected) = shake_hands(&server, &site.client(|_| {}), "[::1]").await;
    assert!(connected.unwrap_err().to_string().contains("not for ::1"));
    assert_eq!(server.counters().handshakes_failed_total.load(Relaxed), 3);
}

#[tokio::test]
async fn a_certificate_that_signs_itself_as_a_ca_is_told() {
    let site = Site::new();
    let (certificate, key) = site.servers.sign("server.example", |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    fs::write(site.path("server.crt"), certificate).unwrap();
    fs::write(site.path("server.key"), key).unwrap();
    let (_, connected) = shake_hands(&site.server(), &site.client(|_| {}), "server.example").await;
    let why = connected.unwrap_err().to_string();
    assert!(why.contains("is that of a CA, which no server may use as its own; make one with"), "{why}");
}

#[tokio::test]
async fn without_a_protocol_in_common_both_sides_say_so() {
    let site = Site::new();
    let (near, far) = pair();
    let (server, client) = (site.server(), site.client(|_| {}));
    let (accepted, connected) =
        tokio::join!(server.accept(near, Protocol::Http1, &"test"), client.connect(far, "server.example"));
    assert!(connected.unwrap_err().to_string().contains("does not speak our protocol on that port"));
    assert!(matches!(accepted, Err(NotAccepted::Failed(why)) if why.to_string().contains("ALPN")));
}

#[tokio::test]
async fn a_client_says_that_the_server_speaks_plaintext() {
    let site = Site::new();
    for (reply, told) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "does not speak TLS here, but plaintext"),
        (b"", "closed the connection during the handshake; it may speak plaintext"),
    ] {
        let (mut near, far) = pair();
        let serve = async {
            let mut hello = [0; 1024];
            assert!(near.read(&mut hello).await.unwrap() > 0);
            near.write_all(reply).await.unwrap();
            near.shutdown().await.unwrap();
            while !matches!(near.read(&mut hello).await, Ok(0) | Err(_)) {}
        };
        let client = site.client(|_| {});
        let (connected, ()) = tokio::join!(client.connect(far, "server.example"), serve);
        let why = connected.unwrap_err().to_string();
        assert!(why.contains(told), "{why}");
    }
}

#[tokio::test]
async fn a_client_that_speaks_plaintext_is_told_in_its_protocol() {
    let site = Site::new();
    let server = site.server();
    for (sent, begins, contains) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], &b"HTTP/1.1 400 Bad Request\r\n"[..], true),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\0\0\0",
            true,
        ),
        (b"\0\0\0", b"", false),
    ] {
        let (near, mut far) = pair();
        let client = async {
            far.write_all(sent).await.unwrap();
            let mut reply = Vec::new();
            far.read_to_end(&mut reply).await.unwrap();
            drop(far);
            reply
        };
        let (accepted, reply) = tokio::join!(server.accept(near, Protocol::Http2, &"test"), client);
        assert!(matches!(accepted, Err(NotAccepted::Plaintext)));
        assert!(reply.starts_with(begins), "{reply:?}");
        assert_eq!(String::from_utf8_lossy(&reply).contains("this port speaks TLS"), contains);
    }
    let (near, mut far) = pair();
    far.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    drop(far);
    let accepted = server.accept(near, Protocol::Http2, &"test").await;
    let Err(NotAccepted::Failed(why)) = accepted else { panic!("{accepted:?}") };
    assert!(why.to_string().starts_with("the client closed the connection during the handshake"), "{why}");
    let (near, far) = pair();
    drop(far);
    assert!(matches!(server.accept(near, Protocol::Http2, &"test").await, Err(NotAccepted::Left)));
    assert_eq!(server.counters().plaintext_total.load(Relaxed), 3);
}

#[tokio::test]
async fn a_clients_certificate_is_valid_as_long_as_its_ca() {
    let site = Site::new();
    let server = site.server();
    let client = site.client_named("spiffe://corp/report");
    let (_near, _far, certificate) = connected(&server, &client).await;
    let certificate = certificate.unwrap();
    assert_eq!(certificate.name().map(|name| &**name), Some("spiffe://corp/report"));
    assert!(certificate.is_valid());

    server.set(Loaded::read(site.files()).unwrap());
    assert!(certificate.is_valid(), "its CA is trusted still");
    let clients_ca = fs::read(site.path("clients.ca")).unwrap();
    Authority::new("clients").write(&site.path("clients.ca"));
    server.set(Loaded::read(site.files()).unwrap());
    assert!(!certificate.is_valid());
    let (accepted, connected) = shake_hands(&server, &client, "server.example").await;
    let Err(NotAccepted::Failed(why)) = accepted else { panic!("a session from before was resumed") };
    assert!(
        why.to_string().contains("the client's certificate is not signed by a CA of client_ca_file"),
        "{why}"
    );
    // TLS 1.3 ends the client's handshake before the server has looked at its certificate.
    let why = connected.unwrap().read_u8().await.unwrap_err().to_string();
    let told = "refuses our client certificate, which is not signed by a CA that it trusts";
    assert!(why.contains(told), "{why}");
    let mut refused = shake_hands(&server, &client, "server.example").await.1.unwrap();
    let why = refused.write_all(b"x").await.unwrap_err();
    assert!(why.to_string().contains(told), "a write that comes first: {why}");
    assert!(is_tls(&why) && is_lasting(&why), "{why:?}");

    fs::write(site.path("clients.ca"), clients_ca).unwrap();
    server.set(Loaded::read(site.files()).unwrap());
    assert!(certificate.is_valid());
    server.set(Loaded::read(ServerFiles { client_ca_file: None, ..site.files() }).unwrap());
    assert!(!certificate.is_valid(), "nobody is trusted any more");
}

#[tokio::test]
async fn a_session_is_resumed_with_the_clients_certificate() {
    let site = Site::new();
    let (server, client) = (site.server(), site.client_named("report.example"));
    for _ in 0..3 {
        let (mut near, mut far, certificate) = connected(&server, &client).await;
        assert_eq!(certificate.unwrap().name().map(|name| &**name), Some("report.example"));
        // The tickets come with the first bytes.
        near.write_all(b"x").await.unwrap();
        near.flush().await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'x');
    }
}

#[test]
fn files_that_cannot_be_used_are_told_with_line_and_advice() {
    let site = Site::new();
    site.clients.write_pair(site.folder.path(), "other", "other.example");
    let expired = site.servers.sign("server.example", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let future =
        site.servers.sign("server.example", |params| params.not_before = rcgen::date_time_ymd(4000, 1, 1));
    fs::write(site.path("expired.crt"), format!("# comment\n{}", expired.0)).unwrap();
    fs::write(site.path("expired.key"), &expired.1).unwrap();
    fs::write(site.path("future.crt"), &future.0).unwrap();
    let told = |change: &dyn Fn(&mut ServerFiles)| {
        let mut files = site.files();
        change(&mut files);
        site.told(Loaded::read(files).unwrap_err())
    };
    let path = |name: &str| site.path(name);
    for (told, expected) in [
        (
            told(&|files| files.key_file = path("other.key")),
            "other.key:1: the private key is not that of the certificate in server.crt; give both",
        ),
        (
            told(&|files| files.certificate_file = path("expired.crt")),
            "expired.crt:2: the certificate expired on 2021-01-01T00:00:00Z; renew it",
        ),
        (
            told(&|files| files.certificate_file = path("future.crt")),
            "future.crt:1: the certificate is not valid before 4000-01-01T00:00:00Z; check",
        ),
        (
            told(&|files| files.client_ca_file = Some(path("server.key"))),
            "server.key:1: the file holds no certificate; expected",
        ),
        (told(&|files| files.key_file = path("absent.key")), "absent.key: there is no such file; check"),
    ] {
        assert!(told.starts_with(expected), "{told}");
    }
    let incomplete = ClientOptions { key_file: Some(path("server.key")), ..ClientOptions::default() };
    let why = Connector::new(incomplete, None).unwrap_err().to_string();
    assert!(why.contains("set both or neither"), "{why}");
    let unnamed = ClientOptions { server_name: Some("a b".to_owned()), ..ClientOptions::default() };
    assert!(Connector::new(unnamed, None).unwrap_err().to_string().contains("is not a name"));
    let absent = site.client(|options| options.ca_file = Some(path("absent.ca")));
    assert!(site.told(absent.check().unwrap_err()).starts_with("absent.ca: there is no such file"));
}

#[tokio::test(start_paused = true)]
async fn changed_files_are_taken_and_wrong_ones_leave_the_old() {
    let site = Site::new();
    let server = site.server();
    let watching = Arc::clone(&server);
    tokio::spawn(async move { watching.watch().await });
    let looked = || tokio::time::sleep(Duration::from_secs(3));
    let counted = || {
        let counters = server.counters();
        [&counters.reloads_total, &counters.reloads_failed_total, &counters.stale]
            .map(|count| count.load(Relaxed))
    };
    looked().await;
    assert_eq!(counted(), [0, 0, 0]);

    fs::write(site.path("server.key"), "").unwrap();
    looked().await;
    looked().await;
    assert_eq!(counted(), [0, 1, 1], "reported once");
    assert!(shake_hands(&server, &site.client(|_| {}), "server.example").await.1.is_ok());

    site.servers.write_pair(site.folder.path(), "server", "renewed.example");
    looked().await;
    assert_eq!(counted(), [1, 1, 0]);
    assert!(shake_hands(&server, &site.client(|_| {}), "renewed.example").await.1.is_ok());
}

#[tokio::test]
async fn a_client_reads_changed_files_for_its_next_connection() {
    let site = Site::new();
    let server = site.server();
    let client = site.client_named("one.example");
    let name = async || connected(&server, &client).await.2.unwrap().name().map(ToString::to_string);
    assert_eq!(name().await.unwrap(), "one.example");
    site.clients.write_pair(site.folder.path(), "client", "two.example");
    assert_eq!(name().await.unwrap(), "two.example");
    fs::write(site.path("client.key"), "").unwrap();
    assert_eq!(name().await.unwrap(), "two.example", "the old stay in use");
}

#[test]
fn nothing_shows_a_key() {
    let site = Site::new();
    let key = fs::read_to_string(site.path("server.key")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let loaded = Loaded::read(site.files()).unwrap();
    let client = site.client_named("one.example");
    client.check().unwrap();
    let shown = format!("{loaded:?} {:?} {client:?}", ServerTls::new(Loaded::read(site.files()).unwrap()));
    assert!(!shown.contains(secret) && !shown.contains("PRIVATE"), "{shown}");
    assert!(prism_net::tls::pem::private_key(Path::new(&site.path("server.key"))).is_ok());
}
