//! Conditional writes over a [`KeyValueCas`] backend.

use std::sync::Arc;

use bytes::Bytes;
use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::keyvalue::{
    self as proto, DeleteIfRequest, DeleteIfResponse, GetAndDeleteRequest, GetAndDeleteResponse,
    GetAndSetRequest, GetAndSetResponse, SetIfRequest, SetIfResponse, condition::Test,
};
use prism_proto::rpc::{Rpc as _, keyvalue as rpc};

use crate::adapter::answer::answered;
use crate::error::{Error, ErrorReason};
use crate::keyvalue::{Condition, Conditional, KeyValueCas};
use crate::types::{Key, Namespace, Ttl};
use crate::validate;

pub(crate) fn interface<B: KeyValueCas>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::SetIf::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .unary::<rpc::SetIf, _>(set_if)
        .unary::<rpc::DeleteIf, _>(delete_if)
        .unary::<rpc::GetAndSet, _>(get_and_set)
        .unary::<rpc::GetAndDelete, _>(get_and_delete)
}

async fn set_if<B: KeyValueCas>(
    backend: Arc<B>,
    context: Context,
    request: SetIfRequest,
) -> Result<SetIfResponse, Error> {
    let SetIfRequest { namespace, key, value, ttl_millis, condition, return_current } = request;
    let (namespace, key) = (Namespace::new(namespace)?, Key::new("key", key)?);
    let write = (validate::value(value)?, Ttl::of(None, ttl_millis)?);
    let condition = checked(condition)?;
    let ended = backend.set_if(&context, namespace, key, write, condition, return_current);
    let answer =
        |ended: &Conditional| SetIfResponse { applied: ended.applied, current: ended.current.clone() };
    answered(&context, ended, answer).await
}

async fn delete_if<B: KeyValueCas>(
    backend: Arc<B>,
    context: Context,
    request: DeleteIfRequest,
) -> Result<DeleteIfResponse, Error> {
    let DeleteIfRequest { namespace, key, condition, return_current } = request;
    let (namespace, key) = (Namespace::new(namespace)?, Key::new("key", key)?);
    let condition = checked(condition)?;
    if condition == Condition::Absent {
        return Err(invalid("is absent, which leaves nothing to remove; use another one"));
    }
    let ended = backend.delete_if(&context, namespace, key, condition, return_current);
    let answer =
        |ended: &Conditional| DeleteIfResponse { applied: ended.applied, current: ended.current.clone() };
    answered(&context, ended, answer).await
}

async fn get_and_set<B: KeyValueCas>(
    backend: Arc<B>,
    context: Context,
    request: GetAndSetRequest,
) -> Result<GetAndSetResponse, Error> {
    let GetAndSetRequest { namespace, key, value, ttl_millis } = request;
    let (namespace, key) = (Namespace::new(namespace)?, Key::new("key", key)?);
    let (value, ttl) = (validate::value(value)?, Ttl::of(None, ttl_millis)?);
    let before = backend.get_and_set(&context, namespace, key, value, ttl);
    let answer = |before: &Option<Bytes>| GetAndSetResponse {
        found: before.is_some(),
        value: before.clone().unwrap_or_default(),
    };
    answered(&context, before, answer).await
}

async fn get_and_delete<B: KeyValueCas>(
    backend: Arc<B>,
    context: Context,
    request: GetAndDeleteRequest,
) -> Result<GetAndDeleteResponse, Error> {
    let GetAndDeleteRequest { namespace, key } = request;
    let before = backend.get_and_delete(&context, Namespace::new(namespace)?, Key::new("key", key)?);
    let answer = |before: &Option<Bytes>| GetAndDeleteResponse {
        found: before.is_some(),
        value: before.clone().unwrap_or_default(),
    };
    answered(&context, before, answer).await
}

fn checked(condition: Option<proto::Condition>) -> Result<Condition, Error> {
    let test = condition.and_then(|condition| condition.test);
    Ok(match test.ok_or_else(|| invalid("is missing; one of its fields must be set"))? {
        Test::Absent(_) => Condition::Absent,
        Test::Present(_) => Condition::Present,
        Test::Equals(value) => Condition::Equals(value),
        Test::Differs(value) => Condition::Differs(value),
        Test::EqualsSha256(digest) => {
            let size = digest.len();
            let digest = digest[..].try_into();
            Condition::EqualsSha256(digest.map_err(|_| {
                invalid(&format!("has an equals_sha256 of {size} bytes; a SHA-256 has 32"))
                    .with("limit", "32")
                    .with("size", size.to_string())
            })?)
        }
    })
}

fn invalid(found: &str) -> Error {
    Error::new(ErrorReason::ConditionInvalid, format!("condition {found}")).with("field", "condition")
}
