//! The unary calls, one type each: an rpc and the result of the call. The rest comes from the rpc's descriptor.
//!
//! The types have no values; they are the parameter of [`Call`](crate::Call).

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use prism_proto::codec::Codec;
use prism_proto::interfaces::capabilities::GetCapabilitiesResponse;
use prism_proto::interfaces::list::ReserveResponse;
use prism_proto::interfaces::usage::GetUsageResponse;
use prism_proto::limits::MESSAGE_BYTES_MAX;
use prism_proto::methods;
use prism_proto::rpc::{self, Rpc, ServerStreaming, Unary};
use tonic::client::Grpc;
use tonic::{Request, Response, Status, Streaming};

use crate::transport::Lease;

/// A unary gRPC method. Only the types of this module implement it.
pub trait Method: sealed::Method {
    /// The result of the call.
    type Output: Send;
}

pub(crate) mod sealed {
    use super::*;

    pub trait Method: Send + 'static {
        type Rpc: Unary;

        fn output(response: <Self::Rpc as Rpc>::Response) -> <Self as super::Method>::Output
        where
            Self: super::Method;
    }
}

/// What a method sends.
pub(crate) type RequestOf<M> = <<M as sealed::Method>::Rpc as Rpc>::Request;

/// `/package.Service/Method`.
pub(crate) const fn path_of<M: Method>() -> &'static str {
    <M::Rpc as Rpc>::PATH
}

/// The name in errors: `keyvalue.get`.
pub(crate) const fn operation_of<M: Method>() -> &'static str {
    <M::Rpc as Rpc>::OPERATION
}

/// Whether the method at `path` has no side effects.
pub(crate) fn has_no_side_effects(path: &str) -> bool {
    methods::KNOWN.get(path).is_some_and(|method| method.no_side_effects)
}

/// Makes a call with one response.
pub(crate) async fn send<R: Unary>(
    lease: Lease,
    origin: Uri,
    request: Request<R::Request>,
) -> Result<Response<R::Response>, Status> {
    let codec = Codec::<R::Request, R::Response>::default();
    grpc(lease, origin).await?.unary(request, PathAndQuery::from_static(R::PATH), codec).await
}

/// Makes a call with a stream of responses.
pub(crate) async fn send_streaming<R: ServerStreaming>(
    lease: Lease,
    origin: Uri,
    request: Request<R::Request>,
) -> Result<Response<Streaming<R::Response>>, Status> {
    let codec = Codec::<R::Request, R::Response>::default();
    grpc(lease, origin).await?.server_streaming(request, PathAndQuery::from_static(R::PATH), codec).await
}

async fn grpc(lease: Lease, origin: Uri) -> Result<Grpc<Lease>, Status> {
    let mut grpc = Grpc::with_origin(lease, origin)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    grpc.ready().await?;
    Ok(grpc)
}

macro_rules! method {
    ($(#[$doc:meta])* $name:ident, $package:ident :: $rpc:ident, $output:ty, $map:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Method for $name {
            type Output = $output;
        }

        impl sealed::Method for $name {
            type Rpc = rpc::$package::$rpc;

            fn output(response: <Self::Rpc as Rpc>::Response) -> $output {
                let map: fn(<Self::Rpc as Rpc>::Response) -> $output = $map;
                map(response)
            }
        }
    };
}

method!(
    /// Stores a value.
    Set, keyvalue::Set, (), |_| ()
);
method!(
    /// Returns a value.
    Get, keyvalue::Get, Bytes, |response| response.value
);
method!(
    /// Removes a key and returns whether it existed.
    Delete, keyvalue::Delete, bool, |response| response.found
);
method!(
    /// Whether a key exists.
    Exists, keyvalue::Exists, bool, |response| response.exists
);
method!(
    /// The number of keys with a prefix.
    Count, keyvalue::Count, u64, |response| response.count.max(0).unsigned_abs()
);
method!(
    /// Adds a value at the left end and returns the new length.
    PushLeft, list::PushLeft, u64, |response| response.new_length.max(0).unsigned_abs()
);
method!(
    /// Adds a value at the right end and returns the new length.
    PushRight, list::PushRight, u64, |response| response.new_length.max(0).unsigned_abs()
);
method!(
    /// Removes and returns the value at the left end; `None` if the list is empty.
    PopLeft, list::PopLeft, Option<Bytes>, |response| response.found.then_some(response.value)
);
method!(
    /// Removes and returns the value at the right end; `None` if the list is empty.
    PopRight, list::PopRight, Option<Bytes>, |response| response.found.then_some(response.value)
);
method!(
    /// The number of values in a list.
    Length, list::Length, u64, |response| response.length.max(0).unsigned_abs()
);
method!(
    /// Reserves values; the lease is empty if there are none.
    Reserve, list::Reserve, ReserveResponse, |response| response
);
method!(
    /// Removes the values of a lease and returns how many.
    Ack, list::Ack, u64, |response| response.removed.max(0).unsigned_abs()
);
method!(
    /// Gives a lease more time.
    Extend, list::Extend, (), |_| ()
);
method!(
    /// Ends a lease and returns how many values it had.
    Release, list::Release, u64, |response| response.returned.max(0).unsigned_abs()
);
method!(
    /// What the backend promises.
    Capabilities, capabilities::GetCapabilities, GetCapabilitiesResponse, |response| response
);
method!(
    /// What the backend holds.
    Usage, usage::GetUsage, GetUsageResponse, |response| response
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_known_from_writes() {
        assert!(has_no_side_effects(path_of::<Get>()) && has_no_side_effects(path_of::<Length>()));
        assert!(!has_no_side_effects(path_of::<Set>()) && !has_no_side_effects(path_of::<PopLeft>()));
        assert!(!has_no_side_effects("/unknown.Service/Method"));
    }
}
