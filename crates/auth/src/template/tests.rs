use proptest::prelude::*;

use super::*;

fn claims(json: &str) -> Claims {
    Claims::parse(json.as_bytes()).unwrap()
}

fn matches(template: &str, json: &str, name: &str) -> bool {
    let pattern = Template::parse(template).unwrap().pattern(&claims(json));
    pattern.is_some_and(|pattern| pattern.matches(name))
}

#[test]
fn a_claim_is_put_in_where_its_name_stands() {
    assert!(matches("user:{sub}:*", r#"{"sub":"7"}"#, "user:7:inbox"));
    assert!(matches("{a}-{b}", r#"{"a":"x","b":12}"#, "x-12"));
    assert!(!matches("user:{sub}", r#"{"sub":"7"}"#, "user:8"));
}

#[test]
fn an_asterisk_in_a_claim_is_no_wildcard() {
    assert!(matches("user:{sub}", r#"{"sub":"*"}"#, "user:*"));
    assert!(!matches("user:{sub}", r#"{"sub":"*"}"#, "user:7"));
    assert!(!matches("user:{sub}*", r#"{"sub":"*"}"#, "user:7"));
}

#[test]
fn a_claim_that_is_missing_empty_or_no_text_gives_no_pattern() {
    for json in ["{}", r#"{"sub":""}"#, r#"{"sub":null}"#, r#"{"sub":["7"]}"#, r#"{"sub":{"a":1}}"#, r#"{"sub":true}"#]
    {
        assert_eq!(Template::parse("user:{sub}*").unwrap().pattern(&claims(json)), None, "{json}");
    }
}

#[test]
fn braces_stand_for_themselves_when_written_twice() {
    assert!(matches("a{{b}}", "{}", "a{b}"));
    assert!(matches("{{{sub}}}", r#"{"sub":"7"}"#, "{7}"));
    for text in ["a{b", "a}b", "{}", "a{", "}", "{a{b}"] {
        assert_eq!(Template::parse(text), Err(TemplateError::Brace), "{text}");
    }
}

#[test]
fn a_template_is_bounded() {
    assert_eq!(Template::parse(""), Err(TemplateError::Empty));
    assert_eq!(
        Template::parse(&"a".repeat(TEMPLATE_BYTES_MAX + 1)),
        Err(TemplateError::TooLong(TEMPLATE_BYTES_MAX + 1))
    );
    let long = format!(r#"{{"sub":"{}"}}"#, "a".repeat(300));
    assert_eq!(Template::parse("{sub}").unwrap().pattern(&claims(&long)), None);
}

proptest! {
    #[test]
    fn no_text_makes_a_template_panic(text in ".{0,40}", sub in ".{0,20}") {
        let claims = claims(&serde_json::json!({ "sub": sub, "a": 1 }).to_string());
        if let Ok(template) = Template::parse(&text) {
            let _ = template.pattern(&claims);
        }
    }

    #[test]
    fn whatever_a_claim_says_only_its_own_name_is_matched(sub in "[a*{}:]{1,6}", other in "[a*{}:]{1,6}") {
        let claims = claims(&serde_json::json!({ "sub": sub }).to_string());
        let pattern = Template::parse("user:{sub}").unwrap().pattern(&claims).unwrap();
        let name = format!("user:{other}");
        prop_assert_eq!(pattern.matches(&name), sub == other);
    }
}
