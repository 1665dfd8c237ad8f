//! Patterns of origins: `https://*.example.com`.

use http::HeaderValue;

/// The longest label of a name, and the longest name (RFC 1035, section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 253;
/// The one name of a single label below which nobody else has names: they are this machine (RFC 6761, section 6.3).
const LOCALHOST: &str = "localhost";

/// The origins of all names below one domain, of one scheme and one port.
///
/// `*` stands for one whole label or several: `https://*.example.com` matches `https://a.example.com` and `https://b.a.example.com`,
/// and neither `https://example.com` nor `https://evilexample.com`. Origins with another scheme, or with a port that the pattern does not
/// name, do not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    /// What stands before the labels: `https://`.
    before: Box<str>,
    /// What stands behind them: `.example.com`, and `:8443` if the pattern has a port.
    behind: Box<str>,
    /// How many bytes of `behind` are of the name.
    domain_bytes: usize,
}

/// Why a text with `*` is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginPatternError {
    /// It does not begin with a scheme of pages on the web.
    #[error("a pattern begins with `https://` or `http://`, in lower case")]
    Scheme,
    /// `*` stands elsewhere, or several times.
    #[error("`*` stands once, for whole labels, right behind the scheme: `https://*.example.com`")]
    Place,
    /// What stands behind `*.` is no name of two labels or more.
    #[error(
        "behind `*.` stands a domain of two labels or more, in lower case and without a path, such as `example.com` (or `localhost`): what \
         belongs to everybody, and addresses, have no names below them that are yours"
    )]
    Domain,
    /// The port is none, or the one that browsers leave out.
    #[error(
        "the port is a number from 1 to 65535, and is left out where it is the scheme's own (443, 80), as browsers do"
    )]
    Port,
}

impl OriginPattern {
    /// Reads `scheme://*.domain`, or `scheme://*.domain:port`.
    ///
    /// # Errors
    /// See [`OriginPatternError`].
    pub fn parse(text: &str) -> Result<Self, OriginPatternError> {
        let (scheme, authority) = text.split_once("://").ok_or(OriginPatternError::Scheme)?;
        let usual_port = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err(OriginPatternError::Scheme),
        };
        let behind =
            authority.strip_prefix('*').filter(|rest| rest.starts_with('.')).ok_or(OriginPatternError::Place)?;
        if behind.contains('*') {
            return Err(OriginPatternError::Place);
        }
        let (domain, port) = behind.split_once(':').map_or((behind, None), |(domain, port)| (domain, Some(port)));
        if !is_domain(domain.trim_start_matches('.')) || domain.starts_with("..") {
            return Err(OriginPatternError::Domain);
        }
        if port.is_some_and(|port| !is_port(port, usual_port)) {
            return Err(OriginPatternError::Port);
        }
        Ok(Self { before: format!("{scheme}://").into(), behind: behind.into(), domain_bytes: domain.len() })
    }

    /// Whether an origin, as a browser writes it, is one of these.
    pub(crate) fn matches(&self, origin: &HeaderValue) -> bool {
        let between = origin.as_bytes().strip_prefix(self.before.as_bytes());
        let labels = between.and_then(|rest| rest.strip_suffix(self.behind.as_bytes()));
        labels.is_some_and(|labels| {
            labels.len() + self.domain_bytes <= NAME_BYTES_MAX && labels.split(|byte| *byte == b'.').all(is_label)
        })
    }
}

/// Whether names below it may be those of one owner, as far as the text tells. That `co.uk` is no such domain is not in the text.
fn is_domain(text: &str) -> bool {
    let is_name = text.len() < NAME_BYTES_MAX && text.split('.').all(|label| is_label(label.as_bytes()));
    // A name whose last label is a number is an address (WHATWG URL, "ends in a number checker").
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_address = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    is_name && !is_address && (text.contains('.') || text == LOCALHOST)
}

fn is_label(label: &[u8]) -> bool {
    let is_of_names = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.iter().all(is_of_names)
}

fn is_port(text: &str, usual: u16) -> bool {
    let is_written_as_by_browsers = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    is_written_as_by_browsers && text.parse::<u16>().is_ok_and(|port| port != usual)
}

#[cfg(test)]
mod tests;
