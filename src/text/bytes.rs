//! Searches bytes eight at a time: they make one number, and a few operations on it answer for all of them. Everything
//! that anybody types comes through here, and the compiler does not do this by itself for a loop that can end early.

/// One in each byte of the number.
const ONES: u64 = u64::from_ne_bytes([1; 8]);

/// The highest bit of each byte.
const HIGHEST: u64 = ONES << 7;

/// Returns the index of the first byte that is `one` or `other`.
pub(super) fn find(bytes: &[u8], one: u8, other: u8) -> Option<usize> {
    let mut rest = bytes;
    while let Some((eight, after)) = rest.split_first_chunk() {
        let eight = u64::from_ne_bytes(*eight);
        if has_zero(eight ^ (ONES * u64::from(one))) || has_zero(eight ^ (ONES * u64::from(other))) {
            break;
        }
        rest = after;
    }
    let skipped = bytes.len() - rest.len();
    rest.iter().position(|byte| *byte == one || *byte == other).map(|at| skipped + at)
}

/// Returns whether all bytes are printable ASCII: from space to `~`.
pub(super) fn are_printable(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((eight, after)) = rest.split_first_chunk() {
        let eight = u64::from_ne_bytes(*eight);
        // A byte less than a space has its highest bit set after a space is subtracted from it, and DEL after 1 is
        // added. A byte borrows from the next one only if it is less than a space, and carries into it only if it is no
        // ASCII.
        let less = eight.wrapping_sub(ONES * u64::from(b' '));
        if (less | eight | eight.wrapping_add(ONES)) & HIGHEST != 0 {
            return false;
        }
        rest = after;
    }
    rest.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Returns whether one of the eight bytes is zero. The subtraction sets a highest bit that was not set only in a byte
/// that is zero, or in one above such a byte.
fn has_zero(eight: u64) -> bool {
    eight.wrapping_sub(ONES) & !eight & HIGHEST != 0
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        for before in 0..40 {
            for byte in [b'\n', 255] {
                let mut bytes = [b'x'; 40];
                bytes[before] = byte;
                assert_eq!(find(&bytes, b'\n', 255), Some(before));
                assert_eq!(find(&bytes[..before], b'\n', 255), None);
            }
        }
    }

    #[test]
    fn eight_bytes_are_what_each_of_them_is() {
        let mut random = Rng::with_seed(0);
        for _ in 0..100_000 {
            // Bytes at the bounds of what is told apart, and their neighbours.
            let mut bytes: Vec<u8> =
                (0..random.usize(..20)).map(|_| random.choice(b" !x}~").copied().unwrap()).collect();
            for _ in 0..random.usize(..3) {
                if let Some(byte) = random.choice(&mut bytes) {
                    *byte = *random.choice(&[0, 1, 9, 10, 11, 0x1f, 0x7f, 0x80, 0x81, 0xa0, 0xfe, 0xff]).unwrap();
                }
            }
            assert_eq!(find(&bytes, 10, 255), bytes.iter().position(|byte| [10, 255].contains(byte)), "{bytes:?}");
            let printable = bytes.iter().all(|byte| (0x20..=0x7e).contains(byte));
            assert_eq!(are_printable(&bytes), printable, "{bytes:?}");
        }
    }
}
