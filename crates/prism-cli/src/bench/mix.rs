//! Which calls make up a load, and how often each is made.

use std::str::FromStr;

use super::kind::Kind;

/// Kinds of calls, each with a weight: `get=80,set=20`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mix {
    kinds: Vec<Kind>,
    /// For each kind, the sum of its weight and those of all kinds before it.
    sums: Vec<u64>,
}

impl Mix {
    /// The kinds, each once, in the order given.
    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    pub(super) fn has(&self, is_wanted: impl Fn(Kind) -> bool) -> bool {
        self.kinds.iter().any(|kind| is_wanted(*kind))
    }

    /// Draws a kind by weight: its index in [`kinds`](Self::kinds).
    pub(super) fn draw(&self, random: &mut fastrand::Rng) -> usize {
        match self.sums.as_slice() {
            [] | [_] => 0,
            [.., total] => {
                let drawn = random.u64(..total);
                self.sums.partition_point(|sum| *sum <= drawn)
            }
        }
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut mix = Self { kinds: Vec::new(), sums: Vec::new() };
        let mut total = 0;
        for part in text.split(',') {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
                format!("unknown call {name:?}; the calls are {}", Kind::ALL.map(Kind::name).join(", "))
            })?;
            let weight = weight.parse::<u32>().ok().filter(|weight| *weight > 0).ok_or_else(|| {
                format!("the weight of {kind} is {weight:?}; expected a whole number from 1 to {}", u32::MAX)
            })?;
            if mix.kinds.contains(&kind) {
                return Err(format!("{kind} is given twice"));
            }
            total += u64::from(weight);
            mix.kinds.push(kind);
            mix.sums.push(total);
        }
        Ok(mix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_one_unless_given() {
        let mix: Mix = "get=80,set=20,scan-keys".parse().unwrap();
        assert_eq!(
            (mix.kinds(), &mix.sums[..]),
            (&[Kind::Get, Kind::Set, Kind::ScanKeys][..], &[80, 100, 101][..])
        );
    }

    #[test]
    fn calls_are_drawn_by_weight() {
        let mix: Mix = "get=3,set=1".parse().unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        let sets = (0..10_000).filter(|_| mix.draw(&mut random) == 1).count();
        assert!((2_300..2_700).contains(&sets), "{sets} of 10000 are sets");
        let alone: Mix = "length".parse().unwrap();
        assert_eq!(alone.draw(&mut random), 0);
    }

    #[test]
    fn what_is_no_mix_is_refused() {
        for (text, told) in [
            ("", "unknown call \"\""),
            ("get,", "unknown call \"\""),
            ("gets", "the calls are get, set,"),
            ("get=0", "weight of get is \"0\""),
            ("get=-1", "from 1 to"),
            ("get=4294967296", "from 1 to"),
            ("get=1.5", "from 1 to"),
            ("get=1,set=2,get=3", "get is given twice"),
        ] {
            let error = text.parse::<Mix>().unwrap_err();
            assert!(error.contains(told), "{text:?}: {error}");
        }
    }
}
