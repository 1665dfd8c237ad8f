//! Issuers on the real binary: with every algorithm that they may use; and those that publish their keys, over TLS, down and back, and with
//! other keys than yesterday.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_e2e::{
    Answer, Client, Issuer, Ledger, Node, NodeBuilder, Publisher, RedisServer, Subscribe, WebServer, eventually,
    eventually_within, request,
};
use serde_json::{Value, json};

/// Two keys of Ed25519, made for these tests, as PEM and as `x` of a JWK.
const KEYS: [(&str, &str); 2] = [
    ("MC4CAQAwBQYDK2VwBCIEIP1evZdDtNtOPutkauo9dvNTuqa+zEfw8r1sbFGaFbwV", "t8CUDlSU7sXj1HpiJpNikcPNqhWvQnviIWjMQQu3YO0"),
    ("MC4CAQAwBQYDK2VwBCIEIFg6SCM7y7qR19/DU7zXjRvfSzpQjjhMMqUi7w2mR1DC", "4VKhDKBchKARuvePJgsL5XtF71pBbOEKrulMAei3_qA"),
];

/// The key set with these keys, named by their numbers.
fn key_set(numbers: &[usize]) -> String {
    let key = |number: &usize| {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"{number}","x":"{}"}}"#, KEYS[*number].1)
    };
    format!(r#"{{"keys":[{}]}}"#, numbers.iter().map(key).collect::<Vec<_>>().join(","))
}

/// An issuer that publishes its keys, and a Redis.
struct Scene {
    redis: RedisServer,
    issuer: Issuer,
    published: Arc<Mutex<Answer>>,
    server: WebServer,
}

fn scene() -> Scene {
    let issuer = Issuer::new();
    for (number, (pem, _)) in KEYS.iter().enumerate() {
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
        std::fs::write(issuer.path(&number.to_string()), pem).expect("a file");
    }
    let published = Arc::new(Mutex::new(Answer::json("200 OK", &key_set(&[0]))));
    let now = Arc::clone(&published);
    let server = WebServer::https(move |_| now.lock().expect("no panic").clone());
    Scene { redis: RedisServer::start(), issuer, published, server }
}

impl Scene {
    fn publish(&self, numbers: &[usize]) {
        *self.published.lock().expect("no panic") = Answer::json("200 OK", &key_set(numbers));
    }

    /// A node that believes the issuer, whose address holds a secret.
    fn node(&self) -> NodeBuilder {
        let file = self.issuer.path("fanfare.toml");
        let url = self.server.url("/keys?code=hunter2");
        let table = self.issuer.table(&format!("jwks_url = {url:?}\nsubscribe = [\"*\"]"));
        std::fs::write(&file, table).expect("a file");
        let node = Node::builder(&self.redis).argument("--config").argument(&file);
        node.set("auth.enabled", "true").set("history.enabled", "true").set("log.level", "trace")
    }

    fn authority(&self) -> String {
        self.server.authority_file().to_str().expect("a path").to_owned()
    }

    fn token(&self, number: usize) -> String {
        let name = number.to_string();
        format!("Bearer {}", self.issuer.token_by(&name, &["--key-id", &name, "--subject", "7"]))
    }
}

/// What a token is worth to a node.
fn status(node: &Node, token: &str) -> u16 {
    request(node.address(), "GET", "/channels/c/history", &[("Authorization", token)], b"").expect("an answer").status()
}

// Fails when keys are read at start only, when a failure loses them, and when a token with a new key does not make the node look again.
#[test]
fn keys_are_read_over_tls_again_after_an_outage_and_again_when_they_are_new() {
    let mut scene = scene();
    scene.server.stop();
    let node = scene.node().set("auth.ca_file", &scene.authority()).start();
    let (old, new) = (scene.token(0), scene.token(1));
    assert_eq!(status(&node, &old), 503, "nobody knows the key");
    let polite = request(node.address(), "GET", "/events?channel=c", &[("Accept", "text/event-stream")], b"");
    assert_eq!(polite.expect("an answer").status(), 401, "without a token no key is needed");
    let failures = || node.metric("fanfare_key_set_failures_total", "issuer=\"id\"");
    eventually("an error in the metrics", || failures().filter(|count| *count > 0.0));

    scene.server.start();
    eventually("the keys to be read", || (status(&node, &old) == 200).then_some(()));
    assert_eq!(node.metric("fanfare_key_set_keys", "issuer=\"id\""), Some(1.0));
    let mut client = Client::open(node.address(), Subscribe::to("c").header("Authorization", &old));

    // The first that comes with a new key makes the node look, but not more often than every 30 s.
    scene.publish(&[0, 1]);
    eventually_within(Duration::from_secs(50), "the new key to be read", || {
        assert_eq!(status(&node, &old), 200, "the old key is as good as before");
        fanfare_e2e::pace(Duration::from_millis(500));
        (status(&node, &new) == 200).then_some(())
    });
    assert_eq!(node.metric("fanfare_key_set_keys", "issuer=\"id\""), Some(2.0));
    client.connect(node.address()).expect("the node accepts");

    // What was read last is good while nothing can be read.
    scene.server.stop();
    assert_eq!((status(&node, &old), status(&node, &new)), (200, 200));
    let status_page = node.admin("/status").expect("an answer").json();
    let keys = &status_page["node"]["key_sets"][0];
    assert_eq!((&keys["issuer"], &keys["keys"]), (&"id".into(), &2.into()), "{keys}");
    let log = node.log();
    assert!(log.contains("read the keys of an issuer"), "{log}");
    assert!(!log.contains("hunter2") && !status_page.to_string().contains("hunter2"), "{log}");
}

