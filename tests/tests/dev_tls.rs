//! `prism dev --tls`: all ports with TLS, and the commands that it shows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use prism_client::{Client, ErrorKind};
use prism_e2e::dev::{Dev, Ran};

fn start(folder: tempfile::TempDir) -> (Dev, PathBuf) {
    let dev = Dev::within(folder, &["--listen", "127.0.0.1:0", "--tls"]);
    let ca_file = PathBuf::from(dev.ready["ca_file"].as_str().unwrap());
    assert_eq!(ca_file, dev.folder().join("ca.pem"));
    (dev, ca_file)
}

/// A command of the tool that trusts the CA, for the admin at `https://`.
fn run(dev: &Dev, ca_file: &Path, words: &[&str]) -> Ran {
    let mut prism = dev.prism(words);
    prism.env("PRISM_ADMIN", format!("https://{}", dev.address("admin"))).env("PRISM_CA_FILE", ca_file);
    Ran::of(&mut prism, b"")
}

#[test]
fn every_command_works_with_its_ca() {
    let (dev, ca_file) = start(tempfile::tempdir().unwrap());
    let run = |words: &[&str]| run(&dev, &ca_file, words);
    let ca = ca_file.to_str().unwrap();
    assert_eq!(dev.run(&["kv", "set", "greeting", "hello", "--ca-file", ca]).text(), "OK\n");
    assert_eq!(run(&["kv", "get", "greeting"]).text(), "hello");
    assert_eq!(run(&["list", "push-left", "l", "v"]).text(), "1\n");
    assert_eq!(run(&["health"]).text(), "SERVING\n");
    let page = format!("https://{}/readyz", dev.address("admin"));
    assert_eq!(run(&["health", &page]).text(), "SERVING\n");
    assert!(run(&["export", "default"]).text().contains("greeting"));
    assert_eq!(run(&["bench", "--requests", "100", "--keys", "10", "--warmup", "0s"]).code, 0);
    let conformance = run(&["conformance", dev.address("grpc"), "--case", "keyvalue/"]);
    assert_eq!(conformance.code, 0, "{conformance:?}");

    // The admin reaches the proxy, and the data through it, with the same CA.
    let status = run(&["config", "status"]);
    assert!(status.text().contains("in sync"), "{status:?}");
    let create =
        ["namespaces", "create", "orders", "--pattern", "keyvalue", "--endpoint", "embedded:memstore"];
    assert!(run(&create).text().contains("applied"));
    assert_eq!(run(&["kv", "set", "a", "b", "-n", "orders"]).text(), "OK\n");
    let keys = format!("https://{}/namespaces/orders/value?key=a", dev.address("admin"));
    assert_eq!(run(&["health", &keys]).text(), "SERVING\n", "a success");
}

#[test]
fn who_does_not_trust_the_ca_or_speaks_plaintext_is_told() {
    let (dev, ca_file) = start(tempfile::tempdir().unwrap());
    let admin = format!("http://{}", dev.address("admin"));
    for (words, told) in [
        (&["kv", "get", "k"][..], "speaks TLS on this port"),
        (&["kv", "get", "k", "--tls"], "--ca-file"),
        (&["namespaces", "ls", "--admin", &admin], "https://"),
        (
            &["kv", "get", "k", "--server-name", "gateway.example", "--ca-file", ca_file.to_str().unwrap()],
            "not for gateway.example",
        ),
    ] {
        let refused = dev.run(words);
        assert!(refused.code != 0 && refused.err.contains(told), "{words:?}: {refused:?}");
    }
    let other = Dev::start();
    let refused = run(&other, &ca_file, &["kv", "get", "k"]);
    assert!(refused.code == 4 && refused.err.contains("plaintext"), "{refused:?}");
}

#[tokio::test]
async fn a_client_may_show_its_certificate() {
    let (dev, ca_file) = start(tempfile::tempdir().unwrap());
    let folder = dev.folder();
    let builder = Client::builder(dev.address("grpc")).ca_file(&ca_file);
    let client = builder.certificate_file(folder.join("client.pem")).key_file(folder.join("client.key"));
    client.build().unwrap().keyvalue().set("k", "v").await.unwrap();
    // The server's own certificate is not one for clients.
    let builder = Client::builder(dev.address("grpc")).ca_file(&ca_file);
    let wrong = builder.certificate_file(folder.join("server.pem")).key_file(folder.join("server.key"));
    let refused = wrong.build().unwrap().keyvalue().set("k", "v").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    assert!(refused.message().contains("which is not meant for a client (extended key usage)"), "{refused}");
}

#[test]
fn its_files_are_their_owners_and_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let mode = |name: &str| std::fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
    let read = |dev: &Dev| std::fs::read(dev.folder().join("server.pem")).unwrap();
    let (dev, _) = start(folder);
    assert_eq!((mode(""), mode("server.key"), mode("client.key")), (0o700, 0o600, 0o600));
    let first = read(&dev);
    let words = ["dev", "--tls", "--listen", "127.0.0.1:0", "--http-listen", "off", "--folder"];
    let conflict =
        Ran::prism(words.iter().copied().chain([path.to_str().unwrap(), "--tls-certificate-file", "a"]));
    assert_eq!(conflict.code, 2, "{conflict:?}");
    assert_eq!(read(&dev), first);
}
