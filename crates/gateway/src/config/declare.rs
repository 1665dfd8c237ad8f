//! How a key is declared: one macro makes the typed structs, the assignment by name and the documentation.

use config::ValueKind;

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
        format!("FANFARE__{}__{}", self.section.replace('.', "__").to_ascii_uppercase(), self.name.to_ascii_uppercase())
    }
}

/// Reads a value as the type of its key. `Err` says what was expected, and repeats the value unless it is a secret.
pub(super) fn read<T: Value>(value: &ValueKind) -> Result<T, String> {
    T::from_value(value).ok_or_else(|| {
        if T::SECRET {
            format!("not accepted; expected {}", T::expected())
        } else {
            let complaint = T::complaint(value).map(|complaint| format!(": {complaint}")).unwrap_or_default();
            format!("{} is not accepted{complaint}; expected {}", describe(value), T::expected())
        }
    })
}

fn describe(value: &ValueKind) -> String {
    let text = match value {
        ValueKind::Table(_) => return "a table".into(),
        ValueKind::Array(_) => return "this list".into(),
        ValueKind::Nil => return "a date or time".into(),
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Float(number) => format!("{number:?}"),
        whole => whole.to_string(),
    };
    if text.chars().count() > 80 { text.chars().take(80).chain("…".chars()).collect() } else { text }
}

pub(super) fn within<T: Value + PartialOrd>(value: T, low: &T, high: &T) -> Result<T, String> {
    if *low <= value && value <= *high {
        Ok(value)
    } else {
        Err(format!("{} is out of bounds; expected {} to {}", value.show(), low.show(), high.show()))
    }
}

/// The name of a section: its field's, unless it stands within another one.
macro_rules! section_name {
    (client_certificates) => {
        "auth.client_certificates"
    };
    ($section:ident) => {
        stringify!($section)
    };
}
pub(super) use section_name;

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
            /// What holds for some channels; the first that matches a channel counts.
            pub channels: Vec<super::channel_rule::ChannelRule>,
            /// What listens for clients in place of `server.listen`.
            pub listeners: Vec<super::listener_rule::ListenerRule>,
            /// Whose tokens are believed.
            pub issuers: Vec<super::issuer_rule::IssuerRule>,
        }

        impl Config {
            /// Sets one key. `Err` says what was expected; an unknown key is `Ok(false)`.
            pub(super) fn assign(&mut self, section: &str, key: &str, value: &ValueKind) -> Result<bool, String> {
                match (section, key) {
                    $($(
                        (section_name!($section), stringify!($key)) => {
                            let value: $ty = read(value)?;
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
                    $($( (section_name!($section), stringify!($key)) => self.$section.$key != other.$section.$key, )+)+
                    _ => false,
                }
            }

            /// The value of a key as a TOML literal, secrets redacted. `None` for an unknown key.
            pub(super) fn show(&self, section: &str, key: &str) -> Option<String> {
                match (section, key) {
                    $($( (section_name!($section), stringify!($key)) => Some(self.$section.$key.show()), )+)+
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
                    section: section_name!($section),
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
