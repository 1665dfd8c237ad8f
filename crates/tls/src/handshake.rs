//! The handshake, which is rustls': bytes in, bytes out.

use std::mem;
use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError, UnbufferedStatus};
use rustls::{Error, ServerConfig};

use fanfare_protocol::limits::TLS_HANDSHAKE_BYTES_MAX;

use crate::alert::Alert;
use crate::failure::Failure;
use crate::records::Records;

/// The kind of a record with an alert.
const ALERT_RECORD: u8 = 21;
/// The head of a record that is longer than records may be.
const RECORD_TOO_LONG: [u8; 5] = [22, 3, 3, 0xff, 0xff];

/// What a handshake waits for. Bytes to send go first in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// More bytes of the client.
    Receive,
    /// Nothing: [`Handshake::finish`].
    Done,
}

/// What is spoken over the connection, as both sides agreed (ALPN).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, also where the client did not say.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A connection whose handshake is under way.
pub struct Handshake {
    connection: UnbufferedServerConnection,
    /// What the client has sent and rustls has not used.
    incoming: Vec<u8>,
    /// The end of the last whole record in it that rustls was given.
    given: usize,
    /// What is to be sent.
    outgoing: Vec<u8>,
    /// Data of the application that came with the client's last message.
    data: Vec<u8>,
    /// Whether something was there to send.
    has_answered: bool,
}

/// A connection whose handshake is done.
pub struct Established {
    /// The keys.
    pub records: Records,
    /// What is spoken.
    pub protocol: Protocol,
    /// Data that has come already.
    pub data: Vec<u8>,
    /// Bytes of the client that are a part of its next records.
    pub received: Vec<u8>,
    /// The certificate that the client proved to have (DER), if one was asked for.
    pub client_certificate: Option<Vec<u8>>,
}

impl Handshake {
    /// A handshake as this configuration says, which has to allow that secrets are extracted.
    ///
    /// # Errors
    ///
    /// rustls refuses the configuration.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, Failure> {
        debug_assert!(config.enable_secret_extraction, "the keys are taken out when the handshake is done");
        let connection = UnbufferedServerConnection::new(config).map_err(Failure::Handshake)?;
        Ok(Self {
            connection,
            incoming: Vec::new(),
            given: 0,
            outgoing: Vec::new(),
            data: Vec::new(),
            has_answered: false,
        })
    }

    /// Adds bytes of the client.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.incoming.extend_from_slice(bytes);
    }

    /// Takes what is to be sent now, empty if nothing is.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        mem::take(&mut self.outgoing)
    }

    /// Goes on with what was received.
    ///
    /// # Errors
    ///
    /// The handshake is over. What the client is to be told of that is to be sent. Not to be called again.
    pub fn advance(&mut self) -> Result<Step, Failure> {
        if self.incoming.len() > TLS_HANDSHAKE_BYTES_MAX {
            self.break_off();
            return Err(Failure::TooLong(TLS_HANDSHAKE_BYTES_MAX));
        }
        let mut end = self.next_end();
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(&mut self.incoming[..end]);
            let step = match state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, |room| data.encode(room))?;
                    self.has_answered = true;
                    None
                }
                Ok(ConnectionState::TransmitTlsData(sent)) => {
                    // The owner sends it before it receives again.
                    sent.done();
                    None
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(Failure::Handshake)?;
                        discard += record.discard;
                        self.data.extend_from_slice(record.payload);
                    }
                    None
                }
                Ok(ConnectionState::BlockedHandshake) => Some(Ok(Step::Receive)),
                Ok(ConnectionState::WriteTraffic(_)) => Some(Ok(Step::Done)),
                // The client has closed within the handshake. Early data is switched off.
                Ok(_) => Some(Err(Failure::Closed)),
                Err(error) => Some(Err(Failure::Handshake(error))),
            };
            self.incoming.drain(..discard);
            (self.given, end) = (self.given.saturating_sub(discard), end.saturating_sub(discard));
            match step {
                None => {}
                Some(Ok(Step::Receive)) if self.has_whole_record() => end = self.next_end(),
                Some(Ok(step)) => return Ok(step),
                Some(Err(failure)) => {
                    self.gather_alert();
                    return Err(failure);
                }
            }
        }
    }

    /// How much of what was received rustls is given next: one record more than before, and none once the handshake is over. What follows its last
    /// record belongs to [`Records`]: rustls would change keys behind our back, or take the end for the end of everything.
    fn next_end(&mut self) -> usize {
        if !self.connection.is_handshaking() {
            return self.given;
        }
        if self.has_whole_record() {
            let length = Records::next_length(&self.incoming[self.given..]).unwrap_or_default();
            self.given += length;
            self.given
        } else {
            // Of a part it can tell whether it is a record at all.
            self.incoming.len()
        }
    }

    /// Whether a record has come whole that rustls was not given.
    fn has_whole_record(&self) -> bool {
        let left = &self.incoming[self.given..];
        Records::next_length(left).is_some_and(|length| length <= left.len())
    }

    /// Has rustls tell the client that its message is longer than any: only rustls has the keys of an alert. It says that of a record
    /// which is, so in the place of the next record it gets the head of one.
    fn break_off(&mut self) {
        self.incoming.truncate(self.given);
        self.incoming.extend_from_slice(&RECORD_TOO_LONG);
        let discard = self.connection.process_tls_records(&mut self.incoming).discard;
        self.incoming.drain(..discard);
        self.gather_alert();
    }

    /// What rustls has for the client after an error. It is asked once: what it would say after its alert is another error, and in the
    /// middle of a record it does not expect to be asked at all.
    fn gather_alert(&mut self) {
        let status = self.connection.process_tls_records(&mut self.incoming);
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state {
            // Without room for it there would be no alert; the room is made.
            let _ = append(&mut self.outgoing, |room| data.encode(room));
        } else if !self.has_answered {
            // rustls says nothing of some messages that it cannot read. Before its first answer alerts are in the clear.
            let [level, description] = Alert::DecodeError.bytes();
            self.outgoing.extend_from_slice(&[ALERT_RECORD, 3, 3, 0, 2, level, description]);
        }
    }

    /// The connection, after [`Step::Done`] and when everything was sent.
    ///
    /// # Errors
    ///
    /// The handshake is not done, or the configuration does not allow that secrets are extracted.
    pub fn finish(self) -> Result<Established, Failure> {
        let Self { connection, incoming, data, .. } = self;
        let protocol = if connection.alpn_protocol() == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 };
        let certificates = connection.peer_certificates();
        let client_certificate = certificates.and_then(|chain| chain.first()).map(|leaf| leaf.as_ref().to_vec());
        let (secrets, kernel) = connection.dangerous_into_kernel_connection().map_err(Failure::Handshake)?;
        let records = Records::new(secrets, kernel);
        Ok(Established { records, protocol, data, received: incoming, client_certificate })
    }
}

/// Appends what `encode` writes.
fn append(
    outgoing: &mut Vec<u8>,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<(), Failure> {
    let before = outgoing.len();
    let needed = match encode(&mut []) {
        Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => required_size,
        Ok(_) | Err(EncodeError::AlreadyEncoded) => return Ok(()),
    };
    outgoing.resize(before + needed, 0);
    let written =
        encode(&mut outgoing[before..]).map_err(|error| Failure::Handshake(Error::General(error.to_string())))?;
    outgoing.truncate(before + written);
    Ok(())
}
