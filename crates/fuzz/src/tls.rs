//! TLS towards clients: what comes before there are keys, and what who has the keys may say.

use std::sync::{Arc, LazyLock};

use fanfare_tls::testing::{Forger, SelfSigned};
use fanfare_tls::{Failure, Handshake, PLAINTEXT_BYTES_MAX, Received, Records, ServerConfig, Step};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// A server, and clients of either version that believe it.
struct Sides {
    server: Arc<ServerConfig>,
    clients: [Arc<ClientConfig>; 2],
}

static SIDES: LazyLock<Sides> = LazyLock::new(|| {
    let shown = SelfSigned::new("localhost");
    let client = |version| {
        let mut client = shown.client(version);
        client.enable_secret_extraction = true;
        Arc::new(client)
    };
    let clients = [client(&rustls::version::TLS13), client(&rustls::version::TLS12)];
    Sides { server: Arc::new(shown.server()), clients }
});

impl Sides {
    fn client(&self, is_tls13: bool) -> ClientConnection {
        let config = Arc::clone(&self.clients[usize::from(!is_tls13)]);
        ClientConnection::new(config, ServerName::try_from("localhost").expect("a name")).expect("a client")
    }

    fn server(&self) -> Handshake {
        Handshake::new(Arc::clone(&self.server)).expect("the configuration is good")
    }
}

/// The bytes of a client in pieces, which are those of an honest client with changes, or any. Whatever they are, the handshake goes on, is
/// done or ends, and says little.
pub(crate) fn handshake(data: &[u8]) {
    let [how, piece, rest @ ..] = data else { return };
    let mut client = SIDES.client(how & 1 == 0);
    let mut server = SIDES.server();
    let mut changes = rest;
    for _flight in 0..3 {
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent).expect("memory takes all");
        }
        if how & 2 == 0 {
            while let [high, low, value, others @ ..] = changes {
                changes = others;
                let at = usize::from(u16::from_be_bytes([*high, *low]));
                match sent.get_mut(at) {
                    Some(byte) => *byte = *value,
                    // The rest is for the next flight.
                    None => break,
                }
            }
        } else {
            sent = std::mem::take(&mut changes).to_vec();
        }
        for part in sent.chunks(usize::from(*piece).max(1)) {
            server.receive(part);
            let step = server.advance();
            let answer = server.take_outgoing();
            assert!(answer.len() < 16 << 10, "an answer of {} bytes", answer.len());
            match step {
                Err(_) => return,
                Ok(Step::Done) => return drop(server.finish().expect("it is done, and all was taken")),
                Ok(Step::Receive) => {}
            }
            let mut answer = answer.as_slice();
            while !answer.is_empty() && client.read_tls(&mut answer).is_ok() {
                if client.process_new_packets().is_err() {
                    return;
                }
            }
        }
    }
}

/// Records of any kind and with any text, under the right key, in pieces. Data arrives as it was sent, up to the first that may not be.
pub(crate) fn records(data: &[u8]) {
    let [how, piece, rest @ ..] = data else { return };
    let (mut records, mut forger) = connected(how & 1 == 0);
    let (mut received, mut seen, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let mut expected = Vec::new();
    let mut said = rest;
    while let [kind, length, others @ ..] = said {
        let (text, others) = others.split_at(usize::from(*length).min(others.len()));
        said = others;
        // Most of what comes is data.
        let kind = if *kind < 128 { 23 } else { *kind - 110 };
        let record = forger.seal(kind, text);
        if kind == 23 {
            expected.extend_from_slice(text);
        }
        for part in record.chunks(usize::from(*piece).max(1)) {
            received.extend_from_slice(part);
            match records.open(&mut received, &mut seen, &mut out) {
                Ok(Received::Incomplete) => {}
                Ok(Received::Record(length)) => drop(received.drain(..length)),
                Ok(Received::Closed(_)) => return assert!(expected.starts_with(&seen)),
                Err(Failure::Handshake(error)) => panic!("no key comes after this one: {error}"),
                Err(_) => return assert!(expected.starts_with(&seen)),
            }
        }
        assert!(out.len() <= 64 * (1 + rest.len()), "{} bytes of answers", out.len());
        if how & 1 == 0 && kind == 22 {
            // It has changed its key, and the forger does not know the next one.
            return;
        }
    }
    assert!(seen == expected && expected.len() <= PLAINTEXT_BYTES_MAX);
}

/// Both sides after an honest handshake.
fn connected(is_tls13: bool) -> (Records, Forger) {
    let mut client = SIDES.client(is_tls13);
    let mut server = SIDES.server();
    let mut is_done = false;
    while !is_done || client.is_handshaking() {
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent).expect("memory takes all");
        }
        server.receive(&sent);
        is_done |= server.advance().expect("both are honest") == Step::Done;
        let answer = server.take_outgoing();
        let mut answer = answer.as_slice();
        while !answer.is_empty() {
            client.read_tls(&mut answer).expect("memory has all");
            client.process_new_packets().expect("both are honest");
        }
    }
    let secrets = client.dangerous_extract_secrets().expect("the client's configuration allows it");
    (server.finish().expect("it is done").records, Forger::new(secrets, is_tls13))
}
