//! Connecting to an address, the one way that proxies, clients, tools and probes do it.
//!
//! A name may resolve to addresses where nothing answers. They are tried in order, overlapping: the next attempt starts
//! when the last has failed or not succeeded within 250 ms. The first connection wins; its address is tried first the
//! next time. RFC 8305 ("Happy Eyeballs") asks for that. One deadline covers everything, resolution included.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, sleep, timeout};

use crate::address::Address;
use crate::socket::set_tcp_options;
use crate::stream::Stream;
use crate::tls::client::Connector;
use crate::tls::failure::failure;

/// How long to wait for an attempt before the next one starts alongside it: RFC 8305's "Connection Attempt Delay".
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How many names have their last address remembered; beyond that, all are forgotten.
const REMEMBERED_MAX: usize = 4096;

/// The address at which each name was last reached. It is only a hint: a caller that finds it locked goes without. A
/// lock that is held when the process forks stays locked in the child.
static REACHED: LazyLock<Mutex<HashMap<String, SocketAddr>>> = LazyLock::new(Mutex::default);

/// Connects to an address within `limit`.
///
/// # Errors
/// The last attempt's error, or [`TimedOut`](io::ErrorKind::TimedOut).
///
/// # Cancel safety
/// Dropping the future abandons all attempts.
pub async fn dial(address: &Address, limit: Duration) -> io::Result<Stream> {
    match address {
        Address::Tcp(name) => dial_tcp(name, limit).await.map(Stream::Tcp),
        Address::Unix(path) => within(limit, UnixStream::connect(path)).await.map(Stream::Unix),
    }
}

/// Connects to an address with TLS within `limit`. The server's certificate must have the address's host, `localhost` for a
/// Unix socket, unless the connector has another name.
///
/// # Errors
/// As [`dial`], and those of [`Connector::connect`].
///
/// # Cancel safety
/// As [`dial`].
pub async fn dial_tls(address: &Address, connector: &Connector, limit: Duration) -> io::Result<Stream> {
    let begun = Instant::now();
    let stream = dial(address, limit).await?;
    let limit_left = limit.saturating_sub(begun.elapsed());
    secure(stream, address.host(), connector, limit_left).await
}

/// Performs the TLS handshake over a connection to `host` within `limit`.
///
/// # Errors
/// Those of [`Connector::connect`], or [`TimedOut`](io::ErrorKind::TimedOut).
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn secure(
    stream: Stream,
    host: &str,
    connector: &Connector,
    limit: Duration,
) -> io::Result<Stream> {
    timeout(limit, connector.connect(stream, host)).await.unwrap_or_else(|_| {
        let why = "connected, but no TLS handshake in time; the server may speak plaintext on that port";
        Err(failure(io::ErrorKind::TimedOut, why))
    })
}

/// Connects to `HOST:PORT` within `limit`.
///
/// # Errors
/// As [`dial`].
///
/// # Cancel safety
/// As [`dial`].
pub async fn dial_tcp(name: &str, limit: Duration) -> io::Result<TcpStream> {
    within(limit, async { connect(name, resolve(name).await?).await }).await
}

/// Connects within `limit` to one of the addresses that [`resolve`] gave for `name`, once the caller has checked them.
///
/// # Errors
/// As [`dial`].
///
/// # Cancel safety
/// As [`dial`].
pub async fn dial_resolved(name: &str, addresses: Vec<SocketAddr>, limit: Duration) -> io::Result<TcpStream> {
    within(limit, connect(name, addresses)).await
}

/// Resolves `HOST:PORT` to its addresses.
///
/// # Errors
/// The host is unknown, or no resolver can be reached.
pub async fn resolve(name: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host(name).await?.collect())
}

async fn within<T>(limit: Duration, dialled: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, dialled).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}")))
    })
}

async fn connect(name: &str, addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let last = reached().and_then(|reached| reached.get(name).copied());
    let addresses = in_order(addresses, last);
    let stream = first_reached(&addresses, TcpStream::connect).await?;
    set_tcp_options(&stream)?;
    if addresses.len() > 1
        && let Ok(address) = stream.peer_addr()
        && let Some(mut reached) = reached()
    {
        if reached.len() >= REMEMBERED_MAX {
            reached.clear();
        }
        reached.insert(name.to_owned(), address);
    }
    Ok(stream)
}

