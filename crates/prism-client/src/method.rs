//! The unary calls, one type each: the gRPC method, its messages, and the result.
//!
//! The types have no values; they are the parameter of [`Call`](crate::Call).

use std::future::Future;

use bytes::Bytes;
use http::Uri;
use prism_proto::interfaces::capabilities::GetCapabilitiesResponse;
use prism_proto::interfaces::capabilities::capabilities_interface_client::CapabilitiesInterfaceClient;
use prism_proto::interfaces::keyvalue::key_value_basic_interface_client::KeyValueBasicInterfaceClient;
use prism_proto::interfaces::keyvalue::key_value_scan_interface_client::KeyValueScanInterfaceClient;
use prism_proto::interfaces::list::list_basic_interface_client::ListBasicInterfaceClient;
use prism_proto::interfaces::usage::GetUsageResponse;
use prism_proto::interfaces::usage::usage_interface_client::UsageInterfaceClient;
use prism_proto::interfaces::{capabilities, keyvalue, list, usage};
use prism_proto::limits::MESSAGE_BYTES_MAX;
use prism_proto::methods;
use tonic::{Request, Response, Status};

use crate::transport::Lease;

/// A unary gRPC method. Only the types of this module implement it.
pub trait Method: sealed::Method {
    /// The result of the call.
    type Output: Send;
}

pub(crate) mod sealed {
    use super::*;

    pub trait Method: Send + 'static {
        /// `/package.Service/Method`.
        const PATH: &'static str;
        /// The name in errors: `keyvalue.get`.
        const OPERATION: &'static str;
        type Request: prost::Message + Clone + 'static;
        type Response: Send;

        fn send(
            lease: Lease,
            origin: Uri,
            request: Request<Self::Request>,
        ) -> impl Future<Output = Result<Response<Self::Response>, Status>> + Send;

        fn namespace(request: &Self::Request) -> &str;

        fn output(response: Self::Response) -> <Self as super::Method>::Output
        where
            Self: super::Method;
    }
}

/// Whether the method at `path` has no side effects.
pub(crate) fn has_no_side_effects(path: &str) -> bool {
    methods::KNOWN.get(path).is_some_and(|method| method.no_side_effects)
}

