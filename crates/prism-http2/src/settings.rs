//! The parameters of each side of a connection (RFC 9113, section 6.5).

use crate::error::{By, Error};
use crate::frame::{self, Head, WINDOW_MAX};
use crate::reason::Reason;

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;

/// A window before anybody has said otherwise, and the smallest that this side has: what the peer sends before it has seen our SETTINGS fits.
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;

/// The size of a table of header compression before anybody has said otherwise. This side's stays so.
pub(crate) const DEFAULT_TABLE_BYTES: usize = 4096;

/// What this side tells its peer, and abides by.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How many streams the peer may open at once; of a server.
    pub streams_max: u32,
    /// The largest frame that the peer may send, in bytes: 16 KiB to 16 MiB.
    pub frame_bytes_max: u32,
    /// What the peer may send ahead on one stream, in bytes: at least 65,535.
    pub stream_window_bytes: u32,
    /// The same on the whole connection.
    pub connection_window_bytes: u32,
    /// The largest list of headers: each counts its name, its value and 32 bytes.
    pub headers_bytes_max: u32,
    /// How many bytes a stream may queue that its peer does not accept yet.
    pub send_buffer_bytes_max: usize,
    /// How many streams may be opened before the peer has said how many; of a client.
    pub initial_streams_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            streams_max: 256,
            frame_bytes_max: 16 * 1024,
            stream_window_bytes: DEFAULT_WINDOW,
            connection_window_bytes: DEFAULT_WINDOW,
            headers_bytes_max: 16 * 1024,
            send_buffer_bytes_max: 400 * 1024,
            initial_streams_max: 100,
        }
    }
}

impl Config {
    /// The windows as they are announced.
    pub(crate) fn clamped(mut self) -> Self {
        let window = |bytes: u32| bytes.clamp(DEFAULT_WINDOW, WINDOW_MAX as u32);
        self.stream_window_bytes = window(self.stream_window_bytes);
        self.connection_window_bytes = window(self.connection_window_bytes);
        self.frame_bytes_max = self.frame_bytes_max.clamp(16 * 1024, (1 << 24) - 1);
        self
    }

    /// The SETTINGS with which this side begins, and the update of the connection's window.
    pub(crate) fn write(&self, is_client: bool, to: &mut Vec<u8>) {
        let mut settings = vec![
            (INITIAL_WINDOW_SIZE, self.stream_window_bytes),
            (MAX_FRAME_SIZE, self.frame_bytes_max),
            (MAX_HEADER_LIST_SIZE, self.headers_bytes_max),
        ];
        settings.push(if is_client { (ENABLE_PUSH, 0) } else { (MAX_CONCURRENT_STREAMS, self.streams_max) });
        to.extend_from_slice(&Head::new(frame::SETTINGS, 0, 0, settings.len() * 6).bytes());
        for (name, value) in settings {
            to.extend_from_slice(&name.to_be_bytes());
            to.extend_from_slice(&value.to_be_bytes());
        }
        let more = self.connection_window_bytes - DEFAULT_WINDOW;
        if more > 0 {
            to.extend_from_slice(&Head::new(frame::WINDOW_UPDATE, 0, 0, 4).bytes());
            to.extend_from_slice(&more.to_be_bytes());
        }
    }
}

/// What a SETTINGS frame of the peer changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) table_bytes: Option<usize>,
    pub(crate) streams_max: Option<usize>,
    pub(crate) window: Option<i64>,
    pub(crate) frame_bytes_max: Option<usize>,
}

impl Changes {
    /// Parses the parameters of a frame.
    ///
    /// # Errors
    /// A value is out of range; the connection's.
    pub(crate) fn parse(payload: &[u8], is_client: bool) -> Result<Self, Error> {
        let wrong = |reason, what: &str| Err(Error::go_away(reason, By::Us, what));
        let mut changes = Self::default();
        let (parameters, []) = payload.as_chunks::<6>() else {
            return wrong(Reason::FRAME_SIZE_ERROR, "SETTINGS of a length that is no multiple of 6");
        };
        for [a, b, value @ ..] in parameters {
            let value = u32::from_be_bytes(*value);
            match u16::from_be_bytes([*a, *b]) {
                HEADER_TABLE_SIZE => changes.table_bytes = Some(value as usize),
                ENABLE_PUSH if value > 1 || (is_client && value == 1) => {
                    return wrong(Reason::PROTOCOL_ERROR, "SETTINGS_ENABLE_PUSH is out of range");
                }
                MAX_CONCURRENT_STREAMS => changes.streams_max = Some(value as usize),
                INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_MAX => {
                    return wrong(Reason::FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE is out of range");
                }
                INITIAL_WINDOW_SIZE => changes.window = Some(value.into()),
                MAX_FRAME_SIZE if !(1 << 14..1 << 24).contains(&value) => {
                    return wrong(Reason::PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE is out of range");
                }
                MAX_FRAME_SIZE => changes.frame_bytes_max = Some(value as usize),
                // Advisory, or unknown, which is to be ignored.
                _ => {}
            }
        }
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused() {
        let parsed = |name: u16, value: u32| {
            let bytes = [name.to_be_bytes().as_slice(), &value.to_be_bytes()].concat();
            Changes::parse(&bytes, false).map_err(|error| error.reason())
        };
        assert_eq!(parsed(ENABLE_PUSH, 2), Err(Some(Reason::PROTOCOL_ERROR)));
        assert_eq!(parsed(INITIAL_WINDOW_SIZE, 1 << 31), Err(Some(Reason::FLOW_CONTROL_ERROR)));
        assert_eq!(parsed(MAX_FRAME_SIZE, 16_383), Err(Some(Reason::PROTOCOL_ERROR)));
        assert_eq!(parsed(MAX_FRAME_SIZE, 1 << 24), Err(Some(Reason::PROTOCOL_ERROR)));
        assert_eq!(parsed(0x99, 7), Ok(Changes::default()));
        let allowed = Changes { frame_bytes_max: Some(16_384), ..Changes::default() };
        assert_eq!(parsed(MAX_FRAME_SIZE, 16_384), Ok(allowed));
        assert_eq!(Changes::parse(&[0; 7], false).unwrap_err().reason(), Some(Reason::FRAME_SIZE_ERROR));
    }
}
