//! Comparing texts.

use std::collections::BTreeSet;

use carnet_trust::Glob;

use super::Matching;

/// Whether a text is what a trust wants.
pub(super) fn matches(matching: Matching, wanted: &str, text: &str) -> bool {
    match matching {
        Matching::Exact => wanted == text,
        Matching::Glob => Glob::new(wanted).matches(text),
        Matching::Segments => segments(wanted, text),
    }
}

/// Time grows with the product of both lengths, not faster.
fn segments(pattern: &str, text: &str) -> bool {
    let text: Vec<&str> = text.split('/').collect();
    // How many parts of the text the pattern so far can stand for.
    let mut reached = BTreeSet::from([0_usize]);
    for part in pattern.split('/') {
        let Some(least) = reached.first().copied() else { return false };
        reached = if part == "**" {
            (least..=text.len()).collect()
        } else {
            let glob = Glob::new(part);
            let fits = |at: &usize| text.get(*at).is_some_and(|segment| glob.matches(segment));
            reached.into_iter().filter(fits).map(|at| at.saturating_add(1)).collect()
        };
    }
    reached.contains(&text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_between_slashes_in_one_form_and_not_in_the_other() {
        for (pattern, text, glob, parts) in [
            ("repo:a/b:ref:refs/heads/*", "repo:a/b:ref:refs/heads/main", true, true),
            ("repo:a/b:*", "repo:a/b:ref:refs/heads/main", true, false),
            ("repo:a/*/**", "repo:a/b:ref:refs/heads/main", true, true),
            ("repo:a/**", "repo:a", false, true),
            ("**", "repo:a/b", true, true),
            ("*", "", true, true),
            ("a/*/c", "a/b/b/c", true, false),
            ("a/**/c", "a/c", false, true),
            ("**/b/**/d", "a/b/c/b/d", true, true),
            ("a", "b", false, false),
        ] {
            assert_eq!(matches(Matching::Glob, pattern, text), glob, "{pattern} on {text}");
            assert_eq!(matches(Matching::Segments, pattern, text), parts, "{pattern} on {text}");
        }
        assert!(!matches(Matching::Exact, "a*", "ab"));
    }

    proptest::proptest! {
        #[test]
        fn a_text_without_stars_stands_for_itself_only(wanted in "[a-c/:]{0,8}", text in "[a-c/:]{0,8}") {
            for matching in [Matching::Exact, Matching::Glob, Matching::Segments] {
                proptest::prop_assert_eq!(matches(matching, &wanted, &text), wanted == text);
            }
        }
    }
}
