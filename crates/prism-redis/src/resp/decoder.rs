//! Reading answers, however they are split across reads.

use bytes::{Buf as _, Bytes, BytesMut};

use super::value::{Refusal, Value};

/// The longest line: errors are some hundred bytes.
const LINE_MAX: usize = 64 * 1024;

/// The longest string that a server sends (`proto-max-bulk-len` is 512 MiB unless somebody has raised it).
const STRING_MAX: usize = 1 << 30;

/// The longest array.
const COUNT_MAX: usize = 1 << 26;

/// How deeply answers are nested: `CLUSTER SLOTS` has 4 levels.
const DEPTH_MAX: usize = 32;

/// Room is made for at most this many values in advance.
const EXPECTED_MAX: usize = 1024;

/// A longer string is kept in the buffer in which it arrived, all of which then stays for as long.
const COPIED_MAX: usize = 64 * 1024;

/// It is not RESP3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads answers. It keeps those parts of the next one that have arrived.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Arrays and maps of which a part is missing, the innermost last.
    open: Vec<Open>,
    /// How many more bytes the next part takes at least.
    missing: usize,
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    values: Vec<Value>,
    /// How many values are to come.
    left: usize,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Array,
    Map,
    /// What nobody asked for: attributes of an answer, and messages between answers.
    Ignored,
}

/// What a line begins.
enum Part {
    Whole(Value),
    Open(Kind, usize),
}

impl Decoder {
    /// How many more bytes are needed at least.
    pub(crate) fn missing(&self) -> usize {
        self.missing
    }

    /// Takes the next answer from the beginning of `input`; `None` if it has not arrived whole.
    ///
    /// # Errors
    /// It is not RESP3. Nothing more can be read.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Value>, Malformed> {
        loop {
            self.missing = 0;
            let mut whole = match self.part(input)? {
                None => return Ok(None),
                Some(Part::Whole(value)) => Some(value),
                Some(Part::Open(kind, 0)) => kind.of(Vec::new()),
                Some(Part::Open(..)) if self.open.len() == DEPTH_MAX => return Err(Malformed),
                Some(Part::Open(kind, left)) => {
                    let values = Vec::with_capacity(left.min(EXPECTED_MAX));
                    self.open.push(Open { kind, values, left });
                    continue;
                }
            };
            while let Some(value) = whole.take() {
                let Some(open) = self.open.last_mut() else { return Ok(Some(value)) };
                open.values.push(value);
                open.left -= 1;
                if open.left == 0 {
                    whole = self.open.pop().and_then(|open| open.kind.of(open.values));
                }
            }
        }
    }

    /// The next part, taken from `input` if it is there.
    fn part(&mut self, input: &mut BytesMut) -> Result<Option<Part>, Malformed> {
        let Some(end) = input.iter().take(LINE_MAX).position(|byte| *byte == b'\n') else {
            return if input.len() < LINE_MAX { Ok(None) } else { Err(Malformed) };
        };
        let [kind, line @ .., b'\r'] = &input[..end] else { return Err(Malformed) };
        let value = match kind {
            b'$' | b'=' | b'!' => {
                let kind = *kind;
                let Some(len) = count(line, STRING_MAX)? else {
                    input.advance(end + 1);
                    return Ok(Some(Part::Whole(Value::Nil)));
                };
                let all = end + 1 + len + 2;
                if input.len() < all {
                    self.missing = all - input.len();
                    return Ok(None);
                }
                input.advance(end + 1);
                return string(kind, len, input).map(|value| Some(Part::Whole(value)));
            }
            b'*' | b'~' | b'%' | b'|' | b'>' => {
                let is_array = *kind == b'*';
                let (kind, each) = match kind {
                    b'*' | b'~' => (Kind::Array, 1),
                    b'%' => (Kind::Map, 2),
                    b'|' => (Kind::Ignored, 2),
                    _ => (Kind::Ignored, 1),
                };
                let count = count(line, COUNT_MAX)?;
                input.advance(end + 1);
                return Ok(Some(match count {
                    Some(count) => Part::Open(kind, each * count),
                    None if is_array => Part::Whole(Value::Nil),
                    None => return Err(Malformed),
                }));
            }
            b'+' if line == b"OK" => Value::Okay,
            b'+' | b',' | b'(' => Value::SimpleString(text(line)?.into()),
            b'-' => Value::ServerError(Refusal::new(&String::from_utf8_lossy(line))),
            b':' => Value::Int(number(line)?),
            b'_' => Value::Nil,
            b'#' => Value::Int((line == b"t").into()),
            _ => return Err(Malformed),
        };
        input.advance(end + 1);
        Ok(Some(Part::Whole(value)))
    }
}

impl Kind {
    /// All of it.
    fn of(self, values: Vec<Value>) -> Option<Value> {
        match self {
            Self::Array => Some(Value::Array(values)),
            Self::Map => {
                let mut values = values.into_iter();
                Some(Value::Map(std::iter::from_fn(|| values.next().zip(values.next())).collect()))
            }
            Self::Ignored => None,
        }
    }
}

