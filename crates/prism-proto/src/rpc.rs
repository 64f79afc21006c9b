//! Every rpc of the interfaces as a type, with its path and its messages. `prism-codegen` writes the table from the descriptors, and
//! servers and clients take from it what they would otherwise repeat.
//!
//! The types have no values; they are parameters of what serves and makes calls.

use prost::Message;

/// An rpc, as its descriptor has it.
pub trait Rpc: Send + Sync + 'static {
    /// The full name of its service: `prism.interfaces.keyvalue.KeyValueBasicInterface`.
    const SERVICE: &'static str;
    /// The name of the method: `Get`.
    const NAME: &'static str;
    /// `/SERVICE/METHOD`.
    const PATH: &'static str;
    /// The short name, for people: `keyvalue.get`.
    const OPERATION: &'static str;
    /// The name of the request's field 2, such as `key`, `list_key` or `prefix`.
    const SUBJECT: &'static str;
    /// What the client sends.
    type Request: Message + Default + Clone + Unpin + Send + 'static;
    /// What the server sends.
    type Response: Message + Default + Clone + Unpin + Send + 'static;

    /// The namespace that a request names.
    fn namespace(request: &Self::Request) -> &str;
}

/// One message each way.
pub trait Unary: Rpc {}

/// One request and any number of responses.
pub trait ServerStreaming: Rpc {}

/// Any number of messages each way.
pub trait BidiStreaming: Rpc {}

macro_rules! rpc {
    ($kind:ident $name:ident, $service:literal, $operation:literal, $subject:literal,
     $package:ident::{$request:ident => $response:ident}) => {
        #[doc = concat!("`/", $service, "/", stringify!($name), "`")]
        #[derive(Debug)]
        pub enum $name {}

        impl crate::rpc::Rpc for $name {
            const SERVICE: &'static str = $service;
            const NAME: &'static str = stringify!($name);
            const PATH: &'static str = concat!("/", $service, "/", stringify!($name));
            const OPERATION: &'static str = $operation;
            const SUBJECT: &'static str = $subject;
            type Request = crate::interfaces::$package::$request;
            type Response = crate::interfaces::$package::$response;

            fn namespace(request: &Self::Request) -> &str {
                &request.namespace
            }
        }

        impl crate::rpc::$kind for $name {}
    };
}
use rpc;

include!("generated/rpcs.rs");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::KNOWN;

    #[test]
    fn a_type_says_what_the_descriptor_says() {
        assert_eq!(keyvalue::Get::SERVICE, "prism.interfaces.keyvalue.KeyValueBasicInterface");
        assert_eq!(keyvalue::Get::PATH, "/prism.interfaces.keyvalue.KeyValueBasicInterface/Get");
        assert_eq!((list::PushLeft::OPERATION, list::PushLeft::SUBJECT), ("list.push_left", "list_key"));
        let request =
            crate::interfaces::keyvalue::GetRequest { namespace: "a".to_owned(), ..Default::default() };
        assert_eq!(keyvalue::Get::namespace(&request), "a");
        for path in [keyvalue::Scan::PATH, transfer::Import::PATH] {
            assert!(KNOWN.contains_key(path), "{path}");
        }
    }
}
