//! What a client asks for.

use crate::fleet::Plan;
use crate::target::Resume;

/// A request, before it is written in any version of HTTP.
#[derive(Debug)]
pub(super) struct Asks<'a> {
    path: String,
    host: &'a str,
    headers: Vec<(&'a str, String)>,
}

/// The request of one connection; `position` is empty before its first one.
pub(super) fn of<'a>(plan: &'a Plan, index: usize, position: &[u8]) -> Asks<'a> {
    let subscribe = &plan.subscribe;
    let names = plan.channels_of(index).map(|channel| subscribe.channel.replace("{channel}", &plan.channel(channel)));
    let channels = names.collect::<Vec<_>>().join(&subscribe.separator);
    let position = String::from_utf8_lossy(position);
    let path = match &subscribe.resume {
        Resume::Path(path) if !position.is_empty() => path.replace("{position}", &position),
        _ => subscribe.path.clone(),
    };
    let path = path.replace("{channels}", &channels);
    let mut headers = vec![("Accept", "text/event-stream".to_owned())];
    headers.extend(subscribe.headers.iter().map(|(name, value)| (name.as_str(), value.clone())));
    if subscribe.resume == Resume::Header && !position.is_empty() {
        headers.push(("Last-Event-ID", position.into_owned()));
    }
    Asks { path, host: &subscribe.host, headers }
}

impl Asks<'_> {
    /// In HTTP/1.1, as bytes.
    pub(super) fn http1(&self) -> Vec<u8> {
        let mut text = format!("GET {} HTTP/1.1\r\nHost: {}\r\n", self.path, self.host);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// In HTTP/2; the host is its `:authority`.
    pub(super) fn http2(&self, secure: bool) -> http::Result<http::Request<()>> {
        let scheme = if secure { "https" } else { "http" };
        let mut request = http::Request::get(format!("{scheme}://{}{}", self.host, self.path));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.version(http::Version::HTTP_2).body(())
    }
}
