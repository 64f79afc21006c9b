//! Durations in microseconds, as people write them.

use std::fmt::{self, Display};

/// Displayed in the unit that suits it.
pub(super) struct Time(f64);

pub(super) fn time(micros: f64) -> Time {
    Time(micros)
}

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0 {
            micros if micros < 1e3 => (micros, "us"),
            micros if micros < 1e6 => (micros / 1e3, "ms"),
            micros => (micros / 1e6, "s"),
        };
        if number.fract() == 0.0 || number >= 100.0 {
            write!(f, "{number:.0} {unit}")
        } else if number >= 10.0 {
            write!(f, "{number:.1} {unit}")
        } else {
            write!(f, "{number:.2} {unit}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_that_suits_them() {
        for (micros, text) in [
            (0.0, "0 us"),
            (8.25, "8.25 us"),
            (83.4, "83.4 us"),
            (999.9, "1000 us"),
            (1234.5, "1.23 ms"),
            (250_000.0, "250 ms"),
            (2_000_000.0, "2 s"),
        ] {
            assert_eq!(time(micros).to_string(), text);
        }
    }
}
