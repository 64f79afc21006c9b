//! The lines of `prism export` and `prism import`: a key and its value, as `prism kv scan -o json` prints them, or a list.

use std::io::IsTerminal as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use prism_client::{Exported, Item};
use serde::{Deserialize, Deserializer, Serialize};

use crate::output::{base64, base64_or_null, counted};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub(crate) struct Line(pub(crate) Exported);

/// The fields of a line: those of a key, or those of a list.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "base64_or_null",
        deserialize_with = "some_base64"
    )]
    value_base64: Option<Bytes>,
    /// With `taken_at_unix_millis`; only if the key expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl_millis_left: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken_at_unix_millis: Option<i64>,

    #[serde(default, skip_serializing_if = "Option::is_none")]
    list_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values_base64: Option<Vec<Value>>,
    /// With `last`; only if the list has more than one part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<bool>,
}

/// A value of a list.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Value(#[serde(serialize_with = "base64", deserialize_with = "from_base64")] Bytes);

impl From<Line> for Fields {
    fn from(Line(Exported { item, taken_at_unix_millis }): Line) -> Self {
        match item {
            Item::Key { key, value, ttl_left } => {
                let millis = |left: Duration| u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                Self {
                    key: Some(key),
                    value_base64: Some(value),
                    ttl_millis_left: ttl_left.map(millis),
                    taken_at_unix_millis: ttl_left.map(|_| taken_at_unix_millis),
                    ..Self::default()
                }
            }
            Item::ListPart { list_key, values, part, last } => {
                let is_whole = part == 0 && last;
                Self {
                    list_key: Some(list_key),
                    values_base64: Some(values.into_iter().map(Value).collect()),
                    part: (!is_whole).then_some(part),
                    last: (!is_whole).then_some(last),
                    ..Self::default()
                }
            }
        }
    }
}

impl TryFrom<Fields> for Line {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, &'static str> {
        let taken_at_unix_millis = fields.taken_at_unix_millis.unwrap_or_default();
        let item = match fields {
            Fields {
                key: Some(key),
                value_base64: Some(value),
                ttl_millis_left,
                list_key: None,
                values_base64: None,
                part: None,
                last: None,
                ..
            } => Item::Key { key, value, ttl_left: ttl_millis_left.map(Duration::from_millis) },
            Fields {
                list_key: Some(list_key),
                values_base64: Some(values),
                part,
                last,
                key: None,
                value_base64: None,
                ttl_millis_left: None,
                ..
            } => {
                let values = values.into_iter().map(|Value(value)| value).collect();
                Item::ListPart { list_key, values, part: part.unwrap_or(0), last: last.unwrap_or(true) }
            }
            _ => return Err("it is neither a key with a value nor a list with values"),
        };
        Ok(Self(Exported { item, taken_at_unix_millis }))
    }
}

pub(crate) fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
}

fn some_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
    from_base64(deserializer).map(Some)
}

/// How many keys and lists have been copied. A list counts with its last part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Copied {
    pub(crate) keys: u64,
    pub(crate) lists: u64,
}

impl Copied {
    pub(crate) fn add(&mut self, item: &Item) {
        match item {
            Item::Key { .. } => self.keys += 1,
            Item::ListPart { last, .. } => self.lists += u64::from(*last),
        }
    }

    /// As text: "2 keys", "1 list", "2 keys and 1 list".
    pub(crate) fn counted(self) -> String {
        let (keys, lists) = (counted(self.keys, "key"), counted(self.lists, "list"));
        match self {
            Self { lists: 0, .. } => keys,
            Self { keys: 0, .. } => lists,
            _ => format!("{keys} and {lists}"),
        }
    }

    /// The same as a subject: "2 keys were".
    pub(crate) fn were(self) -> String {
        format!("{} {}", self.counted(), if self.keys + self.lists == 1 { "was" } else { "were" })
    }
}

/// A progress bar on standard error if it is a terminal.
#[derive(Debug)]
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(crate) fn new(name: &'static str, steps: u64) -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(steps).with_message(name);
            // An invalid template leaves the default style.
            match ProgressStyle::with_template("{msg} [{wide_bar}] {pos}/{len}  {eta}") {
                Ok(style) => bar.with_style(style.progress_chars("##-")),
                Err(_) => bar,
            }
        }))
    }

    pub(crate) fn step(&self, steps: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(steps);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_is_written() {
        let key = |ttl_left| Item::Key { key: "a\n\u{e9}".to_owned(), value: "\0\u{7f}".into(), ttl_left };
        let values = || vec![Bytes::from_static(b"\0\xff"), Bytes::new()];
        let part = |part, last| Item::ListPart { list_key: "l".to_owned(), values: values(), part, last };
        let left = Duration::from_millis(1500);
        for (item, taken_at_unix_millis, text) in [
            (key(None), 0, r#"{"key":"a\né","value_base64":"AH8="}"#),
            (
                key(Some(left)),
                7,
                r#"{"key":"a\né","value_base64":"AH8=","ttl_millis_left":1500,"taken_at_unix_millis":7}"#,
            ),
            (Item::list("l", values()), 0, r#"{"list_key":"l","values_base64":["AP8=",""]}"#),
            (part(0, false), 0, r#"{"list_key":"l","values_base64":["AP8=",""],"part":0,"last":false}"#),
            (part(1, true), 0, r#"{"list_key":"l","values_base64":["AP8=",""],"part":1,"last":true}"#),
        ] {
            let line = Line(Exported { item, taken_at_unix_millis });
            assert_eq!(serde_json::to_string(&line).unwrap(), text);
            assert_eq!(serde_json::from_str::<Line>(text).unwrap(), line);
        }
        for wrong in [
            "{}",
            r#"{"key":"a"}"#,
            r#"{"key":"a","value_base64":"?"}"#,
            r#"{"key":"a","value_base64":"","part":0}"#,
            r#"{"key":"a","value_base64":"","list_key":"a"}"#,
            r#"{"key":"a","value_base64":"","ttl_millis_left":-1}"#,
            r#"{"list_key":"a"}"#,
            r#"{"list_key":"a","values_base64":"AA=="}"#,
            r#"{"list_key":"a","values_base64":["?"]}"#,
            r#"{"list_key":"a","values_base64":[],"ttl_millis_left":1}"#,
        ] {
            assert!(serde_json::from_str::<Line>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_copied_is_told_in_words() {
        for (keys, lists, text) in [
            (0, 0, "0 keys were"),
            (1, 0, "1 key was"),
            (0, 1, "1 list was"),
            (2, 0, "2 keys were"),
            (1, 1, "1 key and 1 list were"),
        ] {
            assert_eq!(Copied { keys, lists }.were(), text);
        }
    }
}
