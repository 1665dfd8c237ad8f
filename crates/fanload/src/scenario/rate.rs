//! Events at a fixed rate, to clients that are well or not.

use anyhow::Result;

use super::run::Run;
use crate::fleet::Order;

/// A fixed rate, with as many cuts and slow clients as the parameters say. To compare, everything is done before with the
/// same connections while none is cut or slow.
pub(super) fn fixed_rate(run: &mut Run<'_>) -> Result<()> {
    if run.parameters.compare {
        run.fleet.order(&Order::Slow(false))?;
    }
    run.open_all()?;
    let first = run.publish_round()?;
    run.all_have(first)?;
    if run.parameters.compare {
        run.measure()?;
        publish(run)?;
        run.compared()?;
        run.fleet.order(&Order::Slow(true))?;
    }
    run.measure()?;
    run.fleet.order(&Order::Churn(run.parameters.cuts))?;
    publish(run)?;
    run.measured()
}

fn publish(run: &mut Run<'_>) -> Result<()> {
    run.publish_at_rate()?;
    run.fleet.order(&Order::Churn(0.0))?;
    let last = run.level_for_all()?;
    run.all_have(last)?;
    Ok(())
}
