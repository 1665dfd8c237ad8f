//! Arguments of the form KEY=VALUE.

/// Reads one.
///
/// # Errors
/// There is no `=` in it.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
