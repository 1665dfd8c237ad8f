//! `fanfare token`: makes tokens for trying things out, and explains those that somebody has.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use fanfare_auth::{Algorithm, Audience, Gate, GateOptions, IssuerOptions, KeySource, SigningKey, UnixSeconds};
use fanfare_protocol::limits::CLAIM_NAME_DEFAULT;
use fanfare_server::Clock;
use serde_json::{Map, Value, json};

use super::key_value::key_value;
use super::token_report::TokenReport;
use crate::config::Span;
use crate::key_file;
use crate::output::{complain, print};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Sign a token with a secret or a private key, and print it.
    Mint(MintArgs),
    /// Say what a token says, and whether a node with these keys would take it. Exits with 1 if not.
    Inspect(InspectArgs),
}

#[derive(Debug, Args)]
pub(super) struct MintArgs {
    #[command(flatten)]
    key: SigningKeyArgs,
    /// The algorithm; by default HS256, RS256, ES256, ES384 or EdDSA, as the key is.
    #[arg(long, value_name = "NAME", value_parser = algorithm)]
    algorithm: Option<Algorithm>,
    /// The key's name, for the header (`kid`).
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    key_id: Option<String>,
    /// Who signs (`iss`).
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    issuer: Option<String>,
    /// Whom it is for (`aud`). May be repeated.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    audience: Vec<String>,
    /// Whose it is (`sub`).
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    subject: Option<String>,
    /// What it is called (`jti`); by default by chance.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    token_id: Option<String>,
    /// How long it is good.
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    lifetime: Span,
    /// A pattern of channels that may be followed. May be repeated. Without any of the four the issuer's own patterns count.
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    subscribe: Vec<String>,
    /// A pattern of channels that may be published to. May be repeated.
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    publish: Vec<String>,
    /// A pattern of channels that may be read as history; by default those that may be followed. May be repeated.
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    history: Vec<String>,
    /// A pattern of channels for which tickets may be made. May be repeated.
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    tickets: Vec<String>,
    /// The claim that holds the channels.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, default_value = CLAIM_NAME_DEFAULT)]
    claim: String,
    /// Another claim: JSON, or text. May be repeated.
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true, value_parser = key_value)]
    with: Vec<(String, String)>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SigningKeyArgs {
    /// A file with a shared secret of at least 32 bytes; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// A PEM file with a private key.
    #[arg(long, value_name = "FILE")]
    private_key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The token; by default standard input, where others on this machine cannot see it.
    token: Option<String>,
    /// A file with the shared secret.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// A PEM file with the public key.
    #[arg(long, value_name = "FILE")]
    public_key_file: Option<PathBuf>,
    /// A file with a key set (JWKS).
    #[arg(long, value_name = "FILE")]
    key_set_file: Option<PathBuf>,
    /// Who has to have signed it; by default anybody with the key.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    issuer: Option<String>,
    /// Whom it may be for; by default anybody. May be repeated.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    audience: Vec<String>,
    /// The claim that holds the channels.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, default_value = CLAIM_NAME_DEFAULT)]
    claim: String,
}

pub(super) fn run(command: &TokenCommand) -> anyhow::Result<ExitCode> {
    match command {
        TokenCommand::Mint(args) => print(format_args!("{}\n", mint(args)?), ExitCode::SUCCESS),
        TokenCommand::Inspect(args) => inspect(args),
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let offered = Algorithm::ALL.map(Algorithm::as_str).join(", ");
    Algorithm::parse(name).ok_or_else(|| format!("expected one of {offered}"))
}

/// The time of day in seconds, as tokens have it.
fn now() -> u64 {
    Clock::system().wall_ms() / 1_000
}

fn mint(args: &MintArgs) -> anyhow::Result<String> {
    let key = match (&args.key.secret_file, &args.key.private_key_file) {
        (Some(path), _) => SigningKey::secret(&key_file::secret(read_signing_key(path)?))?,
        (None, Some(path)) => SigningKey::pem(&key_file::text(read_signing_key(path)?, path)?)?,
        (None, None) => anyhow::bail!("expected a file with a key"),
    };
    let algorithm = args.algorithm.unwrap_or_else(|| key.algorithm());
    Ok(key.sign(algorithm, args.key_id.as_deref(), &claims(args, now())?)?)
}

/// A file with which tokens are signed. If others can read it, that is said.
fn read_signing_key(path: &Path) -> anyhow::Result<Vec<u8>> {
    if let Some(complaint) = key_file::complaint(path) {
        complain(format_args!("fanfare: {complaint}"));
    }
    key_file::read_or_stdin(path)
}

fn claims(args: &MintArgs, now: u64) -> anyhow::Result<Map<String, Value>> {
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    for (name, text) in &args.with {
        put(name, serde_json::from_str(text).unwrap_or_else(|_| Value::from(&**text)));
    }
    for (name, value) in [("iss", &args.issuer), ("sub", &args.subject)] {
        if let Some(text) = value {
            put(name, Value::from(&**text));
        }
    }
    match &*args.audience {
        [] => {}
        [one] => drop(put("aud", Value::from(&**one))),
        several => drop(put("aud", json!(several))),
    }
    put("jti", Value::from(args.token_id.clone().map_or_else(by_chance, Ok)?));
    put("iat", Value::from(now));
    put("exp", Value::from(now.saturating_add(args.lifetime.0.as_secs())));
    let lists = [
        ("subscribe", &args.subscribe),
        ("publish", &args.publish),
        ("history", &args.history),
        ("tickets", &args.tickets),
    ];
    let lists: Map<String, Value> = lists
        .into_iter()
        .filter(|(_, patterns)| !patterns.is_empty())
        .map(|(right, patterns)| (right.to_owned(), json!(patterns)))
        .collect();
    if !lists.is_empty() {
        put(&args.claim, Value::Object(lists));
    }
    Ok(claims)
}

/// A name that no other token has.
fn by_chance() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("/dev/urandom")?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn inspect(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let text = match &args.token {
        Some(text) => text.clone(),
        None => key_file::text(key_file::read_or_stdin("-".as_ref())?, "-".as_ref())?,
    };
    let report = TokenReport::of(text.trim(), gate(args)?.as_ref(), !args.audience.is_empty(), UnixSeconds(now()))?;
    let code = if report.is_refused() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    print(report, code)
}

/// What judges the token, if there is a key.
fn gate(args: &InspectArgs) -> anyhow::Result<Option<Gate>> {
    let mut keys = Vec::new();
    if let Some(path) = &args.secret_file {
        keys.push(KeySource::Secret(key_file::secret(read_signing_key(path)?)));
    }
    if let Some(path) = &args.public_key_file {
        keys.push(KeySource::Pem(key_file::text(key_file::read_or_stdin(path)?, path)?));
    }
    if let Some(path) = &args.key_set_file {
        keys.push(KeySource::KeySet(key_file::read_or_stdin(path)?));
    }
    if keys.is_empty() {
        return Ok(None);
    }
    let audience = match &*args.audience {
        [] => Audience::Any,
        named => Audience::OneOf(named.to_vec()),
    };
    let issuer = IssuerOptions { issuer: args.issuer.clone(), audience, keys, ..IssuerOptions::default() };
    let options = GateOptions { claim: args.claim.clone(), issuers: vec![issuer], ..GateOptions::default() };
    Ok(Some(Gate::new(options)?))
}
