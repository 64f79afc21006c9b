//! Reading strings that are Huffman-coded (RFC 7541, section 5.2 and appendix B).
//!
//! The code is canonical: codes of one length are consecutive numbers in the order of their symbols, and follow those of the shorter
//! ones. The lengths alone say everything.

/// The length of each symbol's code, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const LENGTH_MAX: usize = 30;

/// Codes up to this length are found by a table.
const SHORT: u32 = 8;

static CODE: Code = Code::new();

struct Code {
    /// The symbols in the order of their codes.
    symbols: [u8; 256],
    /// By length: the first code, how many there are, and where their symbols begin.
    first: [u32; LENGTH_MAX + 1],
    count: [u32; LENGTH_MAX + 1],
    begin: [u32; LENGTH_MAX + 1],
    /// By the next eight bits: the symbol and the length of its code, or 0 if that is longer.
    short: [(u8, u8); 1 << SHORT],
}

impl Code {
    const fn new() -> Self {
        let mut code = Self {
            symbols: [0; 256],
            first: [0; LENGTH_MAX + 1],
            count: [0; LENGTH_MAX + 1],
            begin: [0; LENGTH_MAX + 1],
            short: [(0, 0); 1 << SHORT],
        };
        let (mut next, mut placed, mut length) = (0_u32, 0, 1);
        while length <= LENGTH_MAX {
            next <<= 1;
            (code.first[length], code.begin[length]) = (next, placed);
            let mut symbol = 0;
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[placed as usize] = symbol as u8;
                    if length <= SHORT as usize {
                        let shift = SHORT as usize - length;
                        let mut low = 0;
                        while low < 1 << shift {
                            code.short[((next as usize) << shift) + low] = (symbol as u8, length as u8);
                            low += 1;
                        }
                    }
                    (next, placed) = (next + 1, placed + 1);
                }
                symbol += 1;
            }
            code.count[length] = placed - code.begin[length];
            length += 1;
        }
        code
    }
}

/// Appends what `coded` stands for. `None`: it is no code, or not padded as it must be.
pub(super) fn decode(coded: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let mut left = coded.iter();
    // The lowest `known` of `bits` are next.
    let (mut bits, mut known) = (0_u64, 0_u32);
    loop {
        while known <= 32 {
            let Some(&byte) = left.next() else { break };
            (bits, known) = (bits << 8 | u64::from(byte), known + 8);
        }
        let next = |count: u32| (bits >> (known - count)) as u32 & ((1 << count) - 1);
        if known < SHORT {
            // The end: it is padded with ones, which are the beginning of a longer code.
            let ones = 0xff >> known;
            let (symbol, length) = CODE.short[((next(known) << (SHORT - known)) | ones) as usize];
            if length == 0 || u32::from(length) > known {
                return (next(known) == (1 << known) - 1).then_some(());
            }
            to.push(symbol);
            known -= u32::from(length);
            continue;
        }
        let (symbol, length) = CODE.short[next(SHORT) as usize];
        if length > 0 {
            to.push(symbol);
            known -= u32::from(length);
            continue;
        }
        let lengths = SHORT + 1..=(LENGTH_MAX as u32).min(known);
        let (symbol, length) = lengths
            .map(|length| (next(length).wrapping_sub(CODE.first[length as usize]), length))
            .find(|&(offset, length)| offset < CODE.count[length as usize])
            .map(|(offset, length)| {
                (CODE.symbols[(CODE.begin[length as usize] + offset) as usize], length)
            })?;
        to.push(symbol);
        known -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits = String::new();
        for symbol in text {
            let length = usize::from(LENGTHS[usize::from(*symbol)]);
            let before =
                LENGTHS[..usize::from(*symbol)].iter().filter(|other| usize::from(**other) == length);
            let code = CODE.first[length] as usize + before.count();
            bits += &format!("{code:0length$b}");
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        bits.as_bytes()
            .chunks(8)
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
            .collect()
    }

    fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        decode(coded, &mut text).map(|()| text)
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let example = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&example).as_deref(), Some(b"www.example.com".as_slice()));
        assert_eq!(decoded(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).as_deref(), Some(b"no-cache".as_slice()));
        let date = [0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95];
        let date = [date.as_slice(), &[0x04, 0x0b, 0x81, 0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff]].concat();
        assert_eq!(decoded(&date).as_deref(), Some(b"Mon, 21 Oct 2013 20:13:21 GMT".as_slice()));
    }

    #[test]
    fn every_symbol_reads_back_wherever_it_begins() {
        for symbol in 0..=255 {
            for before in [&b""[..], b"0", b"00", b"X", b"a0"] {
                let text = [before, &[symbol], before, &[symbol, symbol]].concat();
                assert_eq!(decoded(&encode(&text)), Some(text));
            }
        }
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones() {
        assert_eq!(decoded(&[]), Some(vec![]));
        assert_eq!(decoded(&[0b0000_0111]), Some(b"0".to_vec()));
        assert_eq!(decoded(&[0b0000_0110]), None);
        assert_eq!(decoded(&[0xff]), None);
        assert_eq!(decoded(&[0b0000_0111, 0xff]), None);
        // The end of a string as a symbol.
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xfb, 0x00]), None);
    }
}
