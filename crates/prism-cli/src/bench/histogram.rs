//! Latencies in few buckets, for a reader or a plot.

use std::io::{self, Write};

use hdrhistogram::Histogram;

use super::micros::time;

/// The upper ends of a decade's buckets, in tenths: steps of 20 to 33 %.
const STEPS: [u64; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];

/// From 10 µs to ten hours, which is more than the histogram can hold.
const DECADES: u32 = 10;

/// The maximum number of lines of the text form; if there were more, buckets end only at 1, 2 and 5.
const LINES_MAX: usize = 16;

/// The length of the longest bar.
const BAR: u64 = 40;

/// A bucket: its inclusive upper end in microseconds, and its number of calls.
pub(super) type Bucket = (u64, u64);

/// The upper ends of all buckets: 1 to 9 µs, and ten per decade from there.
fn bounds() -> impl Iterator<Item = u64> {
    let decades = (0..DECADES).flat_map(|decade| STEPS.map(|step| step * 10_u64.pow(decade)));
    (1..10).chain(decades)
}

/// Sorts latencies in nanoseconds into buckets, from the first non-empty one to the last.
pub(super) fn buckets(latency: &Histogram<u64>) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = bounds().map(|bound| (bound, 0)).collect();
    for value in latency.iter_recorded() {
        let micros = latency.lowest_equivalent(value.value_iterated_to()).div_ceil(1000);
        let place = buckets.partition_point(|(bound, _)| *bound < micros).min(buckets.len() - 1);
        buckets[place].1 += value.count_since_last_iteration();
    }
    let is_used = |(_, count): &Bucket| *count > 0;
    match (buckets.iter().position(is_used), buckets.iter().rposition(is_used)) {
        (Some(first), Some(last)) => buckets[first..=last].to_vec(),
        _ => Vec::new(),
    }
}

/// Merges buckets so that they end at 1, 2 and 5 times a power of ten.
fn coarse(buckets: &[Bucket]) -> Vec<Bucket> {
    let mut joined = Vec::new();
    let mut sum = 0;
    for (place, (bound, count)) in buckets.iter().enumerate() {
        sum += count;
        let lead = bound / 10_u64.pow(bound.checked_ilog10().unwrap_or(0));
        let is_end =
            matches!(lead, 1 | 2 | 5) && bound % 10_u64.pow(bound.checked_ilog10().unwrap_or(0)) == 0;
        if is_end || place + 1 == buckets.len() {
            joined.push((*bound, sum));
            sum = 0;
        }
    }
    joined
}

/// Writes a bar for each bucket.
pub(super) fn text(out: &mut dyn Write, buckets: &[Bucket]) -> io::Result<()> {
    let joined;
    let buckets = if buckets.len() > LINES_MAX {
        joined = coarse(buckets);
        &joined
    } else {
        buckets
    };
    let most = buckets.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    for (bound, count) in buckets {
        // A bucket that is not empty is visible.
        let bar = (u128::from(*count) * u128::from(BAR)).div_ceil(u128::from(most));
        let bar = "#".repeat(usize::try_from(bar).unwrap_or(0));
        writeln!(out, "  <= {:>8}  {count:>10}  {bar}", time(*bound as f64).to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: &[u64]) -> Vec<Bucket> {
        let mut latency = Histogram::new(3).unwrap();
        for micros in micros {
            latency.record(micros * 1000).unwrap();
        }
        buckets(&latency)
    }

    #[test]
    fn buckets_reach_from_the_first_call_to_the_last() {
        assert_eq!(of(&[]), []);
        assert_eq!(
            of(&[3, 3, 9, 11]),
            [(3, 2), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 1), (10, 0), (12, 1)]
        );
        // A bound may be off in the histogram's third digit.
        assert_eq!(of(&[1190, 1300, 1900]), [(1200, 1), (1500, 1), (2000, 1)]);
    }

    #[test]
    fn bounds_ascend() {
        let bounds: Vec<_> = bounds().collect();
        assert!(bounds.is_sorted_by(|one, next| one < next), "{bounds:?}");
        assert!(bounds.last().is_some_and(|last| *last > 3_600_000_000));
    }

    #[test]
    fn many_buckets_are_joined_for_the_text() {
        let wide = of(&[5, 30, 200, 1_400, 9_000]);
        assert!(wide.len() > LINES_MAX);
        let counts: u64 = coarse(&wide).iter().map(|(_, count)| count).sum();
        assert_eq!(counts, 5);
        let mut out = Vec::new();
        text(&mut out, &wide).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().count() <= LINES_MAX, "{text}");
        assert!(text.contains("<=   200 us           1  ####"), "{text}");
    }
}
