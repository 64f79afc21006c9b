//! Which addresses cannot be backends, in whatever form they are written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The metadata services over IPv4 that are not link-local: Alibaba, Oracle, Azure.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];

/// The first 32 bits of metadata services over IPv6: AWS (metadata, credentials of pods, names, time) and Google.
const METADATA_V6: [[u16; 2]; 2] = [[0xfd00, 0xec2], [0xfd20, 0xce]];

/// The address that a host literally is, in every form that `inet_aton` accepts: `169.254.169.254`, `2852039166`,
/// `0xa9fea9fe`, `0251.0376.43518`.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    // A zone, such as %eth0, does not change the address.
    let host = host.split_once('%').map_or(host, |(address, _)| address);
    if let Ok(address) = host.parse() {
        return Some(address);
    }
    let number = |part: &str| match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok(),
        None => part.parse().ok(),
    };
    let parts = host.trim_end_matches('.').split('.').map(number).collect::<Option<Vec<_>>>()?;
    let (last, bytes) = parts.split_last()?;
    if bytes.len() > 3 || bytes.iter().any(|byte| *byte > 255) {
        return None;
    }
    // The last number fills the remaining bytes.
    let high = bytes.iter().enumerate().map(|(place, byte)| byte << (24 - 8 * place)).sum::<u32>();
    Some(Ipv4Addr::from_bits(high | last).into())
}

pub(super) fn check_address(address: IpAddr) -> Result<(), String> {
    let (is_metadata, is_link_local) = match address {
        IpAddr::V4(v4) => (METADATA_V4.contains(&v4), v4.is_link_local()),
        IpAddr::V6(v6) => {
            let inner = embedded_v4(v6);
            let [first, second, ..] = v6.segments();
            (
                METADATA_V6.contains(&[first, second]) || inner.iter().any(|v4| METADATA_V4.contains(v4)),
                v6.is_unicast_link_local() || inner.iter().any(Ipv4Addr::is_link_local),
            )
        }
    };
    match (is_metadata, is_link_local) {
        (true, _) => Err(format!("{address} is a metadata service, which cannot be a backend")),
        (_, true) => Err(format!("{address} is link-local, which cannot be a backend")),
        _ => Ok(()),
    }
}

/// The IPv4 addresses to which an IPv6 address may be translated or tunnelled.
fn embedded_v4(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bytes = address.octets();
    let at = |places: [usize; 4]| Ipv4Addr::from(places.map(|place| bytes[place]));
    let last = at([12, 13, 14, 15]);
    match address.segments() {
        // Compatible (`::/96`), mapped (`::ffff:0:0/96`), translated (`::ffff:0:0:0/96`), NAT64 (`64:ff9b::/96`).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            vec![last]
        }
        // Local-use NAT64 (RFC 8215): the network chooses the position (RFC 6052), skipping byte 8.
        [0x64, 0xff9b, 1, ..] => vec![at([6, 7, 9, 10]), at([7, 9, 10, 11]), at([9, 10, 11, 12]), last],
        // 6to4.
        [0x2002, ..] => vec![at([2, 3, 4, 5])],
        // Teredo: the server, and the client with its bits inverted.
        [0x2001, 0, ..] => vec![at([4, 5, 6, 7]), Ipv4Addr::from_bits(!last.to_bits())],
        // ISATAP, under any prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => vec![last],
        _ => Vec::new(),
    }
}
