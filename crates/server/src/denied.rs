//! Why a request may not do what it asks for, and what its client is told.

use std::borrow::Cow;
use std::time::Duration;

use fanfare_auth::{Refusal, Right};
use fanfare_log::stats::Cell;
use fanfare_protocol::ChannelName;

use crate::problem::{Kind, Problem};

/// When to come back for what could not be decided.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why a request may not do what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// By what its token or certificate says, or because it has none.
    By(Refusal),
    /// Its token is a cookie, or it has none but the certificate of its connection, and the page that makes the request is another site's.
    CrossSite,
    /// The application does not know whose it is.
    Unauthenticated,
    /// The application does not allow it, or not this channel of those that were named.
    NotAllowed(Option<ChannelName>),
    /// The application denies it, and did not deny the same a while ago: who comes back to a stream may come again.
    Young(Box<Denied>),
    /// The application gives no clear answer.
    Unasked,
    /// Its ticket is none that the store knows.
    UnknownTicket,
    /// Its ticket is over.
    TicketOver,
    /// Its URL names a channel that its ticket does not.
    NotOfTicket(ChannelName),
    /// Its ticket names more channels than a stream may have here: so many.
    TooManyOfTicket(usize),
    /// Its grant does not let it make any ticket.
    NoTickets,
    /// Tickets are off on this node, and may be on at another.
    TicketsOff,
    /// Many tickets that its client has brought lately brought no stream: this one was not looked up.
    UncheckedTicket,
    /// The store that keeps tickets gives no answer.
    Unstored,
    /// It names no channel, and nothing else names one.
    Unnamed,
    /// The application names more channels than a stream may have here: so many.
    TooManyNamed(usize),
    /// It was not decided in time, or too many wait to know.
    Undecided,
    /// Its client has sent many tokens lately that were worth nothing: this one was not looked at.
    Unchecked,
    /// What it is allowed by was revoked.
    Revoked,
    /// It is not known whether what it is allowed by was revoked.
    RevocationsUnknown,
}

impl Denied {
    /// The names of all reasons, in the order of their counters.
    pub const REASONS: [&str; 10] = [
        "missing",
        "invalid",
        "expired",
        "forbidden",
        "unavailable",
        "cross_site",
        "undecided",
        "unchecked",
        "revoked",
        "revocations_unknown",
    ];

    fn index(&self) -> usize {
        match self {
            Self::By(Refusal::Missing) => 0,
            Self::By(Refusal::Invalid(_) | Refusal::Certificate(_))
            | Self::Unauthenticated
            | Self::UnknownTicket
            | Self::Unnamed => 1,
            Self::By(Refusal::Expired) | Self::TicketOver => 2,
            Self::By(Refusal::Forbidden { .. })
            | Self::NotAllowed(_)
            | Self::NotOfTicket(_)
            | Self::TooManyOfTicket(_)
            | Self::TooManyNamed(_)
            | Self::NoTickets => 3,
            Self::By(Refusal::Unavailable) | Self::Unasked | Self::Unstored | Self::TicketsOff => 4,
            Self::Young(denied) => denied.index(),
            Self::CrossSite => 5,
            Self::Undecided => 6,
            Self::Unchecked | Self::UncheckedTicket => 7,
            Self::Revoked => 8,
            Self::RevocationsUnknown => 9,
        }
    }

