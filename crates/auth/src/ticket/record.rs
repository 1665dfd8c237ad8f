//! What is kept of a ticket, as texts in the store: one until its first use, one from then on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::limits::{CHANNELS_PER_CONNECTION_MAX, POSITION_BYTES_MAX, SUBJECT_BYTES_MAX, TICKET_REMEMBERED};
use fanfare_protocol::{ChannelName, LastEventId, Pattern, TicketName};
use serde_json::{Map, Value, json};

use super::maker::TicketMaker;
use super::stored::{MalformedTicket, number, object, text};
use crate::grant::Grant;
use crate::right::Right;
use crate::rights::Rights;
use crate::unix_seconds::UnixSeconds;

/// The issuer of grants that tickets give.
pub const TICKET_ISSUER: &str = "tickets";

/// The way in which records are written. A node leaves those of other versions alone.
const VERSION: u64 = 1;

/// What a ticket gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRecord {
    /// The channels of its stream, in the order given.
    pub channels: Vec<ChannelName>,
    /// Whose it is.
    pub subject: Option<Box<str>>,
    /// How long it is good from its first use on, in whole seconds.
    pub lifetime: Duration,
    /// Where its stream begins for a client that brings no position.
    pub from: Option<LastEventId>,
    /// When it was made, by the store's clock.
    pub made_at: UnixSeconds,
    /// Whose token it was made with. `None`: it was made with the publish key.
    pub maker: Option<TicketMaker>,
}

/// A ticket from its first use on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedTicket {
    /// What it gives.
    pub record: TicketRecord,
    /// When it was first used: milliseconds of the store's clock.
    pub first_use_ms: u64,
}

impl TicketRecord {
    /// For the store.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.to_json().to_string().into()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, MalformedTicket> {
        Self::read(&object(bytes)?)
    }

    /// What it is from this first use on.
    #[must_use]
    pub const fn used_at(self, first_use_ms: u64) -> UsedTicket {
        UsedTicket { record: self, first_use_ms }
    }

    fn to_json(&self) -> Value {
        json!({
            "v": VERSION,
            "channels": self.channels.iter().map(ChannelName::as_str).collect::<Vec<_>>(),
            "sub": self.subject,
            "lifetime": self.lifetime.as_secs(),
            "from": self.from.as_ref().map(LastEventId::to_string),
            "made": self.made_at.0,
            "by": self.maker.as_ref().map(TicketMaker::to_json),
        })
    }

    fn read(said: &Map<String, Value>) -> Result<Self, MalformedTicket> {
        if number(said, "v")? != VERSION {
            return Err(MalformedTicket);
        }
        let channels = said.get("channels").and_then(Value::as_array).ok_or(MalformedTicket)?;
        let channel = |name: &Value| name.as_str().and_then(|name| ChannelName::parse(name).ok());
        let channels: Vec<_> = channels.iter().map(channel).collect::<Option<_>>().ok_or(MalformedTicket)?;
        if !(1..=CHANNELS_PER_CONNECTION_MAX).contains(&channels.len()) {
            return Err(MalformedTicket);
        }
        Ok(Self {
            channels,
            subject: text(said, "sub", SUBJECT_BYTES_MAX)?.map(Box::from),
            lifetime: Duration::from_secs(number(said, "lifetime")?),
            from: text(said, "from", POSITION_BYTES_MAX)?
                .map(LastEventId::parse)
                .transpose()
                .map_err(|_| MalformedTicket)?,
            made_at: UnixSeconds(number(said, "made")?),
            maker: match said.get("by") {
                None | Some(Value::Null) => None,
                Some(Value::Object(maker)) => Some(TicketMaker::read(maker)?),
                Some(_) => return Err(MalformedTicket),
            },
        })
    }
}

impl UsedTicket {
    /// For the store.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut said = self.record.to_json();
        said["first"] = self.first_use_ms.into();
        said.to_string().into()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, MalformedTicket> {
        let said = object(bytes)?;
        Ok(Self { record: TicketRecord::read(&said)?, first_use_ms: number(&said, "first")? })
    }

