//! The records of a connection whose handshake is done: TLS 1.3 (RFC 8446, section 5) and TLS 1.2 with AEAD ciphers (RFC 5246, 5288, 7905).
//!
//! Of the messages that come without being data these are understood: alerts, and in TLS 1.3 the update of a key, which is answered before
//! the next data, however many there were. A client of TLS 1.2 that asks for another handshake hears once that there is none. Everything
//! else ends the connection, and so do too many records without data, which cost work and say nothing.

use std::io::IoSlice;

use fanfare_protocol::limits::{TLS_DATA_FOR_A_RECORD_WITHOUT, TLS_RECORDS_WITHOUT_DATA_MAX};
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{ExtractedSecrets, ProtocolVersion, SupportedCipherSuite};

use crate::alert::Alert;
use crate::failure::Failure;
use crate::keys::{EXPLICIT_NONCE_BYTES, Key};

/// The most data in one record, in bytes.
pub const PLAINTEXT_BYTES_MAX: usize = 16 << 10;
const HEADER_BYTES: usize = 5;
const TAG_BYTES: usize = 16;
/// The longest record after its header: TLS 1.3 allows 256 bytes beside the data, TLS 1.2 2,048.
const EXPANSION_13: usize = 256;
const EXPANSION_12: usize = 2_048;
/// Records before the last one that a key bears, so that what ends its use has room.
const LIMIT_MARGIN: u64 = 1_024;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// Kinds of handshake messages.
const HELLO_OF_CLIENT: u8 = 1;
const KEY_UPDATE: u8 = 24;
/// A message that says that the sender's next record has a new key, and asks for nothing.
const KEY_UPDATED: [u8; 5] = [KEY_UPDATE, 0, 0, 1, 0];

/// What the beginning of the received bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// A part of a record.
    Incomplete,
    /// A record of this length in bytes, which is dealt with.
    Record(usize),
    /// The client sends nothing more; this was its last record.
    Closed(usize),
}

/// The keys of both directions.
pub struct Records {
    sending: Key,
    receiving: Key,
    /// Makes the next key of a direction.
    kernel: Box<KernelConnection<ServerConnectionData>>,
    /// Records without data that were not paid for by data.
    without_data: u32,
    /// Bytes of data that pay for the next one.
    paid: u32,
    /// The client has asked that our key changes, too.
    owes_update: bool,
    /// TLS 1.2: the client was told that there is no other handshake.
    told_no_handshake: bool,
    is_tls13: bool,
}

impl Records {
    pub(crate) fn new(secrets: ExtractedSecrets, kernel: KernelConnection<ServerConnectionData>) -> Self {
        Self {
            sending: Key::new(secrets.tx),
            receiving: Key::new(secrets.rx),
            is_tls13: kernel.protocol_version() == ProtocolVersion::TLSv1_3,
            kernel: Box::new(kernel),
            without_data: 0,
            paid: 0,
            owes_update: false,
            told_no_handshake: false,
        }
    }

