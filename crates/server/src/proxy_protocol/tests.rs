use fanfare_log::Random;

use super::*;

const V1_TCP4: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\n";
const V1_TCP6: &[u8] = b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n";

/// A header of version 2 with this command and family, addresses and TLVs.
fn version_2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap();
    [&V2_SIGNATURE[..], &[0x20 | command, family][..], &length.to_be_bytes(), block].concat()
}

/// As HAProxy writes it for 203.0.113.7:56324, asked at 192.0.2.1:443.
fn v2_tcp4(tlvs: &[u8]) -> Vec<u8> {
    version_2(1, 0x11, &[&[203, 0, 113, 7, 192, 0, 2, 1, 0xdc, 0x04, 0x01, 0xbb][..], tlvs].concat())
}

fn v2_tcp6() -> Vec<u8> {
    let [source, destination] = ["2001:db8::7", "2001:db8::1"].map(|text| text.parse::<Ipv6Addr>().unwrap().octets());
    version_2(1, 0x21, &[&source[..], &destination, &[0xdc, 0x04, 0x01, 0xbb]].concat())
}

fn golden() -> Vec<(Vec<u8>, Option<&'static str>)> {
    vec![
        (V1_TCP4.to_vec(), Some("203.0.113.7")),
        (V1_TCP6.to_vec(), Some("2001:db8::7")),
        (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 0 65535\r\n".to_vec(), Some("203.0.113.7")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ffff::1 what ever 1 2 3\r\n".to_vec(), None),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\xdc\x04\x01\xbb".to_vec(),
            Some("203.0.113.7"),
        ),
        (v2_tcp4(b""), Some("203.0.113.7")),
        (v2_tcp4(b"\x04\x00\x03abc\x20\x00\x01x"), Some("203.0.113.7")),
        (v2_tcp6(), Some("2001:db8::7")),
        (version_2(0, 0x00, b""), None),
        (version_2(0, 0x11, &[0; 12]), None),
        (version_2(0, 0xff, b"ignored"), None),
        (version_2(1, 0x00, b""), None),
        (version_2(1, 0x12, &[1; 12]), None),
        (version_2(1, 0x31, &[b'a'; 216]), None),
    ]
}

#[test]
fn each_form_of_the_header_is_read_and_what_follows_is_the_clients() {
    for (bytes, client) in golden() {
        let expected = Header { client: client.map(|text| text.parse().unwrap()), length: bytes.len() };
        assert_eq!(parse(&bytes).unwrap(), Some(expected), "{:?}", bytes.escape_ascii().to_string());
        let with_request = [&bytes[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(parse(&with_request).unwrap(), Some(expected));
    }
}

#[test]
fn a_header_that_is_cut_anywhere_is_incomplete_and_nothing_else() {
    for (bytes, _) in golden() {
        for cut in 0..bytes.len() {
            assert!(matches!(parse(&bytes[..cut]), Ok(None)), "{cut} of {:?}", bytes.escape_ascii().to_string());
        }
    }
}

#[test]
fn what_is_no_header_is_refused() {
    let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 100][..], b"\r\n"].concat();
    let ends_late = [&b"PROXY UNKNOWN "[..], &[b'x'; 91][..], b"\r\n"].concat();
    assert_eq!(ends_late.len(), V1_BYTES_MAX);
    assert!(matches!(parse(&ends_late), Ok(Some(_))), "the longest one");
    let too_long = u16::try_from(PROXY_HEADER_BYTES_MAX - V2_HEAD + 1).unwrap().to_be_bytes();
    for wrong in [
        b"GET / HTTP/1.1\r\n".to_vec(),
        b"\x16\x03\x01".to_vec(),
        b"PROXX".to_vec(),
        b"\r\n\r\n\0\r\nQUIX".to_vec(),
        long,
        b"PROXY \r\n".to_vec(),
        b"PROXY TCP4\r\n".to_vec(),
        b"PROXY tcp4 203.0.113.7 192.0.2.1 1 2\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.7 192.0.2.1 1\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.7 192.0.2.1 1 2 3\r\n".to_vec(),
        b"PROXY TCP4  203.0.113.7 192.0.2.1 1 2\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.7 192.0.2.1 1 65536\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.7 192.0.2.1 +1 2\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.7 192.0.2.1 1 \r\n".to_vec(),
        b"PROXY TCP4 203.0.113.07 192.0.2.1 1 2\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n".to_vec(),
        b"PROXY TCP6 203.0.113.7 192.0.2.1 1 2\r\n".to_vec(),
        b"PROXY TCP4 \xff 192.0.2.1 1 2\r\n".to_vec(),
        [&V2_SIGNATURE[..], &[0x11][..]].concat(),
        [&V2_SIGNATURE[..], &[0x22][..]].concat(),
        [&V2_SIGNATURE[..], &[0x21, 0x11][..], &too_long].concat(),
        version_2(1, 0x11, &[0; 11]),
        version_2(1, 0x21, &[0; 35]),
        version_2(1, 0x13, &[0; 12]),
        version_2(1, 0x41, &[0; 40]),
    ] {
        assert!(matches!(parse(&wrong), Err(HeaderError::Malformed)), "{:?}", wrong.escape_ascii().to_string());
    }
}

