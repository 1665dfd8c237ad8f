//! Lists of patterns in which a client's subject may stand.

use config::ValueKind;
use fanfare_auth::{SUBJECT_CLAIM, Template};
use fanfare_protocol::limits::GRANT_PATTERNS_MAX;

use super::text::elements;
use super::value::{Value, list, quoted, text};

/// How a list says that it is that of another right.
const AS_SUBSCRIBE: &str = "as subscribe";

/// Patterns of channels, with `{sub}` for a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateList(pub Vec<Template>);

/// Such patterns for history. `None`: those of what may be followed, since who follows can read the past with a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryTemplates(pub Option<TemplateList>);

impl Value for TemplateList {
    fn kind() -> String {
        "list of templates".into()
    }
    fn expected() -> String {
        format!(
            "at most {GRANT_PATTERNS_MAX} patterns such as [\"device/{{sub}}\", \"news:*\"], with nothing but {{sub}} in braces; in \
             flags and the environment also separated by commas"
        )
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        let is_good = |template: &Template| template.claims().all(|name| name == SUBJECT_CLAIM);
        let template = |text: &str| Template::parse(text).ok().filter(is_good);
        let all: Vec<_> = elements(value)?.into_iter().map(template).collect::<Option<_>>()?;
        (all.len() <= GRANT_PATTERNS_MAX).then_some(Self(all))
    }
    fn show(&self) -> String {
        list(&self.0)
    }
}

impl Value for HistoryTemplates {
    fn kind() -> String {
        format!("{} or \"{AS_SUBSCRIBE}\"", TemplateList::kind())
    }
    fn expected() -> String {
        format!("\"{AS_SUBSCRIBE}\", or {}", TemplateList::expected())
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        if text(value) == Some(AS_SUBSCRIBE) {
            return Some(Self(None));
        }
        TemplateList::from_value(value).map(|list| Self(Some(list)))
    }
    fn show(&self) -> String {
        self.0.as_ref().map_or_else(|| quoted(AS_SUBSCRIBE), TemplateList::show)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        TemplateList::from_value(&ValueKind::String(text.to_owned())).map(|list| list.show())
    }

    #[test]
    fn patterns_hold_the_subject_and_no_other_name_and_are_shown_as_they_were_written() {
        let written = r#"["device/{sub}", "a{{b}}", "news:*"]"#;
        assert_eq!(read(written).as_deref(), Some(written));
        assert_eq!(read("device/{sub},news:*").as_deref(), Some(r#"["device/{sub}", "news:*"]"#));
        assert_eq!(read("").as_deref(), Some("[]"));
        for wrong in ["{tenant}:{sub}", "user:{sub", "{sub}*"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn history_is_what_may_be_followed_unless_it_is_said() {
        let read = |text: &str| HistoryTemplates::from_value(&ValueKind::String(text.to_owned()));
        assert_eq!(read("as subscribe"), Some(HistoryTemplates(None)));
        assert_eq!(read("").map(|history| history.show()).as_deref(), Some("[]"));
        assert_eq!(HistoryTemplates(None).show(), r#""as subscribe""#);
    }
}
