//! Names of the keys that belong to a key and lie in its slot: answers that are kept for repetitions, and leases.
//!
//! `KEY_PREFIX prism:{TAG}:…`, where TAG is a number whose slot is that of the key. The key itself in the braces would not do: it may contain
//! one. Servers without slots get the same names, so that their data can be moved to a cluster. Scans leave these keys out.

use std::sync::LazyLock;

use prism_grpc::identity::{Identity, Source};

use crate::config::{Mode, Settings};
use crate::names::{SLOTS, slot};

/// For each slot the smallest number that has it.
static TAGS: LazyLock<Box<[u32]>> = LazyLock::new(|| {
    let mut tags = vec![u32::MAX; usize::from(SLOTS)];
    let mut left = tags.len();
    for number in 0..u32::MAX {
        let tag = &mut tags[usize::from(slot(number.to_string().as_bytes()))];
        if *tag == u32::MAX {
            *tag = number;
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    tags.into_boxed_slice()
});

/// How companions are named.
#[derive(Clone, Debug)]
pub(crate) struct Companions {
    prefix: String,
    is_of_cluster: bool,
}

impl Companions {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { prefix: settings.key_prefix.clone(), is_of_cluster: settings.mode == Mode::Cluster }
    }

    fn in_slot(&self, slot: u16, rest: &[&str]) -> String {
        let tag = TAGS.get(usize::from(slot)).copied().unwrap_or_default();
        let mut name = format!("{}prism:{{{tag}}}:", self.prefix);
        rest.iter().for_each(|part| name.push_str(part));
        name
    }

    /// The answers to a client, by its number, its caller and a namespace, in calls on a key, and which of them are open. Without slots all
    /// lie together, so that a number which is used again is noticed whatever the key.
    pub(crate) fn answers(
        &self,
        key: &str,
        namespace: &str,
        client: u128,
        caller: Option<&Identity>,
    ) -> [String; 2] {
        let slot = if self.is_of_cluster { slot(key.as_bytes()) } else { 0 };
        let (source, caller) = match caller {
            None => ("-", ""),
            Some(caller) => (source(caller.source), caller.name()),
        };
        let client = format!("{client:032x}");
        ["answers:", "open:"]
            .map(|kind| self.in_slot(slot, &[kind, namespace, ":", &client, ":", source, ":", caller]))
    }

    /// The note of what has been taken from a list for a caller that does not repeat its call.
    pub(crate) fn note(&self, list: &str, taking: &str) -> String {
        self.in_slot(slot(list.as_bytes()), &["note:", taking])
    }

    /// A list and what belongs to it, as the scripts on lists want their keys.
    pub(crate) fn of_list(&self, list: String) -> [String; 4] {
        let slot = slot(list.as_bytes());
        let (ends, leases) = (self.in_slot(slot, &["ends:", &list]), self.in_slot(slot, &["leases:", &list]));
        [list, ends, leases, self.due(slot)]
    }

    /// When the first lease of each list in a slot ends.
    pub(crate) fn due(&self, slot: u16) -> String {
        self.in_slot(slot, &["due"])
    }

    /// The slots that have leases, when each is to be looked at next, and how short its leases are: as `scripts/announce.lua` wants its keys.
    pub(crate) fn slots(&self) -> [String; 3] {
        ["slots", "looks", "shortest"].map(|name| self.in_slot(0, &[name]))
    }
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Token => "token",
        Source::Certificate => "certificate",
        Source::Jwt => "jwt",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Servers have keys with these names.
    #[test]
    fn each_slot_has_a_tag_which_is_pinned() {
        for (slot_number, tag) in TAGS.iter().enumerate() {
            assert_eq!(usize::from(slot(tag.to_string().as_bytes())), slot_number);
        }
        assert_eq!((TAGS[0], TAGS[1], TAGS[16_383]), (3_560, 22_179, 39_296));
    }

    #[test]
    fn companions_lie_in_the_slot_of_their_key() {
        let companions = Companions { prefix: "shop:".to_owned(), is_of_cluster: true };
        for list in ["li:default:a", "li:default:{b}c", "li:default:}{", "li:default:{}{x}", "{"] {
            let names = companions.of_list(list.to_owned());
            assert!(names.iter().all(|name| slot(name.as_bytes()) == slot(list.as_bytes())), "{names:?}");
            let [answers, open] = companions.answers(list, "default", 1, None);
            for name in [answers, open, companions.note(list, "7")] {
                assert_eq!(slot(name.as_bytes()), slot(list.as_bytes()), "{name}");
            }
        }
        let alone = Companions { is_of_cluster: false, ..companions };
        let caller = Identity::new(Source::Jwt, "me");
        let answers = |key| alone.answers(key, "default", 255, caller.as_ref());
        assert_eq!(answers("a"), answers("b"));
        let [answers, open] = answers("a");
        assert!(answers.ends_with("}:answers:default:000000000000000000000000000000ff:jwt:me"));
        assert!(open.ends_with("}:open:default:000000000000000000000000000000ff:jwt:me"));
    }
}
