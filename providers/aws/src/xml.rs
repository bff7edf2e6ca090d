//! The small part of XML in which the query protocol answers: elements and text.

use std::collections::BTreeMap;

/// Deeper than any answer.
const DEEPEST: usize = 16;

/// The text of each leaf by its path, for instance `Response/Result/Arn`; the first of several counts. Attributes are
/// skipped. `None` when it is not well formed, or holds a document type, a comment or a CDATA section: AWS sends none.
pub(crate) fn leaves(text: &str) -> Option<BTreeMap<String, String>> {
    let mut leaves = BTreeMap::new();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    if let Some(declaration) = rest.strip_prefix("<?xml") {
        rest = declaration.split_once("?>")?.1;
    }
    while let Some((before, tag_on)) = rest.split_once('<') {
        let (tag, after) = tag_on.split_once('>')?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.last() != Some(&name.trim_end()) {
                return None;
            }
            leaves.entry(open.join("/")).or_insert(unescape(before.trim())?);
            open.pop();
            if open.is_empty() {
                return rest.trim().is_empty().then_some(leaves);
            }
            continue;
        }
        let (inner, empty) = tag.strip_suffix('/').map_or((tag, false), |inner| (inner, true));
        let name = inner.split_ascii_whitespace().next()?;
        if name.starts_with(['!', '?']) || !before.trim().is_empty() || open.len() >= DEEPEST {
            return None;
        }
        open.push(name);
        if empty {
            leaves.entry(open.join("/")).or_default();
            open.pop();
        }
    }
    None
}

/// The five entities of XML, and characters by number.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, entity_on)) = rest.split_once('&') {
        let (entity, after) = entity_on.split_once(';')?;
        plain.push_str(before);
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => match entity.strip_prefix("#x") {
                Some(hexadecimal) => char::from_u32(u32::from_str_radix(hexadecimal, 16).ok()?)?,
                None => char::from_u32(entity.strip_prefix('#')?.parse().ok()?)?,
            },
        });
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn leaves_have_paths() {
        let found =
            leaves("<?xml version=\"1.0\"?>\n<A xmlns=\"x\">\n <B><C>1 &amp; &#50;</C><D/></B>\n</A>\n").unwrap();
        assert_eq!(found["A/B/C"], "1 & 2");
        assert_eq!(found["A/B/D"], "");
    }

    #[test]
    fn rejects_what_aws_does_not_send() {
        for text in
            ["", "<A>", "<A></B>", "<!DOCTYPE a><A></A>", "<A><!-- x --></A>", "<A>&x;</A>", "<A></A><B></B>", "text"]
        {
            assert!(leaves(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[<>/&;#xA!? ]{0,40}") {
            drop(leaves(&text));
        }
    }
}
