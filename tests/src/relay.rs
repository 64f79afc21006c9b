//! A connection that breaks off at a known place.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

/// Passes one connection on to `target` until `bytes` have come back, then cuts it; nobody listens from then on. The
/// address to connect to.
///
/// # Panics
/// No address is free.
#[must_use]
pub fn cut_after(target: &str, bytes: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let target = target.to_owned();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("somebody connects");
        drop(listener);
        let mut server = TcpStream::connect(target).expect("the target listens");
        let (mut from_client, mut to_server) = (
            client.try_clone().expect("a socket can be shared"),
            server.try_clone().expect("a socket can be shared"),
        );
        std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        let mut piece = vec![0; 1024];
        let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
        while let Ok(read @ 1..) = server.read(&mut piece) {
            let sent = read.min(left);
            left -= sent;
            if client.write_all(&piece[..sent]).is_err() || left == 0 {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    });
    address
}