/// Takes a string and its line's end.
fn string(kind: u8, len: usize, input: &mut BytesMut) -> Result<Value, Malformed> {
    if input[len..len + 2] != *b"\r\n" {
        return Err(Malformed);
    }
    let value = match kind {
        b'!' => Value::ServerError(Refusal::new(&String::from_utf8_lossy(&input[..len]))),
        // A text, behind three letters that say of which kind.
        b'=' if input[..len].get(3) == Some(&b':') => {
            Value::BulkString(String::from_utf8_lossy(&input[4..len]).into_owned().into())
        }
        b'=' => return Err(Malformed),
        _ if len > COPIED_MAX => {
            let value = input.split_to(len).freeze();
            input.advance(2);
            return Ok(Value::BulkString(value));
        }
        _ => Value::BulkString(Bytes::copy_from_slice(&input[..len])),
    };
    input.advance(len + 2);
    Ok(value)
}

/// A length; `None` for -1, which means that there is nothing.
fn count(line: &[u8], max: usize) -> Result<Option<usize>, Malformed> {
    match number(line)? {
        -1 => Ok(None),
        count => usize::try_from(count).ok().filter(|count| *count <= max).map(Some).ok_or(Malformed),
    }
}

fn number(line: &[u8]) -> Result<i64, Malformed> {
    text(line)?.parse().map_err(|_| Malformed)
}

fn text(line: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(line).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn all(mut input: BytesMut) -> Result<Vec<Value>, Malformed> {
        let (mut decoder, mut answers) = (Decoder::default(), Vec::new());
        while let Some(answer) = decoder.next(&mut input)? {
            answers.push(answer);
        }
        Ok(answers)
    }

    #[test]
    fn every_type_is_read_however_it_is_split() {
        let long = "x".repeat(COPIED_MAX + 1);
        let sent = format!(
            "+OK\r\n+PONG\r\n:-5\r\n$2\r\n\r\n\r\n$0\r\n\r\n$-1\r\n*-1\r\n_\r\n#t\r\n#f\r\n,1.5\r\n(12345678901234567890\r\n\
             -MOVED 1 a:1\r\n!8\r\nERR a\r\nb\r\n=8\r\ntxt:a\nb:\r\n*0\r\n*2\r\n*1\r\n:1\r\n~1\r\n$1\r\na\r\n\
             %2\r\n+a\r\n:1\r\n+b\r\n*0\r\n|1\r\n+ttl\r\n:3\r\n:7\r\n>2\r\n+invalidate\r\n*1\r\n+k\r\n:8\r\n*2\r\n|1\r\n+a\r\n:1\r\n:9\r\n>0\r\n:10\r\n\
             ${}\r\n{long}\r\n",
            long.len()
        );
        let simple = |text: &str| Value::SimpleString(text.into());
        let expected = vec![
            Value::Okay,
            simple("PONG"),
            Value::Int(-5),
            bulk("\r\n"),
            bulk(""),
            Value::Nil,
            Value::Nil,
            Value::Nil,
            Value::Int(1),
            Value::Int(0),
            simple("1.5"),
            simple("12345678901234567890"),
            Value::ServerError(Refusal::new("MOVED 1 a:1")),
            Value::ServerError(Refusal::new("ERR a\r\nb")),
            bulk("a\nb:"),
            Value::Array(vec![]),
            Value::Array(vec![Value::Array(vec![Value::Int(1)]), Value::Array(vec![bulk("a")])]),
            Value::Map(vec![(simple("a"), Value::Int(1)), (simple("b"), Value::Array(vec![]))]),
            Value::Int(7),
            Value::Int(8),
            Value::Array(vec![Value::Int(9), Value::Int(10)]),
            bulk(&long),
        ];
        assert_eq!(all(BytesMut::from(sent.as_str())).unwrap(), expected);
        let mut random = fastrand::Rng::with_seed(5);
        for longest in [1, 2, 7, 3000] {
            let (mut decoder, mut input, mut answers) = (Decoder::default(), BytesMut::new(), Vec::new());
            let mut left = sent.as_bytes();
            while !left.is_empty() {
                let (piece, rest) = left.split_at(random.usize(1..=longest).min(left.len()));
                input.extend_from_slice(piece);
                left = rest;
                while let Some(answer) = decoder.next(&mut input).unwrap() {
                    answers.push(answer);
                }
                assert!(decoder.missing() <= left.len());
            }
            assert_eq!(answers, expected);
        }
    }

    #[test]
    fn what_is_not_resp_is_refused_and_never_panics() {
        let deep = "*1\r\n".repeat(DEPTH_MAX + 1);
        let endless = "x".repeat(LINE_MAX);
        for wrong in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            "+OK\n",
            ":x\r\n",
            ":99999999999999999999\r\n",
            "$-2\r\n",
            "$9999999999\r\n",
            "*9999999999\r\n",
            ">-1\r\n",
            "$1\r\nab\r\n",
            "=2\r\nab\r\n",
            &deep,
            &endless,
        ] {
            assert_eq!(all(BytesMut::from(wrong)), Err(Malformed), "{wrong:.40}");
        }
        let mut random = fastrand::Rng::with_seed(6);
        for _ in 0..20_000 {
            let letters = b"+-:$*~%|>=!#,(_\r\n\r\n\r\n0123";
            let input: Vec<u8> =
                (0..random.usize(..30)).map(|_| letters[random.usize(..letters.len())]).collect();
            let _ = all(BytesMut::from(&input[..]));
        }
    }

    #[test]
    fn an_array_that_announces_much_takes_no_memory_before_it_arrives() {
        let mut decoder = Decoder::default();
        let mut input = BytesMut::from("*60000000\r\n%30000000\r\n");
        assert_eq!(decoder.next(&mut input), Ok(None));
        assert!(decoder.open.iter().all(|open| open.values.capacity() <= EXPECTED_MAX));
    }
}
