//! Which lists there are, over a [`ListScan`] backend.

use std::sync::Arc;

use prism_grpc::Context;
use prism_grpc::interface::{Chunks, Interface, Streamed};
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::list::{
    CountListsRequest, CountListsResponse, ScanListsRequest, ScanListsResponse,
};
use prism_proto::rpc::{Rpc as _, list as rpc};

use super::wire_length;
use crate::adapter::keyvalue::scan::Asked;
use crate::error::Error;
use crate::list::ListScan;
use crate::types::{Key, Namespace};
use crate::validate;

pub(crate) fn interface<B: ListScan>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::ScanLists::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .server_streaming::<rpc::ScanLists, _, _>(scan_lists)
        .unary::<rpc::CountLists, _>(count_lists)
}

async fn scan_lists<B: ListScan>(
    backend: Arc<B>,
    context: Context,
    request: ScanListsRequest,
) -> Result<Streamed<impl Chunks<ScanListsResponse>>, Error> {
    let ScanListsRequest { namespace, prefix, limit, resume } = request;
    let asked = Asked { namespace, prefix, limit, resume, ..Asked::default() };
    let checked = asked.check(&*backend, "ScanLists")?;
    let message = |(list_key, length): (Key, u64), _, resume| ScanListsResponse {
        list_key: list_key.into_string(),
        length: wire_length(length),
        resume,
    };
    Ok(checked.answer(message, move |range| backend.scan_lists(&context, range)))
}

async fn count_lists<B: ListScan>(
    backend: Arc<B>,
    context: Context,
    request: CountListsRequest,
) -> Result<CountListsResponse, Error> {
    let CountListsRequest { namespace, prefix } = request;
    let count = backend.count_lists(&context, Namespace::new(namespace)?, validate::prefix(prefix)?).await?;
    Ok(CountListsResponse { count: wire_length(count) })
}
