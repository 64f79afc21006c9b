//! Counters of each caller's calls, by status.
//!
//! Names come from certificates and from issuers of tokens, not from clients, but there may be any number of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use prism_grpc::identity::Identity;
use prism_proto::error::code_name;
use rustc_hash::FxHashMap;
use tonic::Code;

/// The most callers that are counted by name.
const NAMED_MAX: usize = 1_000;

/// The label of all others. No caller can have this name, which has no source.
const OTHERS: &str = "_other";

/// The counters of all callers.
#[derive(Debug, Default)]
pub(crate) struct CallerTraffic {
    /// Copied when a caller calls for the first time.
    named: ArcSwap<FxHashMap<Identity, Arc<Codes>>>,
    others: Codes,
}

#[derive(Debug, Default)]
struct Codes([AtomicU64; 17]);

impl Codes {
    fn count(&self, code: Code) {
        if let Some(counter) = self.0.get(code as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }
}

impl CallerTraffic {
    /// Counts a call that has ended.
    pub(crate) fn count(&self, caller: &Identity, code: Code) {
        match self.named.load().get(caller) {
            Some(codes) => codes.count(code),
            None => self.first_of(caller, code),
        }
    }

    fn first_of(&self, caller: &Identity, code: Code) {
        let made = Arc::new(Codes::default());
        let mut counted = None;
        self.named.rcu(|named| {
            if named.len() >= NAMED_MAX && !named.contains_key(caller) {
                counted = None;
                return Arc::clone(named);
            }
            let mut named = FxHashMap::clone(named);
            counted = Some(Arc::clone(named.entry(caller.clone()).or_insert_with(|| Arc::clone(&made))));
            Arc::new(named)
        });
        counted.as_deref().unwrap_or(&self.others).count(code);
    }

    /// Visits each counter that is not zero: the caller, the status and the number of calls.
    pub(crate) fn each(&self, mut visit: impl FnMut(&str, &'static str, u64) -> fmt::Result) -> fmt::Result {
        let named = self.named.load();
        let labelled: BTreeMap<_, _> =
            named.iter().map(|(caller, codes)| (caller.to_string(), &**codes)).collect();
        let labelled = labelled.iter().map(|(caller, codes)| (caller.as_str(), *codes));
        for (caller, codes) in labelled.chain([(OTHERS, &self.others)]) {
            for (code, count) in codes.0.iter().enumerate() {
                let count = count.load(Relaxed);
                if count > 0 {
                    let code = i32::try_from(code).map_or(Code::Unknown, Code::from);
                    visit(caller, code_name(code), count)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prism_grpc::identity::Source;

    use super::*;

    #[test]
    fn there_is_a_limit_of_callers_that_are_counted_by_name() {
        let traffic = CallerTraffic::default();
        let caller = |number: usize| Identity::new(Source::Jwt, &format!("{number}")).unwrap();
        for number in 0..NAMED_MAX + 2 {
            traffic.count(&caller(number), Code::Ok);
        }
        traffic.count(&caller(0), Code::Ok);
        traffic.count(&caller(NAMED_MAX), Code::NotFound);
        let mut lines = Vec::new();
        let noted = traffic.each(|caller, code, count| {
            lines.push((caller.to_owned(), code, count));
            Ok(())
        });
        assert_eq!((noted, lines.len()), (Ok(()), NAMED_MAX + 2));
        assert!(lines.contains(&("jwt:0".to_owned(), "OK", 2)));
        assert!(lines.ends_with(&[(OTHERS.to_owned(), "OK", 2), (OTHERS.to_owned(), "NOT_FOUND", 1)]));
    }
}
