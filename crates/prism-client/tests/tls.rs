//! TLS to the gateway: whom the client trusts, what it shows, and what it says when that fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../tests/src/authority.rs"]
#[allow(dead_code, unreachable_pub, reason = "test support, of which each test uses a part")]
mod authority;
#[allow(dead_code, unreachable_pub, reason = "test support, of which each test uses a part")]
mod fake;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use authority::Authority;
use fake::Fake;
use prism_client::{Builder, Client, ErrorKind};
use prism_net::stream::Stream;
use prism_net::tls::Protocol;
use prism_net::tls::server::{Loaded, ServerFiles, ServerTls};
use tokio::net::{TcpListener, TcpStream};

/// A gateway behind TLS, whose certificate is for `localhost`.
struct Secured {
    fake: Fake,
    port: u16,
    folder: tempfile::TempDir,
    /// The CA of the gateway.
    servers: Authority,
    /// The name in each client's certificate, in the order of the connections.
    shown: Arc<Mutex<Vec<Option<String>>>>,
}

impl Secured {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        servers.write(&folder.path().join("ca.pem"));
        let pair = servers.write_pair(folder.path(), "server", "localhost");
        clients.write_pair(folder.path(), "client", "spiffe://corp/orders");
        let files = ServerFiles {
            certificate_file: pair.certificate_file,
            key_file: pair.key_file,
            client_ca_file: Some(clients.write(&folder.path().join("clients.pem"))),
        };
        let server = ServerTls::new(Loaded::read(files).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (fake, shown) = (Fake::start().await, Arc::new(Mutex::default()));
        let plaintext = fake.address();
        let names: Arc<Mutex<Vec<_>>> = Arc::clone(&shown);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, plaintext, names) = (server.clone(), plaintext.clone(), names.clone());
                tokio::spawn(async move {
                    let Ok((mut near, certificate)) =
                        server.accept(Stream::Tcp(stream), Protocol::Http2, &"a client").await
                    else {
                        return;
                    };
                    let name = certificate.as_ref().and_then(|shown| shown.name().map(ToString::to_string));
                    names.lock().unwrap().push(name);
                    let mut far = TcpStream::connect(plaintext).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { fake, port, folder, servers, shown }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Settings for a client that trusts the gateway.
    fn builder(&self) -> Builder {
        Client::builder(&format!("localhost:{}", self.port)).ca_file(self.path("ca.pem"))
    }
}

/// What a call says that fails for TLS, at once.
async fn refusal(builder: Builder) -> String {
    let builder = builder.on_retry(|error| panic!("a retry cannot help: {error}"));
    let client = builder.timeout(Duration::from_secs(60)).build().unwrap();
    let error = client.keyvalue().get("k").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.is_tls(), error.is_retryable()),
        (ErrorKind::Unavailable, true, false),
        "{error}"
    );
    error.to_string()
}

#[tokio::test]
async fn calls_are_made_with_tls_and_a_token() {
    let secured = Secured::start().await;
    secured.fake.accept_only("s3cret");
    let client = secured.builder().token("s3cret").build().unwrap();
    client.keyvalue().set("k", "v").await.unwrap();
    assert_eq!(client.keyvalue().scan("").next().await.unwrap().unwrap().value, "v");
    assert_eq!(*secured.shown.lock().unwrap(), [None, None]);
    let stated = Client::builder(&format!("https://localhost:{}/", secured.port)).token("s3cret");
    stated.ca_file(secured.path("ca.pem")).build().unwrap().keyvalue().get("k").await.unwrap();
}

#[tokio::test]
async fn a_client_shows_its_certificate_and_takes_a_renewed_one_for_a_new_connection() {
    let secured = Secured::start().await;
    let builder = secured.builder();
    let builder = builder.certificate_file(secured.path("client.crt")).key_file(secured.path("client.key"));
    let client = builder.connections(1).build().unwrap();
    client.keyvalue().set("k", "v").await.unwrap();
    let renewed = Authority::new("clients");
    renewed.write_pair(secured.folder.path(), "client", "spiffe://corp/renewed");
    client.keyvalue().get("k").await.unwrap();
    assert_eq!(*secured.shown.lock().unwrap(), [Some("spiffe://corp/orders".to_owned())]);
    // Scans have a connection of their own. The server does not trust the new CA, which shows that the files were read.
    let mut scan = client.keyvalue().scan("");
    let error = scan.next().await.unwrap().unwrap_err().to_string();
    assert!(error.contains("the server refuses our client certificate"), "{error}");
}

#[tokio::test]
async fn a_failure_says_what_is_wrong() {
    let secured = Secured::start().await;
    let strangers = Authority::new("strangers").write(&secured.path("strangers.pem"));
    let told = refusal(secured.builder().ca_file(strangers)).await;
    assert!(told.contains("not signed by a CA that is trusted here; set ca_file"), "{told}");
    let told = refusal(secured.builder().server_name("gateway.example")).await;
    assert!(told.contains("is for localhost, not for gateway.example"), "{told}");
    let told = refusal(secured.builder().ca_file(secured.path("missing.pem"))).await;
    assert!(told.contains("missing.pem"), "{told}");
    let told = refusal(secured.builder().ca_file(secured.path("server.key"))).await;
    assert!(told.contains("server.key"), "{told}");
    assert_eq!(secured.fake.state.connections.load(Ordering::SeqCst), 0, "nothing falls back to plaintext");

    let expired = secured.servers.sign("localhost", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    // A client looks at the dates of its own certificate, too; the server's are those of the other side.
    let (certificate, key) = (secured.path("expired.crt"), secured.path("expired.key"));
    std::fs::write(&certificate, expired.0).unwrap();
    std::fs::write(&key, expired.1).unwrap();
    let told = refusal(secured.builder().certificate_file(certificate).key_file(key)).await;
    assert!(told.contains("the certificate expired on 2021-01-01T00:00:00Z; renew it"), "{told}");
    let strange = secured.servers.write_pair(secured.folder.path(), "strange", "strange.example");
    let strange = secured.builder().certificate_file(strange.certificate_file).key_file(strange.key_file);
    let told = refusal(strange).await;
    assert!(told.contains("the server refuses our client certificate"), "{told}");

    let told = refusal(Client::builder(&format!("localhost:{}", secured.port))).await;
    assert!(told.contains("the server speaks TLS on this port; connect with TLS"), "{told}");
    let plaintext = Client::builder(&secured.fake.address()).ca_file(secured.path("ca.pem"));
    let told = refusal(plaintext).await;
    assert!(told.contains("plaintext"), "{told}");
}

#[tokio::test]
async fn a_file_that_was_mended_serves_the_next_call() {
    let secured = Secured::start().await;
    let ca = Authority::new("strangers").write(&secured.path("changing.pem"));
    let client = secured.builder().ca_file(&ca).timeout(Duration::from_secs(60)).build().unwrap();
    client.keyvalue().set("k", "v").await.unwrap_err();
    secured.servers.write(&ca);
    client.keyvalue().set("k", "v").await.unwrap();
}
