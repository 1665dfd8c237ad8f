//! Configuration: file, then environment, then flags, each able to override the one before.
//!
//! Every key is declared once, in [`keys`]: its name, type, default, bounds and documentation. From that one
//! declaration come the typed structs that the program reads, the refusal of everything that is not a key, the
//! output of `fanfare config print` and `docs/configuration.md`.
//!
//! Each source is read into a [`layer`], where every value is checked at its place; the `config` crate puts the layers
//! one over the other.

mod certificate_files;
mod certificate_tables;
mod channel_rule;
mod channels;
mod check;
mod choice;
mod declare;
pub mod docs;
mod error;
mod file;
mod file_tables;
mod issuer_rule;
mod issuers;
mod keys;
mod layer;
mod layered;
mod listener_rule;
mod listeners;
mod names;
mod print;
mod sources;
mod tables;
mod template_list;
mod text;
mod unknown;
mod value;

pub use certificate_files::CertificateFiles;
pub use channel_rule::ChannelRule;
pub use choice::{
    AddressHeader, ClientCertificateNeed, CloseStyle, LogFormat, ProxyProtocol, Pushes, RefusalStyle, SubjectName,
    TlsVersion,
};
pub use declare::Key;
pub use error::{ConfigError, Place, Problem};
pub use issuer_rule::IssuerRule;
pub use keys::{
    Admin, Admission, Archive, Auth, CertificateGrants, Channel, Config, Delivery, Drain, History, Limits, Log,
    Publish, Redis, Server, Tail, all_keys,
};
pub use layered::Layered;
pub use listener_rule::ListenerRule;
pub use names::{ClaimName, CookieName, FileName, ParameterName};
pub use print::print;
pub use sources::{Sources, load};
pub use template_list::{HistoryTemplates, TemplateList};
pub use text::{CorsOrigin, LogLevel, Prefix, Secret, SecretUrl};
pub use value::{BytesPerSecond, FileMode, OffOr, Size, Span};
