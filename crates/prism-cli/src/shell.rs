//! Words in the syntax of a POSIX shell, for commands that are meant to be pasted.

use std::fmt::Write as _;

/// `text` as one word: in double quotes if nothing in it has a meaning there, otherwise in single quotes. Unprintable
/// characters go into `$'…'` (POSIX.1-2024, long before in bash, ksh and zsh), so that no key moves the cursor.
pub(crate) fn quoted(text: &str) -> String {
    if text.chars().any(|character| !prints(character)) {
        return dollar_quoted(text);
    }
    // In an interactive shell, `!` recalls a command even in double quotes.
    if text.contains(['$', '`', '"', '\\', '!']) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    format!("\"{text}\"")
}

fn dollar_quoted(text: &str) -> String {
    let mut word = "$'".to_owned();
    for character in text.chars() {
        match character {
            '\'' | '\\' => word.extend(['\\', character]),
            _ if prints(character) => word.push(character),
            _ => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    write!(word, "\\{byte:03o}").expect("a string can be written to");
                }
            }
        }
    }
    word.push('\'');
    word
}

/// Whether the character prints as itself.
fn prints(character: char) -> bool {
    matches!(character, '\'' | '"' | '\\') || character.escape_debug().eq([character])
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in [
            "order:1042",
            "",
            "-x",
            "two  words",
            "*?[a]~",
            "`id`",
            "$(id)",
            "${HOME} $HOME",
            "it's \"quoted\"",
            r"back\slash\",
            "hello!",
            "Ünal \u{1f980}",
            "tab\tline\n",
            "\u{1b}[2J'$(id)`id`\\",
            "right\u{202e}left",
            "\u{1}7",
        ] {
            let word = quoted(text);
            assert!(word.chars().all(prints), "{word:?}");
            let shell = if word.starts_with('$') { "bash" } else { "sh" };
            let read = Command::new(shell).arg("-c").arg(format!("printf %s {word}")).output().unwrap();
            assert_eq!(String::from_utf8(read.stdout).unwrap(), text, "{word}");
        }
    }
}
