//! Reflection, v1 and v1alpha: of a plugin, of a proxy, and of `prism dev`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use prism_e2e::dead::DeadAddress;
use prism_e2e::dev::Dev;
use prism_e2e::echo::EchoRequest;
use prism_e2e::process::{Process, Proxy};
use prism_e2e::raw;
use prism_grpc::message::framed;
use prism_proto::methods::INTERFACES;
use prost::Message as _;
use prost_types::FileDescriptorProto;
use tonic::Code;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

const VERSIONS: [&str; 2] = ["v1", "v1alpha"];
const GET: &str = "prism.interfaces.keyvalue.KeyValueBasicInterface.Get";
const ECHO: &str = "prism.interfaces.echo.EchoInterface";
const CAPABILITIES: &str = "prism.interfaces.capabilities.CapabilitiesInterface";

/// Sends all requests on one stream.
async fn ask(address: &str, version: &str, questions: Vec<MessageRequest>) -> Vec<MessageResponse> {
    let asked = questions.into_iter().map(|question| {
        let request = ServerReflectionRequest { host: "h".into(), message_request: Some(question) };
        framed(&request.encode_to_vec())
    });
    let asked: Vec<_> = asked.collect();
    let asked: Vec<&[u8]> = asked.iter().map(|question| &question[..]).collect();
    let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
    let seen = raw::Connection::open(address).await.call(&path, &[], &asked).await;
    assert_eq!(seen.status().unwrap().code(), Code::Ok);
    let answers = seen.messages.into_iter().map(|message| ServerReflectionResponse::decode(message).unwrap());
    let answers: Vec<_> = answers.collect();
    assert!(answers.iter().all(|answer| answer.valid_host == "h" && answer.original_request.is_some()));
    answers.into_iter().map(|answer| answer.message_response.unwrap()).collect()
}

fn symbol(name: &str) -> MessageRequest {
    MessageRequest::FileContainingSymbol(name.into())
}

/// The name of the file in a response, or the code of its error.
fn file(answer: &MessageResponse) -> Result<String, i32> {
    match answer {
        MessageResponse::FileDescriptorResponse(files) => {
            let file = FileDescriptorProto::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
            Ok(file.name.unwrap())
        }
        MessageResponse::ErrorResponse(error) => Err(error.error_code),
        other => panic!("{other:?}"),
    }
}

/// The interfaces that a server lists.
async fn interfaces(address: &str, version: &str) -> Vec<String> {
    let answers = ask(address, version, vec![MessageRequest::ListServices(String::new())]).await;
    let MessageResponse::ListServicesResponse(list) = &answers[0] else { panic!("{answers:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.clone()).collect();
    for own in ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"] {
        assert!(names.iter().any(|name| name == own), "{names:?}");
    }
    names.into_iter().filter(|name| name.starts_with("prism.")).collect()
}

fn contract() -> Vec<String> {
    let mut names: Vec<_> = INTERFACES.iter().cloned().collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_wrong_question_is_answered_and_the_stream_goes_on() {
    let memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let proxy = Proxy::start(&[("default", memstore.grpc())]);
    let dev = Dev::start();
    let not_found = Code::NotFound as i32;
    // The proxy has not called its backend yet, which may serve anything.
    for (address, names) in
        [(memstore.grpc(), contract()), (proxy.grpc(), contract()), (dev.address("grpc"), contract())]
    {
        for version in VERSIONS {
            let questions = vec![
                symbol("prism.interfaces.keyvalue.Nothing"),
                MessageRequest::FileByFilename("../../etc/passwd".into()),
                MessageRequest::AllExtensionNumbersOfType("no.Type".into()),
                symbol(GET),
                symbol("grpc.health.v1.Health"),
                symbol("grpc.reflection.v1alpha.ServerReflection"),
            ];
            let answers = ask(address, version, questions).await;
            let files: Vec<_> = answers.iter().map(file).collect();
            assert_eq!(files[..3], [Err(not_found), Err(not_found), Err(not_found)], "{address} {version}");
            assert_eq!(files[3].as_deref(), Ok("interfaces/keyvalue_basic.proto"));
            assert!(files[4].is_ok() && files[5].is_ok(), "{files:?}");
            assert_eq!(interfaces(address, version).await, names, "{address} {version}");
        }
    }
}

#[tokio::test]
async fn a_proxy_describes_what_its_namespaces_backends_serve() {
    let echo = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let proxy = Proxy::start(&[("echo", echo.grpc())]);
    // It has not been called, so it may serve anything.
    assert_eq!(interfaces(proxy.grpc(), "v1").await, contract());
    let raw = raw::Connection::open(proxy.grpc()).await;
    let request = framed(&EchoRequest { namespace: "echo".into(), ..Default::default() }.encode_to_vec());
    // The query is made when the proxy connects, concurrently with the call.
    while interfaces(proxy.grpc(), "v1").await != [CAPABILITIES, ECHO] {
        let seen = raw.call(&format!("/{ECHO}/Unary"), &[], &[&request]).await;
        assert_eq!(seen.status().unwrap().code(), Code::Ok);
    }
    for version in VERSIONS {
        assert_eq!(interfaces(proxy.grpc(), version).await, [CAPABILITIES, ECHO]);
        let answers = ask(proxy.grpc(), version, vec![symbol(ECHO)]).await;
        assert_eq!(file(&answers[0]).as_deref(), Ok("echo.proto"));
    }
}

#[tokio::test]
async fn what_a_namespaces_settings_leave_out_is_not_listed() {
    let dead = DeadAddress::new();
    let listed = |interfaces: &str| {
        format!(
            "namespaces:\n  - {{ name: a, pattern: keyvalue, interfaces: [{interfaces}], plugin: {{ endpoint: \"{}\" }} }}\n",
            dead.address()
        )
    };
    let proxy = Proxy::with_config(&listed("prism.interfaces.keyvalue.KeyValueBasicInterface"));
    let names = interfaces(proxy.grpc(), "v1").await;
    let has = |interface: &str| names.iter().any(|name| name == &format!("prism.interfaces.{interface}"));
    assert!(has("keyvalue.KeyValueBasicInterface") && has("usage.UsageInterface"), "{names:?}");
    assert!(!has("keyvalue.KeyValueScanInterface") && !has("list.ListBasicInterface"), "{names:?}");
}
