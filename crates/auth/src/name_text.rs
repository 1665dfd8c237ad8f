//! Texts that name somebody: a subject (`sub`), a token (`jti`).

use fanfare_protocol::limits::SUBJECT_BYTES_MAX;
use serde_json::Value;

/// Whether a text names somebody: 1 to [`SUBJECT_BYTES_MAX`] bytes without control characters.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=SUBJECT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// The name in a member of an object: such a text, or a whole number as its digits.
pub(crate) fn name(value: &Value) -> Option<Box<str>> {
    let text = value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|number| number.to_string()));
    text.filter(|text| is_name(text)).map(String::into_boxed_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_a_bounded_text_without_control_characters_or_a_whole_number() {
        let longest = "x".repeat(SUBJECT_BYTES_MAX);
        for (value, expected) in [(json!("7"), "7"), (json!(7), "7"), (json!("é"), "é"), (json!(longest), &longest)] {
            assert_eq!(name(&value).as_deref(), Some(expected));
        }
        for none in
            [json!(""), json!("a\nb"), json!(format!("{longest}x")), json!(-1), json!(1.5), json!(null), json!(["7"])]
        {
            assert_eq!(name(&none), None, "{none}");
        }
    }
}
