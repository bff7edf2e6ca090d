//! Writes JSON values as YAML in block style (YAML 1.2.2): what `kubectl` and people read.

use serde_json::Value;

/// The value as a document.
pub(super) fn text(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

fn block(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                indent(depth, text);
                text.push_str(&scalar(&Value::String(name.clone())));
                text.push(':');
                below(member, depth + 1, text);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for element in elements {
                indent(depth, text);
                text.push('-');
                // The first member of an object stands behind the dash.
                let mut inner = String::new();
                block(element, depth + 1, &mut inner);
                text.push(' ');
                text.push_str(inner.trim_start());
            }
        }
        other => {
            indent(depth, text);
            text.push_str(&scalar(other));
            text.push('\n');
        }
    }
}

fn below(value: &Value, depth: usize, text: &mut String) {
    let nested = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        _ => false,
    };
    if nested {
        text.push('\n');
        block(value, depth, text);
    } else {
        text.push(' ');
        text.push_str(&scalar(value));
        text.push('\n');
    }
}

fn indent(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
}

/// Texts are plain where every reader, of YAML 1.1 too, takes them for texts; else as in JSON, which YAML reads.
fn scalar(value: &Value) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    match value {
        Value::String(text) => {
            let first = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '$');
            let inner = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '/' | '_' | '$');
            let word = WORDS.contains(&text.to_ascii_lowercase().as_str());
            if first && text.chars().all(inner) && !word { text.clone() } else { value.to_string() }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_in_block_style_with_texts_that_stay_texts() {
        let value = json!({"a": [{"b": "yes", "c": 1}, "x: y"], "d": {}, "e": {"f": "plain/text", "g": [], "h": "1"}});
        let wanted = "a:\n  - b: \"yes\"\n    c: 1\n  - \"x: y\"\nd: {}\ne:\n  f: plain/text\n  g: []\n  h: \"1\"\n";
        assert_eq!(text(&value), wanted);
    }
}
