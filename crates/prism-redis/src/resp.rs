//! RESP3, the protocol of Redis and Valkey, and one connection that speaks it (<https://redis.io/docs/latest/develop/reference/protocol-spec/>).
//!
//! | module | owns |
//! |---|---|
//! | `cmd` | a command as it is sent |
//! | `value`, `decoder` | an answer; reading answers, however they are split across reads |
//! | `wire` | sending commands on a connection and giving each caller its answers |

mod cmd;
mod decoder;
mod value;
mod wire;

pub(crate) use cmd::{Argument, Cmd, cmd};
pub(crate) use value::{Refusal, Value};
pub(crate) use wire::{Unanswered, Wire};
