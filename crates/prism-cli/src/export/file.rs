//! The file of an export: a new one, or one that is continued.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::dump::Line;
use crate::failure::Failure;

/// Creates a file that must not exist.
pub(super) fn create(path: &Path) -> Result<File, Failure> {
    let created = File::options().write(true).read(true).create_new(true).open(path);
    created.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::File(format!(
            "{}: the file already exists; continue it with --resume, or choose another name",
            path.display()
        )),
        _ => Failure::file(&path.display().to_string(), &error),
    })
}

/// Opens a file to continue it, removing a truncated last line. Returns whether it has another.
pub(super) fn reopen(path: &Path) -> io::Result<(File, bool)> {
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut end = file.metadata()?.len();
    loop {
        let (start, line) = last_line(&mut file, end)?;
        match serde_json::from_slice::<Line>(&line) {
            Ok(line) if start + line_bytes(&line)? == end => {
                file.set_len(end)?;
                file.seek(SeekFrom::End(0))?;
                return Ok((file, true));
            }
            _ if start == 0 && line.len() as u64 == end && end > 0 && line.ends_with(b"\n") => {
                return Err(io::Error::other("its last line is not from an export"));
            }
            _ if start == 0 => {
                file.set_len(0)?;
                file.rewind()?;
                return Ok((file, false));
            }
            // Only the last line can be truncated.
            _ if line.ends_with(b"\n") => {
                return Err(io::Error::other("its last line is not from an export"));
            }
            _ => end = start,
        }
    }
}

/// The length of a line in the file, its newline included.
fn line_bytes(line: &Line) -> io::Result<u64> {
    Ok(serde_json::to_vec(line)?.len() as u64 + 1)
}

/// The line that ends at `end`, and its start.
fn last_line(file: &mut File, end: u64) -> io::Result<(u64, Vec<u8>)> {
    /// Longer than most lines.
    const STEP: u64 = 64 << 10;
    let mut start = end;
    let mut bytes = Vec::new();
    while start > 0 {
        let step = STEP.min(start);
        start -= step;
        let mut piece = vec![0; usize::try_from(step).unwrap_or(usize::MAX)];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut piece)?;
        piece.extend(bytes);
        bytes = piece;
        let before_last = bytes.len().saturating_sub(1);
        if let Some(newline) = bytes[..before_last].iter().rposition(|byte| *byte == b'\n') {
            bytes.drain(..=newline);
            return Ok((start + newline as u64 + 1, bytes));
        }
    }
    Ok((0, bytes))
}

/// Opens a file to continue it at this length, or from the start if it is shorter. Returns whether it is continued.
pub(super) fn reopen_at(path: &Path, bytes: u64) -> io::Result<(File, bool)> {
    let (mut file, _) = reopen(path)?;
    let is_continued = file.metadata()?.len() >= bytes;
    if is_continued && bytes > 0 {
        let (_, line) = last_line(&mut file, bytes)?;
        if serde_json::from_slice::<Line>(&line).is_err() {
            return Err(io::Error::other("it is not the file that its checkpoint belongs to"));
        }
    }
    file.set_len(if is_continued { bytes } else { 0 })?;
    file.seek(SeekFrom::End(0))?;
    Ok((file, is_continued))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopened(text: &[u8]) -> Result<(bool, Vec<u8>), String> {
        let folder =
            std::env::temp_dir().join(format!("prism-export-{}-{:x}", std::process::id(), fastrand::u64(..)));
        std::fs::write(&folder, text).unwrap();
        let opened = reopen(&folder).map(|(_, last)| (last, std::fs::read(&folder).unwrap()));
        std::fs::remove_file(&folder).unwrap();
        opened.map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_continued_where_its_checkpoint_says() {
        let line = "{\"key\":\"a\",\"value_base64\":\"AA==\"}\n";
        let path =
            std::env::temp_dir().join(format!("prism-export-{}-{:x}", std::process::id(), fastrand::u64(..)));
        let bytes = line.len() as u64;
        for (text, at, expected) in [
            (line.repeat(3), bytes * 2, Some((true, bytes * 2))),
            (line.repeat(3), 0, Some((true, 0))),
            (line.repeat(2), bytes * 3, Some((false, 0))),
            (line[..9].to_owned(), bytes, Some((false, 0))),
            (line.repeat(3), bytes + 1, None),
            ("something else\n".repeat(9), 0, None),
        ] {
            std::fs::write(&path, &text).unwrap();
            let reopened = reopen_at(&path, at);
            let found =
                reopened.ok().map(|(file, is_continued)| (is_continued, file.metadata().unwrap().len()));
            assert_eq!(found, expected, "{text:?} at {at}");
            let left = std::fs::read_to_string(&path).unwrap();
            assert!(expected.is_some() || left == text, "another file is left alone");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_line_that_was_cut_short_is_taken_away() {
        let (a, b) = (r#"{"key":"a","value_base64":"AA=="}"#, r#"{"key":"b","value_base64":""}"#);
        let whole = format!("{a}\n{b}\n");
        assert_eq!(reopened(whole.as_bytes()).unwrap(), (true, whole.clone().into_bytes()));
        for cut in 1..=b.len() {
            let text = &whole.as_bytes()[..a.len() + 1 + cut];
            assert_eq!(reopened(text).unwrap(), (true, format!("{a}\n").into_bytes()), "{cut}");
        }
        assert_eq!(reopened(b"").unwrap(), (false, Vec::new()));
        assert_eq!(reopened(&a.as_bytes()[..9]).unwrap(), (false, Vec::new()));
        assert!(reopened(b"something else\n").is_err());
        assert!(reopened(format!("{a}\nsomething else\n").as_bytes()).is_err());
        let large = format!("{a}\n{{\"key\":\"b\",\"value_base64\":\"{}\"}}\n", "AAAA".repeat(100_000));
        assert_eq!(reopened(large.as_bytes()).unwrap(), (true, large.clone().into_bytes()));
    }
}