fn reached() -> Option<MutexGuard<'static, HashMap<String, SocketAddr>>> {
    REACHED.try_lock().ok()
}

/// The order in which to try addresses: the one reached last, then the two families alternately, each in the order in
/// which it was resolved.
fn in_order(mut resolved: Vec<SocketAddr>, last: Option<SocketAddr>) -> Vec<SocketAddr> {
    let mut order = Vec::with_capacity(resolved.len());
    if let Some(place) = resolved.iter().position(|address| Some(*address) == last) {
        order.push(resolved.remove(place));
    }
    let is_first_kind = resolved.first().map(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) =
        resolved.into_iter().partition(|address| Some(address.is_ipv6()) == is_first_kind);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    loop {
        let before = order.len();
        order.extend(one.next());
        order.extend(other.next());
        if order.len() == before {
            return order;
        }
    }
}

/// Tries addresses in order, overlapping, and returns the first connection.
async fn first_reached<T, F>(addresses: &[SocketAddr], connect: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let mut left = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    loop {
        match left.next() {
            Some(address) => attempts.push(connect(*address)),
            None if attempts.is_empty() => return Err(last),
            None => {}
        }
        let more_left = !left.as_slice().is_empty();
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(reached) => return Ok(reached),
                Err(error) => last = error,
            },
            () = sleep(ATTEMPT_DELAY), if more_left => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: u8) -> SocketAddr {
        ([10, 0, 0, host], 80).into()
    }

    /// What each host does: never answer, fail at once, or accept after some milliseconds.
    async fn connect(to: SocketAddr) -> io::Result<u16> {
        let SocketAddr::V4(to) = to else { unreachable!() };
        match to.ip().octets()[3] {
            0 => std::future::pending().await,
            1 => Err(io::ErrorKind::ConnectionRefused.into()),
            millis => {
                sleep(Duration::from_millis(u64::from(millis))).await;
                Ok(u16::from(millis))
            }
        }
    }

    async fn reached(hosts: &[u8]) -> (io::Result<u16>, u128) {
        let begun = Instant::now();
        let addresses: Vec<_> = hosts.iter().copied().map(address).collect();
        (first_reached(&addresses, connect).await, begun.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_delays_the_next_and_no_more() {
        assert!(matches!(reached(&[0, 10]).await, (Ok(10), 260)));
        assert!(matches!(reached(&[0, 0, 10]).await, (Ok(10), 510)));
        assert!(matches!(reached(&[1, 1, 10]).await, (Ok(10), 10)), "a refusal delays nothing");
        assert!(
            matches!(reached(&[255, 10]).await, (Ok(255), 255)),
            "an attempt continues alongside the next"
        );
    }

    #[tokio::test]
    async fn without_an_address_that_answers_it_is_the_last_failure() {
        assert_eq!(reached(&[1, 1]).await.0.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(reached(&[]).await.0.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_was_reached_comes_first_and_families_take_turns() {
        let of = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let resolved = of(&["[::1]:1", "[::2]:1", "10.0.0.1:1", "10.0.0.2:1"]);
        assert_eq!(in_order(resolved.clone(), None), of(&["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1"]));
        let last = "10.0.0.2:1".parse().ok();
        assert_eq!(in_order(resolved, last), of(&["10.0.0.2:1", "[::1]:1", "10.0.0.1:1", "[::2]:1"]));
        assert_eq!(in_order(of(&["10.0.0.1:1"]), last), of(&["10.0.0.1:1"]), "the name no longer has it");
    }

    #[tokio::test]
    async fn a_name_is_reached_at_the_address_that_listens() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let dialled = dial(&Address::Tcp(format!("localhost:{port}")), Duration::from_secs(5)).await;
        assert!(matches!(dialled, Ok(Stream::Tcp(_))));
    }

    #[test]
    fn a_lock_that_nobody_releases_holds_nobody_up() {
        let _locked = REACHED.lock().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            let dialled = dial_resolved("name", vec![to, to], Duration::from_secs(5)).await;
            assert_eq!(dialled.unwrap().peer_addr().unwrap(), to);
        });
    }

    #[tokio::test(start_paused = true)]
    async fn one_deadline_covers_all_of_it() {
        let path = Address::Unix("/nonexistent/socket".into());
        assert_eq!(dial(&path, Duration::from_secs(1)).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        let never = timeout(Duration::from_secs(1), first_reached(&[address(0)], connect)).await;
        assert!(never.is_err());
    }
}
