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

/// Forwards connections to the first of these targets that accepts one. The first connection is cut once so many bytes have passed over it as
/// `cuts` says at first, in both directions together, and so on; later ones are not cut. Returns the address to connect to.
///
/// # Panics
/// No address is free.
#[must_use]
pub fn cut_at(targets: &[&str], cuts: &[usize]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let targets: Vec<_> = targets.iter().map(|&target| target.to_owned()).collect();
    let cuts: Vec<_> = cuts.iter().copied().chain(std::iter::repeat_n(usize::MAX, 1)).collect();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().map_while(Result::ok).enumerate() {
            let Some(server) = targets.iter().find_map(|target| TcpStream::connect(target).ok()) else {
                continue;
            };
            let left = Arc::new(Mutex::new(cuts[number.min(cuts.len() - 1)]));
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to) = (from.try_clone(), to.try_clone());
                let (from, to) = (from.expect("a socket can be shared"), to.expect("a socket can be shared"));
                let left = Arc::clone(&left);
                std::thread::spawn(move || forward(from, to, &left));
            }
        }
    });
    address
}

fn forward(mut from: TcpStream, mut to: TcpStream, left: &Mutex<usize>) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(read);
        if *left == 0 {
            break;
        }
        drop(left);
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
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
