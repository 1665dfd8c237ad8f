//! The channels that a token gives.

use fanfare_protocol::Pattern;
use fanfare_protocol::limits::GRANT_PATTERNS_MAX;
use serde_json::Value;

use crate::claims::Claims;
use crate::gate_options::Templates;
use crate::refusal::Refusal;
use crate::right::Right;
use crate::rights::Rights;
use crate::template::Template;

const SHAPE: Refusal = Refusal::Invalid(
    "its claim with the channels is no object of lists of texts, such as {\"subscribe\":[\"user:*\"]}",
);

/// What a token gives by the claim of this name, else by these templates.
pub(crate) fn rights(claims: &Claims, name: Option<&str>, otherwise: &Templates) -> Result<Rights, Refusal> {
    let claimed = name.and_then(|name| claims.get(name)).map(read).transpose()?;
    let templates = claimed.as_ref().unwrap_or(otherwise);
    let history = templates.history.as_deref().unwrap_or(&templates.subscribe);
    Ok(Rights::none()
        .with(Right::Subscribe, patterns(&templates.subscribe, claims))
        .with(Right::History, patterns(history, claims))
        .with(Right::Publish, patterns(&templates.publish, claims))
        .with(Right::Tickets, patterns(&templates.tickets, claims)))
}

fn patterns(templates: &[Template], claims: &Claims) -> impl Iterator<Item = Pattern> {
    templates.iter().filter_map(|template| template.pattern(claims))
}

/// Members of other names are left alone: they may mean something to somebody else.
fn read(claim: &Value) -> Result<Templates, Refusal> {
    let claim = claim.as_object().ok_or(SHAPE)?;
    let list = |right: Right| claim.get(right.as_str()).map(templates).transpose();
    Ok(Templates {
        subscribe: list(Right::Subscribe)?.unwrap_or_default(),
        publish: list(Right::Publish)?.unwrap_or_default(),
        history: list(Right::History)?,
        tickets: list(Right::Tickets)?.unwrap_or_default(),
    })
}

fn templates(list: &Value) -> Result<Vec<Template>, Refusal> {
    let list = list.as_array().ok_or(SHAPE)?;
    if list.len() > GRANT_PATTERNS_MAX {
        return Err(Refusal::Invalid("its claim with the channels has more than 64 patterns for a right"));
    }
    let template = |text: &Value| {
        let text = text.as_str().ok_or(SHAPE)?;
        Template::parse(text).map_err(|_| Refusal::Invalid("a pattern in its claim with the channels is malformed"))
    };
    list.iter().map(template).collect()
}
