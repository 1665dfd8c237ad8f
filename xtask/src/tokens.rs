//! Rust source as words and signs: comments, text literals, characters and lifetimes left out.

/// A word (identifier, keyword or number), or a sign: one character, or `::`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Word(&'a str),
    Sign(&'a str),
}

/// Every token of a file that compiles, in order.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if let Some(length) = comment(rest).or_else(|| literal(rest)) {
            length
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            match rest[length..].strip_prefix('#').filter(|_| &rest[..length] == "r") {
                // `r#type`: the word follows.
                Some(_) => length + 1,
                None => {
                    found.push(Token::Word(&rest[..length]));
                    length
                }
            }
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            found.push(Token::Sign(&rest[..length]));
            length
        };
        rest = &rest[length..];
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the comment that `text` begins with. Block comments nest.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        let rest = &text[at..];
        let Some(next) = [rest.find("/*"), rest.find("*/")].into_iter().flatten().min() else {
            return Some(text.len());
        };
        depth = if rest[next..].starts_with("/*") { depth + 1 } else { depth - 1 };
        at += next + 2;
    }
    Some(at)
}

/// The length of the text, character or lifetime that `text` begins with.
fn literal(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let rest = text.strip_prefix(prefix).unwrap_or_default();
        let raw = prefix.ends_with('r') && rest.trim_start_matches('#').starts_with('"');
        raw || (!prefix.ends_with('r') && rest.starts_with(['"', '\'']))
    })?;
    let rest = &text[prefix.len()..];
    let length = if prefix.ends_with('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let end = format!("\"{}", &rest[..hashes]);
        let body = hashes + 1;
        rest[body..].find(&end).map_or(rest.len(), |found| body + found + end.len())
    } else if rest.starts_with('"') {
        quoted(rest, '"')
    } else {
        character_or_lifetime(rest)
    };
    Some(prefix.len() + length)
}

/// The length of what stands between two of `quote`, both counted; a backslash takes away the meaning of what follows it.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + c.len_utf8();
        }
        escaped = !escaped && c == '\\';
    }
    text.len()
}

fn character_or_lifetime(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    let (first, second) = (chars.next(), chars.next());
    match (first, second) {
        (Some((_, '\\')), _) | (_, Some((_, '\''))) => quoted(text, '\''),
        // A lifetime or a label ends with its word.
        _ => 1 + text[1..].find(|c| !is_word(c)).unwrap_or(text.len() - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let word = |token| match token {
            Token::Word(word) => Some(word),
            Token::Sign(_) => None,
        };
        tokens(text).into_iter().filter_map(word).collect()
    }

    #[test]
    fn paths_are_words_and_double_colons() {
        use Token::{Sign, Word};
        assert_eq!(
            tokens("a::b :: C<1>"),
            [Word("a"), Sign("::"), Word("b"), Sign("::"), Word("C"), Sign("<"), Word("1"), Sign(">")]
        );
    }

    #[test]
    fn comments_are_left_out_even_when_they_nest_or_quote() {
        assert_eq!(words("a // b \" c\nd /* e /* f */ g */ h /// i\n//! j"), ["a", "d", "h"]);
    }

    #[test]
    fn text_is_left_out_whatever_it_holds() {
        assert_eq!(
            words(r##"a "b \" // c" d r#"e " f"# g b"h" i br"j\" k c"l" m r"" n"##),
            ["a", "d", "g", "i", "k", "m", "n"]
        );
    }

    #[test]
    fn a_quotation_mark_as_a_character_begins_no_text() {
        assert_eq!(words(r#"a '"' b '\'' c b'"' d '\\' e '\u{22}' f"#), ["a", "b", "c", "d", "e", "f"]);
    }

    #[test]
    fn lifetimes_and_labels_are_no_characters() {
        assert_eq!(
            words("fn a<'b>(c: &'b str, d: &'static D) { 'e: loop { break 'e; } }"),
            ["fn", "a", "c", "str", "d", "D", "loop", "break"]
        );
    }

    #[test]
    fn a_raw_identifier_is_its_word() {
        assert_eq!(words("r#type r b"), ["type", "r", "b"]);
    }
}
