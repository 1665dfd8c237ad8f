//! Numbers in base 64, most significant digit first, in characters that a cross-origin
//! `Last-Event-ID` may hold without a CORS preflight.

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";

const NOT_A_DIGIT: u8 = 0xff;

const VALUES: [u8; 256] = {
    let mut values = [NOT_A_DIGIT; 256];
    let mut digit = 0;
    while digit < DIGITS.len() {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// Digits that any `u64` needs.
pub(crate) const U64_DIGITS: usize = 11;

/// Appends the lowest `digits` digits of `value`.
pub(crate) fn push(out: &mut String, value: u64, digits: usize) {
    for place in (0..digits).rev() {
        let shifted = value.checked_shr(6 * place as u32).unwrap_or(0);
        out.push(char::from(DIGITS[(shifted & 63) as usize]));
    }
}

/// Fills `out` with as many of the lowest digits of `value`.
pub(crate) fn fill(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = DIGITS[(value & 63) as usize];
        value >>= 6;
    }
}

/// Digits of `value` without leading zeros; none for zero.
pub(crate) fn significant(value: u64) -> usize {
    (u64::BITS - value.leading_zeros()).div_ceil(6) as usize
}

/// Reads all of `text` as one number. `None` if a character is no digit or the number needs more
/// than 64 bits. No text at all is zero.
pub(crate) fn read(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |value, byte| {
        let digit = VALUES[usize::from(*byte)];
        (digit != NOT_A_DIGIT && value >> 58 == 0).then(|| value << 6 | u64::from(digit))
    })
}
