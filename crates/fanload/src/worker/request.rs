//! What a client asks for.

use crate::fleet::Plan;
use crate::target::Resume;

/// The request of one connection; `position` is empty before its first one.
pub(super) fn of(plan: &Plan, index: usize, position: &[u8]) -> Vec<u8> {
    let subscribe = &plan.subscribe;
    let names = plan.channels_of(index).map(|channel| subscribe.channel.replace("{channel}", &plan.channel(channel)));
    let channels = names.collect::<Vec<_>>().join(&subscribe.separator);
    let position = String::from_utf8_lossy(position);
    let path = match &subscribe.resume {
        Resume::Path(path) if !position.is_empty() => path.replace("{position}", &position),
        _ => subscribe.path.clone(),
    };
    let path = path.replace("{channels}", &channels);
    let mut text = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n", subscribe.host);
    for (name, value) in &subscribe.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if subscribe.resume == Resume::Header && !position.is_empty() {
        text.push_str(&format!("Last-Event-ID: {position}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}
