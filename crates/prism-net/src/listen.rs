//! Addresses and listeners: TCP (`HOST:PORT`) and Unix sockets (`unix:PATH`).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `HOST:PORT`; the host may be a name.
    Tcp(String),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("expected a path after unix:".to_owned()),
                path => Ok(Self::Unix(PathBuf::from(path))),
            };
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(text.to_owned()))
            }
            _ => Err("expected HOST:PORT (such as 127.0.0.1:8980; port 0 takes a free one) or unix:PATH"
                .to_owned()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound listener.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix socket; its file is removed when this is dropped.
    Unix(UnixListener, SocketFile),
}

/// An accepted connection, not yet registered with a runtime, so that any worker can take it.
#[derive(Debug)]
pub enum Socket {
    /// Over TCP.
    Tcp(std::net::TcpStream),
    /// Over a Unix socket.
    Unix(std::os::unix::net::UnixStream),
}

impl Listener {
    /// Binds an address. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// What the system says; for a Unix socket also that a process listens there, or that the path is no socket.
    pub async fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            Address::Unix(path) => bind_unix(path).map(|(listener, file)| Self::Unix(listener, file)),
        }
    }

    /// Takes the next connection.
    ///
    /// # Errors
    /// What the system says, for example that file descriptors ran out.
    pub async fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                set_tcp_options(&stream)?;
                stream.into_std().map(Socket::Tcp)
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                stream.into_std().map(Socket::Unix)
            }
        }
    }

    /// The address that was bound, with the port that the system chose.
    #[must_use]
    pub fn local_address(&self) -> String {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.to_string(),
                Err(error) => format!("(unknown: {error})"),
            },
            Self::Unix(_, file) => format!("unix:{}", file.0.display()),
        }
    }

    /// The bound TCP address; `None` for a Unix socket.
    #[must_use]
    pub fn socket_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

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

/// The file of a Unix socket, removed when dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "cannot remove the socket file");
        }
    }
}

/// Binds a Unix socket with mode 0660. A file left behind by a dead process is replaced; a live one's is not.
fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            match std::os::unix::net::UnixStream::connect(path) {
                Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
                Err(error) => return Err(error),
            }
        }
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the path is there and is not a socket",
            ));
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    let file = SocketFile(path.to_owned());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok((listener, file))
}

/// Either kind of stream, on a worker.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Socket {
    /// Registers the connection with the current thread's runtime.
    ///
    /// # Errors
    /// What the system says.
    pub fn into_stream(self) -> io::Result<Stream> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Stream::Tcp),
            Self::Unix(stream) => UnixStream::from_std(stream).map(Stream::Unix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for text in ["127.0.0.1:0", "localhost:8980", "[::1]:80", "unix:/run/prism.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for wrong in ["", "localhost", ":80", "localhost:99999", "unix:"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_socket_file_is_replaced_only_if_its_process_is_dead() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let address = Address::Unix(path.clone());

        let first = Listener::bind(&address).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(Listener::bind(&address).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);

        let Listener::Unix(listener, file) = first else { unreachable!() };
        std::mem::forget(file);
        drop(listener);
        assert!(path.exists(), "a killed process leaves its file");
        let second = Listener::bind(&address).await.unwrap();
        drop(second);
        assert!(!path.exists());

        std::fs::write(&path, "data").unwrap();
        assert!(Listener::bind(&address).await.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"data");
    }
}
