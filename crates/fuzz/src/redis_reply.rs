//! What Redis answers: any bytes of its protocol, and entries of any content.

use arbitrary::Unstructured;
use fanfare_protocol::EntryId;
use fanfare_redis::fuzzing;

/// The first byte chooses: the rest is a reply as it is, or the fields of entries whose reply is written out first.
pub(crate) fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    if kind % 4 == 0 {
        let _ = fuzzing::reply(rest);
        return;
    }
    let Ok(entries) = entries(rest) else { return };
    let seen = fuzzing::reply(&xrange(&entries, kind % 4 == 1)).expect("a reply to XRANGE");
    assert_eq!(seen.len(), entries.len());
    for ((id, fields), (expected_id, expected)) in seen.iter().zip(&entries) {
        assert_eq!(id, expected_id);
        let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let expected: Vec<(&[u8], &[u8])> = expected.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        assert_eq!(fields, expected);
    }
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn entries(data: &[u8]) -> arbitrary::Result<Vec<(EntryId, Fields)>> {
    let mut data = Unstructured::new(data);
    let mut entries = Vec::new();
    while !data.is_empty() && entries.len() < 8 {
        let (ms, seq, fields) = data.arbitrary()?;
        entries.push((EntryId { ms, seq }, fields));
    }
    Ok(entries)
}

/// A reply to `XRANGE`, with the fields of each entry as an array or as a map.
fn xrange(entries: &[(EntryId, Fields)], maps: bool) -> Vec<u8> {
    let mut out = format!("*{}\r\n", entries.len()).into_bytes();
    for (id, fields) in entries {
        out.extend_from_slice(b"*2\r\n");
        bulk(&mut out, id.to_string().as_bytes());
        let head = if maps { format!("%{}\r\n", fields.len()) } else { format!("*{}\r\n", fields.len() * 2) };
        out.extend_from_slice(head.as_bytes());
        for (name, value) in fields {
            bulk(&mut out, name);
            bulk(&mut out, value);
        }
    }
    out
}

pub(crate) fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}
