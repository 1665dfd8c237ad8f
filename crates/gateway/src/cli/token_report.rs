//! What `fanfare token inspect` says of a token.

use std::fmt;
use std::time::{Duration, SystemTime};

use fanfare_auth::{Check, Credential, Explanation, Gate, Grant, Place, Refusal, Right, UnixSeconds};

use crate::config::Span;

/// A token, explained.
pub(super) struct TokenReport {
    says: Explanation,
    now: UnixSeconds,
    /// Whether the gate knows whom the token may be for.
    is_audience_checked: bool,
    verdict: Verdict,
}

/// What it is worth.
enum Verdict {
    /// There was no key to check it with.
    NotChecked,
    Good(Box<Grant>),
    Refused(Refusal),
}

/// The last second that a calendar with four digits for the year has.
const CALENDAR_END: u64 = 253_402_300_799;

impl TokenReport {
    /// Explains a token, and judges it if there is a gate, which may or may not look at whom it is for.
    ///
    /// # Errors
    /// It is no token at all.
    pub(super) fn of(
        text: &str,
        gate: Option<&Gate>,
        is_audience_checked: bool,
        now: UnixSeconds,
    ) -> anyhow::Result<Self> {
        let says = Explanation::of(text).map_err(|refusal| anyhow::anyhow!("not a token: {}", reason(&refusal)))?;
        let verdict = gate.map_or(Verdict::NotChecked, |gate| judge(gate, text, now));
        Ok(Self { says, now, is_audience_checked, verdict })
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self.verdict, Verdict::Refused(_))
    }

    /// A time, and how far away it is.
    fn time(&self, f: &mut fmt::Formatter<'_>, name: &str, time: Option<UnixSeconds>) -> fmt::Result {
        let Some(time) = time else { return Ok(()) };
        let date = match time.0 {
            0..=CALENDAR_END => httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(time.0)),
            _ => "after the year 9999".to_owned(),
        };
        let (ahead, ago) = (Span(time.since(self.now)), Span(self.now.since(time)));
        if ahead.0.is_zero() {
            writeln!(f, "{name:<9} {date}, {ago} ago")
        } else {
            writeln!(f, "{name:<9} {date}, in {ahead}")
        }
    }
}

fn judge(gate: &Gate, text: &str, now: UnixSeconds) -> Verdict {
    let credential = match Credential::new(Place::Header, text) {
        Ok(credential) => credential,
        Err(refusal) => return Verdict::Refused(refusal),
    };
    match gate.check(&credential, now) {
        Check::Granted(grant) => Verdict::Good(Box::new(grant)),
        Check::Refused(refusal) => Verdict::Refused(refusal),
        Check::KeysWanted(_) => Verdict::Refused(Refusal::Unavailable),
    }
}

/// Why, for people.
fn reason(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Invalid(why) | Refusal::Certificate(why) => why,
        Refusal::Expired => "it expired a short while ago (`exp`): a stream would be told politely",
        Refusal::Missing | Refusal::Unavailable | Refusal::Forbidden { .. } => refusal.as_str(),
    }
}

/// A text that nobody has vouched for, so that it can neither command the terminal nor look like another: control characters and those
/// that format, such as the ones that turn the direction of writing, are written as JSON escapes them.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_of_format(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The Unicode categories Cf, Zl and Zp, as far as they hide or turn text.
fn is_of_format(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}'
    )
}

impl fmt::Display for TokenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = |map| serde_json::to_string(map).map(|text| visible(&text)).map_err(|_| fmt::Error);
        writeln!(f, "{:<9} {}", "header", json(&self.says.header)?)?;
        writeln!(f, "{:<9} {}", "claims", json(&self.says.claims)?)?;
        self.time(f, "issued", self.says.issued_at)?;
        self.time(f, "begins", self.says.not_before)?;
        self.time(f, "ends", self.says.expires_at)?;
        match &self.verdict {
            Verdict::NotChecked => {
                writeln!(
                    f,
                    "{:<9} not checked: give a key with --secret-file, --public-key-file or --key-set-file",
                    "verdict"
                )
            }
            Verdict::Refused(refusal) => writeln!(f, "{:<9} refused: {}", "verdict", reason(refusal)),
            Verdict::Good(grant) => {
                for right in Right::ALL {
                    let patterns: Vec<_> =
                        grant.rights.patterns(right).iter().map(|one| visible(&one.to_string())).collect();
                    let shown = if patterns.is_empty() { "nothing".to_owned() } else { patterns.join(", ") };
                    writeln!(f, "{:<9} {shown}", right.as_str())?;
                }
                let beside = if self.is_audience_checked { "" } else { " (aud not checked)" };
                writeln!(f, "{:<9} good{beside}", "verdict")
            }
        }
    }
}
