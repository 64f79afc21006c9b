//! Bytes made printable, so that no key or value can move the cursor, break a line or fake a column.

use std::fmt::{Display, Formatter, Result, Write as _};

/// Bytes as text: printable characters stay, a backslash becomes `\\`, control and invisible characters become `\n`,
/// `\t`, `\u{1b}` and such, and bytes that are not UTF-8 become `\xff`.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\'' | '"' => f.write_char(character)?,
                    _ => write!(f, "{}", character.escape_debug())?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prints_stays_and_the_rest_is_escaped() {
        for (bytes, shown) in [
            ("user:1 = {\"name\": 'Ünal'}".as_bytes(), "user:1 = {\"name\": 'Ünal'}"),
            (b"a\tb\nc\r", r"a\tb\nc\r"),
            (b"back\\slash", r"back\\slash"),
            (b"\x1b[2J", r"\u{1b}[2J"),
            ("right\u{202e}left".as_bytes(), r"right\u{202e}left"),
            (b"\0\xff\xfe", r"\0\xff\xfe"),
            (b"", ""),
        ] {
            assert_eq!(Escaped(bytes).to_string(), shown);
        }
    }
}
