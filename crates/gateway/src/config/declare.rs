//! How a key is declared: one macro makes the typed structs, the assignment by name and the documentation.

use toml::de::DeValue;

use super::value::Value;

/// A key as the reference documentation and `config print` need it.
#[derive(Clone, Debug)]
pub struct Key {
    /// The table that it stands in.
    pub section: &'static str,
    /// What the section is about.
    pub section_doc: &'static str,
    /// Its name within the section.
    pub name: &'static str,
    /// What it does, in lines of Markdown.
    pub doc: &'static str,
    /// Its type, in a word or two.
    pub kind: String,
    /// Its default as a TOML literal.
    pub default: String,
    /// Lowest and highest accepted value, as TOML literals.
    pub bounds: Option<(String, String)>,
}

impl Key {
    /// The dotted name: `server.listen`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The environment variable that sets it: `FANFARE__SERVER__LISTEN`.
    #[must_use]
    pub fn env(&self) -> String {
        format!("FANFARE__{}__{}", self.section.to_ascii_uppercase(), self.name.to_ascii_uppercase())
    }
}

/// A value on its way into the configuration.
#[derive(Clone, Copy)]
pub(super) enum Raw<'a> {
    /// From a file.
    Toml(&'a DeValue<'a>),
    /// From the environment or a flag.
    Text(&'a str),
}

impl Raw<'_> {
    pub(super) fn read<T: Value>(self) -> Result<T, String> {
        let value = match self {
            Self::Toml(value) => T::from_toml(value),
            Self::Text(text) => T::from_text(text),
        };
        value.ok_or_else(|| {
            if T::SECRET {
                format!("not accepted; expected {}", T::expected())
            } else {
                format!("{} is not accepted; expected {}", self.describe(), T::expected())
            }
        })
    }

    fn describe(self) -> String {
        let text = match self {
            Self::Toml(DeValue::Table(_)) => return "a table".into(),
            Self::Toml(DeValue::Array(_)) => return "this list".into(),
            Self::Toml(DeValue::String(text)) => format!("{text:?}"),
            Self::Toml(DeValue::Integer(number)) => number.to_string(),
            Self::Toml(DeValue::Float(number)) => number.to_string(),
            Self::Toml(DeValue::Boolean(yes)) => yes.to_string(),
            Self::Toml(DeValue::Datetime(when)) => when.to_string(),
            Self::Text(text) => format!("{text:?}"),
        };
        if text.chars().count() > 80 { text.chars().take(80).chain("…".chars()).collect() } else { text }
    }
}

pub(super) fn within<T: Value + PartialOrd>(value: T, low: &T, high: &T) -> Result<T, String> {
    if *low <= value && value <= *high {
        Ok(value)
    } else {
        Err(format!("{} is out of bounds; expected {} to {}", value.show(), low.show(), high.show()))
    }
}

macro_rules! sections {
    ($(
        #[doc = $section_doc:literal]
        $Section:ident $section:ident {
            $(
                $(#[doc = $doc:literal])+
                $key:ident : $ty:ty = $default:expr $(, $low:expr => $high:expr)? ;
            )+
        }
    )+) => {
        $(
            #[doc = $section_doc]
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Section {
                $( $(#[doc = $doc])+ pub $key: $ty, )+
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $( $key: $default, )+ }
                }
            }
        )+

        /// The whole configuration, typed. `Default` is what runs without a file, environment or flags.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Config {
            $( #[doc = $section_doc] pub $section: $Section, )+
        }

        impl Config {
            /// Sets one key. `Err` says what was expected; an unknown key is `Ok(false)`.
            pub(super) fn assign(&mut self, section: &str, key: &str, raw: Raw<'_>) -> Result<bool, String> {
                match (section, key) {
                    $($(
                        (stringify!($section), stringify!($key)) => {
                            let value: $ty = raw.read()?;
                            $( let value = within(value, &$low, &$high)?; )?
                            self.$section.$key = value;
                            Ok(true)
                        }
                    )+)+
                    _ => Ok(false),
                }
            }

            /// Whether a key has another value in `other`; compares secrets by value, not as they are shown.
            pub(crate) fn differs(&self, other: &Self, section: &str, key: &str) -> bool {
                match (section, key) {
                    $($( (stringify!($section), stringify!($key)) => self.$section.$key != other.$section.$key, )+)+
                    _ => false,
                }
            }

            /// The value of a key as a TOML literal, secrets redacted. `None` for an unknown key.
            pub(super) fn show(&self, section: &str, key: &str) -> Option<String> {
                match (section, key) {
                    $($( (stringify!($section), stringify!($key)) => Some(self.$section.$key.show()), )+)+
                    _ => None,
                }
            }
        }

        /// Every key in the order of the documentation.
        #[must_use]
        pub fn all_keys() -> Vec<Key> {
            let defaults = Config::default();
            vec![$($(
                Key {
                    section: stringify!($section),
                    section_doc: $section_doc.trim_ascii(),
                    name: stringify!($key),
                    doc: concat!($($doc, "\n"),+),
                    kind: <$ty as Value>::kind(),
                    default: defaults.$section.$key.show(),
                    bounds: None $(.or_else(|| {
                        let bounds: ($ty, $ty) = ($low, $high);
                        Some((bounds.0.show(), bounds.1.show()))
                    }))?,
                },
            )+)+]
        }
    };
}
pub(super) use sections;
