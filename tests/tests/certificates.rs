//! Callers that are known by the certificates of their connections.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use prism_e2e::authority::Authority;
use prism_e2e::process::{Process, Proxy};
use prism_e2e::tls::Site;
use prism_proto::interfaces::keyvalue::key_value_basic_interface_client::KeyValueBasicInterfaceClient;
use prism_proto::interfaces::keyvalue::{GetRequest, SetRequest};
use tonic::transport::Channel;
use tonic::{Code, Request};

/// A proxy with the namespace `mine`, in which the certificate of `report` may read.
fn guarded(site: &Site) -> (Process, Proxy) {
    let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let text = format!(
        "{}namespaces:\n  - name: mine\n    pattern: keyvalue\n    plugin: {{ endpoint: {:?} }}\n    access: [{{ name: \
         'cert:spiffe://corp/report', rights: [read] }}]\n",
        site.section(),
        store.grpc()
    );
    let proxy = Proxy::with_config(&text);
    (store, proxy)
}

/// How reading in `mine` ends, with this bearer credential if any.
async fn read(channel: &Channel, bearer: Option<&str>) -> Code {
    let key = GetRequest { namespace: "mine".to_owned(), key: "k".to_owned() };
    let mut request = Request::new(key);
    if let Some(bearer) = bearer {
        request.metadata_mut().insert("authorization", format!("Bearer {bearer}").parse().unwrap());
    }
    KeyValueBasicInterfaceClient::new(channel.clone()).get(request).await.unwrap_err().code()
}

#[tokio::test]
async fn a_certificate_has_the_rights_of_its_name() {
    let site = Site::default();
    site.clients.write_pair(site.folder(), "report", "spiffe://corp/report");
    site.clients.write_pair(site.folder(), "other", "spiffe://corp/other");
    let (_store, proxy) = guarded(&site);
    let report = site.channel_as("report", proxy.grpc()).await.unwrap();
    assert_eq!(read(&report, None).await, Code::NotFound);
    let written = SetRequest { namespace: "mine".to_owned(), key: "k".to_owned(), ..SetRequest::default() };
    let refused = KeyValueBasicInterfaceClient::new(report).set(written).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let other = site.channel_as("other", proxy.grpc()).await.unwrap();
    assert_eq!(read(&other, None).await, Code::PermissionDenied);
    let nobody = site.channel(proxy.grpc()).await.unwrap();
    assert_eq!(read(&nobody, None).await, Code::Unauthenticated);
    // Without tokens and keys, a bearer credential is meant for somebody else.
    assert_eq!(read(&nobody, Some("garbage")).await, Code::Unauthenticated);
}

#[tokio::test]
async fn a_certificate_is_nobodys_once_its_ca_has_left_even_on_an_open_connection() {
    let site = Site::default();
    site.clients.write_pair(site.folder(), "report", "spiffe://corp/report");
    let (_store, proxy) = guarded(&site);
    let report = site.channel_as("report", proxy.grpc()).await.unwrap();
    assert_eq!(read(&report, None).await, Code::NotFound);
    Authority::new("successors").write(&site.path("clients.ca"));
    let http = proxy.process.address("http").to_owned();
    site.until_metric(&http, "prism_tls_reloads_total", |count| count == 1.0).await;
    assert_eq!(read(&report, None).await, Code::Unauthenticated);
}