    /// As metrics and logs name it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        Self::REASONS[self.index()]
    }

    /// Whether it says nothing about the token: later, or on another node, the answer may be another one.
    pub(crate) const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::By(Refusal::Unavailable)
                | Self::Unasked
                | Self::Unstored
                | Self::TicketsOff
                | Self::Undecided
                | Self::Unchecked
                | Self::UncheckedTicket
                | Self::RevocationsUnknown
        )
    }

    /// Whether it is, though transient, what the client did itself: it would do the same to another node.
    pub(crate) const fn is_about_the_client(&self) -> bool {
        matches!(self, Self::Unchecked | Self::UncheckedTicket)
    }

    /// A sentence for the person who made the request, or the token. It holds nothing of the token.
    pub(crate) fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::By(Refusal::Missing) => "Send a token, as `Authorization: Bearer TOKEN`.".into(),
            Self::By(Refusal::Invalid(why)) => format!("The token is not accepted: {why}.").into(),
            Self::By(Refusal::Certificate(why)) => {
                format!("The certificate of the client is not accepted: {why}.").into()
            }
            Self::By(Refusal::Expired) => "The token, or what the certificate of the client proved, has expired.".into(),
            Self::By(Refusal::Forbidden { right, channel }) => {
                format!("The token or certificate does not give the right `{}` for channel `{channel}`.", right.as_str()).into()
            }
            Self::By(Refusal::Unavailable) => "The keys that tokens are signed with are not to be had now.".into(),
            Self::CrossSite => {
                "A cookie, or the certificate of a browser, counts only for pages of this origin, and of those in server.cors_origins.".into()
            }
            Self::Unauthenticated => "The application behind this node does not know who asks.".into(),
            Self::NotAllowed(None) => "The application behind this node does not allow this.".into(),
            Self::NotAllowed(Some(channel)) => {
                format!("The application behind this node does not allow this for channel `{channel}`.").into()
            }
            Self::Unasked => {
                "The application behind this node, which decides about this, gives no clear answer now.".into()
            }
            Self::Young(denied) => denied.detail(),
            Self::Unnamed => "Name at least one channel: /events?channel=NAME".into(),
            Self::TooManyNamed(most) => {
                format!("The application names more channels than a stream has here, which is {most}.").into()
            }
            Self::UnknownTicket => {
                "There is no such ticket: it was not used in time, it has been over for long, or it never was one."
                    .into()
            }
            Self::TicketOver => "The ticket is over.".into(),
            Self::NotOfTicket(channel) => format!("The ticket is not for channel `{channel}`.").into(),
            Self::TooManyOfTicket(most) => {
                format!("The ticket names more channels than a stream has here, which is {most}: name some in the URL.")
                    .into()
            }
            Self::NoTickets => "The token or certificate does not give the right `tickets` for any channel.".into(),
            Self::TicketsOff => "Tickets are off on this node; another one may take it.".into(),
            Self::UncheckedTicket => {
                "Many tickets from this address brought no stream lately; this one was not looked up.".into()
            }
            Self::Unstored => "The store that keeps tickets gives no answer now.".into(),
            Self::Undecided => "It was not decided in time whether this may be done.".into(),
            Self::Unchecked => {
                "Many tokens from this address were not accepted lately; this one was not looked at.".into()
            }
            Self::Revoked => "The token, ticket or certificate was revoked, or a channel was that it is used for.".into(),
            Self::RevocationsUnknown => "It is not known now whether the token, ticket or certificate was revoked.".into(),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let kind = match denied {
            Denied::Young(denied) => return Self::from(*denied),
            Denied::By(Refusal::Missing) => Kind::TokenMissing,
            Denied::By(Refusal::Invalid(_)) => Kind::TokenInvalid,
            Denied::By(Refusal::Certificate(_)) => Kind::CertificateInvalid,
            Denied::By(Refusal::Expired) | Denied::TicketOver => Kind::TokenExpired,
            Denied::Unauthenticated => Kind::Unauthenticated,
            Denied::NotAllowed(_) => Kind::NotAllowed,
            Denied::Unnamed => Kind::InvalidChannel,
            Denied::TooManyNamed(_) => Kind::TooManyChannels,
            Denied::By(Refusal::Forbidden { .. }) | Denied::NotOfTicket(_) | Denied::NoTickets => Kind::Forbidden,
            Denied::TooManyOfTicket(_) => Kind::TooManyChannels,
            Denied::CrossSite => Kind::CrossSite,
            Denied::UnknownTicket => Kind::TicketUnknown,
            Denied::By(Refusal::Unavailable)
            | Denied::Unasked
            | Denied::Unstored
            | Denied::TicketsOff
            | Denied::Undecided
            | Denied::RevocationsUnknown => Kind::Unavailable,
            Denied::Revoked => Kind::TokenRevoked,
            Denied::Unchecked | Denied::UncheckedTicket => Kind::TooManyTokens,
        };
        let problem = Self::new(kind, denied.detail());
        if denied.is_transient() { problem.retry_after(RETRY_AFTER) } else { problem }
    }
}

/// Denied requests, counted by right and reason.
#[derive(Debug, Default)]
pub struct DeniedCells([[Cell; Denied::REASONS.len()]; Right::ALL.len()]);

impl DeniedCells {
    /// The counters of a right, in the order of [`Denied::REASONS`].
    #[must_use]
    pub const fn of(&self, right: Right) -> &[Cell; Denied::REASONS.len()] {
        &self.0[right as usize]
    }

    pub(crate) fn count(&self, right: Right, denied: &Denied) {
        self.of(right)[denied.index()].add(1);
    }
}
