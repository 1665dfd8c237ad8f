//! Values in forms.

use std::fmt::Write as _;

/// A text as the value of a field in `application/x-www-form-urlencoded`, URL Standard section 5.2.
pub(super) fn value(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => value.push('+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => value.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(value, "%{byte:02X}")),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    // Seen to fail when anything but letters and digits is let through.
    #[test]
    fn only_what_means_nothing_in_a_form_stands_for_itself() {
        assert_eq!(super::value("0 1 1700 x-y_z.*"), "0+1+1700+x-y_z.*");
        assert_eq!(super::value("a=b&c;d+e%"), "a%3Db%26c%3Bd%2Be%25");
        assert_eq!(super::value("\u{e9}\n"), "%C3%A9%0A");
    }
}
