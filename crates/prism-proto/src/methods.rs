//! What is known about a gRPC method without knowing its messages: whether it streams, and whether it has side effects.
//! Read from descriptors: this crate's own, or those that a plugin's reflection sends.

use std::sync::LazyLock;

use prost::Message as _;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::FILE_DESCRIPTOR_SET;

/// What is known about one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// The client sends any number of messages.
    pub client_streaming: bool,
    /// The server sends any number of messages.
    pub server_streaming: bool,
    /// Calling it changes nothing (`idempotency_level = NO_SIDE_EFFECTS`), so it may be repeated at will.
    pub no_side_effects: bool,
    /// Something describes it: [`UNKNOWN`](Self::UNKNOWN) is all others.
    pub is_described: bool,
}

impl Method {
    /// A method about which nothing is known: it may stream and write, so it is never repeated.
    pub const UNKNOWN: Self =
        Self { client_streaming: true, server_streaming: true, no_side_effects: false, is_described: false };

    /// One message each way.
    #[must_use]
    pub fn is_unary(self) -> bool {
        !self.client_streaming && !self.server_streaming
    }
}

/// The full name of the service in a path, `/package.Service/Method`.
#[must_use]
pub fn service_of(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').map_or(path, |(service, _)| service)
}

/// Methods by path, `/package.Service/Method`. The hash is fast and not keyed: clients' paths are only looked up, never
/// inserted.
pub type Methods = FxHashMap<String, Method>;

/// The methods of this crate's protos.
pub static KNOWN: LazyLock<Methods> = LazyLock::new(|| {
    let set =
        FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("prism-codegen wrote this descriptor set");
    of_files(&set.file)
});

/// The paths of this crate's methods that change nothing more when they are called again: `idempotency_level = IDEMPOTENT`, or no side
/// effects.
pub static IDEMPOTENT: LazyLock<FxHashSet<String>> = LazyLock::new(|| {
    let set =
        FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("prism-codegen wrote this descriptor set");
    let mut paths = FxHashSet::default();
    for file in &set.file {
        for service in &file.service {
            let is_idempotent = |method: &&MethodDescriptorProto| {
                let level = method.options.as_ref().map(MethodOptions::idempotency_level);
                level.is_some_and(|level| level != IdempotencyLevel::IdempotencyUnknown)
            };
            let methods = service.method.iter().filter(is_idempotent);
            paths.extend(
                methods.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())),
            );
        }
    }
    paths
});

/// The full names of this crate's interfaces.
pub static INTERFACES: LazyLock<FxHashSet<String>> =
    LazyLock::new(|| KNOWN.keys().map(|path| service_of(path).to_owned()).collect());

