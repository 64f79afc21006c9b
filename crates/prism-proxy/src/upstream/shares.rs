//! How many slots at a backend one client's connection and one namespace may hold at once, on each worker.

use std::num::NonZeroUsize;

use clap::Args;

use super::kind::Kind;

/// The flags of the shares.
///
/// A unary call waits for its slot and holds it only until the backend has responded, so its share is large. A stream
/// holds its slot for as long as it lasts, and is refused beyond the share. No share exceeds what the connections to
/// the backend carry: 2,048 unary calls, 1,024 streams.
#[derive(Args, Clone, Copy, Debug)]
pub struct SlotArgs {
    /// Maximum concurrent unary calls of one client connection at backends; further calls wait.
    #[arg(long, value_name = "N", default_value = "256")]
    connection_unary_slots_max: NonZeroUsize,

    /// Maximum concurrent streams of one client connection at backends; further streams fail with RESOURCE_EXHAUSTED.
    #[arg(long, value_name = "N", default_value = "32")]
    connection_stream_slots_max: NonZeroUsize,

    /// Maximum concurrent unary calls of one namespace at its backend, on each worker; further calls wait.
    #[arg(long, value_name = "N", default_value = "512")]
    namespace_unary_slots_max: NonZeroUsize,

    /// Maximum concurrent streams of one namespace at its backend, on each worker; further streams fail with RESOURCE_EXHAUSTED.
    #[arg(long, value_name = "N", default_value = "256")]
    namespace_stream_slots_max: NonZeroUsize,
}

impl SlotArgs {
    /// The share of one client connection, across all backends.
    pub(super) fn connection(&self, kind: Kind) -> usize {
        let share = match kind {
            Kind::Unary => self.connection_unary_slots_max,
            Kind::Streaming => self.connection_stream_slots_max,
        };
        share.get().min(kind.whole())
    }

    /// The share of one namespace.
    pub(super) fn namespace(&self, kind: Kind) -> usize {
        let share = match kind {
            Kind::Unary => self.namespace_unary_slots_max,
            Kind::Streaming => self.namespace_stream_slots_max,
        };
        share.get().min(kind.whole())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Sample {
        #[command(flatten)]
        shares: SlotArgs,
    }

    #[test]
    fn by_default_a_connection_has_an_eighth_or_a_32nd_and_a_namespace_a_quarter() {
        let Sample { shares } = Sample::parse_from(["sample"]);
        for (kind, of_connection) in [(Kind::Unary, 8), (Kind::Streaming, 32)] {
            assert_eq!(shares.connection(kind), kind.whole() / of_connection);
            assert_eq!(shares.namespace(kind), kind.whole() / 4);
        }
    }

    #[test]
    fn a_share_is_never_larger_than_the_whole() {
        let Sample { shares } = Sample::parse_from(["sample", "--namespace-stream-slots-max", "5000"]);
        assert_eq!(shares.namespace(Kind::Streaming), Kind::Streaming.whole());
    }
}
