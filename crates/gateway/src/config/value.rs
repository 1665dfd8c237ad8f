//! The types that a key can have: how each is written, read and shown.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use toml::de::DeValue;

/// A type that a configuration key can have.
pub(crate) trait Value: Sized {
    /// One or two words for the reference table.
    fn kind() -> String;
    /// What a good value looks like; completes the sentence "expected …".
    fn expected() -> String;
    /// Reads the form used in environment variables, flags and TOML strings.
    fn from_text(text: &str) -> Option<Self>;
    /// Reads a TOML value. Only strings, unless the type says otherwise.
    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        value.as_str().and_then(Self::from_text)
    }
    /// The value as a TOML literal; secrets are redacted.
    fn show(&self) -> String;
    /// Whether the offending text must not be repeated in an error.
    const SECRET: bool = false;
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn toml_integer<T: TryFrom<i64>>(value: &DeValue<'_>) -> Option<T> {
    let integer = value.as_integer()?;
    let digits = integer.as_str().replace('_', "");
    i64::from_str_radix(&digits, integer.radix()).ok().and_then(|number| T::try_from(number).ok())
}

macro_rules! integer_value {
    ($($ty:ty),*) => {$(
        impl Value for $ty {
            fn kind() -> String {
                "integer".into()
            }
            fn expected() -> String {
                "a whole number".into()
            }
            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn from_toml(value: &DeValue<'_>) -> Option<Self> {
                toml_integer(value)
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
integer_value!(u64, usize);

impl Value for NonZeroU32 {
    fn kind() -> String {
        "integer".into()
    }
    fn expected() -> String {
        "a whole number from 1".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        toml_integer(value).and_then(Self::new)
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for bool {
    fn kind() -> String {
        "boolean".into()
    }
    fn expected() -> String {
        "true or false".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        value.as_bool()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for SocketAddr {
    fn kind() -> String {
        "address".into()
    }
    fn expected() -> String {
        "an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

/// A span of time. Written `"250ms"`, `"15s"`, `"10m"`, `"2h"`, `"1d"`, or several of them: `"1h30m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// A span of whole seconds.
    #[must_use]
    pub const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
    /// A span of milliseconds.
    #[must_use]
    pub const fn millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }
}

const SPAN_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, milliseconds) in SPAN_UNITS {
            if rest >= milliseconds {
                write!(f, "{}{unit}", rest / milliseconds)?;
                rest %= milliseconds;
            }
        }
        Ok(())
    }
}

impl Value for Span {
    fn kind() -> String {
        "duration".into()
    }
    fn expected() -> String {
        "a duration with its unit, such as \"250ms\", \"15s\", \"10m\" or \"1h30m\"".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let number: u64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let unit = SPAN_UNITS.iter().find(|(name, _)| *name == &rest[..end])?.1;
            total = total.checked_add(number.checked_mul(unit)?)?;
            rest = &rest[end..];
        }
        (!text.is_empty()).then_some(Self(Duration::from_millis(total)))
    }
    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

/// A number of bytes. Written `"256MiB"`, `"64KiB"`, `"1GB"`, `"512B"`, or as a plain number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl Size {
    /// The size as a `usize`; saturates where `usize` is smaller than 64 bits.
    #[must_use]
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = SIZE_UNITS.iter().find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes));
        let (unit, bytes) = whole.copied().unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

impl Value for Size {
    fn kind() -> String {
        "size".into()
    }
    fn expected() -> String {
        "a size such as \"256MiB\", \"64KiB\" or \"1GB\", or a number of bytes".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().ok()?;
        let unit = text[digits..].trim_start();
        if unit.is_empty() {
            return Some(Self(number));
        }
        let (_, bytes) = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
        number.checked_mul(*bytes).map(Self)
    }
    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        match value {
            DeValue::Integer(_) => toml_integer(value).map(Self),
            _ => value.as_str().and_then(Self::from_text),
        }
    }
    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

/// A rate in bytes per second, written as a [`Size`].
pub type BytesPerSecond = Size;

/// A value, or `"off"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffOr<T>(pub Option<T>);

impl<T: Value> Value for OffOr<T> {
    fn kind() -> String {
        format!("{} or \"off\"", T::kind())
    }
    fn expected() -> String {
        format!("\"off\", or {}", T::expected())
    }
    fn from_text(text: &str) -> Option<Self> {
        if text == "off" { Some(Self(None)) } else { T::from_text(text).map(|value| Self(Some(value))) }
    }
    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        if value.as_str() == Some("off") {
            Some(Self(None))
        } else {
            T::from_toml(value).map(|value| Self(Some(value)))
        }
    }
    fn show(&self) -> String {
        self.0.as_ref().map_or_else(|| quoted("off"), T::show)
    }
}
