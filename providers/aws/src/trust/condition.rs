//! Condition operators ("IAM JSON policy elements: Condition operators").

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::Value;

use super::{pattern::Pattern, request::REQUEST_KEYS};

/// What is known of a request: condition keys, compared without case, and their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    values: BTreeMap<String, Vec<String>>,
    /// Keys of lists, however many values they have here.
    lists: BTreeSet<String>,
    /// Nobody has asked yet: what only a request says is neither there nor absent.
    without_request: bool,
}

impl Context {
    /// Adds a key. One without values counts as absent.
    #[must_use]
    pub fn with<V: Into<String>>(self, key: &str, values: impl IntoIterator<Item = V>) -> Self {
        self.with_made(key.to_owned(), values)
    }

    /// The same with a key that was made for this.
    pub(crate) fn with_made<V: Into<String>>(mut self, mut key: String, values: impl IntoIterator<Item = V>) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        if !values.is_empty() {
            key.make_ascii_lowercase();
            self.values.insert(key, values);
        }
        self
    }

    /// Adds a claim: a text is one value, an array of texts a list of values, however many it has.
    pub(crate) fn with_claim(mut self, key: String, claim: Option<&Value>) -> Self {
        match claim {
            Some(Value::String(one)) => self.with_made(key, [one.as_str()]),
            Some(Value::Array(many)) => {
                self.lists.insert(key.to_ascii_lowercase());
                self.with_made(key, many.iter().filter_map(Value::as_str))
            }
            _ => self,
        }
    }

    /// The context of a question that is asked without a request: what only requests say cannot be known.
    #[must_use]
    pub fn without_request(mut self) -> Self {
        self.without_request = true;
        self
    }

    /// The values of a key in lower case.
    pub(crate) fn get(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// Whether a key in lower case can have several values, as far as can be seen.
    fn is_list(&self, key: &str) -> bool {
        self.lists.contains(key) || self.get(key).is_some_and(|values| values.len() > 1)
    }

    /// Whether only a request could say what a key in lower case is.
    fn needs_request(&self, key: &str) -> bool {
        self.without_request && REQUEST_KEYS.contains(&key) && self.get(key).is_none()
    }

    /// The values of a key for people.
    pub(crate) fn show(&self, key: &str) -> String {
        self.get(key).map_or_else(|| "absent".to_owned(), |values| carnet_core::safe_text(&values.join(", ")))
    }
}

/// How several values of the request are compared ("Set operators for multivalued context keys").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// No set operator.
    None,
    AllValues,
    AnyValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    String,
    StringIgnoreCase,
    StringLike,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
}

/// One operator on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    operator: String,
    key: String,
    set: Set,
    test: Test,
    negated: bool,
    if_exists: bool,
    values: Vec<Pattern>,
}

impl Condition {
    /// Reads an operator with its key and values; `None` for an operator that does not exist.
    pub fn new(operator: &str, key: &str, values: &[String], variables: bool) -> Option<Self> {
        let (set, name) = match operator.split_once(':') {
            Some(("ForAllValues", rest)) => (Set::AllValues, rest),
            Some(("ForAnyValue", rest)) => (Set::AnyValue, rest),
            Some(_) => return None,
            None => (Set::None, operator),
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let (test, negated) = test(name)?;
        // "You cannot use IfExists with Null."
        if test == Test::Null && (if_exists || set != Set::None) {
            return None;
        }
        Some(Self {
            operator: operator.to_owned(),
            key: key.to_ascii_lowercase(),
            set,
            test,
            negated,
            if_exists,
            values: values.iter().map(|value| Pattern::new(value, variables)).collect(),
        })
    }

    /// The operator as it is written.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// The key in lower case.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The values as they are written. One of them is enough.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(Pattern::text)
    }

    /// The values as they are written, joined by commas.
    pub fn wanted(&self) -> String {
        self.values().collect::<Vec<_>>().join(", ")
    }

    /// Whether it holds for sure: what it must do where a statement allows.
    pub fn holds(&self, context: &Context) -> bool {
        self.open(context).is_none() && self.compares(context)
    }

    /// Whether it holds, or may hold for all that is known: what it must do where a statement denies.
    pub fn may_hold(&self, context: &Context) -> bool {
        self.open(context).is_some() || self.compares(context)
    }

    /// Why nobody here can tell whether it holds; safe to show.
    pub(crate) fn open(&self, context: &Context) -> Option<String> {
        let mut keys = std::iter::once(self.key.as_str()).chain(self.values.iter().flat_map(Pattern::variables));
        if let Some(key) = keys.find(|key| context.needs_request(key)) {
            return Some(format!("{key} is known of a request only"));
        }
        // "Multivalued context keys require a condition set operator" ("Single-valued vs. multivalued context keys"). UNCONFIRMED
        // what AWS does without one.
        let plain = self.set == Set::None && self.test != Test::Null;
        let open = plain && context.is_list(&self.key);
        open.then(|| carnet_core::safe_text(&format!("{} is a list, and {} is for one value", self.key, self.operator)))
    }