/// The methods that a set of files describes.
#[must_use]
pub fn of_files(files: &[FileDescriptorProto]) -> Methods {
    let mut methods = Methods::default();
    for file in files {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let idempotency = method.options.as_ref().map(|options| options.idempotency_level());
                let known = Method {
                    client_streaming: method.client_streaming(),
                    server_streaming: method.server_streaming(),
                    no_side_effects: idempotency == Some(IdempotencyLevel::NoSideEffects),
                    is_described: true,
                };
                methods.insert(path, known);
            }
        }
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_service() {
        for (path, service) in
            [("/a.B/Get", "a.B"), ("/a.B", "a.B"), ("a.B/Get", "a.B"), ("//Get", ""), ("", "")]
        {
            assert_eq!(service_of(path), service, "{path:?}");
        }
    }

    #[test]
    fn what_adds_up_is_not_idempotent() {
        let is_idempotent = |path: &str| IDEMPOTENT.contains(&format!("/prism.interfaces.{path}"));
        assert!(is_idempotent("keyvalue.KeyValueBasicInterface/Set"));
        assert!(is_idempotent("list.ListBasicInterface/Length"));
        assert!(!is_idempotent("list.ListBasicInterface/PushLeft"));
        assert!(!is_idempotent("keyvalue.KeyValueCounterInterface/Increment"));
    }

    #[test]
    fn the_descriptors_list_every_method_with_its_kind() {
        const READ: Method = Method {
            client_streaming: false,
            server_streaming: false,
            no_side_effects: true,
            is_described: true,
        };
        const WRITE: Method = Method { no_side_effects: false, ..READ };
        const SCAN: Method = Method { server_streaming: true, ..READ };
        const PROGRESS: Method = Method { no_side_effects: false, ..SCAN };
        const EXCHANGE: Method = Method { client_streaming: true, ..PROGRESS };
        let pinned = [
            ("/prism.interfaces.capabilities.CapabilitiesInterface/GetCapabilities", READ),
            ("/prism.interfaces.keyvalue.KeyValueBasicInterface/Set", WRITE),
            ("/prism.interfaces.keyvalue.KeyValueBasicInterface/Get", READ),
            ("/prism.interfaces.keyvalue.KeyValueBasicInterface/Delete", WRITE),
            ("/prism.interfaces.keyvalue.KeyValueBasicInterface/Exists", READ),
            ("/prism.interfaces.keyvalue.KeyValueScanInterface/Scan", SCAN),
            ("/prism.interfaces.keyvalue.KeyValueScanInterface/ScanKeys", SCAN),
            ("/prism.interfaces.keyvalue.KeyValueScanInterface/Count", READ),
            ("/prism.interfaces.list.ListBasicInterface/PushLeft", WRITE),
            ("/prism.interfaces.list.ListBasicInterface/PushRight", WRITE),
            ("/prism.interfaces.list.ListBasicInterface/PopLeft", WRITE),
            ("/prism.interfaces.list.ListBasicInterface/PopRight", WRITE),
            ("/prism.interfaces.list.ListBasicInterface/Length", READ),
            ("/prism.interfaces.keyvalue.KeyValueTtlInterface/GetTtl", READ),
            ("/prism.interfaces.keyvalue.KeyValueTtlInterface/Expire", WRITE),
            ("/prism.interfaces.keyvalue.KeyValueTtlInterface/Persist", WRITE),
            ("/prism.interfaces.keyvalue.KeyValueBatchInterface/BatchGet", SCAN),
            ("/prism.interfaces.keyvalue.KeyValueBatchInterface/BatchSet", WRITE),
            ("/prism.interfaces.keyvalue.KeyValueBatchInterface/BatchDelete", WRITE),
            ("/prism.interfaces.keyvalue.KeyValueCasInterface/SetIf", WRITE),
            ("/prism.interfaces.keyvalue.KeyValueCasInterface/DeleteIf", WRITE),
            ("/prism.interfaces.keyvalue.KeyValueCasInterface/GetAndSet", WRITE),
            ("/prism.interfaces.keyvalue.KeyValueCasInterface/GetAndDelete", WRITE),
            ("/prism.interfaces.keyvalue.KeyValueCounterInterface/Increment", WRITE),
            ("/prism.interfaces.keyvalue.KeyValueScanInterface/DeletePrefix", PROGRESS),
            ("/prism.interfaces.list.ListRangeInterface/GetRange", SCAN),
            ("/prism.interfaces.list.ListRangeInterface/Trim", WRITE),
            ("/prism.interfaces.list.ListRangeInterface/Clear", WRITE),
            ("/prism.interfaces.list.ListIndexingInterface/GetAt", READ),
            ("/prism.interfaces.list.ListIndexingInterface/SetAt", WRITE),
            ("/prism.interfaces.list.ListIndexingInterface/Remove", WRITE),
            ("/prism.interfaces.list.ListBatchInterface/PushMany", WRITE),
            ("/prism.interfaces.list.ListBatchInterface/PopMany", WRITE),
            ("/prism.interfaces.list.ListBlockingInterface/BlockingPop", WRITE),
            ("/prism.interfaces.list.ListReserveInterface/Reserve", WRITE),
            ("/prism.interfaces.list.ListReserveInterface/Ack", WRITE),
            ("/prism.interfaces.list.ListReserveInterface/Extend", WRITE),
            ("/prism.interfaces.list.ListReserveInterface/Release", WRITE),
            ("/prism.interfaces.list.ListScanInterface/ScanLists", SCAN),
            ("/prism.interfaces.list.ListScanInterface/CountLists", READ),
            ("/prism.interfaces.transfer.TransferInterface/Export", SCAN),
            ("/prism.interfaces.transfer.TransferInterface/Import", EXCHANGE),
            ("/prism.interfaces.usage.UsageInterface/GetUsage", READ),
        ];
        for (path, method) in pinned {
            assert_eq!(KNOWN.get(path), Some(&method), "{path}");
        }
        assert_eq!(KNOWN.len(), pinned.len());
    }
}
