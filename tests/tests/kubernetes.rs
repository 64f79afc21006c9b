//! The files for Kubernetes: the servers start as they say, on the ports that they name.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use prism_e2e::process::{Process, command, workspace};
use serde::Deserialize as _;
use serde_yaml::Value;

/// The objects of a file.
fn objects(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(workspace().join("deploy/kubernetes").join(name)).unwrap();
    serde_yaml::Deserializer::from_str(&text).map(|object| Value::deserialize(object).unwrap()).collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("there is no {kind}"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_sequence().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Starts the only container of a workload with its arguments and variables, but on free ports, and with each mounted folder replaced by
/// one in `folder`, by the mount's name.
fn start(workload: &Value, folder: &Path) -> Process {
    let container = &workload["spec"]["template"]["spec"]["containers"][0];
    let args = texts(&container["args"]);
    let (name, args) = args.split_first().unwrap();
    let mut process = command(name);
    for arg in args {
        let mut arg = (*arg).to_owned();
        for mount in container["volumeMounts"].as_sequence().unwrap() {
            let own = folder.join(mount["name"].as_str().unwrap());
            std::fs::create_dir_all(&own).unwrap();
            arg = arg.replace(mount["mountPath"].as_str().unwrap(), own.to_str().unwrap());
        }
        process.arg(arg);
    }
    for variable in container["env"].as_sequence().unwrap() {
        process.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
    }
    Process::spawn(name, process.args(["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]))
}

/// The port at which a container listens by a variable whose name ends so, and which it declares by this name.
fn port(workload: &Value, variable: &str, name: &str) -> u64 {
    let container = &workload["spec"]["template"]["spec"]["containers"][0];
    let variables = container["env"].as_sequence().unwrap();
    let listens = variables.iter().find(|known| known["name"].as_str().unwrap().ends_with(variable)).unwrap();
    let (_, port) = listens["value"].as_str().unwrap().rsplit_once(':').unwrap();
    let declared =
        container["ports"].as_sequence().unwrap().iter().find(|port| port["name"] == name).unwrap();
    assert_eq!(declared["containerPort"].as_u64().unwrap().to_string(), port);
    port.parse().unwrap()
}

#[test]
fn the_servers_start_and_their_ports_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (diskstore, proxy, config) =
        (objects("diskstore.yaml"), objects("proxy.yaml"), objects("config.yaml"));
    let (store, gateway) = (of_kind(&diskstore, "StatefulSet"), of_kind(&proxy, "Deployment"));
    for (objects, workload, listen) in
        [(&diskstore, store, "DISKSTORE_LISTEN"), (&proxy, gateway, "PROXY_LISTEN")]
    {
        let service = of_kind(objects, "Service");
        assert_eq!(service["spec"]["ports"][0]["port"].as_u64().unwrap(), port(workload, listen, "grpc"));
        assert_eq!(service["spec"]["selector"], workload["spec"]["template"]["metadata"]["labels"]);
        let scraped = &workload["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"];
        assert_eq!(scraped.as_str().unwrap(), port(workload, "_HTTP_LISTEN", "http").to_string());
    }

    let backend = start(store, folder.path());
    let file = config[0]["data"]["prism.yaml"].as_str().unwrap();
    let service = of_kind(&diskstore, "Service");
    let named = format!(
        "{}:{}",
        service["metadata"]["name"].as_str().unwrap(),
        service["spec"]["ports"][0]["port"].as_u64().unwrap()
    );
    assert!(file.contains(&format!("\"{named}\"")), "the configuration does not name {named}");
    std::fs::create_dir_all(folder.path().join("config")).unwrap();
    std::fs::write(folder.path().join("config/prism.yaml"), file.replace(&named, backend.grpc())).unwrap();
    let gateway = start(gateway, folder.path());
    let prism = |words: &[&str]| {
        let output = command("prism")
            .args(words)
            .args(["--address", gateway.grpc(), "--timeout", "1min"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    prism(&["kv", "set", "greeting", "hello"]);
    assert_eq!(prism(&["kv", "get", "greeting"]), b"hello");
    assert!(folder.path().join("store/store").is_dir(), "the store is on the volume");
}
