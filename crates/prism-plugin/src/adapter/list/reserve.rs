//! Values under leases over a [`ListReserve`] backend.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::interfaces::list::{
    self as proto, AckRequest, AckResponse, ExtendRequest, ExtendResponse, ReleaseRequest, ReleaseResponse,
    ReserveRequest, ReserveResponse,
};
use prism_proto::rpc::{Rpc as _, list as rpc};
use prism_proto::{FILE_DESCRIPTOR_SET, limits};

use super::blocking::{checked_wait, until_drain};
use super::{checked_end, wire_length};
use crate::adapter::answer::{answered, answered_or};
use crate::error::{Error, ErrorReason};
use crate::list::{DeliveryLimit, ListReserve, Reservation, Reserved, ReservedValue};
use crate::types::{Key, Namespace};
use crate::validate;

pub(crate) fn interface<B: ListReserve>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::Reserve::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .unary::<rpc::Reserve, _>(reserve)
        .unary::<rpc::Ack, _>(ack)
        .unary::<rpc::Extend, _>(extend)
        .unary::<rpc::Release, _>(release)
}

async fn reserve<B: ListReserve>(
    backend: Arc<B>,
    context: Context,
    request: ReserveRequest,
) -> Result<ReserveResponse, Error> {
    let ReserveRequest { namespace, list_key, end, count, lease_millis, wait_millis, .. } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let reservation = Reservation {
        end: checked_end(end)?,
        count: checked_count(count)?,
        lease: checked_lease(lease_millis)?,
        deliveries: checked_deliveries(&list_key, request.max_deliveries, request.dead_letter_list_key)?,
        wait: checked_wait(&context, wait_millis)?,
    };
    let reserve = |wait| {
        let reservation = Reservation { wait, ..reservation.clone() };
        backend.reserve(&context, namespace.clone(), list_key.clone(), reservation)
    };
    let reserved = until_drain(&context, reservation.wait, reserve);
    answered(&context, reserved, answer).await
}

fn answer(reserved: &Option<Reserved>) -> ReserveResponse {
    let Some(Reserved { lease, values }) = reserved else { return ReserveResponse::default() };
    let value = |ReservedValue { value, deliveries }: &ReservedValue| proto::ReservedValue {
        value: value.clone(),
        deliveries: i32::try_from(*deliveries).unwrap_or(i32::MAX),
    };
    ReserveResponse { lease: lease.clone(), values: values.iter().map(value).collect() }
}

async fn ack<B: ListReserve>(
    backend: Arc<B>,
    context: Context,
    request: AckRequest,
) -> Result<AckResponse, Error> {
    let AckRequest { namespace, list_key, lease } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let acked = backend.ack(&context, namespace, list_key, checked_token(lease)?);
    let answer = |removed: &Option<u64>| removed.map(|removed| AckResponse { removed: wire_length(removed) });
    answered_or(&context, acked, answer, ended).await
}

async fn extend<B: ListReserve>(
    backend: Arc<B>,
    context: Context,
    request: ExtendRequest,
) -> Result<ExtendResponse, Error> {
    let ExtendRequest { namespace, list_key, lease, lease_millis } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let duration = checked_lease(lease_millis)?;
    let extended = backend.extend(&context, namespace, list_key, checked_token(lease)?, duration);
    answered_or(&context, extended, |is_there| is_there.then_some(ExtendResponse {}), ended).await
}

async fn release<B: ListReserve>(
    backend: Arc<B>,
    context: Context,
    request: ReleaseRequest,
) -> Result<ReleaseResponse, Error> {
    let ReleaseRequest { namespace, list_key, lease } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let released = backend.release(&context, namespace, list_key, checked_token(lease)?);
    let answer = |count: &Option<u64>| count.map(|count| ReleaseResponse { returned: wire_length(count) });
    answered_or(&context, released, answer, ended).await
}

fn checked_count(count: i64) -> Result<usize, Error> {
    let count = usize::try_from(validate::positive("count", count)?).unwrap_or(usize::MAX);
    validate::batch("count", count)?;
    Ok(count)
}

