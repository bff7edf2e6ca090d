//! What trust policies and permission policies have in common ("Grammar of the IAM JSON policy language").

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// IAM's text for a `Sid` of other characters ("IAM JSON policy elements: Sid"; the text as CloudTrail records show it).
const SID_CHARACTERS: &str =
    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*";
/// IAM's text for a `Sid` that stands twice (`moto/iam/policy_validation.py` of getmoto/moto).
const SID_TWICE: &str = "Statement IDs (SID) in a single policy must be unique.";

/// A policy document whose frame is right: no member of an object stands twice, version and statement ids are good. What a
/// statement may hold depends on the kind of policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Whether `${…}` is a variable: so since the version 2012-10-17.
    pub variables: bool,
    /// The statements, one at least.
    pub statements: Vec<Map<String, Value>>,
}

/// Why a text is no policy document; IAM and STS answer `MalformedPolicyDocument`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentError {
    /// Its form; says which in our words, safe to show. IAM's own word is `Syntax errors in policy.`
    Syntax(String),
    /// A statement id, in IAM's words.
    Sid(&'static str),
}

impl Document {
    /// Reads a document of at most so many characters, white space not counted.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str, longest: usize) -> Result<Self, DocumentError> {
        let syntax = |what: &str| DocumentError::Syntax(what.to_owned());
        if text.chars().filter(|c| !c.is_whitespace()).count() > longest {
            return Err(DocumentError::Syntax(format!("the policy is longer than {longest} characters")));
        }
        // "Individual elements must not contain multiple instances of the same key. For example, you cannot include the Effect
        // block twice in the same statement": who reads the first and who reads the last would read two policies.
        let mut members = carnet_jose::parse_object(text.as_bytes())
            .map_err(|place| DocumentError::Syntax(format!("not one JSON object: {place}")))?;
        if let Some(unknown) = members.keys().find(|key| !["Version", "Id", "Statement"].contains(&key.as_str())) {
            return Err(DocumentError::Syntax(format!("unknown member {}", carnet_core::safe_text(unknown))));
        }
        let variables = match members.get("Version").map(Value::as_str) {
            // "If you do not include the Version element, the value defaults to 2008-10-17."
            None | Some(Some("2008-10-17")) => false,
            Some(Some("2012-10-17")) => true,
            _ => return Err(syntax("`Version` is neither 2012-10-17 nor 2008-10-17")),
        };
        let statements = match members.remove("Statement") {
            Some(Value::Array(many)) if !many.is_empty() => many,
            Some(Value::Array(_)) => return Err(syntax("`Statement` is empty")),
            Some(one) => vec![one],
            None => return Err(syntax("`Statement` is missing")),
        };
        let statements: Option<Vec<_>> = statements
            .into_iter()
            .map(|statement| match statement {
                Value::Object(members) => Some(members),
                _ => None,
            })
            .collect();
        let statements = statements.ok_or_else(|| syntax("a statement is no object"))?;
        check_ids(&statements)?;
        Ok(Self { variables, statements })
    }
}

/// "In IAM, the Sid value must be unique within a JSON policy", and has letters and digits of ASCII only. An empty one is none.
fn check_ids(statements: &[Map<String, Value>]) -> Result<(), DocumentError> {
    let mut ids = BTreeSet::new();
    for id in statements.iter().filter_map(|statement| statement.get("Sid")) {
        let id = id.as_str().ok_or_else(|| DocumentError::Syntax("`Sid` is no text".to_owned()))?;
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(DocumentError::Sid(SID_CHARACTERS));
        }
        if !id.is_empty() && !ids.insert(id) {
            return Err(DocumentError::Sid(SID_TWICE));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"A1","Effect":"Allow"},{"Sid":"","x":[1,-1,1.5,true,null]},
        {"Sid":""},{"Sid":"B","Condition":{"Bool":{"k":"v"},"Null":{"k":"v"}}}]}"#;

    fn bent(from: &str, to: &str) -> Result<Document, DocumentError> {
        assert!(GOOD.contains(from), "{from}");
        Document::parse(&GOOD.replacen(from, to, 1), 1000)
    }

    #[test]
    fn statements_come_in_order_and_one_needs_no_list() {
        let document = Document::parse(GOOD, 1000).unwrap();
        assert!(document.variables && document.statements.len() == 4);
        assert_eq!(document.statements[1]["x"], serde_json::json!([1, -1, 1.5, true, null]));
        assert!(!Document::parse(r#"{"Statement":{}}"#, 1000).unwrap().variables);
    }

    #[test]
    fn rejects_a_member_that_stands_twice_at_any_depth() {
        for (from, to) in [
            ("\"Version\":", "\"Version\":\"2012-10-17\",\"Version\":"),
            ("\"Effect\":", "\"Effect\":\"Deny\",\"Effect\":"),
            ("\"Effect\":", "\"Effec\\u0074\":\"Deny\",\"Effect\":"),
            ("\"Bool\":", "\"Bool\":{},\"Bool\":"),
            ("\"k\":", "\"k\":\"w\",\"k\":"),
            ("null", "{\"y\":0,\"y\":0}"),
        ] {
            let error = bent(from, to).unwrap_err();
            assert!(
                matches!(&error, DocumentError::Syntax(what) if what.contains("a member occurs twice")),
                "{to}: {error:?}"
            );
        }
    }

    #[test]
    fn rejects_statement_ids_that_iam_does_not_take() {
        assert_eq!(bent("\"B\"", "\"A1\"").unwrap_err(), DocumentError::Sid(SID_TWICE));
        for id in ["\"a b!\"", "\"a-b\"", "\"é\""] {
            assert_eq!(bent("\"B\"", id).unwrap_err(), DocumentError::Sid(SID_CHARACTERS), "{id}");
        }
        assert!(matches!(bent("\"B\"", "1"), Err(DocumentError::Syntax(_))));
    }

    #[test]
    fn rejects_frames_that_are_none_and_quotes_nothing_of_them() {
        for text in [
            "[]",
            "{}",
            "\"s3cr3t\"",
            "{\"Statement\":s3cr3t}",
            r#"{"Statement":[]}"#,
            r#"{"Statement":[[]]}"#,
            r#"{"Statement":null}"#,
        ] {
            let error = Document::parse(text, 1000).unwrap_err();
            assert!(matches!(&error, DocumentError::Syntax(what) if !what.contains("s3cr3t")), "{text}: {error:?}");
        }
        assert!(bent("2012-10-17", "2020-01-01").is_err() && bent("\"Version\"", "\"version\"").is_err());
        assert!(Document::parse(GOOD, 20).is_err() && Document::parse(&"[".repeat(500), 1000).is_err());
    }
}
