//! Which lists there are, as a backend implements it.

use prism_grpc::Context;

use crate::error::Error;
use crate::keyvalue::{KeyValue, Pages, Range};
use crate::types::{Key, Namespace};

/// A backend that can tell which lists it holds. Epoch, identity and capabilities are those of its keys.
pub trait ListScan: KeyValue {
    /// Returns the lists of a range with their lengths, in the order and with the promises of
    /// [`KeyValue::scan_keys`]. Ranges have only namespace, prefix, limit and
    /// [`Start::Resume`](crate::keyvalue::Start::Resume). Dropping the stream ends the scan.
    fn scan_lists(&self, context: &Context, range: Range) -> Pages<(Key, u64)>;

    /// Returns the number of lists with a prefix.
    ///
    /// # Errors
    /// An error of the backend.
    fn count_lists(
        &self,
        context: &Context,
        namespace: Namespace,
        prefix: String,
    ) -> impl Future<Output = Result<u64, Error>> + Send;
}
