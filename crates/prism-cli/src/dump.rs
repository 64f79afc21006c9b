//! The lines of `prism export` and `prism import`: a key and its value, as `prism kv scan -o json` prints them.

use std::io::IsTerminal as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Deserializer, Serialize};

use crate::output::{base64, counted};

/// One line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) key: String,
    #[serde(serialize_with = "base64", deserialize_with = "from_base64")]
    pub(crate) value_base64: Bytes,
}

pub(crate) fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
}

/// A number of keys as a subject: "2 keys were".
pub(crate) fn keys_were(count: u64) -> String {
    format!("{} {}", counted(count, "key"), if count == 1 { "was" } else { "were" })
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
        let line = Line { key: "a\n\u{e9}".to_owned(), value_base64: Bytes::from_static(b"\0\xff") };
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(text, "{\"key\":\"a\\n\u{e9}\",\"value_base64\":\"AP8=\"}");
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        for wrong in ["{}", r#"{"key":"a"}"#, r#"{"key":"a","value_base64":"?"}"#] {
            assert!(serde_json::from_str::<Line>(wrong).is_err(), "{wrong}");
        }
    }
}
