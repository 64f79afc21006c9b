//! Connections that break off, or stall, at a known point.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// Forwards connections to `target` until `bytes` have come back over all of them; from then on each is cut. Returns
/// the address to connect to.
///
/// # Panics
/// No address is free.
#[must_use]
pub fn cut_after(target: &str, bytes: usize) -> String {
    start(target, bytes, |_| ())
}

/// The same, but from then on nothing comes back and no connection ends.
///
/// # Panics
/// No address is free.
#[must_use]
pub fn silent_after(target: &str, bytes: usize) -> String {
    start(target, bytes, |client| {
        // Until the client has left.
        while client.read(&mut [0]).is_ok_and(|read| read > 0) {}
    })
}

/// Forwards connections, and calls `at_the_end` with a client's connection before it is cut.
fn start(target: &str, bytes: usize, at_the_end: fn(&mut TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (target, left) = (target.to_owned(), Arc::new(Mutex::new(bytes)));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(&target).expect("the target listens");
            let left = Arc::clone(&left);
            std::thread::spawn(move || pass(client, server, &left, at_the_end));
        }
    });
    address
}

fn pass(mut client: TcpStream, mut server: TcpStream, left: &Mutex<usize>, at_the_end: fn(&mut TcpStream)) {
    let mut from_client = client.try_clone().expect("a socket can be shared");
    let mut to_server = server.try_clone().expect("a socket can be shared");
    std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    let mut piece = vec![0; 1024];
    while let Ok(read @ 1..) = server.read(&mut piece) {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = read.min(*left);
        *left -= sent;
        if client.write_all(&piece[..sent]).is_err() || *left == 0 {
            break;
        }
    }
    at_the_end(&mut client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
