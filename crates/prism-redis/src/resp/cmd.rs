//! A command as it is sent: an array of strings.

use bytes::Bytes;

/// A command with its arguments, encoded.
#[derive(Clone, Default)]
pub(crate) struct Cmd {
    /// The arguments: each its length, a line's end, its bytes, a line's end.
    encoded: Vec<u8>,
    count: usize,
}

/// A command without arguments yet.
pub(crate) fn cmd(name: &str) -> Cmd {
    Cmd::with_capacity(64).arg(name)
}

impl Cmd {
    /// An empty one, with room for so many encoded bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { encoded: Vec::with_capacity(bytes), count: 0 }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl Argument) -> Self {
        argument.add_to(&mut self);
        self
    }

    /// Adds bytes as an argument.
    pub(crate) fn push(&mut self, argument: &[u8]) {
        self.count += 1;
        self.encoded.push(b'$');
        self.encoded.extend_from_slice(itoa::Buffer::new().format(argument.len()).as_bytes());
        self.encoded.extend_from_slice(b"\r\n");
        self.encoded.extend_from_slice(argument);
        self.encoded.extend_from_slice(b"\r\n");
    }

    /// The arguments, from the name on.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        let mut left = &self.encoded[..];
        std::iter::from_fn(move || {
            let end = left.iter().position(|byte| *byte == b'\r')?;
            let len: usize = std::str::from_utf8(&left[1..end]).ok()?.parse().ok()?;
            let (argument, rest) = left[end + 2..].split_at(len);
            left = &rest[2..];
            Some(argument)
        })
    }

    /// How many bytes are sent.
    pub(crate) fn len(&self) -> usize {
        // An array's head has at most so many.
        self.encoded.len() + 13
    }

    /// Appends what is sent.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        to.reserve(self.len());
        to.push(b'*');
        to.extend_from_slice(itoa::Buffer::new().format(self.count).as_bytes());
        to.extend_from_slice(b"\r\n");
        to.extend_from_slice(&self.encoded);
    }
}

impl AsRef<Cmd> for Cmd {
    fn as_ref(&self) -> &Cmd {
        self
    }
}

/// What can be added to a command.
pub(crate) trait Argument {
    fn add_to(&self, command: &mut Cmd);
}

impl<A: Argument + ?Sized> Argument for &A {
    fn add_to(&self, command: &mut Cmd) {
        (**self).add_to(command);
    }
}

macro_rules! bytes {
    ($($of:ty)*) => {$(
        impl Argument for $of {
            fn add_to(&self, command: &mut Cmd) {
                command.push(self.as_ref());
            }
        }
    )*};
}

bytes! { str String [u8] Vec<u8> Bytes }

macro_rules! numbers {
    ($($of:ty)*) => {$(
        impl Argument for $of {
            fn add_to(&self, command: &mut Cmd) {
                command.push(itoa::Buffer::new().format(*self).as_bytes());
            }
        }
    )*};
}

numbers! { u8 u16 u32 u64 usize i32 i64 }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_an_array_of_strings() {
        let command = cmd("SET").arg("k").arg(&b"\r\n\xff"[..]).arg(-17_i64).arg("");
        let mut sent = b"before".to_vec();
        command.write(&mut sent);
        let expected = b"before*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\r\n\xff\r\n$3\r\n-17\r\n$0\r\n\r\n";
        assert_eq!(sent, expected);
        assert!(sent.len() - 6 <= command.len());
        assert_eq!(command.arguments().collect::<Vec<_>>(), [&b"SET"[..], b"k", b"\r\n\xff", b"-17", b""]);
    }
}
