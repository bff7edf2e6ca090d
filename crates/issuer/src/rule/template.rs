//! Templates: text with claims in it.

use serde_json::{Map, Value};

use super::claim;

/// Text with `{claim}` in it. There is no escape: neither identities nor claims need a brace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Claim(String),
}

impl Template {
    /// Parses it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a \"{\" has no \"}\"")?;
            if name.is_empty() || name.contains('{') {
                return Err("between \"{\" and \"}\" stands the name of a claim");
            }
            if before.contains('}') {
                return Err("a \"}\" has no \"{\"");
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Claim(name.to_owned()));
            rest = after;
        }
        if rest.contains('}') {
            return Err("a \"}\" has no \"{\"");
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The claims that it reads.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Claim(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Whether it is nothing but this claim.
    pub(crate) fn is_only(&self, name: &str) -> bool {
        matches!(self.parts.as_slice(), [Part::Claim(only)] if only == name)
    }

    /// Fills it in for an identity: each claim must be a text or a whole number that is one segment of a path.
    ///
    /// # Errors
    /// The claim that is not.
    pub(crate) fn segments(&self, claims: &Map<String, Value>) -> Result<String, &str> {
        self.fill(claims, is_segment)
    }

    /// Fills it in for a claim.
    ///
    /// # Errors
    /// The claim that is missing, or neither text nor number nor truth value.
    pub(crate) fn value(&self, claims: &Map<String, Value>) -> Result<Value, &str> {
        match self.parts.as_slice() {
            [Part::Claim(name)] => claim::find(claims, name).cloned().ok_or(name),
            _ => self.fill(claims, |_| true).map(Value::String),
        }
    }

    fn fill(&self, claims: &Map<String, Value>, fits: impl Fn(&str) -> bool) -> Result<String, &str> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Claim(name) => match claim::find(claims, name) {
                    Some(Value::String(text)) if fits(text) => filled.push_str(text),
                    Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
                        filled.push_str(&number.to_string());
                    }
                    Some(Value::Bool(value)) => filled.push_str(if *value { "true" } else { "false" }),
                    _ => return Err(name),
                },
            }
        }
        Ok(filled)
    }
}

/// SPIFFE-ID, 2.2. Neither a slash nor a dot segment comes out of a claim: it would put the subject somewhere else.
fn is_segment(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text != "." && text != ".." && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(claims) => claims,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn an_identity_is_filled_with_segments_only() {
        let template = Template::parse("/ci/{id}/x-{name}").unwrap();
        assert_eq!(template.segments(&claims(json!({"id": 7, "name": "a.b"}))), Ok("/ci/7/x-a.b".to_owned()));
        for bad in
            [json!("a/b"), json!(""), json!(".."), json!("."), json!("a%2fb"), json!("é"), json!(["a"]), json!(1.5)]
        {
            assert_eq!(template.segments(&claims(json!({"id": 7, "name": bad}))), Err("name"), "{bad}");
        }
        assert_eq!(template.segments(&claims(json!({"id": 7}))), Err("name"));
    }

    #[test]
    fn a_claim_alone_keeps_its_type() {
        let value = |text: &str| Template::parse(text).unwrap().value(&claims(json!({"n": [1], "s": "a/b"}))).ok();
        assert_eq!(value("{n}"), Some(json!([1])));
        assert_eq!(value("x {s}"), Some(json!("x a/b")));
        assert_eq!(value("x {n}"), None);
        assert_eq!(value("{missing}"), None);
    }

    #[test]
    fn rejects_braces_that_do_not_match() {
        for text in ["{a", "a}", "{}", "{a{b}", "a}{b}", "{a}}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