// Fails when the node trusts whoever answers.
#[test]
fn keys_from_whom_nobody_vouches_for_are_not_believed_and_the_log_says_why() {
    let scene = scene();
    let stranger = WebServer::https(|_| Answer::Hang);
    let authority = stranger.authority_file();
    let node = scene.node().set("auth.ca_file", authority.to_str().expect("a path")).start();
    eventually("the reason in the log", || node.log().contains("no authority that is believed here").then_some(()));
    assert_eq!((status(&node, &scene.token(0)), scene.server.asked().len()), (503, 0));
    let last_error = node.admin("/status").expect("an answer").json()["node"]["key_sets"][0]["last_error"].clone();
    assert!(last_error.as_str().is_some_and(|error| error.contains("auth.ca_file")), "{last_error}");
}

// Fails when the authorities of `auth.ca_file` are believed beside those of the machine, and when the latter are not at all.
#[test]
fn the_authorities_of_a_file_stand_in_place_of_those_of_the_machine() {
    let scene = scene();
    let node = scene.node().environment("SSL_CERT_FILE", &scene.authority()).start();
    eventually("the keys to be read", || (status(&node, &scene.token(0)) == 200).then_some(()));
    assert!(node.log().contains("traced to these authorities"), "{}", node.log());
    drop(node);
    let stranger = WebServer::https(|_| Answer::Hang);
    let file = stranger.authority_file();
    let node = scene.node().environment("SSL_CERT_FILE", &scene.authority());
    let node = node.set("auth.ca_file", file.to_str().expect("a path")).start();
    eventually("the reason in the log", || node.log().contains("no authority that is believed here").then_some(()));
    assert_eq!(status(&node, &scene.token(0)), 503);
}

// Fails when a redirection is followed, and when garbage replaces the keys.
#[test]
fn redirections_garbage_and_endless_answers_are_no_keys() {
    let elsewhere = WebServer::https(|_| Answer::json("200 OK", &key_set(&[0])));
    let redirection =
        format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url("/keys"));
    let huge = format!("HTTP/1.1 200 OK\r\n\r\n{{\"keys\":[{}", " ".repeat(1 << 20));
    for (answer, why) in [
        (Answer::Send(redirection.into_bytes()), "the answer is 307"),
        (Answer::json("200 OK", "<html>"), "the answer: "),
        (Answer::Send(huge.into_bytes()), "more than 262144 bytes"),
        (Answer::Send(b"hello".to_vec()), "no whole answer"),
        (Answer::Hang, "no answer within"),
        (Answer::Trickle, "no answer within"),
    ] {
        let scene = scene();
        *scene.published.lock().expect("no panic") = answer;
        let node = scene.node().set("auth.ca_file", &scene.authority()).set("auth.public", "witness").start();
        let mut witness = Client::open(node.address(), Subscribe::to("witness"));
        eventually(why, || node.log().contains(why).then_some(()));
        assert_eq!(status(&node, &scene.token(0)), 503, "{why}");
        assert!(node.metric("fanfare_key_set_failures_total", "issuer=\"id\"") >= Some(1.0), "{why}");
        // Who needs no token notices nothing.
        Publisher::new(&scene.redis, &Ledger::default()).fcall("witness", "hello");
        witness.read_data("hello");
    }
    assert_eq!(elsewhere.asked().len(), 0);
}

/// Every algorithm, with the kind of key that it is for. Those of one kind stand together.
const ALGORITHMS: [(&str, &str); 12] = [
    ("HS256", "secret"),
    ("HS384", "secret"),
    ("HS512", "secret"),
    ("RS256", "rsa"),
    ("RS384", "rsa"),
    ("RS512", "rsa"),
    ("PS256", "rsa"),
    ("PS384", "rsa"),
    ("PS512", "rsa"),
    ("ES256", "p256"),
    ("ES384", "p384"),
    ("EdDSA", "ed25519"),
];

