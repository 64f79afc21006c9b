//! `prism.interfaces.list` over a [`List`] backend.

use std::sync::Arc;

use bytes::Bytes;
use prism_proto::interfaces::list::list_basic_interface_server::ListBasicInterface;
use prism_proto::interfaces::list::{
    LengthRequest, LengthResponse, PopLeftRequest, PopLeftResponse, PopRightRequest, PopRightResponse,
    PushLeftRequest, PushLeftResponse, PushRightRequest, PushRightResponse,
};
use tonic::{Request, Response, Status, async_trait};

use crate::Error;
use crate::list::{End, List};
use crate::types::{Key, Namespace};
use crate::validate;

pub(crate) struct ListAdapter<B>(pub(crate) Arc<B>);

#[async_trait]
impl<B: List> ListBasicInterface for ListAdapter<B> {
    async fn push_left(
        &self,
        request: Request<PushLeftRequest>,
    ) -> Result<Response<PushLeftResponse>, Status> {
        let PushLeftRequest { namespace, list_key, value } = request.into_inner();
        let new_length = self.push(namespace, list_key, End::Left, value).await?;
        Ok(Response::new(PushLeftResponse { new_length }))
    }

    async fn push_right(
        &self,
        request: Request<PushRightRequest>,
    ) -> Result<Response<PushRightResponse>, Status> {
        let PushRightRequest { namespace, list_key, value } = request.into_inner();
        let new_length = self.push(namespace, list_key, End::Right, value).await?;
        Ok(Response::new(PushRightResponse { new_length }))
    }

    async fn pop_left(&self, request: Request<PopLeftRequest>) -> Result<Response<PopLeftResponse>, Status> {
        let PopLeftRequest { namespace, list_key } = request.into_inner();
        let value = self.pop(namespace, list_key, End::Left).await?;
        Ok(Response::new(PopLeftResponse { found: value.is_some(), value: value.unwrap_or_default() }))
    }

    async fn pop_right(
        &self,
        request: Request<PopRightRequest>,
    ) -> Result<Response<PopRightResponse>, Status> {
        let PopRightRequest { namespace, list_key } = request.into_inner();
        let value = self.pop(namespace, list_key, End::Right).await?;
        Ok(Response::new(PopRightResponse { found: value.is_some(), value: value.unwrap_or_default() }))
    }

    async fn length(&self, request: Request<LengthRequest>) -> Result<Response<LengthResponse>, Status> {
        let LengthRequest { namespace, list_key } = request.into_inner();
        let length = self.0.length(Namespace::new(namespace)?, Key::new("list_key", list_key)?).await?;
        Ok(Response::new(LengthResponse { length: wire_length(length) }))
    }
}

impl<B: List> ListAdapter<B> {
    async fn push(&self, namespace: String, list_key: String, end: End, value: Bytes) -> Result<i64, Error> {
        let namespace = Namespace::new(namespace)?;
        let list_key = Key::new("list_key", list_key)?;
        let value = validate::value(value)?;
        self.0.push(namespace, list_key, end, value).await.map(wire_length)
    }

    async fn pop(&self, namespace: String, list_key: String, end: End) -> Result<Option<Bytes>, Error> {
        self.0.pop(Namespace::new(namespace)?, Key::new("list_key", list_key)?, end).await
    }
}

/// A length as the contract's int64; no list reaches its end.
fn wire_length(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