fn checked_lease(lease_millis: i64) -> Result<Duration, Error> {
    let max = limits::LEASE_MAX;
    let lease = u64::try_from(lease_millis).map(Duration::from_millis).ok();
    lease.filter(|lease| !lease.is_zero() && *lease <= max).ok_or_else(|| {
        let range = format!("1 to {} (12 hours)", max.as_millis());
        validate::out_of_range(ErrorReason::LeaseInvalid, "lease_millis", lease_millis, &range)
            .with("limit", max.as_millis().to_string())
    })
}

/// Both fields are given, or neither.
fn checked_deliveries(
    list_key: &Key,
    max: Option<i32>,
    dead_letter: String,
) -> Result<Option<DeliveryLimit>, Error> {
    let unfit = |field, why| Err(Error::new(ErrorReason::LimitInvalid, why).with("field", field));
    let Some(max) = max else {
        if dead_letter.is_empty() {
            return Ok(None);
        }
        let why = "dead_letter_list_key is given without max_deliveries; give both or neither";
        return unfit("max_deliveries", why);
    };
    let max = validate::positive("max_deliveries", max.into())?;
    if dead_letter.is_empty() {
        let why = "max_deliveries is given without dead_letter_list_key; give both or neither";
        return unfit("dead_letter_list_key", why);
    }
    let dead_letter = Key::new("dead_letter_list_key", dead_letter)?;
    if dead_letter == *list_key {
        return unfit("dead_letter_list_key", "dead_letter_list_key is list_key; name another list");
    }
    Ok(Some(DeliveryLimit { max: u32::try_from(max).unwrap_or(u32::MAX), dead_letter }))
}

/// What is longer than any lease's name names none.
fn checked_token(lease: Bytes) -> Result<Bytes, Error> {
    if lease.is_empty() || lease.len() > limits::LEASE_TOKEN_BYTES_MAX { Err(ended()) } else { Ok(lease) }
}

/// LEASE_ENDED.
fn ended() -> Error {
    let why = "the lease has ended, was acknowledged, released or cleared, or never existed on this list; its values may be \
               delivered again: reserve them anew";
    Error::new(ErrorReason::LeaseEnded, why).with("field", "lease")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_limit_needs_both_of_its_fields() {
        let list = Key::stored("l".to_owned());
        let check = |max, list_key: &str| checked_deliveries(&list, max, list_key.to_owned());
        let limit = DeliveryLimit { max: 3, dead_letter: Key::stored("dead".to_owned()) };
        assert_eq!(check(None, ""), Ok(None));
        assert_eq!(check(Some(3), "dead"), Ok(Some(limit)));
        for (max, list_key, field) in [
            (None, "dead", "max_deliveries"),
            (Some(3), "", "dead_letter_list_key"),
            (Some(3), "l", "dead_letter_list_key"),
            (Some(0), "dead", "max_deliveries"),
            (Some(-1), "dead", "max_deliveries"),
        ] {
            let error = check(max, list_key).unwrap_err();
            assert_eq!((error.reason, error.fact("field")), (ErrorReason::LimitInvalid, Some(field)));
        }
        assert_eq!(check(Some(1), &"k".repeat(4097)).unwrap_err().reason, ErrorReason::KeyInvalid);
    }

    #[test]
    fn a_lease_has_a_range_and_its_token_a_length() {
        for millis in [1, 43_200_000] {
            assert_eq!(checked_lease(millis).unwrap().as_millis(), millis.unsigned_abs().into());
        }
        for millis in [0, -1, 43_200_001, i64::MAX] {
            assert_eq!(checked_lease(millis).unwrap_err().reason, ErrorReason::LeaseInvalid);
        }
        assert!(checked_token(Bytes::from_static(&[0; 64])).is_ok());
        for token in [&[0; 65][..], &[]] {
            assert_eq!(checked_token(token.into()).unwrap_err().reason, ErrorReason::LeaseEnded);
        }
    }
}