fn kind_of(algorithm: &str) -> &'static str {
    ALGORITHMS.into_iter().find(|(name, _)| *name == algorithm).expect("an algorithm").1
}

/// Another algorithm for the same kind of key, if there is one: the next, after the last the first.
fn sibling(algorithm: &str) -> Option<&'static str> {
    let kind = kind_of(algorithm);
    let of_kind = || ALGORITHMS.into_iter().filter(|of| of.1 == kind).map(|of| of.0);
    of_kind().chain(of_kind()).skip_while(|name| *name != algorithm).nth(1).filter(|name| *name != algorithm)
}

/// A key of each kind. OpenSSL makes them and signs with them, as applications do: nothing of the product takes part.
struct Keys {
    /// A secret that is long enough for every algorithm, private keys named by their kinds, and public ones (`rsa.public`).
    files: Issuer,
    secret: String,
}

impl Keys {
    fn new() -> Self {
        let files = Issuer::new();
        let secret = String::from_utf8(openssl(&["rand", "-hex", "32"])).expect("digits").trim().to_owned();
        std::fs::write(files.path("secret"), &secret).expect("a file");
        for (kind, options) in [
            ("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..]),
            ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
            ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
            ("ed25519", &["-algorithm", "ed25519"]),
        ] {
            let (private, public) = (files.path(kind), files.path(&format!("{kind}.public")));
            openssl(&[&["genpkey", "-out", &private], options].concat());
            openssl(&["pkey", "-in", &private, "-pubout", "-out", &public]);
        }
        Self { files, secret }
    }

    /// A token of this issuer that is signed with this algorithm, and says that it was with the key of this name.
    fn token(&self, issuer: &str, algorithm: &str, key_id: &str) -> String {
        let key = self.files.path(kind_of(algorithm));
        token(issuer, algorithm, key_id, |signed| {
            let hash = format!("-sha{}", &algorithm[2..]);
            let sign = |more: &[&str]| openssl(&[&["dgst", &hash, "-sign", &key], more, &[signed]].concat());
            match algorithm.split_at(2).0 {
                "HS" => mac(&hash, self.secret.as_bytes(), signed),
                "RS" => sign(&[]),
                "PS" => sign(&["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]),
                "ES" if algorithm == "ES256" => numbers(&sign(&[]), 32),
                "ES" => numbers(&sign(&[]), 48),
                _ => openssl(&["pkeyutl", "-sign", "-inkey", &key, "-rawin", "-in", signed]),
            }
        })
    }

    /// The set of the keys for these algorithms, each good for its own alone and named by it (RFC 7517, RFC 7518, RFC 8037).
    fn key_set(&self, algorithms: &[(&str, &str)]) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let key = |(algorithm, kind): &(&str, &str)| {
            if *kind == "secret" {
                return json!({ "kid": algorithm, "alg": algorithm, "kty": "oct", "k": encode(self.secret.as_bytes()) });
            }
            let der = openssl(&["pkey", "-in", &self.files.path(kind), "-pubout", "-outform", "DER"]);
            // The number or the point is the last that stands in the structure; behind an RSA modulus its exponent does, 65537.
            let end = |bytes: usize| der.split_at(der.len() - bytes).1;
            let point = |curve: &str, bytes: usize| {
                let (x, y) = end(2 * bytes).split_at(bytes);
                json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
            };
            let mut key = match *kind {
                "rsa" => json!({ "kty": "RSA", "n": encode(&end(261)[..256]), "e": "AQAB" }),
                "p256" => point("P-256", 32),
                "p384" => point("P-384", 48),
                _ => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(end(32)) }),
            };
            (key["kid"], key["alg"]) = (Value::from(*algorithm), Value::from(*algorithm));
            key
        };
        json!({ "keys": algorithms.iter().map(key).collect::<Vec<_>>() }).to_string()
    }
}

/// What OpenSSL prints. It is one of the programs that `scripts/setup.sh` installs.
#[track_caller]
fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output().expect("openssl is installed");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The HMAC of what is in a file.
fn mac(hash: &str, key: &[u8], file: &str) -> Vec<u8> {
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    openssl(&["dgst", hash, "-binary", "-mac", "HMAC", "-macopt", &format!("hexkey:{digits}"), file])
}

