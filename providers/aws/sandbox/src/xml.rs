//! Writing XML: elements and text, nothing else.

/// An element that holds other elements.
pub(crate) fn node(name: &str, inner: &str) -> String {
    format!("<{name}>{inner}</{name}>")
}

/// An element that holds text.
pub(crate) fn leaf(name: &str, text: &str) -> String {
    node(name, &escape(text))
}

/// An element that holds text, if there is one.
pub(crate) fn optional(name: &str, text: Option<&str>) -> String {
    text.map(|text| leaf(name, text)).unwrap_or_default()
}

/// A list of the query protocol: each item in a `member`.
pub(crate) fn members(name: &str, items: impl IntoIterator<Item = String>) -> String {
    let items: String = items.into_iter().map(|item| node("member", &item)).collect();
    node(name, &items)
}

/// Text as it may stand between elements. What XML 1.0 cannot hold at all becomes the replacement character.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_an_element() {
        assert_eq!(leaf("Key", "a<b>&\"\u{1}"), "<Key>a&lt;b&gt;&amp;&quot;\u{fffd}</Key>");
        assert_eq!(optional("Key", None), "");
        assert_eq!(members("L", ["1".to_owned(), "2".to_owned()]), "<L><member>1</member><member>2</member></L>");
    }
}