/// Headers with bytes replaced, removed and doubled: whatever is made of them, it does not change with what follows.
#[test]
fn whatever_comes_a_decision_is_made_at_one_byte_and_stands() {
    let random = Random::seeded(14);
    let below = |bound: usize| usize::try_from(random.below(bound as u64)).unwrap();
    for (bytes, _) in golden() {
        for _ in 0..500 {
            let mut bytes = bytes.clone();
            for _ in 0..=below(3) {
                let at = below(bytes.len());
                match below(3) {
                    0 => bytes[at] = u8::try_from(below(256)).unwrap(),
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, bytes[at]),
                }
            }
            let outcomes: Vec<_> = (0..=bytes.len()).map(|cut| parse(&bytes[..cut])).collect();
            let decided = outcomes.iter().position(|outcome| !matches!(outcome, Ok(None))).unwrap_or(outcomes.len());
            for (cut, outcome) in outcomes.iter().enumerate().skip(decided) {
                assert_eq!(outcome.as_ref().ok(), outcomes[decided].as_ref().ok(), "{cut}");
            }
            if let Some(Ok(Some(header))) = outcomes.get(decided) {
                assert_eq!(header.length, decided);
            }
        }
    }
}

#[tokio::test]
async fn a_header_is_read_in_whatever_pieces_it_comes_and_the_rest_is_kept() {
    for (header, client) in golden() {
        let sent = [&header[..], b"GET /"].concat();
        for piece in [1, 7, sent.len()] {
            let (mut near, mut far) = tokio::io::duplex(piece);
            let send = async {
                tokio::io::AsyncWriteExt::write_all(&mut far, &sent).await.unwrap();
                drop(far);
            };
            let receive = async {
                let (header, mut bytes) = read(&mut near).await.unwrap();
                near.read_to_end(&mut bytes).await.unwrap();
                (header.client, bytes)
            };
            let ((), (found, rest)) = tokio::join!(send, receive);
            assert_eq!(found, client.map(|text| text.parse().unwrap()));
            assert_eq!(rest, b"GET /");
        }
    }
}

#[tokio::test]
async fn the_largest_header_is_read_and_a_connection_that_ends_within_one_is_an_error() {
    let largest = v2_tcp4(&vec![7; PROXY_HEADER_BYTES_MAX - V2_HEAD - 12]);
    let (header, rest) = read(&mut &largest[..]).await.unwrap();
    assert_eq!((header.length, rest.len()), (PROXY_HEADER_BYTES_MAX, 0));
    let broken = read(&mut &largest[..PROXY_HEADER_BYTES_MAX - 1]).await;
    assert!(matches!(broken, Err(HeaderError::Incomplete(_))), "{broken:?}");
    assert!(matches!(read(&mut &b""[..]).await, Err(HeaderError::Unbegun)));
}
