//! The key under which a call may be repeated without being applied twice, as the header `idempotency-key` has it.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorReason};

/// `CLIENT.SEQ.ACKED`: 32 hexadecimal digits, and two decimal numbers.
///
/// ```
/// use prism_proto::idempotency::IdempotencyKey;
/// let key: IdempotencyKey = "000000000000000000000000000000ff.7.3".parse().unwrap();
/// assert_eq!(key, IdempotencyKey { client: 255, seq: 7, acked: 3 });
/// assert_eq!(key.to_string(), "000000000000000000000000000000ff.7.3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// The client, by a random number.
    pub client: u128,
    /// The call, by a number that the client gives to no other.
    pub seq: u64,
    /// The client has the answers to all calls with lower numbers, and repeats none of them. At most [`seq`](Self::seq).
    pub acked: u64,
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, seq, acked } = self;
        write!(f, "{client:032x}.{seq}.{acked}")
    }
}

impl FromStr for IdempotencyKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| {
            let why = "idempotency-key is malformed; expected CLIENT.SEQ.ACKED, of 32 hexadecimal digits and two decimal numbers, \
                       the second at most as large as the first";
            invalid(why)
        })
    }
}

fn parse(text: &str) -> Option<IdempotencyKey> {
    let mut parts = text.split('.');
    let (client, seq, acked) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || client.len() != 32 || !client.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let (seq, acked) = (number(seq)?, number(acked)?);
    let client = u128::from_str_radix(client, 16).ok()?;
    (acked <= seq).then_some(IdempotencyKey { client, seq, acked })
}

/// IDEMPOTENCY_KEY_INVALID.
#[must_use]
pub fn invalid(why: &'static str) -> Error {
    Error::new(ErrorReason::IdempotencyKeyInvalid, why).with("field", "idempotency-key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_it_is_shown_as() {
        for (client, seq, acked) in [(0, 0, 0), (u128::MAX, u64::MAX, u64::MAX), (7, 10, 3)] {
            let key = IdempotencyKey { client, seq, acked };
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let client = "0123456789abcdef0123456789ABCDEF";
        assert!(format!("{client}.1.1").parse::<IdempotencyKey>().is_ok());
        for wrong in [
            String::new(),
            client.to_owned(),
            format!("{client}.1"),
            format!("{client}.1.1.1"),
            format!("{client}.1.2"),
            format!("{client}.+1.0"),
            format!("{client}.1.-0"),
            format!("{client}.1.18446744073709551616"),
            format!("{client}..0"),
            format!("{client}. 1.0"),
            format!("+{}.1.0", &client[1..]),
            format!("{}.1.0", &client[1..]),
            format!("{client}0.1.0"),
        ] {
            let error = wrong.parse::<IdempotencyKey>().unwrap_err();
            assert_eq!(error.reason, ErrorReason::IdempotencyKeyInvalid, "{wrong}");
        }
    }
}
