use proptest::prelude::*;

use super::*;

/// What `picomatch.isMatch(text, pattern)` says (its README, "Basic globbing" and "Advanced globbing").
#[test]
fn wildcards_stand_for_what_they_stand_for_there() {
    for (pattern, text, expected) in [
        ("repo:org/name:*", "repo:org/name:ref:refs/heads/main", false),
        ("repo:org/name:ref:refs/heads/*", "repo:org/name:ref:refs/heads/main", true),
        ("repo:org/name:ref:refs/heads/*", "repo:org/name:ref:refs/heads/feature/x", false),
        ("repo:org/**", "repo:org/name:ref:refs/heads/main", true),
        ("repo:org/**", "repo:org", true),
        ("repo:org/**", "repo:organisation", false),
        ("**", "a/b/c", true),
        ("**", "a/.b", false),
        ("a/**/c", "a/c", true),
        ("a/**/c", "a/b/d/c", true),
        ("a/**/c", "a/.b/c", false),
        ("**/c", "c", true),
        ("*", "a", true),
        ("*", "a/b", false),
        ("*", "", false),
        ("*", ".a", false),
        ("a*", "a", true),
        ("a*", "a/", true),
        ("a**", "ab", true),
        ("a**", "a/b", false),
        ("a?c", "abc", true),
        ("a?c", "a/c", false),
        ("[a-c]x", "bx", true),
        ("[!a-c]x", "bx", false),
        ("[^a-c]x", "dx", true),
        ("{dev,prod}-*", "prod-1", true),
        ("{dev,prod}-*", "test-1", false),
        ("a{b,{c,d}e}", "ade", true),
        ("!main", "main", false),
        ("!main", "other", true),
        (r"a\*", "a*", true),
        (r"a\*", "ab", false),
        ("spiffe://td/ns/*/sa/app", "spiffe://td/ns/a/sa/app", true),
        ("spiffe://td/ns/*/sa/app", "spiffe://td/ns/a/b/sa/app", false),
        ("https://vault", "https://vault", true),
    ] {
        assert_eq!(Pattern::new(pattern).is_match(text), expected, "{pattern} on {text}");
    }
}

#[test]
fn what_is_not_known_matches_only_itself() {
    for pattern in ["+(a|b)", "a(b)", "!(a)", "{1..3}", "{a", "[[:alpha:]]", "[a"] {
        let parsed = Pattern::new(pattern);
        assert!(!parsed.understood() && parsed.accepts(pattern), "{pattern}");
        assert!(!parsed.accepts("a") && !parsed.accepts("b") && !parsed.accepts("1"), "{pattern}");
    }
}

#[test]
fn braces_do_not_multiply_without_end() {
    assert!(!Pattern::new(&"{a,b}".repeat(40)).understood());
}

#[test]
fn a_pattern_that_begins_wild_is_known_as_one() {
    for pattern in ["*a", "?a", "!a", "{a,b}", "[ab]"] {
        assert!(Pattern::new(pattern).begins_wild(), "{pattern}");
    }
    assert!(!Pattern::new("a*").begins_wild());
}

proptest! {
    #[test]
    fn any_text_is_a_pattern(pattern: String, text: String) {
        let _whatever = Pattern::new(&pattern).accepts(&text);
    }

    #[test]
    fn a_text_without_marks_matches_itself_alone(text in "[a-z/:.-]{1,20}", other in "[a-z/:.-]{1,20}") {
        let pattern = Pattern::new(&text);
        prop_assert!(pattern.is_match(&text));
        prop_assert_eq!(pattern.is_match(&other), text == other);
    }
}
