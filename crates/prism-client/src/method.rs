//! The calls with one result, one type each: an rpc and the result of the call. The rest comes from the rpc's descriptor.
//!
//! The types have no values; they are the parameter of [`Call`](crate::Call).

use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use prism_proto::interfaces::capabilities::GetCapabilitiesResponse;
use prism_proto::interfaces::keyvalue::{
    BatchDeleteResult, BatchGetResponse, GetAndSetRequest, IncrementRequest, ItemStatus, SetIfRequest,
    SetRequest,
};
use prism_proto::interfaces::list::ReserveResponse;
use prism_proto::interfaces::usage::GetUsageResponse;
use prism_proto::methods;
use prism_proto::rpc::{self, Rpc};
use tonic::{Request, Status};

use crate::answer::{Changed, Pushed, millis, unsigned};
use crate::send::{send_collecting, send_unary};
use crate::transport::Lease;

/// A gRPC method whose call has one result. Only the types of this module implement it.
pub trait Method: sealed::Method {
    /// The result of the call.
    type Output: Send;
}

/// A method that stores a value with a time to live.
pub trait Expiring: Method + sealed::Expiring {}

pub(crate) mod sealed {
    use super::*;

    pub trait Method: Send + 'static {
        type Rpc: Rpc;
        /// What arrives: a response, or all responses of a stream.
        type Answer: Send;
        /// Whether the responses are a stream, which is collected.
        const COLLECTS: bool;

        fn exchange(
            lease: Lease,
            origin: Uri,
            request: Request<<Self::Rpc as Rpc>::Request>,
        ) -> impl Future<Output = Result<Self::Answer, Status>> + Send;

        fn output(answer: Self::Answer) -> <Self as super::Method>::Output
        where
            Self: super::Method;

