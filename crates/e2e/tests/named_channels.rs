//! Channels that the application names, and not the URL.

use std::sync::{Arc, Mutex};

use fanfare_e2e::{Answer, Client, Ledger, Node, Publisher, RedisServer, Response, Subscribe, WebServer, request};

const STREAM: (&str, &str) = ("Accept", "text/event-stream");
const COOKIE: (&str, &str) = ("Cookie", "sid=seven");

/// An application that says what a test wants, Redis, and two nodes that ask it.
struct Scene {
    redis: RedisServer,
    says: Arc<Mutex<Answer>>,
    application: WebServer,
    near: Node,
    far: Node,
}

impl Scene {
    fn start() -> Self {
        let redis = RedisServer::start();
        let says = Arc::new(Mutex::new(Answer::json("204 No Content", "")));
        let now = Arc::clone(&says);
        let application = WebServer::http(move |_| now.lock().expect("no panic").clone());
        let [near, far] = [(); 2].map(|()| {
            Node::builder(&redis)
                .set("auth.enabled", "true")
                .set("forward_auth.url", &application.url("/"))
                .set("forward_auth.keep", "0s")
                .set("delivery.heartbeat", "1s")
                .set("delivery.retry_ms", "100")
                .launch()
        });
        near.wait_ready();
        far.wait_ready();
        Self { redis, says, application, near, far }
    }

    fn say(&self, body: &str) {
        *self.says.lock().expect("no panic") = Answer::json("200 OK", body);
    }

    fn publisher(&self) -> Publisher {
        Publisher::new(&self.redis, &Ledger::default())
    }
}

/// A client that is to get these channels, which its URL does not name.
fn unnamed(channels: &[&str]) -> Subscribe {
    Subscribe::to_all(channels).unnamed().header(COOKIE.0, COOKIE.1)
}

fn get(node: &Node, path: &str, headers: &[(&str, &str)]) -> Response {
    request(node.address(), "GET", path, headers, b"").expect("an answer")
}

fn texts(channel: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{channel} {number}")).collect()
}

/// Reads until the client has seen all of these.
fn read(client: &mut Client, all: &[&str]) {
    client.read_until(&format!("{all:?}"), |client| all.iter().all(|data| client.data().contains(data)));
}

/// The data that a client saw of a channel, in order.
fn of(client: &Client, channel: &str) -> Vec<String> {
    let is_its = |data: &&str| data.starts_with(&format!("{channel} "));
    client.data().into_iter().filter(is_its).map(str::to_owned).collect()
}

