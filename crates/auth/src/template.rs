//! Patterns of channel names with claims in them: `user:{sub}`.

use std::fmt;
use std::str::FromStr;

use fanfare_protocol::limits::TEMPLATE_BYTES_MAX;
use fanfare_protocol::{Pattern, PatternPart};

use crate::claims::Claims;

/// A pattern in which `{name}` stands for the claim of that name, and `{{` and `}}` for braces.
///
/// What is put in stands for itself: `*` in a claim is no wildcard. It does not reach beyond its place either: a value that holds the
/// character that is written directly before or behind it gives no pattern. With `user:{sub}` and `user:{sub}:*`, the user
/// `7:inbox` would have a channel of user 7.
///
/// A template whose claim is missing, empty, or neither a text nor a whole number gives no pattern, and neither does one whose
/// pattern no name could match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Box<[Piece]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Written(Box<str>),
    Claim(Box<str>),
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It would match no name.
    #[error("it is empty")]
    Empty,
    /// It is too long.
    #[error("it has {0} bytes; expected at most {TEMPLATE_BYTES_MAX}")]
    TooLong(usize),
    /// A brace has no partner, or nothing is between two.
    #[error(
        "a brace stands alone; expected the name of a claim between `{{` and `}}`, or the brace twice where it stands for itself"
    )]
    Brace,
    /// Where a claim ends could not be told.
    #[error("a claim stands directly beside another or beside `*`; expected a character between them, such as `:`")]
    Touching,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// It is empty or too long, its braces do not match, or a claim stands directly beside another or beside `*`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        match text.len() {
            0 => return Err(TemplateError::Empty),
            1..=TEMPLATE_BYTES_MAX => {}
            bytes => return Err(TemplateError::TooLong(bytes)),
        }
        let (mut pieces, mut written, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            written.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                written.push_str(brace);
                rest = after;
                continue;
            }
            let (name, after) = after.split_once('}').filter(|_| brace == "{").ok_or(TemplateError::Brace)?;
            if name.is_empty() || name.contains('{') {
                return Err(TemplateError::Brace);
            }
            if !written.is_empty() {
                pieces.push(Piece::Written(std::mem::take(&mut written).into()));
            }
            pieces.push(Piece::Claim(name.into()));
            rest = after;
        }
        written.push_str(rest);
        if !written.is_empty() {
            pieces.push(Piece::Written(written.into()));
        }
        let touching = |pair: &[Piece]| match pair {
            [Piece::Written(text), Piece::Claim(_)] => text.ends_with('*'),
            [Piece::Claim(_), Piece::Written(text)] => text.starts_with('*'),
            _ => true,
        };
        if pieces.windows(2).any(touching) { Err(TemplateError::Touching) } else { Ok(Self(pieces.into())) }
    }

    /// The names of the claims in it.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Claim(name) => Some(&**name),
            Piece::Written(_) => None,
        })
    }

    /// The pattern for the holder of these claims, if there is one.
    pub(crate) fn pattern(&self, claims: &Claims) -> Option<Pattern> {
        let texts: Vec<Option<String>> = self.0.iter().map(|piece| piece.value(claims)).collect::<Option<_>>()?;
        let reaches = |(at, text): (usize, &Option<String>)| {
            text.as_ref().is_some_and(|text| self.separators(at).any(|separator| text.contains(separator)))
        };
        if texts.iter().enumerate().any(reaches) {
            return None;
        }
        let parts = self.0.iter().zip(&texts).map(|(piece, value)| match (piece, value) {
            (Piece::Written(text), _) => PatternPart::Written(text),
            (Piece::Claim(_), value) => PatternPart::Literal(value.as_deref().unwrap_or_default()),
        });
        Pattern::of(parts).ok()
    }

    /// The characters that are written directly before and behind a piece.
    fn separators(&self, at: usize) -> impl Iterator<Item = char> {
        let written = |piece: &'_ Piece, edge: fn(&str) -> Option<char>| match piece {
            Piece::Written(text) => edge(text),
            Piece::Claim(_) => None,
        };
        let before = at.checked_sub(1).and_then(|at| written(&self.0[at], |text| text.chars().next_back()));
        let behind = self.0.get(at + 1).and_then(|piece| written(piece, |text| text.chars().next()));
        before.into_iter().chain(behind)
    }
}

impl Piece {
    /// What is put in for it: nothing for what is written, `None` where something is missing.
    fn value(&self, claims: &Claims) -> Option<Option<String>> {
        match self {
            Self::Written(_) => Some(None),
            Self::Claim(name) => claims.text(name).map(Some),
        }
    }
}

/// As it is written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Written(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Piece::Claim(name) => write!(f, "{{{name}}}"),
        })
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
