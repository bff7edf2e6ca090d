//! Serde's words in the words of whoever reads them.

use toml::de::DeValue;

use crate::suggest;

/// A mistake of a shape.
pub(super) struct Explained {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// What an unknown field was probably meant to be.
    pub(super) meant: Option<String>,
}

/// Serde's words in the words of the reader, and a hint.
pub(super) fn explain(message: &str, secret: bool) -> Explained {
    let explained = |message: String, hint: Option<String>| Explained { message, hint, meant: None };
    // A value may have in it whatever serde writes behind it: the last of these is serde's.
    let parted = |rest| ["`, expected ", "`, there are no "].into_iter().find_map(|sign| str::rsplit_once(rest, sign));
    if let Some((name, rest)) = message.strip_prefix("unknown field `").and_then(parted) {
        let (hint, meant) = alternatives(name, rest, "field");
        return Explained { message: format!("unknown field `{name}`"), hint: Some(hint), meant };
    }
    if let Some((name, rest)) = message.strip_prefix("unknown variant `").and_then(parted) {
        let shown = if secret { "this".to_owned() } else { format!("`{name}`") };
        return explained(format!("{shown} is not one of the values"), Some(alternatives(name, rest, "value").0));
    }
    for (start, verb) in
        [("invalid type: ", "found"), ("invalid value: ", "found"), ("invalid length ", "found length")]
    {
        if let Some((found, wanted)) = message.strip_prefix(start).and_then(|rest| rest.rsplit_once(", expected ")) {
            let wanted = wanted_words(wanted);
            // A text in place of a table is a table in another language, with whatever is secret in it.
            let is_simple = !(wanted.starts_with("a table") || wanted.starts_with("a list"));
            let found = found_words(found, secret, is_simple);
            return explained(format!("wanted {wanted}, {verb} {found}"), None);
        }
    }
    explained(message.to_owned(), None)
}

/// Serde names Rust's types.
fn wanted_words(wanted: &str) -> String {
    match wanted {
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" | "u64" | "usize" => "a whole number from 0".to_owned(),
        "a nonzero u8" | "a nonzero u16" | "a nonzero u32" | "a nonzero u64" => "a whole number from 1".to_owned(),
        "a sequence" => "a list such as [\"a\", \"b\"]".to_owned(),
        "a string" | "string or table" => "a text".to_owned(),
        "a map" => "a table".to_owned(),
        "a boolean" => "true or false".to_owned(),
        wanted if wanted.starts_with("struct ") => "a table".to_owned(),
        wanted => wanted.to_owned(),
    }
}

fn found_words(found: &str, secret: bool, is_simple: bool) -> String {
    let value = ["string ", "integer ", "boolean ", "floating point "].iter().find_map(|kind| found.strip_prefix(kind));
    match (value, found) {
        (None, "map") => "a table".to_owned(),
        (None, "sequence") => "a list".to_owned(),
        (_, _) if secret => "something else".to_owned(),
        (Some(_), found) if !is_simple && found.starts_with("string ") => "a text".to_owned(),
        (Some(value), _) => value.trim_matches('`').to_owned(),
        (None, found) => found.to_owned(),
    }
}

/// The field that serde misses.
pub(super) fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// Whether serde does not know the name of a field or of a choice, or found several where one is chosen.
pub(super) fn is_of_unknown_name(message: &str) -> bool {
    let signs = ["unknown field `", "unknown variant `", "wanted exactly 1 element"];
    signs.iter().any(|sign| message.starts_with(sign))
}

/// Whether this is the text that serde does not know as one of a choice.
pub(super) fn is_unknown_variant(message: &str, text: &str) -> bool {
    message
        .strip_prefix("unknown variant `")
        .and_then(|rest| rest.strip_prefix(text))
        .is_some_and(|rest| rest.starts_with('`'))
}

/// Whether serde misses the one name in a choice, `source = { NAME = { … } }`.
pub(super) fn is_empty_choice(message: &str) -> bool {
    message == "wanted exactly 1 element, found 0 elements"
}

/// A TOML type with its article.
pub(super) fn type_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// What could have been meant, from the names that serde lists in backticks.
fn alternatives(name: &str, listed: &str, what: &str) -> (String, Option<String>) {
    let names: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
    match suggest(name, names.iter().copied()) {
        Some(close) => (format!("did you mean `{close}`?"), Some(close.to_owned())),
        None if names.is_empty() => (format!("there is no {what} to set here"), None),
        None => (format!("the {what}s are: {}", names.join(", ")), None),
    }
}
