//! The table of rights: what each method and each path is for, whom each admits, and calls whose outcome is compared with it.

use tonic::Code;

use crate::guarded::request_of;
use crate::raw;

/// A method that reads.
pub const GET: &str = "/prism.interfaces.keyvalue.KeyValueBasicInterface/Get";

/// A method that writes.
pub const SET: &str = "/prism.interfaces.keyvalue.KeyValueBasicInterface/Set";

/// What a call or a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For everybody.
    Open,
    /// For whoever has the right to read.
    Read,
    /// For whoever has the right to write.
    Write,
    /// For whoever is known.
    Known,
    /// For operators.
    Operator,
}

use Kind::{Known, Open, Operator, Read, Write};

/// Every method that the proxy serves.
pub const METHODS: [(&str, Kind); 47] = [
    ("/grpc.health.v1.Health/Check", Open),
    ("/grpc.health.v1.Health/Watch", Open),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Known),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Known),
    ("/prism.interfaces.capabilities.CapabilitiesInterface/GetCapabilities", Read),
    ("/prism.interfaces.keyvalue.KeyValueBasicInterface/Delete", Write),
    ("/prism.interfaces.keyvalue.KeyValueBasicInterface/Exists", Read),
    (GET, Read),
    (SET, Write),
    ("/prism.interfaces.keyvalue.KeyValueBatchInterface/BatchDelete", Write),
    ("/prism.interfaces.keyvalue.KeyValueBatchInterface/BatchGet", Read),
    ("/prism.interfaces.keyvalue.KeyValueBatchInterface/BatchSet", Write),
    ("/prism.interfaces.keyvalue.KeyValueCasInterface/DeleteIf", Write),
    ("/prism.interfaces.keyvalue.KeyValueCasInterface/GetAndDelete", Write),
    ("/prism.interfaces.keyvalue.KeyValueCasInterface/GetAndSet", Write),
    ("/prism.interfaces.keyvalue.KeyValueCasInterface/SetIf", Write),
    ("/prism.interfaces.keyvalue.KeyValueCounterInterface/Increment", Write),
    ("/prism.interfaces.keyvalue.KeyValueScanInterface/Count", Read),
    ("/prism.interfaces.keyvalue.KeyValueScanInterface/DeletePrefix", Write),
    ("/prism.interfaces.keyvalue.KeyValueScanInterface/Scan", Read),
    ("/prism.interfaces.keyvalue.KeyValueScanInterface/ScanKeys", Read),
    ("/prism.interfaces.keyvalue.KeyValueTtlInterface/Expire", Write),
    ("/prism.interfaces.keyvalue.KeyValueTtlInterface/GetTtl", Read),
    ("/prism.interfaces.keyvalue.KeyValueTtlInterface/Persist", Write),
    ("/prism.interfaces.list.ListBasicInterface/Length", Read),
    ("/prism.interfaces.list.ListBasicInterface/PopLeft", Write),
    ("/prism.interfaces.list.ListBasicInterface/PopRight", Write),
    ("/prism.interfaces.list.ListBasicInterface/PushLeft", Write),
    ("/prism.interfaces.list.ListBasicInterface/PushRight", Write),
    ("/prism.interfaces.list.ListBatchInterface/PopMany", Write),
    ("/prism.interfaces.list.ListBatchInterface/PushMany", Write),
    ("/prism.interfaces.list.ListBlockingInterface/BlockingPop", Write),
    ("/prism.interfaces.list.ListIndexingInterface/GetAt", Read),
    ("/prism.interfaces.list.ListIndexingInterface/Remove", Write),
    ("/prism.interfaces.list.ListIndexingInterface/SetAt", Write),
    ("/prism.interfaces.list.ListRangeInterface/Clear", Write),
    ("/prism.interfaces.list.ListRangeInterface/GetRange", Read),
    ("/prism.interfaces.list.ListRangeInterface/Trim", Write),
    ("/prism.interfaces.list.ListReserveInterface/Ack", Write),
    ("/prism.interfaces.list.ListReserveInterface/Extend", Write),
    ("/prism.interfaces.list.ListReserveInterface/Release", Write),
    ("/prism.interfaces.list.ListReserveInterface/Reserve", Write),
    ("/prism.interfaces.list.ListScanInterface/CountLists", Read),
    ("/prism.interfaces.list.ListScanInterface/ScanLists", Read),
    ("/prism.interfaces.transfer.TransferInterface/Export", Read),
    ("/prism.interfaces.transfer.TransferInterface/Import", Write),
    ("/prism.interfaces.usage.UsageInterface/GetUsage", Read),
];

/// Every path of the proxy's HTTP port.
pub const PATHS: [(&str, Kind); 5] = [
    ("/livez", Open),
    ("/readyz", Open),
    ("/metrics", Operator),
    ("/config/status", Operator),
    ("/traffic", Operator),
];

/// Who presents a credential, if it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody: there is none, or it is not accepted.
    Nobody,
    /// May read `mine`.
    Reader,
    /// May write `mine`.
    Writer,
    /// Of another namespace.
    Other,
    /// May read the HTTP port.
    AnOperator,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Whatever becomes of it then.
    Admitted,
    /// Nobody is known.
    Unauthenticated,
    /// Who is known has not the right.
    Denied,
}

use Outcome::{Admitted, Denied, Unauthenticated};

/// The table.
#[must_use]
pub fn expected(kind: Kind, who: Who) -> Outcome {
    match (kind, who) {
        (Open, _) => Admitted,
        (_, Who::Nobody) => Unauthenticated,
        (Known, _) => Admitted,
        (Read, Who::Reader) | (Write, Who::Writer) | (Operator, Who::AnOperator) => Admitted,
        (Read | Write | Operator, _) => Denied,
    }
}

/// The status of the HTTP port for this outcome. `/nowhere` is not a path.
#[must_use]
pub fn status(outcome: Outcome, path: &str) -> u16 {
    match outcome {
        Admitted if path == "/nowhere" => 404,
        Admitted => 200,
        Unauthenticated => 401,
        Denied => 403,
    }
}

/// The header of a bearer credential.
#[must_use]
pub fn authorization(token: Option<&String>) -> Vec<(&'static str, String)> {
    token.map(|token| ("authorization", format!("Bearer {token}"))).into_iter().collect()
}

/// Calls a method with a request that has nothing but its namespace.
///
/// # Panics
/// The connection is gone.
pub async fn call(to: &raw::Connection, path: &str, namespace: &str, token: Option<&String>) -> raw::Answer {
    try_call(to, path, namespace, token).await.expect("the connection lives")
}

/// The same on a connection that may be gone.
///
/// # Errors
/// It is.
pub async fn try_call(
    to: &raw::Connection,
    path: &str,
    namespace: &str,
    token: Option<&String>,
) -> Result<raw::Answer, h2::Error> {
    let headers = authorization(token);
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // What would never end does at once.
    headers.extend(path.ends_with("/Watch").then_some(("grpc-timeout", "1n")));
    let message = request_of(namespace);
    let is_grpcs_own = path.starts_with("/grpc.");
    let message: &[u8] = if is_grpcs_own { &[0, 0, 0, 0, 0] } else { &message };
    to.try_call(path, &headers, &[message]).await
}

/// How a call ended.
///
/// # Panics
/// It has no status.
#[must_use]
pub fn outcome(answer: &raw::Answer) -> Outcome {
    match answer.status().expect("an answer has a status").code() {
        Code::Unauthenticated => Unauthenticated,
        Code::PermissionDenied => Denied,
        _ => Admitted,
    }
}