    /// What the comparison gives. A key that is absent fails the operators that compare, and passes those that compare negatively,
    /// those with `IfExists` and those with `ForAllValues`.
    fn compares(&self, context: &Context) -> bool {
        let seen = context.get(&self.key);
        if self.test == Test::Null {
            return self.values.iter().any(|value| value.text().eq_ignore_ascii_case("true") == seen.is_none());
        }
        let Some(seen) = seen else {
            return self.if_exists
                || match self.set {
                    Set::None => self.negated,
                    Set::AllValues => true,
                    Set::AnyValue => false,
                };
        };
        // Several wanted values are alternatives; negated, none of them may match.
        let good = |seen: &String| self.values.iter().any(|wanted| self.one(seen, wanted, context)) != self.negated;
        match self.set {
            Set::AllValues => seen.iter().all(good),
            Set::None if self.negated => seen.iter().all(good),
            Set::None | Set::AnyValue => seen.iter().any(good),
        }
    }

    fn one(&self, seen: &str, wanted: &Pattern, context: &Context) -> bool {
        if matches!(self.test, Test::StringLike) {
            return wanted.matches(seen, context);
        }
        if self.test == Test::Arn {
            return arn(seen, wanted, context);
        }
        let Some(wanted) = wanted.plain(context) else { return false };
        match self.test {
            Test::String | Test::Binary => *seen == *wanted,
            Test::StringIgnoreCase => seen.to_lowercase() == wanted.to_lowercase(),
            Test::Bool => seen.eq_ignore_ascii_case(&wanted),
            Test::Numeric(order) => match (seen.trim().parse::<f64>(), wanted.trim().parse::<f64>()) {
                (Ok(seen), Ok(wanted)) => ordered(order, seen.partial_cmp(&wanted)),
                _ => false,
            },
            Test::Date(order) => match (date(seen), date(&wanted)) {
                (Some(seen), Some(wanted)) => ordered(order, Some(seen.cmp(&wanted))),
                _ => false,
            },
            Test::Ip => match (seen.parse::<IpAddr>(), network(&wanted)) {
                (Ok(seen), Some(wanted)) => wanted.contains(&seen),
                _ => false,
            },
            Test::StringLike | Test::Arn | Test::Null => false,
        }
    }
}

/// The operator without set and `IfExists`, and whether it is negated.
fn test(name: &str) -> Option<(Test, bool)> {
    Some(match name {
        "StringEquals" => (Test::String, false),
        "StringNotEquals" => (Test::String, true),
        "StringEqualsIgnoreCase" => (Test::StringIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Test::StringIgnoreCase, true),
        "StringLike" => (Test::StringLike, false),
        "StringNotLike" => (Test::StringLike, true),
        "NumericEquals" => (Test::Numeric(Order::Equal), false),
        "NumericNotEquals" => (Test::Numeric(Order::Equal), true),
        "NumericLessThan" => (Test::Numeric(Order::Less), false),
        "NumericLessThanEquals" => (Test::Numeric(Order::LessOrEqual), false),
        "NumericGreaterThan" => (Test::Numeric(Order::Greater), false),
        "NumericGreaterThanEquals" => (Test::Numeric(Order::GreaterOrEqual), false),
        "DateEquals" => (Test::Date(Order::Equal), false),
        "DateNotEquals" => (Test::Date(Order::Equal), true),
        "DateLessThan" => (Test::Date(Order::Less), false),
        "DateLessThanEquals" => (Test::Date(Order::LessOrEqual), false),
        "DateGreaterThan" => (Test::Date(Order::Greater), false),
        "DateGreaterThanEquals" => (Test::Date(Order::GreaterOrEqual), false),
        "Bool" => (Test::Bool, false),
        "BinaryEquals" => (Test::Binary, false),
        "IpAddress" => (Test::Ip, false),
        "NotIpAddress" => (Test::Ip, true),
        // "ArnEquals and ArnLike behave identically."
        "ArnEquals" | "ArnLike" => (Test::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
        "Null" => (Test::Null, false),
        _ => return None,
    })
}

fn ordered(order: Order, found: Option<std::cmp::Ordering>) -> bool {
    found.is_some_and(|found| match order {
        Order::Equal => found.is_eq(),
        Order::Less => found.is_lt(),
        Order::LessOrEqual => found.is_le(),
        Order::Greater => found.is_gt(),
        Order::GreaterOrEqual => found.is_ge(),
    })
}

/// An ISO 8601 time or date, or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).ok();
    }
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

/// A network, or one address.
fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// "Each of the six colon-delimited components of the ARN is checked separately and each can include" wildcards.
fn arn(seen: &str, wanted: &Pattern, context: &Context) -> bool {
    let Some(text) = wanted.plain(context) else { return false };
    let (seen, wanted): (Vec<&str>, Vec<&str>) = (seen.splitn(6, ':').collect(), text.splitn(6, ':').collect());
    seen.len() == 6
        && wanted.len() == 6
        && seen.iter().zip(wanted).all(|(seen, wanted)| Pattern::new(wanted, false).matches(seen, context))
}
