//! Query strings and path segments: percent-decoding as the WHATWG URL standard has it
//! ("application/x-www-form-urlencoded parsing"): `+` is a space in a query, a `%` that begins no escape stays itself.

use std::borrow::Cow;

/// The pairs of a query string, decoded, in order. Pairs without `=` have an empty value.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), NotUtf8>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name, true)?, decode(value, true)?))
    })
}

/// One segment of a path, decoded. `+` is itself there.
pub(crate) fn segment(text: &str) -> Result<Cow<'_, str>, NotUtf8> {
    decode(text, false)
}

/// The decoded bytes are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the URL's percent-encoding does not decode to UTF-8")]
pub(crate) struct NotUtf8;

fn decode(text: &str, plus_is_space: bool) -> Result<Cow<'_, str>, NotUtf8> {
    let special = |b: u8| b == b'%' || (plus_is_space && b == b'+');
    if !text.bytes().any(special) {
        return Ok(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = if byte == b'%' { hex(bytes.get(at + 1)).zip(hex(bytes.get(at + 2))) } else { None };
        match escape {
            Some((high, low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            None => {
                out.push(if plus_is_space && byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| NotUtf8)
}

fn hex(byte: Option<&u8>) -> Option<u8> {
    let digit = char::from(*byte?).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(query: &str) -> Vec<(String, String)> {
        pairs(query).map(|pair| pair.map(|(n, v)| (n.into_owned(), v.into_owned())).unwrap()).collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn pairs_are_decoded_in_order() {
        assert_eq!(all("a=1&b=x+y%2Bz&a=%C3%A9"), owned(&[("a", "1"), ("b", "x y+z"), ("a", "é")]));
    }

    #[test]
    fn empty_pairs_vanish_and_a_bare_name_has_an_empty_value() {
        assert_eq!(all("&&a&b=&=c&"), owned(&[("a", ""), ("b", ""), ("", "c")]));
    }

    #[test]
    fn a_percent_sign_that_begins_no_escape_stays() {
        assert_eq!(all("a=100%&b=%zz&c=%4"), owned(&[("a", "100%"), ("b", "%zz"), ("c", "%4")]));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_an_error() {
        assert_eq!(pairs("a=%ff").next(), Some(Err(NotUtf8)));
        assert_eq!(segment("%c3"), Err(NotUtf8));
    }

    #[test]
    fn plus_is_itself_in_a_path() {
        assert_eq!(segment("a+b%2Fc"), Ok(Cow::Borrowed("a+b/c")));
    }
}