// Fails when the position of a stream of one channel does not say of which: after the application has named another, it would be taken for that one's.
#[test]
fn one_channel_that_the_application_names_has_a_position_that_names_it_and_resumes_on_another_node() {
    let scene = Scene::start();
    let mut publisher = scene.publisher();
    scene.say(r#"{"channels":["a"]}"#);
    let mut client = Client::open(scene.near.address(), unnamed(&["a"]));
    assert!(client.last_event_id().starts_with('v'), "{}", client.last_event_id());
    let asked = scene.application.asked();
    assert!(asked[0].body.contains(r#""channels":[]"#) && asked[0].body.contains(r#""uri":"/events""#), "{asked:?}");
    publisher.fcall_many("a", 0..3, &[]);
    client.read_data("a 2");
    assert!(client.last_event_id().starts_with('v'), "{}", client.last_event_id());
    client.disconnect();
    publisher.fcall_many("a", 3..6, &[]);
    client.connect(scene.far.address()).expect("the node accepts");
    client.read_data("a 5");
    assert_eq!((of(&client, "a"), client.gaps().len()), (texts("a", 0..6), 0));

    // Another channel in its place: nothing of the first, and its position is not taken for the other's.
    client.disconnect();
    publisher.fcall_many("a", 6..9, &[]);
    publisher.fcall_many("b", 0..3, &[]);
    scene.say(r#"{"channels":["b"]}"#);
    client.ask(unnamed(&["b"]));
    client.connect(scene.near.address()).expect("the node accepts");
    client.read_until("the gap", |client| !client.gaps().is_empty());
    publisher.fcall("a", "a 9");
    publisher.fcall("b", "b 3");
    client.read_data("b 3");
    assert_eq!((of(&client, "a"), of(&client, "b")), (texts("a", 0..6), texts("b", 3..4)));
    let gap = &client.gaps()[0];
    assert_eq!((gap.channel.as_str(), gap.reason.as_str()), ("b", "unknown_position"));
}

// Fails when a channel that was taken away is delivered on, one that stays loses something, or one that was added does not begin as `from` says.
#[test]
fn when_the_application_names_other_channels_those_that_stay_lose_nothing_and_others_begin_as_it_says() {
    let scene = Scene::start();
    let mut publisher = scene.publisher();
    publisher.fcall_many("c", 0..2, &[]);
    // The place of "c" that the application has read with its state: as this client sees it.
    scene.say(r#"{"channels":["c"]}"#);
    let from = Client::open(scene.near.address(), unnamed(&["c"])).last_event_id().to_owned();
    publisher.fcall_many("c", 2..5, &[]);

    scene.say(r#"{"channels":["a","b"]}"#);
    let mut client = Client::open(scene.near.address(), unnamed(&["a", "b"]));
    publisher.fcall_many("a", 0..3, &[]);
    publisher.fcall_many("b", 0..3, &[]);
    read(&mut client, &["a 2", "b 2"]);
    client.disconnect();
    publisher.fcall_many("a", 3..6, &[]);
    publisher.fcall_many("b", 3..6, &[]);

    scene.say(&format!(r#"{{"channels":["b","c"],"from":"{from}"}}"#));
    client.ask(unnamed(&["b", "c"]));
    client.connect(scene.far.address()).expect("the node accepts");
    read(&mut client, &["b 5", "c 4"]);
    publisher.fcall("a", "a 6");
    publisher.fcall_many("b", 6..8, &[]);
    publisher.fcall("c", "c 5");
    read(&mut client, &["c 5", "b 7"]);
    assert_eq!(of(&client, "a"), texts("a", 0..3), "nothing of what was taken away");
    assert_eq!(of(&client, "b"), texts("b", 0..8), "nothing lost, nothing twice");
    assert_eq!(of(&client, "c"), texts("c", 2..6), "from where the application says");
    let gaps: Vec<_> = client.gaps().iter().map(|gap| (gap.channel.clone(), gap.reason.as_str().to_owned())).collect();
    assert_eq!(gaps, [("c".to_owned(), "unknown_position".to_owned())], "it is told that it was added");
}

#[test]
fn a_stream_begins_where_the_application_says_for_who_brings_no_position() {
    let scene = Scene::start();
    let mut publisher = scene.publisher();
    scene.say(r#"{"channels":["a"]}"#);
    let from = Client::open(scene.near.address(), unnamed(&["a"])).last_event_id().to_owned();
    publisher.fcall_many("a", 0..3, &[]);
    scene.say(&format!(r#"{{"channels":["a"],"from":"{from}"}}"#));
    let mut place = String::new();
    for node in [&scene.near, &scene.far] {
        let mut client = Client::open(node.address(), unnamed(&["a"]));
        read(&mut client, &["a 2"]);
        assert_eq!((of(&client, "a"), client.gaps().len()), (texts("a", 0..3), 0));
        client.last_event_id().clone_into(&mut place);
    }
    // A client's own place comes first.
    let mut late = Client::remembering(unnamed(&["a"]), &place);
    late.connect(scene.near.address()).expect("the node accepts");
    publisher.fcall("a", "a 3");
    read(&mut late, &["a 3"]);
    assert_eq!(of(&late, "a"), texts("a", 3..4));
    // The same where the URL names the channel.
    scene.say(&format!(r#"{{"from":"{from}"}}"#));
    let mut client = Client::open(scene.far.address(), Subscribe::to("a").header(COOKIE.0, COOKIE.1));
    read(&mut client, &["a 3"]);
    assert_eq!((of(&client, "a"), client.gaps().len()), (texts("a", 0..4), 0));
    assert!(!client.last_event_id().starts_with('v'), "{}", client.last_event_id());
    // A position that does not say of which channel it is says nothing where the application names it.
    scene.say(r#"{"channels":["a"]}"#);
    let mut other = Client::remembering(unnamed(&["a"]), client.last_event_id());
    other.connect(scene.near.address()).expect("the node accepts");
    other.read_until("the gap", |client| !client.gaps().is_empty());
    assert_eq!(other.gaps()[0].reason.as_str(), "unknown_position");
}

#[test]
fn a_request_without_channels_is_refused_where_nothing_names_them() {
    let scene = Scene::start();
    let refused = |node: &Node| get(node, "/events", &[STREAM, COOKIE]);
    assert_eq!(refused(&scene.near).status(), 403, "a yes that names none");
    scene.say(r#"{"channels":[]}"#);
    assert_eq!(refused(&scene.near).status(), 403);
    let many: Vec<String> = (0..65).map(|number| format!("\"c{number}\"")).collect();
    scene.say(&format!(r#"{{"channels":[{}]}}"#, many.join(",")));
    let too_many = refused(&scene.near);
    assert!(too_many.status() == 400 && too_many.text().contains("too-many-channels"), "{}", too_many.text());
    let plain = Node::start(&scene.redis);
    let text = refused(&plain).text();
    assert!(refused(&plain).status() == 400 && text.contains("invalid-channel"), "{text}");
    assert_eq!(get(&scene.near, "/events", &[STREAM]).status(), 401, "nothing to ask about");
}
