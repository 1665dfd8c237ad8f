//! What a subscriber asks the floor for.

/// The longest request head that is read, in bytes.
pub(super) const HEAD_MAX: usize = 16 * 1024;
/// Header fields that are looked at.
const HEADERS_MAX: usize = 64;

/// Channels and place of a subscription.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Channel indexes, in the order of the URL.
    pub(super) channels: Vec<u32>,
    /// The names whose ends they are.
    pub(super) names: Vec<String>,
    /// `Last-Event-ID`; an empty one counts as absent.
    pub(super) resume: Option<String>,
}

/// Why a head is no subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotASubscription;

/// Parses a request head; `None` until it is complete.
pub(super) fn parse(head: &[u8]) -> Option<Result<Request, NotASubscription>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) if head.len() < HEAD_MAX => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) | Err(_) => return Some(Err(NotASubscription)),
    }
    let resume = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("last-event-id"));
    let resume = resume.map(|header| header.value);
    Some(of(request.method.unwrap_or_default(), request.path.unwrap_or_default(), resume))
}

/// What a request of any version of HTTP asks for.
pub(super) fn of(method: &str, path: &str, resume: Option<&[u8]>) -> Result<Request, NotASubscription> {
    if method != "GET" {
        return Err(NotASubscription);
    }
    let names = names(path);
    let channels: Option<Vec<u32>> = names.iter().map(|name| trailing_number(name)).collect();
    let channels = channels.filter(|channels| !channels.is_empty()).ok_or(NotASubscription)?;
    let resume = resume.filter(|value| !value.is_empty()).map(|value| String::from_utf8_lossy(value).into_owned());
    Ok(Request { channels, names, resume })
}

/// The `channel` parameters.
fn names(path: &str) -> Vec<String> {
    let (_, query) = path.split_once('?').unwrap_or_default();
    query.split('&').filter_map(|pair| pair.strip_prefix("channel=")).map(str::to_owned).collect()
}

fn trailing_number(name: &str) -> Option<u32> {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    name[name.len() - digits..].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str, rest: &str) -> Option<Result<Request, NotASubscription>> {
        parse(format!("GET {path} HTTP/1.1\r\nHost: floor\r\n{rest}\r\n").as_bytes())
    }

    #[test]
    fn channels_are_the_numbers_at_the_ends_of_their_names() {
        let request = get("/events?channel=load-7&last=3&channel=v2-12", "").unwrap().unwrap();
        let names = ["load-7", "v2-12"].map(str::to_owned).to_vec();
        assert_eq!(request, Request { channels: vec![7, 12], names, resume: None });
        for none in ["/events", "/events?channel=orders", "/events?other=7"] {
            assert_eq!(get(none, ""), Some(Err(NotASubscription)), "{none}");
        }
    }

    #[test]
    fn an_empty_position_counts_as_absent() {
        let resume = |header: &str| get("/e?channel=1", header).unwrap().unwrap().resume;
        assert_eq!(resume("last-event-id: 5-0\r\n").as_deref(), Some("5-0"));
        assert_eq!(resume("Last-Event-ID: \r\n"), None);
    }

    #[test]
    fn a_head_is_waited_for_until_it_is_too_long() {
        let whole = b"GET /e?channel=1 HTTP/1.1\r\nHost: floor\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None, "cut at {cut}");
        }
        assert!(parse(whole).unwrap().is_ok());
        let endless = [&whole[..whole.len() - 2], b"x: ", "y".repeat(HEAD_MAX).as_bytes()].concat();
        assert_eq!(parse(&endless), Some(Err(NotASubscription)));
        assert_eq!(parse(b"POST /e?channel=1 HTTP/1.1\r\n\r\n"), Some(Err(NotASubscription)));
    }
}