        /// The result if the key does not exist; `None` if that is an error.
        fn without_key() -> Option<<Self as super::Method>::Output>
        where
            Self: super::Method,
        {
            None
        }
    }

    pub trait Expiring: Method {
        fn set_ttl(request: &mut <Self::Rpc as Rpc>::Request, millis: i64);
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

/// A type for a method: its rpc, its result, how the answer becomes the result, and the result for a missing key if that is
/// not an error.
macro_rules! method {
    ($(#[$doc:meta])* $name:ident, $package:ident :: $rpc:ident, $output:ty, $map:expr $(, missing: $missing:expr)?) => {
        method!(@ [$(#[$doc])*] $name, $package::$rpc, $output, $map, send_unary, false,
            <rpc::$package::$rpc as Rpc>::Response $(, $missing)?);
    };
    ($(#[$doc:meta])* all $name:ident, $package:ident :: $rpc:ident, $output:ty, $map:expr) => {
        method!(@ [$(#[$doc])*] $name, $package::$rpc, $output, $map, send_collecting, true,
            Vec<<rpc::$package::$rpc as Rpc>::Response>);
    };
    (@ [$(#[$doc:meta])*] $name:ident, $package:ident :: $rpc:ident, $output:ty, $map:expr, $send:ident, $collects:literal,
     $answer:ty $(, $missing:expr)?) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Method for $name {
            type Output = $output;
        }

        impl sealed::Method for $name {
            type Rpc = rpc::$package::$rpc;
            type Answer = $answer;
            const COLLECTS: bool = $collects;

            async fn exchange(
                lease: Lease,
                origin: Uri,
                request: Request<<Self::Rpc as Rpc>::Request>,
            ) -> Result<$answer, Status> {
                $send::<Self::Rpc>(lease, origin, request).await
            }

            fn output(answer: $answer) -> $output {
                let map: fn($answer) -> $output = $map;
                map(answer)
            }

            $(fn without_key() -> Option<$output> {
                Some($missing)
            })?
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
    /// Returns a value; `None` if the key does not exist.
    Find, keyvalue::Get, Option<Bytes>, |response| Some(response.value), missing: None
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
    Count, keyvalue::Count, u64, |response| unsigned(response.count)
);
method!(
    /// Stores a value if a condition holds.
    SetIf, keyvalue::SetIf, Changed, |response| Changed { applied: response.applied, current: response.current }
);
method!(
    /// Stores a value if the key does not exist, and returns whether it did so.
    SetIfAbsent, keyvalue::SetIf, bool, |response| response.applied
);
method!(
    /// Removes a key if a condition holds.
    DeleteIf, keyvalue::DeleteIf, Changed,
    |response| Changed { applied: response.applied, current: response.current }
);
method!(
    /// Stores a value and returns the one that it replaced; `None` if the key did not exist.
    GetAndSet, keyvalue::GetAndSet, Option<Bytes>, |response| response.found.then_some(response.value)
);
method!(
    /// Removes a key and returns its value; `None` if the key did not exist.
    GetAndDelete, keyvalue::GetAndDelete, Option<Bytes>, |response| response.found.then_some(response.value)
);
method!(
    /// Adds to a counter and returns its new value.
    Increment, keyvalue::Increment, i64, |response| response.value
);
method!(
    /// The time that a key has left to live; `None` if it does not expire.
    GetTtl, keyvalue::GetTtl, Option<Duration>, |response| response.ttl_millis_left.map(millis)
);
method!(
    /// Gives a key a new time to live and returns whether the key exists.
    Expire, keyvalue::Expire, bool, |_| true, missing: false
);
method!(
    /// Removes a key's time to live and returns whether it had one.
    Persist, keyvalue::Persist, bool, |response| response.had_ttl, missing: false
);
method!(
    /// Returns the values of up to 1,000 keys.
    all BatchGet, keyvalue::BatchGet, Vec<BatchGetResponse>, |responses| responses
);
method!(
    /// Stores up to 1,000 values.
    BatchSet, keyvalue::BatchSet, Vec<ItemStatus>, |response| response.results
);
method!(
    /// Removes up to 1,000 keys.
    BatchDelete, keyvalue::BatchDelete, Vec<BatchDeleteResult>, |response| response.results
);
method!(
    /// Adds a value at the left end and returns the new length.
    PushLeft, list::PushLeft, u64, |response| unsigned(response.new_length)
);
method!(
    /// Adds a value at the right end and returns the new length.
    PushRight, list::PushRight, u64, |response| unsigned(response.new_length)
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
    Length, list::Length, u64, |response| unsigned(response.length)
);
method!(
    /// Adds values at one end.
    PushMany, list::PushMany, Pushed,
    |response| Pushed { new_length: unsigned(response.new_length), trimmed: unsigned(response.trimmed) }
);
method!(
    /// Removes and returns values at one end.
    PopMany, list::PopMany, Vec<Bytes>, |response| response.values
);
method!(
    /// Removes and returns the value at one end, and waits for one; `None` if the wait ended without a value.
    BlockingPop, list::BlockingPop, Option<Bytes>, |response| response.found.then_some(response.value)
);
method!(
    /// Returns the values of a range.
    all GetRange, list::GetRange, Vec<Bytes>,
    |responses| responses.into_iter().map(|response| response.value).collect()
);
method!(
    /// Removes all values outside of a range and returns the new length.
    Trim, list::Trim, u64, |response| unsigned(response.new_length)
);
method!(
    /// Removes a list and returns how many values it had.
    Clear, list::Clear, u64, |response| unsigned(response.removed)
);
method!(
    /// Returns the value at an index; `None` if the list has no such index.
    GetAt, list::GetAt, Option<Bytes>, |response| response.found.then_some(response.value)
);
method!(
    /// Replaces the value at an index.
    SetAt, list::SetAt, (), |_| ()
);
method!(
    /// Removes equal values and returns how many.
    Remove, list::Remove, u64, |response| unsigned(response.removed)
);
method!(
    /// The number of lists with a prefix.
    CountLists, list::CountLists, u64, |response| unsigned(response.count)
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

impl Expiring for Set {}

impl sealed::Expiring for Set {
    /// Whole seconds are sent as such, which a backend of the first edition understands, too.
    fn set_ttl(request: &mut SetRequest, millis: i64) {
        let is_whole = millis % 1000 == 0;
        (request.ttl_seconds, request.ttl_millis) =
            if is_whole { (Some(millis / 1000), None) } else { (None, Some(millis)) };
    }
}

macro_rules! expiring {
    ($($name:ident: $request:ty),+) => {$(
        impl Expiring for $name {}

        impl sealed::Expiring for $name {
            fn set_ttl(request: &mut $request, millis: i64) {
                request.ttl_millis = Some(millis);
            }
        }
    )+};
}

expiring!(
    SetIf: SetIfRequest, SetIfAbsent: SetIfRequest, GetAndSet: GetAndSetRequest, Increment: IncrementRequest
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
