//! The tables `[[server.listen.certificates]]` within one of `[[server.listen]]`.

use config::ValueKind;
use fanfare_protocol::limits::CERTIFICATES_PER_LISTENER_MAX;

use super::certificate_files::CertificateFiles;
use super::declare::read;
use super::names::FileName;

const TABLES: &str = "server.listen.certificates";

/// Reads them all.
///
/// # Errors
/// Says what is wrong with one of them.
pub(super) fn tables(value: &ValueKind) -> Result<Vec<CertificateFiles>, String> {
    let ValueKind::Array(tables) = value else { return Err(expected()) };
    if !(1..=CERTIFICATES_PER_LISTENER_MAX).contains(&tables.len()) {
        return Err(expected());
    }
    let table = |table: &config::Value| match &table.kind {
        ValueKind::Table(keys) => one(keys),
        _ => Err(expected()),
    };
    tables.iter().map(table).collect()
}

fn one(keys: &config::Map<String, config::Value>) -> Result<CertificateFiles, String> {
    let (mut certificate, mut key) = (FileName(None), FileName(None));
    for (name, value) in keys {
        let place = match &**name {
            "certificate" => &mut certificate,
            "key" => &mut key,
            _ => return Err(format!("unknown key `{TABLES}.{name}`; expected one of certificate, key")),
        };
        *place = read(&value.kind).map_err(|message| format!("`{TABLES}.{name}`: {message}"))?;
    }
    CertificateFiles::of(&certificate, &key).ok_or_else(|| format!("a table [[{TABLES}]] needs `certificate`"))
}

fn expected() -> String {
    format!("expected 1 to {CERTIFICATES_PER_LISTENER_MAX} tables [[{TABLES}]] with `certificate` and `key`")
}
