//! Reads the part of YAML (1.2.2) that kubeconfigs are written in: JSON, or mappings and lists in block style with plain and quoted texts on one line each. What
//! is beyond that is refused and not guessed at: anchors, tags, flow style other than `{}` and `[]`, texts over several lines, several documents.

use serde_json::{Map, Value};

/// Deepest nesting. A kubeconfig has six.
const MAX_DEPTH: usize = 32;

/// A line that says something.
struct Line<'t> {
    number: usize,
    indent: usize,
    text: &'t str,
}

/// The value that a text is.
///
/// # Errors
/// Which line cannot be read, and why. No line is quoted: tokens stand in some.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("line {}: it is not JSON", error.line()));
    }
    let lines = lines(text)?;
    let mut rest = lines.as_slice();
    let value = block(&mut rest, 0, 0)?;
    match rest.first() {
        Some(line) => Err(wrong(line, "it is indented less than it should be")),
        None => Ok(value),
    }
}

fn wrong(line: &Line<'_>, what: &str) -> String {
    format!("line {}: {what}", line.number)
}

fn lines(text: &str) -> Result<Vec<Line<'_>>, String> {
    let mut all = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim_end();
        let text = line.trim_start_matches(' ');
        let said = Line { number: index + 1, indent: line.len() - text.len(), text };
        if text.starts_with('\t') {
            return Err(wrong(&said, "it is indented with a tab"));
        }
        match text {
            "" => {}
            "---" if all.is_empty() => {}
            _ if text.starts_with('#') => {}
            _ if text.starts_with("---") || text.starts_with("...") || text.starts_with('%') => {
                return Err(wrong(&said, "there is more than one document"));
            }
            _ => all.push(said),
        }
    }
    Ok(all)
}