    /// How long the store keeps it from its first use on: as long as it is good, and then for so long that a client which comes back a
    /// little too late is told that, and not that there never was such a ticket.
    #[must_use]
    pub const fn kept_for(&self) -> Duration {
        self.record.lifetime.saturating_add(TICKET_REMEMBERED)
    }

    /// How long it is good yet, at this time of the store's clock, where a ticket lives for `life` at most, from when it was made: the
    /// node that made it may have had another bound. `None`: it is over.
    #[must_use]
    pub fn left(&self, now_ms: u64, life: Duration) -> Option<Duration> {
        // A clock that was put back makes no ticket better than it was.
        let since = |at_ms: u64| Duration::from_millis(now_ms.saturating_sub(at_ms));
        let of_use = self.record.lifetime.checked_sub(since(self.first_use_ms))?;
        let of_life = life.checked_sub(since(self.record.made_at.0.saturating_mul(1_000)))?;
        Some(of_use.min(of_life)).filter(|left| !left.is_zero())
    }

    /// What it gives now, at this time of the clock by which sessions end, if it is good for so long yet.
    #[must_use]
    pub fn grant(&self, name: TicketName, now_ms: u64, left: Duration) -> Grant {
        let end = u128::from(now_ms).saturating_add(left.as_millis()) / 1_000;
        Grant {
            issuer: Some(Arc::from(TICKET_ISSUER)),
            subject: self.record.subject.clone(),
            token_id: Some(name.to_string().into()),
            issued_at: Some(self.record.made_at),
            expires_at: Some(UnixSeconds(u64::try_from(end).unwrap_or(u64::MAX))),
            rights: Rights::none().with(Right::Subscribe, self.record.channels.iter().map(Pattern::from)),
            stream: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> TicketRecord {
        TicketRecord {
            channels: ["user:7", "a*"].map(|name| ChannelName::parse(name).unwrap()).to_vec(),
            subject: Some("7".into()),
            lifetime: Duration::from_secs(3_600),
            from: Some(LastEventId::parse("v").unwrap()),
            made_at: UnixSeconds(1_800_000_000),
            maker: Some(maker()),
        }
    }

    fn maker() -> TicketMaker {
        let (issuer, subject) = (Some("backend".into()), Some("shop".into()));
        TicketMaker::of(&Grant { issuer, subject, issued_at: Some(UnixSeconds(1_799_999_000)), ..Grant::default() })
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let bare = TicketRecord { subject: None, from: None, maker: None, ..record() };
        for record in [record(), bare] {
            assert_eq!(TicketRecord::decode(&record.encode()), Ok(record.clone()));
            let used = record.used_at(1_800_000_000_123);
            assert_eq!(UsedTicket::decode(&used.encode()), Ok(used));
        }
    }

    // Other nodes read it, also those of later versions.
    #[test]
    fn a_record_has_the_form_that_is_documented() {
        let used = record().used_at(5);
        let text = String::from_utf8(used.encode().to_vec()).unwrap();
        let expected = r#"{"v":1,"channels":["user:7","a*"],"sub":"7","lifetime":3600,"from":"v","made":1800000000,"first":5,
            "by":{"iss":"backend","sub":"shop","jti":null,"iat":1799999000}}"#;
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(json(&text), json(expected));
    }

    #[test]
    fn what_no_node_of_this_version_wrote_is_no_record() {
        for wrong in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"v":2,"channels":["a"],"lifetime":1,"made":1}"#,
            r#"{"v":1,"channels":[],"lifetime":1,"made":1}"#,
            r#"{"v":1,"channels":["$a"],"lifetime":1,"made":1}"#,
            r#"{"v":1,"channels":["a"],"lifetime":-1,"made":1}"#,
            r#"{"v":1,"channels":["a"],"lifetime":1,"made":1,"sub":7}"#,
            r#"{"v":1,"channels":["a"],"lifetime":1,"made":1,"from":"nonsense"}"#,
            r#"{"v":1,"channels":["a"],"lifetime":1,"made":1,"by":"x"}"#,
            r#"{"v":1,"channels":["a"],"lifetime":1,"made":1,"by":{"iat":-1}}"#,
        ] {
            assert_eq!(TicketRecord::decode(wrong.as_bytes()), Err(MalformedTicket), "{wrong}");
        }
        let many = ChannelName::parse("a").map(|name| vec![name; CHANNELS_PER_CONNECTION_MAX + 1]).unwrap();
        assert!(TicketRecord::decode(&TicketRecord { channels: many, ..record() }.encode()).is_err());
        let unused = record().encode();
        assert_eq!(UsedTicket::decode(&unused), Err(MalformedTicket), "nobody has used it");
    }

    const DAY: Duration = Duration::from_secs(86_400);

    // Fails when a ticket lives from its last use on, or when a clock that goes back lengthens it.
    #[test]
    fn a_ticket_is_good_from_its_first_use_on_for_its_lifetime_and_no_longer() {
        let used = TicketRecord { made_at: UnixSeconds(10), ..record() }.used_at(10_000);
        let left = |now_ms| used.left(now_ms, DAY);
        assert_eq!(left(10_000), Some(Duration::from_secs(3_600)));
        assert_eq!(left(3_609_999), Some(Duration::from_millis(1)));
        assert_eq!((left(3_610_000), left(u64::MAX)), (None, None));
        assert_eq!(left(0), Some(Duration::from_secs(3_600)));
        assert!(used.kept_for() > used.record.lifetime);
    }

    // Fails when a node believes what another one wrote that lets tickets live longer.
    #[test]
    fn a_ticket_lives_no_longer_than_this_node_lets_it_from_when_it_was_made() {
        let used = TicketRecord { made_at: UnixSeconds(1_000), ..record() }.used_at(1_030_000);
        let left = |now_s: u64, life| used.left(now_s * 1_000, Duration::from_secs(life));
        assert_eq!(left(1_030, 60), Some(Duration::from_secs(30)));
        assert_eq!((left(1_060, 60), left(5_000, 60)), (None, None));
        assert_eq!(left(1_030, 3_630), Some(Duration::from_secs(3_600)));
    }

    #[test]
    fn the_maker_of_a_ticket_is_known_by_what_its_token_said() {
        let grant = maker().grant();
        assert_eq!((grant.issuer.as_deref(), grant.subject.as_deref()), (Some("backend"), Some("shop")));
        assert_eq!((grant.token_id, grant.issued_at), (None, Some(UnixSeconds(1_799_999_000))));
        assert!(Right::ALL.into_iter().all(|right| !grant.rights.allow(right, &record().channels[0])));
    }

    // Fails when a channel of a ticket is read as a pattern.
    #[test]
    fn a_grant_ends_with_its_ticket_and_gives_its_channels_by_name() {
        let name = TicketName::of_digest([7; 32]);
        let grant = record().used_at(0).grant(name, 1_800_000_000_900, Duration::from_millis(2_050));
        assert_eq!(grant.expires_at, Some(UnixSeconds(1_800_000_002)), "it ends early rather than late");
        assert_eq!((grant.subject.as_deref(), grant.issuer.as_deref()), (Some("7"), Some(TICKET_ISSUER)));
        assert_eq!(grant.token_id.as_deref(), Some(&*name.to_string()));
        let channel = |name: &str| ChannelName::parse(name).unwrap();
        assert_eq!(grant.permit(Right::Subscribe, &[channel("user:7"), channel("a*")]), Ok(()));
        assert!(grant.permit(Right::Subscribe, &[channel("ab")]).is_err());
        for right in [Right::History, Right::Publish, Right::Tickets] {
            assert!(!grant.rights.allow(right, &channel("user:7")), "{}", right.as_str());
        }
    }
}
