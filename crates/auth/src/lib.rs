//! Who may do what: a token goes in, a [`Grant`] comes out.
//!
//! [`Gate`] judges tokens and certificates of clients, and [`Forward`] asks the application about requests without one. What it knows of their issuers is in [`GateOptions`]; keys that are published are kept up by a [`KeyFollower`].
//!
//! Nothing here opens a socket or reads a clock: what must be fetched is asked for through an interface ([`Ask`]), and who asks says
//! what time it is. A grant says which channels may be subscribed to, published to and read as history, until when, and whose
//! it is, so that it can be revoked.
#![forbid(unsafe_code)]

mod algorithm;
mod ask;
mod certificate_rule;
mod certified_client;
mod claimed_channels;
mod claims;
mod credential;
mod explanation;
mod followed_keys;
mod forward;
mod gate;
mod gate_options;
mod grant;
mod issuer;
mod key_follower;
mod key_kind;
mod key_set;
mod name_text;
mod named_stream;
mod pem;
mod refusal;
mod revocation_entry;
mod revocation_target;
mod revocations;
mod right;
mod rights;
mod safe_url;
mod signing_key;
mod template;
mod ticket;
mod token;
mod unix_seconds;
mod verifying_key;

pub use algorithm::Algorithm;
pub use ask::{Answering, Ask, AskAnswer, AskError, AskFailure, AskRequest};
pub use certificate_rule::{CERTIFICATE_ISSUER, CertificateRuleError};
pub use certified_client::CertifiedClient;
pub use claims::SUBJECT_CLAIM;
pub use credential::{Credential, Place};
pub use explanation::Explanation;
pub use followed_keys::KeysWanted;
pub use forward::{
    Asker, FORWARD_ISSUER, Forward, ForwardError, ForwardFailure, ForwardOptions, ForwardQuestion, ForwardRequest,
    ForwardStatus, Verdict, is_forwardable,
};
pub use gate::{Check, Gate, GateError, KeyStatus};
pub use gate_options::{Audience, CertificateOptions, GateOptions, IssuerOptions, KeySource, Templates};
pub use grant::Grant;
pub use issuer::{IssuerError, RESERVED_ISSUERS};
pub use key_follower::KeyFollower;
pub use key_set::KeySetError;
pub use named_stream::NamedStream;
pub use pem::PemError;
pub use refusal::Refusal;
pub use revocation_entry::RevocationEntry;
pub use revocation_target::{RevocationTarget, TargetError, TargetUnreadable};
pub use revocations::{Revocation, Revocations, TooManyRevocations};
pub use right::Right;
pub use rights::Rights;
pub use safe_url::{SafeUrl, SafeUrlError, is_private};
pub use signing_key::{SigningError, SigningKey};
pub use template::{Template, TemplateError};
pub use ticket::{
    MalformedTicket, NoRandomness, TICKET_ISSUER, Ticket, TicketBounds, TicketMaker, TicketOrder, TicketOrderError,
    TicketRecord, TicketState, UsedTicket,
};
pub use unix_seconds::UnixSeconds;
