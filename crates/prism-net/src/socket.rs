//! The options of every TCP connection.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

/// Sets the options of every TCP connection in Prism: no Nagle delay, and detection of a dead peer within some 15
/// seconds by two keepalive probes, 5 s apart, after 5 s of silence, and a limit of 15 s for unacknowledged data.
/// HTTP/2 PINGs would do the same, but stock gRPC servers answer frequent ones with GOAWAY `too_many_pings`.
///
/// # Errors
/// The peer is already gone.
pub fn set_tcp_options(stream: &TcpStream) -> io::Result<()> {
    const PROBE: Duration = Duration::from_secs(5);
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new().with_time(PROBE).with_interval(PROBE).with_retries(2);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(3 * PROBE))?;
    Ok(())
}
