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
    assert!(!matches("user:{sub}:*", r#"{"sub":"*"}"#, "user:7:a"));
}

#[test]
fn a_claim_that_is_missing_empty_or_no_text_gives_no_pattern() {
    for json in ["{}", r#"{"sub":""}"#, r#"{"sub":null}"#, r#"{"sub":["7"]}"#, r#"{"sub":{"a":1}}"#, r#"{"sub":true}"#]
    {
        assert_eq!(Template::parse("user:{sub}:*").unwrap().pattern(&claims(json)), None, "{json}");
    }
}

#[test]
fn a_number_that_two_users_could_share_gives_no_pattern() {
    for number in ["18446744073709551617", "1.5", "1e3", "-1e300", "9007199254740993.0"] {
        let json = format!(r#"{{"sub":{number}}}"#);
        assert_eq!(Template::parse("user:{sub}").unwrap().pattern(&claims(&json)), None, "{number}");
    }
    assert!(matches("user:{sub}", r#"{"sub":18446744073709551615}"#, "user:18446744073709551615"));
    assert!(matches("user:{sub}", r#"{"sub":-7}"#, "user:-7"));
}

#[test]
fn a_claim_does_not_reach_beyond_the_separators_beside_it() {
    assert!(matches("user:{sub}:*", r#"{"sub":"7"}"#, "user:7:inbox"));
    assert!(!matches("user:{sub}", r#"{"sub":"7:inbox"}"#, "user:7:inbox"), "the inbox of user 7");
    assert!(!matches("{tenant}:{sub}", r#"{"tenant":"a","sub":"b:c"}"#, "a:b:c"), "of tenant `a:b`");
    assert!(!matches("{tenant}:{sub}", r#"{"tenant":"a:b","sub":"c"}"#, "a:b:c"), "of tenant `a`");
    assert!(!matches("a{sub}/b", r#"{"sub":"7/b"}"#, "a7/b/b"), "what stands behind counts too");
    assert!(matches("a/{sub}", r#"{"sub":"7:inbox"}"#, "a/7:inbox"), "another character separates nothing here");
}

#[test]
fn a_claim_has_to_be_told_from_what_stands_beside_it() {
    for text in ["user:{sub}*", "*{sub}", "a:*{sub}:b", "{tenant}{sub}", "a{tenant}{sub}*"] {
        assert!(Template::parse(text).is_err(), "{text}");
    }
    for text in ["*", "a*:{sub}:*b", "{tenant}:{sub}", "{{{sub}}}*"] {
        assert!(Template::parse(text).is_ok(), "{text}");
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
        let name = format!("user:{other}");
        let is_matched = Template::parse("user:{sub}").unwrap().pattern(&claims).is_some_and(|pattern| pattern.matches(&name));
        prop_assert_eq!(is_matched, sub == other && !sub.contains(':'));
    }
}
