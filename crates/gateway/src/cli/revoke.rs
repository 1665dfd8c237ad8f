//! `fanfare revoke`: takes back what tokens give, on all nodes, by way of Redis.

use std::process::ExitCode;

use clap::Args;
use fanfare_server::Clock;

use super::config_args::{ConfigArgs, EXIT_USAGE, load};
use crate::node;
use crate::output::{complain, print};
use crate::revocation::{self, Revoke};

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    #[command(flatten)]
    what: What,
    /// Whose subject or token it is (`iss`, `forward_auth`, `tickets` or `client_certificates`); needed where there are several.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    issuer: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// All tokens of this subject (`sub`) that were made until now.
    #[arg(long, alias = "sub", value_name = "NAME", allow_hyphen_values = true)]
    subject: Option<String>,
    /// One token (`jti`).
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    token_id: Option<String>,
    /// One ticket: what stands in its URL behind `ticket=`.
    #[arg(long, value_name = "TICKET", allow_hyphen_values = true)]
    ticket: Option<String>,
    /// The use of this channel by all tokens that were made until now, and by all certificates that began to be valid until now: their
    /// holders are shut out of it until they have later ones.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    channel: Option<String>,
}

/// Prints the id of the entry by which nodes are told.
pub(super) fn run(args: RevokeArgs) -> anyhow::Result<ExitCode> {
    let config = match load(&args.config.sources()) {
        Ok(layered) => layered.config,
        Err(code) => return Ok(code),
    };
    // How long revocations are kept is the nodes' to say.
    if !config.auth.enabled {
        complain("fanfare: auth.enabled is off in this configuration; expected that of the nodes");
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    let What { subject, token_id, ticket, channel } = args.what;
    let target = match (Revoke { issuer: args.issuer, subject, token_id, ticket, channel })
        .target(&revocation::issuers(&config))
    {
        Ok(target) => target,
        Err(why) => {
            complain(format_args!("fanfare: {why}"));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let keep = revocation::kept_for(&config);
    let entry = revocation::entry(&target, keep);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let id = runtime.block_on(fanfare_redis::append(&node::redis_options(&config), entry))?;
    let id = revocation::effect(id, keep, Clock::system().wall_ms())?;
    print(format_args!("{id}\n"), ExitCode::SUCCESS)
}
