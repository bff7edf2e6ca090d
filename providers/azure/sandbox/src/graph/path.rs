//! Names of entities in a path and in a filter (OData 4.01, URL Conventions).

/// Which entity of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// By its id, or what stands for it.
    Id(String),
    /// By another property: `(appId='…')`.
    Alternate(String, String),
}

impl Key {
    /// The value, for messages.
    pub(crate) fn value(&self) -> &str {
        match self {
            Self::Id(value) | Self::Alternate(_, value) => value,
        }
    }
}

/// The collection that a path begins with, the entity if it names one, and what comes after.
pub fn parse_key<'a, 'p>(parts: &'a [&'p str]) -> Option<(&'p str, Option<Key>, &'a [&'p str])> {
    let (first, rest) = parts.split_first()?;
    if let Some((collection, inner)) = first.split_once('(') {
        let inner = inner.strip_suffix(')')?;
        let key = match inner.split_once('=') {
            Some((property, value)) => Key::Alternate(property.to_owned(), quoted(value)?),
            None => Key::Id(quoted(inner)?),
        };
        return is_name(collection).then_some((collection, Some(key), rest));
    }
    if !is_name(first) {
        return None;
    }
    match rest.split_first() {
        None => Some((first, None, rest)),
        Some((&"", _)) => None,
        Some((id, rest)) => Some((first, Some(Key::Id((*id).to_owned())), rest)),
    }
}

/// `PROPERTY eq 'VALUE'`.
pub fn parse_filter(text: &str) -> Option<(String, String)> {
    let (property, rest) = text.trim().split_once(' ')?;
    let value = quoted(rest.trim_start().strip_prefix("eq ")?.trim())?;
    is_name(property).then(|| (property.to_owned(), value))
}

/// A text in single quotes, in which two of them stand for one.
fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let single = inner.replace("''", "");
    (!single.contains('\'')).then(|| inner.replace("''", "'"))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entities_are_named_in_two_ways() {
        let by_id = Some(Key::Id("x".to_owned()));
        assert_eq!(parse_key(&["applications"]), Some(("applications", None, &[][..])));
        assert_eq!(parse_key(&["applications", "x"]), Some(("applications", by_id.clone(), &[][..])));
        assert_eq!(parse_key(&["applications", "x", "y"]), Some(("applications", by_id, &["y"][..])));
        let alternate = Some(Key::Alternate("appId".to_owned(), "x'y".to_owned()));
        assert_eq!(parse_key(&["applications(appId='x''y')", "z"]), Some(("applications", alternate, &["z"][..])));
        assert_eq!(parse_key(&["applications('x')"]), Some(("applications", Some(Key::Id("x".to_owned())), &[][..])));
    }

    #[test]
    fn rejects_names_bent_in_one_place() {
        for parts in [&[][..], &[""], &["a b"], &["a("], &["a(x)"], &["a(b='x)"], &["a(b='x'y')"], &["a", ""]] {
            assert_eq!(parse_key(parts), None, "{parts:?}");
        }
    }

    #[test]
    fn a_filter_is_one_comparison() {
        assert_eq!(parse_filter("appId eq 'x'"), Some(("appId".to_owned(), "x".to_owned())));
        for text in ["", "appId", "appId ne 'x'", "appId eq x", "appId eq 'x' and b eq 'y'", "a/b eq 'x'"] {
            assert_eq!(parse_filter(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,40}") {
            drop((parse_filter(&text), parse_key(&[&text, &text]).is_some()));
        }
    }
}
