//! The reply to a client that speaks plaintext on a port with TLS: in its own protocol, so that it shows.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::read_ahead::ReadAhead;
use crate::stream::Stream;

const WORDS: &str = "this port speaks TLS: connect with TLS (https://, or a secure channel)";

/// How much of what the client sends is read after the reply, and for how long: a socket that is closed with bytes
/// unread takes the reply with it.
const REST_BYTES_MAX: usize = 64 * 1024;
const REST_MAX: Duration = Duration::from_millis(500);

/// Replies and closes.
pub(super) async fn refuse(mut stream: ReadAhead<Stream>) -> io::Result<()> {
    let begin = stream.peek(3).await?;
    let reply = match begin.first() {
        Some(_) if begin.starts_with(b"PRI") => goaway(),
        Some(first) if first.is_ascii_uppercase() => bad_request(),
        _ => return Ok(()),
    };
    stream.write_all(&reply).await?;
    stream.shutdown().await?;
    let rest = async {
        let (mut read, mut buffer) = (0, [0; 4096]);
        while read < REST_BYTES_MAX {
            match stream.read(&mut buffer).await {
                Ok(1..) => read += buffer.len(),
                _ => return,
            }
        }
    };
    let _ = timeout(REST_MAX, rest).await;
    Ok(())
}

fn bad_request() -> Vec<u8> {
    let len = WORDS.len() + 1;
    let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close";
    format!("{head}\r\ncontent-length: {len}\r\n\r\n{WORDS}\n").into_bytes()
}

/// SETTINGS that allow no stream, without which a client does not look at a GOAWAY, and the GOAWAY (RFC 9113, 6.5 and
/// 6.8) with INADEQUATE_SECURITY.
fn goaway() -> Vec<u8> {
    let mut frames = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\0".to_vec();
    let len = u8::try_from(8 + WORDS.len()).expect("the words are short");
    frames.extend([0, 0, len]);
    frames.extend(b"\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0c");
    frames.extend(WORDS.as_bytes());
    frames
}
