//! What an application answers when it is asked whether a request may do what it wants.

use std::future::ready;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use fanfare_auth::{
    Answering, Ask, AskAnswer, AskRequest, Forward, ForwardOptions, ForwardQuestion, Grant, Right, SafeUrl,
    UnixSeconds, Verdict,
};
use fanfare_protocol::ChannelName;
use http::{HeaderMap, StatusCode};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const LONGEST: u64 = 3_600;
const ASKED: &str = "user:7";
/// The members of an answer that name channels.
const LISTS: [&str; 4] = ["channels", "subscribe", "publish", "history"];
const STATUSES: [u16; 8] = [200, 204, 299, 302, 401, 403, 404, 500];

/// Answers with these bytes.
struct Application(Bytes);

impl Ask for Application {
    fn ask(&self, _: AskRequest) -> Answering {
        let (index, body) = match self.0.split_first() {
            Some((first, _)) => (usize::from(*first) % STATUSES.len(), self.0.slice(1..)),
            None => (0, Bytes::new()),
        };
        let status = StatusCode::from_u16(STATUSES[index]).expect("a status");
        Box::pin(ready(Ok(AskAnswer { status, headers: HeaderMap::new(), body })))
    }
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// The first byte says the status and the right, the others are the body.
pub(crate) fn run(data: &[u8]) {
    let options = ForwardOptions {
        url: SafeUrl::parse("https://app.example/").expect("an address"),
        headers: Vec::new(),
        timeout: Duration::from_secs(1),
        concurrency: 1,
        keep: Duration::ZERO,
        denied_grace: Duration::ZERO,
        lifetime: Duration::from_secs(60),
        max_lifetime: Duration::from_secs(LONGEST),
        channels: 64,
        public: Arc::default(),
    };
    let first = usize::from(data.first().copied().unwrap_or_default());
    let (status, right) = (STATUSES[first % STATUSES.len()], Right::ALL[first / STATUSES.len() % Right::ALL.len()]);
    let forward = Forward::new(options, Arc::new(Application(Bytes::copy_from_slice(data))));
    let channels = [ChannelName::parse(ASKED).expect("a name")];
    let (headers, address) = (HeaderMap::new(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let question =
        ForwardQuestion { right, channels: &channels, headers: &headers, target: "/events", address, payer: 1 };
    let verdict = RUNTIME.block_on(forward.ask(forward.request(&question), || NOW));
    let Ok(Verdict::Granted(grant)) = verdict else { return };
    assert!((200..300).contains(&status), "only 2xx allows");
    assert!(grant.expires_at.is_some_and(|end| NOW < end && end.0 <= NOW.0 + LONGEST));
    let body = data.get(1..).unwrap_or_default();
    assert!(status == 204 || body.trim_ascii().first() == Some(&b'{'), "only 204 and an object allow");
    check_rights(&grant, status, body, right);
}

/// What is given was asked for, or is said; and publishing is said.
fn check_rights(grant: &Grant, status: u16, body: &[u8], right: Right) {
    let has_list = status != 204 && LISTS.iter().any(|name| contains(body, name.as_bytes()));
    // Escapes in JSON spell names in other ways.
    if !has_list && !body.contains(&b'\\') {
        let other = ChannelName::parse("user:8").expect("a name");
        let asked = ChannelName::parse(ASKED).expect("a name");
        for one in Right::ALL {
            assert!(!grant.rights.allow(one, &other), "what is neither asked for nor said");
            assert!(!grant.rights.allow(one, &asked) || one == right && one != Right::Publish, "another right");
        }
    }
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}
