//! Identities that selectors fill.

use std::collections::BTreeSet;

use carnet_attest::{FillError, IdTemplate, TemplateError};
use carnet_spiffe::Selector;
use proptest::prelude::*;

fn selectors(texts: &[&str]) -> BTreeSet<Selector> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn template() -> IdTemplate {
    "spiffe://example.org/ns/{k8s:ns}/sa/{k8s:sa}".parse().unwrap()
}

#[test]
fn accepts_an_id_as_a_template_of_itself() {
    let fixed: IdTemplate = "spiffe://example.org/pay".parse().unwrap();
    assert_eq!(fixed.fixed().unwrap().as_str(), "spiffe://example.org/pay");
    assert_eq!(fixed.fill(&selectors(&["k8s:ns:x"])).unwrap().as_str(), "spiffe://example.org/pay");
    assert!(fixed.used(&selectors(&["k8s:ns:x"])).is_empty());
}

#[test]
fn fills_whole_segments_and_names_what_it_has_used() {
    let all = selectors(&["k8s:ns:pay", "k8s:sa:api", "k8s:node-name:n", "unix:uid:1"]);
    assert_eq!(template().fill(&all).unwrap().as_str(), "spiffe://example.org/ns/pay/sa/api");
    let used = template().used(&all);
    assert_eq!(used, selectors(&["k8s:ns:pay", "k8s:sa:api"]));
    assert_eq!(template().fill(&used), template().fill(&all));
    assert!(template().fixed().is_none());
    assert_eq!(serde_json::to_value(template()).unwrap(), template().as_str());
}

#[test]
fn rejects_a_value_that_is_missing() {
    let refused = template().fill(&selectors(&["k8s:ns:pay"]));
    assert_eq!(refused, Err(FillError::Missing { name: "k8s:sa".to_owned() }));
}

#[test]
fn rejects_two_values_for_one_place() {
    let refused = template().fill(&selectors(&["k8s:ns:a", "k8s:ns:b", "k8s:sa:api"]));
    assert_eq!(refused, Err(FillError::Ambiguous { name: "k8s:ns".to_owned() }));
}

#[test]
fn rejects_a_value_that_is_not_one_segment() {
    for value in ["a/b", "..", ".", "a b", "é", "{k8s:sa}", "%2e"] {
        let refused = template().fill(&selectors(&[&format!("k8s:ns:{value}"), "k8s:sa:api"]));
        assert_eq!(refused, Err(FillError::Value { name: "k8s:ns".to_owned() }), "{value}");
    }
}

#[test]
fn rejects_what_is_no_template() {
    for (text, error) in [
        ("spiffe://example.org/{k8s:ns}", TemplateError::First),
        ("spiffe://example.org/ns/a-{k8s:ns}", TemplateError::Segment),
        ("spiffe://example.org/ns/{k8s:ns", TemplateError::Segment),
        ("spiffe://example.org/ns/{{k8s:ns}}", TemplateError::Name),
        ("spiffe://example.org/ns/{}", TemplateError::Name),
        ("spiffe://example.org/ns/{k8s}x", TemplateError::Segment),
        ("spiffe://example.org/ns/{k8s:}", TemplateError::Name),
        ("spiffe://example.org/ns/{K8S:ns}", TemplateError::Name),
    ] {
        assert_eq!(text.parse::<IdTemplate>(), Err(error), "{text}");
    }
    for text in ["spiffe://{k8s:ns}/a", "{k8s:ns}", "spiffe://example.org/ns/{k8s:ns}/", "https://a/ns/{k8s:ns}"] {
        text.parse::<IdTemplate>().unwrap_err();
    }
}

proptest! {
    #[test]
    fn what_is_read_prints_as_it_was(text in "spiffe://[a-z.]{1,9}(/[a-z{}:.]{1,9}){0,4}") {
        if let Ok(template) = text.parse::<IdTemplate>() {
            prop_assert_eq!(template.as_str(), text);
        }
    }

    #[test]
    fn different_values_make_different_identities(a in "[ -~]{1,12}", b in "[ -~]{1,12}", c in "[ -~]{1,12}", d in "[ -~]{1,12}") {
        let fill = |ns: &str, sa: &str| template().fill(&selectors(&[&format!("k8s:ns:{ns}"), &format!("k8s:sa:{sa}")]));
        if let (Ok(one), Ok(other)) = (fill(&a, &b), fill(&c, &d)) {
            prop_assert_eq!(one == other, a == c && b == d);
            prop_assert_eq!(one.path().split('/').count(), 5);
        }
    }
}
