//! Events at a fixed rate, to clients that are well or not.

use anyhow::Result;

use super::run::Run;
use crate::fleet::Order;

/// A fixed rate, with as many cuts and slow clients as the parameters say.
pub(super) fn fixed_rate(run: &mut Run<'_>) -> Result<()> {
    run.open_all()?;
    let first = run.publish_round()?;
    run.all_have(first)?;
    let measuring = run.measure()?;
    run.fleet.order(Order::Churn(run.parameters.cuts))?;
    run.publish_at_rate()?;
    run.fleet.order(Order::Churn(0.0))?;
    let last = run.level()?;
    run.all_have(last)?;
    run.measured(&measuring)
}
