//! What an object's status says ("API Conventions", typical status properties).

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::kube::Object;

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    True,
    False,
    Unknown,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) kind: Cow<'static, str>,
    pub(crate) status: Status,
    /// A word in camel case.
    pub(crate) reason: Cow<'static, str>,
    pub(crate) message: String,
}

/// Longest message.
const MAX_MESSAGE: usize = 4096;

impl Condition {
    pub(crate) fn new(
        kind: impl Into<Cow<'static, str>>,
        status: Status,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { kind: kind.into(), status, reason: reason.into(), message: message.into() }
    }

    /// The conditions whose type begins so, of the object as it is now. What nobody has looked at since it changed does not count.
    pub(crate) fn told(object: &Object, start: &str) -> Vec<Self> {
        let all = object.status().get("conditions").and_then(Value::as_array).into_iter().flatten();
        let current =
            all.filter(|one| one.get("observedGeneration").and_then(Value::as_i64) == Some(object.generation()));
        let read = |one: &Value| {
            let text = |name: &str| one.get(name).and_then(Value::as_str).map(str::to_owned);
            let status = match text("status")?.as_str() {
                "True" => Status::True,
                "False" => Status::False,
                _ => Status::Unknown,
            };
            let kind = text("type").filter(|kind| kind.starts_with(start))?;
            Some(Self::new(kind, status, text("reason")?, text("message")?))
        };
        current.filter_map(read).collect()
    }

    /// Whether it says what the object's status says already, for the object as it is.
    pub(crate) fn is_told(&self, object: &Object) -> bool {
        let Some(told) = object.condition(&self.kind) else { return false };
        let text = |name: &str| told.get(name).and_then(Value::as_str);
        text("status") == Some(self.word())
            && text("reason") == Some(&self.reason)
            && text("message") == Some(&self.text())
            && told.get("observedGeneration").and_then(Value::as_i64) == Some(object.generation())
    }

    fn word(&self) -> &'static str {
        match self.status {
            Status::True => "True",
            Status::False => "False",
            Status::Unknown => "Unknown",
        }
    }

    fn text(&self) -> String {
        self.message.chars().take(MAX_MESSAGE).collect()
    }
}

/// The conditions as they are to stand in the status: those of others stay, and the time is that of the last change of the status.
fn conditions(object: &Object, new: &[Condition], now: Timestamp) -> Value {
    let there = object.status().get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let kind = |one: &Value| one.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut all: Vec<Value> = there.into_iter().filter(|one| new.iter().all(|new| kind(one) != new.kind)).collect();
    for condition in new {
        let told = object.condition(&condition.kind);
        let same = told.filter(|told| told.get("status").and_then(Value::as_str) == Some(condition.word()));
        let since = same.and_then(|told| told.get("lastTransitionTime")).cloned();
        let since = since.unwrap_or_else(|| now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
        all.push(json!({
            "type": condition.kind, "status": condition.word(), "reason": condition.reason, "message": condition.text(),
            "observedGeneration": object.generation(), "lastTransitionTime": since,
        }));
    }
    all.sort_by_key(kind);
    all.into()
}

/// The patch of the status, for the object at the version that was looked at; null takes a member away. `None` when it says all of it already.
pub(crate) fn patch(object: &Object, new: &[Condition], more: &Map<String, Value>, now: Timestamp) -> Option<Value> {
    let status = object.status();
    let generation = status.get("observedGeneration").and_then(Value::as_i64);
    let told = generation == Some(object.generation())
        && new.iter().all(|condition| condition.is_told(object))
        && more.iter().all(|(name, value)| status.get(name).unwrap_or(&Value::Null) == value);
    if told {
        return None;
    }
    let mut status = more.clone();
    status.insert("observedGeneration".to_owned(), object.generation().into());
    status.insert("conditions".to_owned(), conditions(object, new, now));
    Some(json!({ "metadata": { "resourceVersion": object.version() }, "status": status }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(status: &Value) -> Object {
        Object(json!({"metadata": {"generation": 2, "resourceVersion": "9"}, "status": status}))
    }

    fn ready(status: Status) -> Condition {
        Condition::new("Ready", status, "Reason", "message")
    }

    #[test]
    fn the_time_is_that_of_the_last_change() {
        let (first, second) = (Timestamp::from_second(0).unwrap(), Timestamp::from_second(60).unwrap());
        let made = conditions(&object(&json!({})), &[ready(Status::True)], first);
        let later = object(&json!({"conditions": made}));
        assert_eq!(conditions(&later, &[ready(Status::True)], second)[0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert_eq!(
            conditions(&later, &[ready(Status::False)], second)[0]["lastTransitionTime"],
            "1970-01-01T00:01:00Z"
        );
    }

    #[test]
    fn what_is_told_is_not_told_again_unless_the_object_has_changed() {
        let now = Timestamp::UNIX_EPOCH;
        let patched = patch(&object(&json!({})), &[ready(Status::True)], &Map::new(), now).unwrap();
        assert_eq!(patched["metadata"]["resourceVersion"], "9");
        let mut told = object(&patched["status"]);
        assert_eq!(patch(&told, &[ready(Status::True)], &Map::new(), now), None);
        told.0["metadata"]["generation"] = json!(3);
        assert!(patch(&told, &[ready(Status::True)], &Map::new(), now).is_some());
    }

    #[test]
    fn conditions_of_others_stay() {
        let there = object(&json!({"conditions": [{"type": "Theirs", "status": "True"}]}));
        let all = conditions(&there, &[ready(Status::True)], Timestamp::UNIX_EPOCH);
        assert_eq!(all.as_array().unwrap().len(), 2);
    }
}