macro_rules! method {
    ($(#[$doc:meta])* $name:ident, $path:literal, $operation:literal, $client:ident :: $send:ident,
     $request:ty => $response:ty, $output:ty, $map:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Method for $name {
            type Output = $output;
        }

        impl sealed::Method for $name {
            const PATH: &'static str = $path;
            const OPERATION: &'static str = $operation;
            type Request = $request;
            type Response = $response;

            async fn send(
                lease: Lease,
                origin: Uri,
                request: Request<$request>,
            ) -> Result<Response<$response>, Status> {
                $client::with_origin(lease, origin)
                    .max_decoding_message_size(MESSAGE_BYTES_MAX)
                    .max_encoding_message_size(MESSAGE_BYTES_MAX)
                    .$send(request)
                    .await
            }

            fn namespace(request: &$request) -> &str {
                &request.namespace
            }

            fn output(response: $response) -> $output {
                let map: fn($response) -> $output = $map;
                map(response)
            }
        }
    };
}

method!(
    /// Stores a value.
    Set, "/prism.interfaces.keyvalue.KeyValueBasicInterface/Set", "keyvalue.set",
    KeyValueBasicInterfaceClient::set, keyvalue::SetRequest => keyvalue::SetResponse,
    (), |_| ()
);
method!(
    /// Returns a value.
    Get, "/prism.interfaces.keyvalue.KeyValueBasicInterface/Get", "keyvalue.get",
    KeyValueBasicInterfaceClient::get, keyvalue::GetRequest => keyvalue::GetResponse,
    Bytes, |response| response.value
);
method!(
    /// Removes a key and returns whether it existed.
    Delete, "/prism.interfaces.keyvalue.KeyValueBasicInterface/Delete", "keyvalue.delete",
    KeyValueBasicInterfaceClient::delete, keyvalue::DeleteRequest => keyvalue::DeleteResponse,
    bool, |response| response.found
);
method!(
    /// Whether a key exists.
    Exists, "/prism.interfaces.keyvalue.KeyValueBasicInterface/Exists", "keyvalue.exists",
    KeyValueBasicInterfaceClient::exists, keyvalue::ExistsRequest => keyvalue::ExistsResponse,
    bool, |response| response.exists
);
method!(
    /// The number of keys with a prefix.
    Count, "/prism.interfaces.keyvalue.KeyValueScanInterface/Count", "keyvalue.count",
    KeyValueScanInterfaceClient::count, keyvalue::CountRequest => keyvalue::CountResponse,
    u64, |response| response.count.max(0).unsigned_abs()
);
method!(
    /// Adds a value at the left end and returns the new length.
    PushLeft, "/prism.interfaces.list.ListBasicInterface/PushLeft", "list.push_left",
    ListBasicInterfaceClient::push_left, list::PushLeftRequest => list::PushLeftResponse,
    u64, |response| response.new_length.max(0).unsigned_abs()
);
method!(
    /// Adds a value at the right end and returns the new length.
    PushRight, "/prism.interfaces.list.ListBasicInterface/PushRight", "list.push_right",
    ListBasicInterfaceClient::push_right, list::PushRightRequest => list::PushRightResponse,
    u64, |response| response.new_length.max(0).unsigned_abs()
);
method!(
    /// Removes and returns the value at the left end; `None` if the list is empty.
    PopLeft, "/prism.interfaces.list.ListBasicInterface/PopLeft", "list.pop_left",
    ListBasicInterfaceClient::pop_left, list::PopLeftRequest => list::PopLeftResponse,
    Option<Bytes>, |response| response.found.then_some(response.value)
);
method!(
    /// Removes and returns the value at the right end; `None` if the list is empty.
    PopRight, "/prism.interfaces.list.ListBasicInterface/PopRight", "list.pop_right",
    ListBasicInterfaceClient::pop_right, list::PopRightRequest => list::PopRightResponse,
    Option<Bytes>, |response| response.found.then_some(response.value)
);
method!(
    /// The number of values in a list.
    Length, "/prism.interfaces.list.ListBasicInterface/Length", "list.length",
    ListBasicInterfaceClient::length, list::LengthRequest => list::LengthResponse,
    u64, |response| response.length.max(0).unsigned_abs()
);
method!(
    /// What the backend promises.
    Capabilities, "/prism.interfaces.capabilities.CapabilitiesInterface/GetCapabilities", "capabilities.get",
    CapabilitiesInterfaceClient::get_capabilities,
    capabilities::GetCapabilitiesRequest => GetCapabilitiesResponse,
    GetCapabilitiesResponse, |response| response
);
method!(
    /// What the backend holds.
    Usage, "/prism.interfaces.usage.UsageInterface/GetUsage", "usage.get",
    UsageInterfaceClient::get_usage, usage::GetUsageRequest => GetUsageResponse,
    GetUsageResponse, |response| response
);

#[cfg(test)]
mod tests {
    use super::sealed::Method as _;
    use super::*;

    #[test]
    fn every_unary_method_of_the_interfaces_has_a_call() {
        let calls = [
            Set::PATH,
            Get::PATH,
            Delete::PATH,
            Exists::PATH,
            Count::PATH,
            PushLeft::PATH,
            PushRight::PATH,
            PopLeft::PATH,
            PopRight::PATH,
            Length::PATH,
            Capabilities::PATH,
            Usage::PATH,
        ];
        for path in calls {
            assert!(methods::KNOWN.contains_key(path), "{path}");
        }
        for (path, known) in methods::KNOWN.iter() {
            let called = calls.contains(&path.as_str());
            assert!(called || !known.is_unary(), "{path}");
        }
    }

    #[test]
    fn reads_are_known_from_writes() {
        assert!(has_no_side_effects(Get::PATH) && has_no_side_effects(Length::PATH));
        assert!(!has_no_side_effects(Set::PATH) && !has_no_side_effects(PopLeft::PATH));
        assert!(!has_no_side_effects("/unknown.Service/Method"));
    }
}