    /// Appends a record with what comes after the first `skip` bytes of these slices, at most [`PLAINTEXT_BYTES_MAX`], and returns how
    /// many bytes that were. Before it comes what has to be said about keys.
    ///
    /// # Errors
    ///
    /// [`Failure::Exhausted`] in TLS 1.2; the session over it ends.
    pub fn seal(&mut self, slices: &[IoSlice<'_>], skip: usize, out: &mut Vec<u8>) -> Result<usize, Failure> {
        self.spare_key(out)?;
        self.seal_as(APPLICATION_DATA, slices, skip, out)
    }

    /// Appends an alert. What follows [`Alert::CloseNotify`] or a fatal one is not read any more.
    ///
    /// # Errors
    ///
    /// As [`Records::seal`].
    pub fn alert(&mut self, alert: Alert, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.seal_as(ALERT, &[IoSlice::new(&alert.bytes())], 0, out).map(|_| ())
    }

    /// The length of the next record with its header, as soon as that can be read.
    #[must_use]
    pub fn next_length(received: &[u8]) -> Option<usize> {
        let header = received.first_chunk::<HEADER_BYTES>()?;
        Some(HEADER_BYTES + usize::from(u16::from_be_bytes([header[3], header[4]])))
    }

    /// Opens the record at the beginning of `received`, appends its data to `data`, and what has to be answered to `out`.
    ///
    /// # Errors
    ///
    /// The connection is over. What the client is to be told is in `out`.
    pub fn open(&mut self, received: &mut [u8], data: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Received, Failure> {
        let opened = self.open_next(received, data, out);
        match &opened {
            Err(Failure::Protocol(alert)) => self.alert(*alert, out)?,
            Err(Failure::NoData(_)) => self.alert(Alert::UnexpectedMessage, out)?,
            _ => {}
        }
        opened
    }

    fn open_next(&mut self, received: &mut [u8], data: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Received, Failure> {
        let Some(length) = Self::next_length(received) else { return Ok(Received::Incomplete) };
        let expansion = if self.is_tls13 { EXPANSION_13 } else { EXPANSION_12 };
        if length > HEADER_BYTES + PLAINTEXT_BYTES_MAX + expansion {
            return Err(Failure::Protocol(Alert::RecordOverflow));
        }
        let Some(record) = received.get_mut(..length) else { return Ok(Received::Incomplete) };
        let (kind, text) = if self.is_tls13 { self.open_13(record)? } else { self.open_12(record)? };
        if text.len() > PLAINTEXT_BYTES_MAX {
            return Err(Failure::Protocol(Alert::RecordOverflow));
        }
        if kind == APPLICATION_DATA && !text.is_empty() {
            data.extend_from_slice(text);
            let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
            self.pay(bytes);
            return Ok(Received::Record(length));
        }
        self.without_data += 1;
        if self.without_data > TLS_RECORDS_WITHOUT_DATA_MAX {
            return Err(Failure::NoData(self.without_data));
        }
        match (kind, &*text) {
            (APPLICATION_DATA, _) => Ok(Received::Record(length)),
            (ALERT, &[level, description]) => Self::heed(level, description, self.is_tls13, length),
            (HANDSHAKE, message) => {
                self.answer(Message::of(message, self.is_tls13), out)?;
                Ok(Received::Record(length))
            }
            _ => Err(Failure::Protocol(Alert::UnexpectedMessage)),
        }
    }

    /// Data pays for records without: otherwise a byte now and then would buy any number of them.
    fn pay(&mut self, bytes: u32) {
        let paid = self.paid.saturating_add(bytes);
        self.without_data = self.without_data.saturating_sub(paid / TLS_DATA_FOR_A_RECORD_WITHOUT);
        self.paid = paid % TLS_DATA_FOR_A_RECORD_WITHOUT;
    }

    /// What an alert of the client means.
    fn heed(level: u8, description: u8, is_tls13: bool, length: usize) -> Result<Received, Failure> {
        const CLOSE_NOTIFY: u8 = 0;
        const USER_CANCELED: u8 = 90;
        const WARNING: u8 = 1;
        match description {
            CLOSE_NOTIFY => Ok(Received::Closed(length)),
            USER_CANCELED => Ok(Received::Record(length)),
            _ if !is_tls13 && level == WARNING => Ok(Received::Record(length)),
            other => Err(Failure::Refused(other)),
        }
    }

    /// Does what a message of the handshake protocol asks for.
    fn answer(&mut self, message: Message, out: &mut Vec<u8>) -> Result<(), Failure> {
        match message {
            Message::KeyUpdate { wants_one } => {
                let updated = self.kernel.update_rx_secret().map_err(Failure::Handshake)?;
                self.receiving = Key::new(updated);
                // One answer is enough for many (RFC 8446, section 4.6.3), so that nothing grows for who does not read.
                self.owes_update |= wants_one;
                Ok(())
            }
            Message::HandshakeAgain if self.told_no_handshake => Ok(()),
            Message::HandshakeAgain => {
                self.told_no_handshake = true;
                self.alert(Alert::NoRenegotiation, out)
            }
            Message::Malformed => Err(Failure::Protocol(Alert::DecodeError)),
            Message::Other => Err(Failure::Protocol(Alert::UnexpectedMessage)),
        }
    }

    /// Changes a key that is nearly used up, or that the client wants to be changed.
    fn spare_key(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.sending.sequence() < self.limit() && !self.owes_update {
            return Ok(());
        }
        self.owes_update = false;
        if self.is_tls13 { self.update_key(out) } else { Err(Failure::Exhausted) }
    }

    /// Records that the sending key bears.
    fn limit(&self) -> u64 {
        let common = match self.kernel.negotiated_cipher_suite() {
            SupportedCipherSuite::Tls13(suite) => &suite.common,
            SupportedCipherSuite::Tls12(suite) => &suite.common,
        };
        common.confidentiality_limit - LIMIT_MARGIN
    }

    /// Says that the next record has a new key, and takes that.
    fn update_key(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.seal_as(HANDSHAKE, &[IoSlice::new(&KEY_UPDATED)], 0, out)?;
        self.sending = Key::new(self.kernel.update_tx_secret().map_err(Failure::Handshake)?);
        Ok(())
    }

    fn seal_as(&mut self, kind: u8, slices: &[IoSlice<'_>], skip: usize, out: &mut Vec<u8>) -> Result<usize, Failure> {
        seal(&mut self.sending, self.is_tls13, kind, slices, skip, out).ok_or(Failure::Exhausted)
    }

    /// The kind and the text of a record. In TLS 1.3 the kind is the last byte of the text that is not padding.
    fn open_13<'r>(&mut self, record: &'r mut [u8]) -> Result<(u8, &'r mut [u8]), Failure> {
        let (header, body) = record.split_at_mut(HEADER_BYTES);
        if header[0] != APPLICATION_DATA {
            return Err(Failure::Protocol(Alert::UnexpectedMessage));
        }
        let nonce = self.receiving.nonce().ok_or(Failure::Exhausted)?;
        let text = self.receiving.open(nonce, header, body).ok_or(Failure::Protocol(Alert::BadRecordMac))?;
        let last = text.iter().rposition(|byte| *byte != 0).ok_or(Failure::Protocol(Alert::UnexpectedMessage))?;
        Ok((text[last], &mut text[..last]))
    }

    fn open_12<'r>(&mut self, record: &'r mut [u8]) -> Result<(u8, &'r mut [u8]), Failure> {
        let (header, body) = record.split_at_mut(HEADER_BYTES);
        let explicit = explicit_nonce_bytes(&self.receiving, self.is_tls13);
        let kind = header[0];
        let Some(length) = body.len().checked_sub(explicit + TAG_BYTES) else {
            return Err(Failure::Protocol(Alert::BadRecordMac));
        };
        let (sent, body) = body.split_at_mut(explicit);
        let mut nonce = self.receiving.nonce().ok_or(Failure::Exhausted)?;
        let at = nonce.len() - explicit;
        nonce[at..].copy_from_slice(sent);
        let aad = additional_data_12(self.receiving.sequence(), kind, length);
        let text = self.receiving.open(nonce, &aad, body).ok_or(Failure::Protocol(Alert::BadRecordMac))?;
        Ok((kind, text))
    }
}

/// Appends a record of this kind with what comes after the first `skip` bytes of the slices, at most [`PLAINTEXT_BYTES_MAX`], and returns
/// how many bytes that were. `None`: the key is used up.
pub(crate) fn seal(
    key: &mut Key,
    is_tls13: bool,
    kind: u8,
    slices: &[IoSlice<'_>],
    skip: usize,
    out: &mut Vec<u8>,
) -> Option<usize> {
    let all = slices.iter().map(|slice| slice.len()).sum::<usize>();
    let bytes = all.saturating_sub(skip).min(PLAINTEXT_BYTES_MAX);
    let nonce = key.nonce()?;
    let explicit = explicit_nonce_bytes(key, is_tls13);
    let body = explicit + bytes + usize::from(is_tls13) + TAG_BYTES;
    let header = header(if is_tls13 { APPLICATION_DATA } else { kind }, body);
    let before = out.len();
    // The exact size: what does not leave at once is kept as it is.
    out.reserve_exact(HEADER_BYTES + body);
    out.extend_from_slice(&header);
    out.extend_from_slice(&nonce[nonce.len() - explicit..]);
    let text_at = out.len();
    gather(slices, skip, bytes, out);
    if is_tls13 {
        out.push(kind);
    }
    let text = &mut out[text_at..];
    let tag = if is_tls13 {
        key.seal(nonce, &header, text)
    } else {
        let aad = additional_data_12(key.sequence(), kind, bytes);
        key.seal(nonce, &aad, text)
    };
    let Some(tag) = tag else {
        out.truncate(before);
        return None;
    };
    out.extend_from_slice(tag.as_ref());
    Some(bytes)
}

/// Bytes of the nonce that are sent with each record.
const fn explicit_nonce_bytes(key: &Key, is_tls13: bool) -> usize {
    if !is_tls13 && key.has_explicit_nonce() { EXPLICIT_NONCE_BYTES } else { 0 }
}

/// A message of the handshake protocol after the handshake.
#[derive(Debug, Clone, Copy)]
enum Message {
    KeyUpdate {
        wants_one: bool,
    },
    /// TLS 1.2: the client wants to negotiate anew.
    HandshakeAgain,
    Malformed,
    Other,
}

impl Message {
    /// What a record's text says. A message that is cut into several records is not put together: no client does that with five bytes.
    const fn of(text: &[u8], is_tls13: bool) -> Self {
        match (is_tls13, text) {
            (true, &[KEY_UPDATE, 0, 0, 1, wanted @ 0..=1]) => Self::KeyUpdate { wants_one: wanted == 1 },
            (true, &[KEY_UPDATE, ..]) => Self::Malformed,
            (false, &[HELLO_OF_CLIENT, ..]) => Self::HandshakeAgain,
            _ => Self::Other,
        }
    }
}

const fn header(kind: u8, body: usize) -> [u8; HEADER_BYTES] {
    let [.., high, low] = body.to_be_bytes();
    [kind, 3, 3, high, low]
}

/// What TLS 1.2 protects beside the text (RFC 5246, section 6.2.3.3).
fn additional_data_12(sequence: u64, kind: u8, length: usize) -> [u8; 13] {
    let mut data = [0; 13];
    data[..8].copy_from_slice(&sequence.to_be_bytes());
    data[8..].copy_from_slice(&header(kind, length));
    data
}

/// Appends so many bytes of the slices, after the first `skip`.
fn gather(slices: &[IoSlice<'_>], mut skip: usize, mut bytes: usize, out: &mut Vec<u8>) {
    for slice in slices {
        let from = skip.min(slice.len());
        skip -= from;
        let to = slice.len().min(from + bytes);
        out.extend_from_slice(&slice[from..to]);
        bytes -= to - from;
    }
}