/// The value of a header with a token for `live`, whose signature is that of a file.
fn token(issuer: &str, algorithm: &str, key_id: &str, sign: impl FnOnce(&str) -> Vec<u8>) -> String {
    let now = UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    let head = json!({ "alg": algorithm, "kid": key_id });
    let claims = json!({ "iss": issuer, "aud": "live", "iat": now, "exp": now + 600 });
    let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{head}.{claims}")).expect("a file");
    let signature = sign(file.path().to_str().expect("a path"));
    format!("Bearer {head}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The two numbers of a signature by a curve, which OpenSSL writes in DER (RFC 3279, section 2.2.3), each in so many bytes (RFC 7518,
/// section 3.4).
fn numbers(der: &[u8], bytes: usize) -> Vec<u8> {
    let (first, second) = der[4..].split_at(usize::from(der[3]));
    let padded = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = &number[zeros..];
        [&vec![0; bytes - digits.len()], digits].concat()
    };
    [padded(first), padded(&second[2..])].concat()
}

/// A node that believes the issuer `id` by files of its keys, `set` by a file with a key set, and `web` by one that is published here. In both
/// sets each key is for one algorithm.
fn node_of_all_algorithms(redis: &RedisServer, keys: &Keys) -> (WebServer, Node) {
    let published = keys.key_set(&ALGORITHMS[3..]);
    let server = WebServer::http(move |_| Answer::json("200 OK", &published));
    let file = keys.files.path("keys.json");
    std::fs::write(&file, keys.key_set(&ALGORITHMS)).expect("a file");
    let public = ["rsa", "p256", "p384", "ed25519"].map(|kind| keys.files.path(&format!("{kind}.public")));
    let files = format!("secret = {:?}\npublic_key_files = {public:?}", keys.secret);
    let tables = [
        ("id", files),
        ("set", format!("jwks_file = {file:?}")),
        ("web", format!("jwks_url = {:?}", server.url("/keys"))),
    ]
    .map(|(issuer, keys)| {
        format!("[[auth.issuers]]\nissuer = {issuer:?}\naudience = [\"live\"]\nsubscribe = [\"c\"]\n{keys}\n")
    });
    let file = keys.files.path("fanfare.toml");
    std::fs::write(&file, tables.concat()).expect("a file");
    let node = Node::builder(redis).argument("--config").argument(&file).set("auth.enabled", "true").start();
    node.await_metric("fanfare_key_set_keys", "issuer=\"web\"", 9.0);
    (server, node)
}

// Seen to fail when the `alg` of a key is not looked at, when every signature is believed, and when PS384 is checked as PS256.
#[test]
fn every_algorithm_opens_streams_and_no_other_key_nor_another_algorithm_than_the_keys_own_does() {
    let (redis, own, stranger) = (RedisServer::start(), Keys::new(), Keys::new());
    let (_server, node) = node_of_all_algorithms(&redis, &own);
    let status = |token: &str| {
        let headers = [("Accept", "text/event-stream"), ("Authorization", token)];
        request(node.address(), "HEAD", "/events?channel=c", &headers, b"").expect("an answer").status()
    };
    let (mut clients, mut refused) = (Vec::new(), Vec::new());
    for issuer in ["id", "set", "web"] {
        // Nobody publishes a secret.
        for (algorithm, kind) in ALGORITHMS.into_iter().filter(|(_, kind)| issuer != "web" || *kind != "secret") {
            let good = own.token(issuer, algorithm, algorithm);
            clients.push(Client::open(node.address(), Subscribe::to("c").header("Authorization", &good)));
            refused.push((issuer, algorithm, stranger.token(issuer, algorithm, algorithm)));
            if let Some(other) = sibling(algorithm) {
                let token = own.token(issuer, other, algorithm);
                match issuer {
                    "id" => assert_eq!(status(&token), 200, "the {kind} key in a file is for {other} as well"),
                    _ => refused.push((issuer, other, token)),
                }
            }
        }
        // What everybody knows is no secret, though it is a key of the issuer.
        let public = std::fs::read(own.files.path("rsa.public")).expect("a file");
        refused.push((issuer, "HS256", token(issuer, "HS256", "RS256", |file| mac("-sha256", &public, file))));
    }
    for (issuer, algorithm, token) in &refused {
        assert_eq!(status(token), 401, "{algorithm} of {issuer}: {token}");
    }
    let denied = f64::from(u32::try_from(refused.len()).expect("a few"));
    assert_eq!(node.metric("fanfare_denied_total", "reason=\"invalid\""), Some(denied));
    Publisher::new(&redis, &Ledger::default()).fcall("c", "hello");
    clients.iter_mut().for_each(|client| client.read_data("hello"));
    assert_eq!(clients.len(), 12 + 12 + 9);
    // The command line signs with each of them, too.
    for (algorithm, kind) in ALGORITHMS {
        let arguments = ["--algorithm", algorithm];
        let token = if kind == "secret" { own.files.token(&arguments) } else { own.files.token_by(kind, &arguments) };
        assert_eq!(status(&format!("Bearer {token}")), 200, "{algorithm}");
    }
}
