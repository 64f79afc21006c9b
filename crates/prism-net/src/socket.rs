//! The options of every TCP connection.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

/// Sets what every TCP connection of Prism has: no Nagle delay, and a dead peer is found within some 15 seconds:
/// keepalive probes after 5 s, each 5 s, twice; unacknowledged data for 15 s. HTTP/2 PINGs would do the same, but
/// stock gRPC servers answer frequent ones with GOAWAY `too_many_pings`.
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
