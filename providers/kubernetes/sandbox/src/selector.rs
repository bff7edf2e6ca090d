//! Which objects of a list or a watch are wanted ("Labels and Selectors", "Field Selectors").

use serde_json::Value;

use crate::{call::Call, reply::ApiError};

/// Conditions that must all hold.
#[derive(Debug, Default)]
pub(crate) struct Selector(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    /// Where the text is.
    path: Vec<String>,
    wanted: Wanted,
}

#[derive(Debug)]
enum Wanted {
    There,
    Absent,
    Is(String),
    IsNot(String),
}

impl Selector {
    /// Of `labelSelector` and `fieldSelector` of a request.
    ///
    /// # Errors
    /// 400 for what the sandbox does not know: sets (`in`, `notin`), and fields other than name and namespace.
    pub(crate) fn of(call: &Call) -> Result<Self, ApiError> {
        let mut all = Vec::new();
        for part in call.query("labelSelector").unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
            if part.contains('(') {
                return Err(ApiError::bad("the sandbox does not know sets in label selectors"));
            }
            let (name, wanted) = wanted(part);
            all.push(Condition { path: vec!["metadata".into(), "labels".into(), name], wanted });
        }
        for part in call.query("fieldSelector").unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
            let (name, wanted) = wanted(part);
            if !matches!(name.as_str(), "metadata.name" | "metadata.namespace") {
                let name = carnet_core::safe_text(&name);
                return Err(ApiError::bad(format!("field label not supported: {name}")));
            }
            all.push(Condition { path: name.split('.').map(str::to_owned).collect(), wanted });
        }
        Ok(Self(all))
    }

    /// Whether the object is wanted.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|condition| {
            let found = condition.path.iter().try_fold(object, |value, name| value.get(name)).and_then(Value::as_str);
            match &condition.wanted {
                Wanted::There => found.is_some(),
                Wanted::Absent => found.is_none(),
                Wanted::Is(value) => found == Some(value),
                Wanted::IsNot(value) => found != Some(value),
            }
        })
    }
}

fn wanted(part: &str) -> (String, Wanted) {
    let own = |text: &str| text.trim().to_owned();
    if let Some((name, value)) = part.split_once("!=") {
        return (own(name), Wanted::IsNot(own(value)));
    }
    if let Some((name, value)) = part.split_once('=') {
        return (own(name), Wanted::Is(own(value.trim_start_matches('='))));
    }
    match part.trim().strip_prefix('!') {
        Some(name) => (own(name), Wanted::Absent),
        None => (own(part), Wanted::There),
    }
}