/// What stands at this indentation or deeper.
fn block(rest: &mut &[Line<'_>], least: usize, depth: usize) -> Result<Value, String> {
    let Some(first) = rest.first().filter(|line| line.indent >= least) else { return Ok(Value::Null) };
    if depth > MAX_DEPTH {
        return Err(wrong(first, "it is nested too deep"));
    }
    let indent = first.indent;
    if is_element(first.text) {
        return list(rest, indent, depth);
    }
    if pair(first)?.is_none() {
        let value = scalar(first, first.text)?;
        *rest = rest.get(1..).unwrap_or_default();
        return Ok(value);
    }
    mapping(rest, indent, depth)
}

fn is_element(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

fn list(rest: &mut &[Line<'_>], indent: usize, depth: usize) -> Result<Value, String> {
    let mut elements = Vec::new();
    while let Some(line) = rest.first().filter(|line| line.indent == indent && is_element(line.text)) {
        let inner = line.text.get(1..).unwrap_or_default();
        let text = inner.trim_start();
        // What stands behind the dash is a line of its own, as deep as it stands.
        let head = Line { number: line.number, indent: indent + 1 + inner.len() - text.len(), text };
        *rest = rest.get(1..).unwrap_or_default();
        if text.is_empty() || text.starts_with('#') {
            elements.push(block(rest, indent + 1, depth + 1)?);
            continue;
        }
        let below = rest.iter().take_while(|line| line.indent > indent).count();
        let mut own: Vec<Line<'_>> = vec![head];
        own.extend(rest.iter().take(below).map(|line| Line { ..*line }));
        *rest = rest.get(below..).unwrap_or_default();
        let mut own = own.as_slice();
        elements.push(block(&mut own, indent + 1, depth + 1)?);
        if let Some(line) = own.first() {
            return Err(wrong(line, "it is indented in no way that fits"));
        }
    }
    Ok(Value::Array(elements))
}

fn mapping(rest: &mut &[Line<'_>], indent: usize, depth: usize) -> Result<Value, String> {
    let mut members = Map::new();
    while let Some(line) = rest.first().filter(|line| line.indent == indent && !is_element(line.text)) {
        let Some((name, text)) = pair(line)? else { return Err(wrong(line, "it is no `name: value`")) };
        let number = line.number;
        let line = Line { number, indent, text };
        *rest = rest.get(1..).unwrap_or_default();
        let value = if text.is_empty() {
            // A list may stand as deep as the name that it belongs to.
            let listed = rest.first().is_some_and(|next| next.indent == indent && is_element(next.text));
            if listed { list(rest, indent, depth + 1)? } else { block(rest, indent + 1, depth + 1)? }
        } else {
            scalar(&line, text)?
        };
        if members.insert(name, value).is_some() {
            return Err(wrong(&line, "the name stands there twice"));
        }
    }
    if let Some(line) = rest.first().filter(|line| line.indent > indent) {
        return Err(wrong(line, "it is indented in no way that fits"));
    }
    Ok(Value::Object(members))
}

/// The name and the text of `name: value`. `None` when it is none.
fn pair<'t>(line: &Line<'t>) -> Result<Option<(String, &'t str)>, String> {
    let text = line.text;
    let (name, rest) = if text.starts_with(['"', '\'']) {
        let (name, rest) = quoted(line, text)?;
        match rest.trim_start().strip_prefix(':') {
            Some(rest) => (name, rest),
            None => return Ok(None),
        }
    } else {
        match text.split_once(": ") {
            Some((name, rest)) => (name.trim().to_owned(), rest),
            None => match text.strip_suffix(':') {
                Some(name) => (name.trim().to_owned(), ""),
                None => return Ok(None),
            },
        }
    };
    let rest = rest.trim_start();
    Ok(Some((name, if rest.starts_with('#') { "" } else { rest })))
}

fn scalar(line: &Line<'_>, text: &str) -> Result<Value, String> {
    if text.starts_with(['"', '\'']) {
        let (value, rest) = quoted(line, text)?;
        let rest = rest.trim_start();
        return if rest.is_empty() || rest.starts_with('#') {
            Ok(Value::String(value))
        } else {
            Err(wrong(line, "something follows a quoted text"))
        };
    }
    let text = text.split(" #").next().unwrap_or_default().trim_end();
    match text {
        "{}" => return Ok(Value::Object(Map::new())),
        "[]" => return Ok(Value::Array(Vec::new())),
        "" | "~" | "null" => return Ok(Value::Null),
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        _ => {}
    }
    if text.starts_with(['&', '*', '!', '|', '>', '{', '[', '@', '`', '%', '?']) {
        return Err(wrong(
            line,
            "anchors, tags, flow style and texts over several lines are not read: write it plainly, or as JSON",
        ));
    }
    // Numbers stay numbers only where JSON has them so.
    match serde_json::from_str::<serde_json::Number>(text) {
        Ok(number) => Ok(Value::Number(number)),
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}

/// A quoted text at the beginning, and what follows it.
fn quoted<'t>(line: &Line<'_>, text: &'t str) -> Result<(String, &'t str), String> {
    let open = || wrong(line, "a quoted text does not end on its line");
    if let Some(rest) = text.strip_prefix('\'') {
        let mut value = String::new();
        let mut rest = rest;
        loop {
            let (before, after) = rest.split_once('\'').ok_or_else(open)?;
            value.push_str(before);
            match after.strip_prefix('\'') {
                Some(after) => {
                    value.push('\'');
                    rest = after;
                }
                None => return Ok((value, after)),
            }
        }
    }
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, letter)| {
        let ends = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    });
    let (end, _) = end.ok_or_else(open)?;
    let (literal, rest) = text.split_at(end + 1);
    let value = serde_json::from_str(literal)
        .map_err(|_quoting| wrong(line, "a quoted text has an escape that JSON has not"))?;
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kubeconfig_as_kubectl_writes_it_is_read() {
        let text = "apiVersion: v1\nclusters:\n- cluster:\n    server: https://127.0.0.1:6443\n  name: \"a: b\"\n# a comment\ncontexts: []\n\
                    preferences: {}\nusers:\n  - name: 'it''s'\n    user:\n      exec:\n        args:\n        - get\n        - token # comment\n        command: carnet\n\
                    \x20       provideClusterInfo: false\n";
        let wanted = json!({
            "apiVersion": "v1",
            "clusters": [{"cluster": {"server": "https://127.0.0.1:6443"}, "name": "a: b"}],
            "contexts": [], "preferences": {},
            "users": [{"name": "it's", "user": {"exec": {"args": ["get", "token"], "command": "carnet", "provideClusterInfo": false}}}],
        });
        assert_eq!(parse(text).unwrap(), wanted);
        assert_eq!(parse(&wanted.to_string()).unwrap(), wanted, "JSON is YAML");
    }

    #[test]
    fn rejects_what_it_does_not_read() {
        for (text, wrong) in [
            ("a: &x 1", "anchors"),
            ("a: |\n  text", "anchors"),
            ("a: {b: 1}", "flow"),
            ("a: 1\n---\nb: 2", "more than one document"),
            ("a: 1\n\tb: 2", "tab"),
            ("a: 1\na: 2", "twice"),
            ("a: \"open", "does not end"),
            ("a:\n    b: 1\n  c: 2", "indented"),
            ("a: 1\n  b: 2", "indented"),
            ("{", "JSON"),
        ] {
            assert!(parse(text).unwrap_err().contains(wrong), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn mistakes_do_not_quote_the_file() {
        let error = parse("users:\n- user:\n    token: &MARK x\n").unwrap_err();
        assert!(error.contains("line 3") && !error.contains("MARK"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "[ \\n:#'\"a-c{}\\[\\]&|>-]{0,64}", any: String) {
            drop(parse(&text));
            drop(parse(&any));
        }
    }
}
