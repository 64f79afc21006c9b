//! The message codec of the generated clients and servers: prost, with Prism's own error for bytes that are not a
//! message of the expected type.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{Codec as TonicCodec, DecodeBuf, Decoder as TonicDecoder};
use tonic_prost::ProstEncoder;

use crate::error::{Error, ErrorReason};

/// Encodes `T` and decodes `U`. Bytes that cannot be decoded fail with INVALID_ARGUMENT / MALFORMED_REQUEST and the
/// [`prost::DecodeError`] as the status's source (tonic alone returns INTERNAL).
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> TonicCodec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Decoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(Default::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        Decoder(PhantomData)
    }
}

/// The decoding half of [`Codec`].
#[derive(Debug)]
pub struct Decoder<U>(PhantomData<U>);

impl<U: Message + Default> TonicDecoder for Decoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(buffer).map(Some).map_err(|source| {
            let mut status = Status::from(malformed(&source));
            status.set_source(std::sync::Arc::new(source));
            status
        })
    }
}

/// The error of a call whose message cannot be decoded.
#[must_use]
pub fn malformed(source: &prost::DecodeError) -> Error {
    Error::new(ErrorReason::MalformedRequest, format!("the message cannot be decoded: {source}"))
}
