//! Integers (RFC 7541, section 5.1): as many bits of a byte as are left, then seven in each byte.

/// Reads an integer that begins in the low `prefix` bits of the first byte. `None`: it is cut short, or has more than four further bytes.
pub(super) fn read(from: &mut &[u8], prefix: u32) -> Option<usize> {
    let (&first, mut rest) = from.split_first()?;
    let max = (1_usize << prefix) - 1;
    let mut value = usize::from(first) & max;
    if value == max {
        let mut shift = 0;
        loop {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            value += usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            if shift > 21 {
                return None;
            }
        }
    }
    *from = rest;
    Some(value)
}

/// Writes an integer after the bits of `flags`.
pub(super) fn write(value: usize, prefix: u32, flags: u8, to: &mut Vec<u8>) {
    let max = (1_usize << prefix) - 1;
    if value < max {
        to.push(flags | value as u8);
        return;
    }
    to.push(flags | max as u8);
    let mut rest = value - max;
    while rest >= 0x80 {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_back() {
        for (value, prefix, bytes) in [
            (10, 5, vec![0b0000_1010]),
            (1337, 5, vec![0b0001_1111, 0b1001_1010, 0b0000_1010]),
            (42, 8, vec![42]),
            (30, 5, vec![30]),
            (31, 5, vec![31, 0]),
            (4096, 5, vec![31, 0xe1, 0x1f]),
        ] {
            let mut written = Vec::new();
            write(value, prefix, 0, &mut written);
            assert_eq!(written, bytes);
            written.push(0xaa);
            let mut from = written.as_slice();
            assert_eq!((read(&mut from, prefix), from), (Some(value), [0xaa].as_slice()));
        }
    }

    #[test]
    fn integers_that_are_cut_or_too_long_are_refused() {
        assert_eq!(read(&mut [].as_slice(), 5), None);
        assert_eq!(read(&mut [31].as_slice(), 5), None);
        assert_eq!(read(&mut [31, 0x80].as_slice(), 5), None);
        assert!(read(&mut [31, 0xff, 0xff, 0xff, 0x7f].as_slice(), 5).is_some());
        assert_eq!(read(&mut [31, 0x80, 0x80, 0x80, 0x80, 0].as_slice(), 5), None);
    }
}
