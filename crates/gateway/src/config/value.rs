//! The types that a key can have: how each is written, read and shown.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use config::ValueKind;
use fanfare_protocol::limits::SOCKET_PATH_BYTES_MAX;
use fanfare_server::{ListenAddress, Redirect, StrictTransport};

/// A type that a configuration key can have.
pub(crate) trait Value: Sized {
    /// One or two words for the reference table.
    fn kind() -> String;
    /// What a good value looks like; completes the sentence "expected …".
    fn expected() -> String;
    /// Reads a value. Environment variables and flags are text, whatever the type; so is a string in TOML.
    fn from_value(value: &ValueKind) -> Option<Self>;
    /// What is wrong with a value that was refused, where that says more than what was expected.
    fn complaint(_value: &ValueKind) -> Option<String> {
        None
    }
    /// The value as a TOML literal; secrets are redacted.
    fn show(&self) -> String;
    /// Whether the offending text must not be repeated in an error.
    const SECRET: bool = false;
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A list as a TOML literal.
pub(super) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

pub(super) fn text(value: &ValueKind) -> Option<&str> {
    match value {
        ValueKind::String(text) => Some(text),
        _ => None,
    }
}

fn integer<T: TryFrom<i128> + FromStr>(value: &ValueKind) -> Option<T> {
    match value {
        ValueKind::I128(number) => T::try_from(*number).ok(),
        _ => text(value)?.parse().ok(),
    }
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
            fn from_value(value: &ValueKind) -> Option<Self> {
                integer(value)
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
    fn from_value(value: &ValueKind) -> Option<Self> {
        integer(value).and_then(Self::new)
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
    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::Boolean(yes) => Some(*yes),
            _ => text(value)?.parse().ok(),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

/// Types that read and write themselves as text.
macro_rules! text_value {
    ($($ty:ty: $kind:literal, $expected:expr;)*) => {$(
        impl Value for $ty {
            fn kind() -> String {
                $kind.into()
            }
            fn expected() -> String {
                $expected.into()
            }
            fn from_value(value: &ValueKind) -> Option<Self> {
                text(value)?.parse().ok()
            }
            fn show(&self) -> String {
                quoted(&self.to_string())
            }
        }
    )*};
}
text_value! {
    SocketAddr: "address", "an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";
    ListenAddress: "address", format!(
        "an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\", or a Unix socket, such as \
         \"unix:/run/fanfare/fanfare.sock\", whose path has at most {SOCKET_PATH_BYTES_MAX} bytes"
    );
    Redirect: "origin", Self::EXPECTED;
    StrictTransport: "header value", Self::EXPECTED;
}

/// Permissions of a file. Written in octal digits, `"0660"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Value for FileMode {
    fn kind() -> String {
        "permissions".into()
    }
    fn expected() -> String {
        "permissions in octal digits, such as \"0660\"".into()
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let digits = text(value)?;
        let are_octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| are_octal && *mode <= 0o777)?;
        Some(Self(mode))
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
    fn from_value(value: &ValueKind) -> Option<Self> {
        let text = text(value)?;
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

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::from_value(&ValueKind::from(text)).ok_or_else(Self::expected)
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
    fn from_value(value: &ValueKind) -> Option<Self> {
        if let ValueKind::I128(bytes) = value {
            return u64::try_from(*bytes).ok().map(Self);
        }
        let text = text(value)?;
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().ok()?;
        let unit = text[digits..].trim_start();
        if unit.is_empty() {
            return Some(Self(number));
        }
        let (_, bytes) = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
        number.checked_mul(*bytes).map(Self)
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
    fn from_value(value: &ValueKind) -> Option<Self> {
        if text(value) == Some("off") { Some(Self(None)) } else { T::from_value(value).map(|value| Self(Some(value))) }
    }
    fn show(&self) -> String {
        self.0.as_ref().map_or_else(|| quoted("off"), T::show)
    }
}
