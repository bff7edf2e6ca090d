//! Filters (RFC 7644, 3.4.2.2).

mod lexer;
mod parser;

use serde_json::Value;

use super::{AttributePath, Resource, path::member};

/// A filter, for instance `userName sw "svc-" and active eq true`.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Both.
    And(Box<Self>, Box<Self>),
    /// A comparison.
    Compare(AttributePath, Operator, Value),
    /// An element of the attribute satisfies the inner filter: `emails[type eq "work"]`.
    Element(AttributePath, Box<Self>),
    /// Not.
    Not(Box<Self>),
    /// Either.
    Or(Box<Self>, Box<Self>),
    /// The attribute has a value.
    Present(AttributePath),
}

/// How values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub enum Operator {
    Co,
    Eq,
    Ew,
    Ge,
    Gt,
    Le,
    Lt,
    Ne,
    Sw,
}

/// A filter that cannot be read: what is wrong and at which byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at position {position}")]
pub struct FilterError {
    pub(super) problem: &'static str,
    pub(super) position: usize,
}

impl Filter {
    /// Longest filter, in bytes.
    pub const MAX_LENGTH: usize = 8 * 1024;

    /// Deepest nesting.
    pub const MAX_DEPTH: usize = 32;

    /// Reads a filter.
    ///
    /// # Errors
    /// When it is not one, too long or nested too deeply.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parser::parse(text)
    }

    /// Whether the resource satisfies it. `exact` says which attributes compare with regard to case.
    pub(crate) fn matches(&self, resource: &Resource, exact: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::And(left, right) => left.matches(resource, exact) && right.matches(resource, exact),
            Self::Or(left, right) => left.matches(resource, exact) || right.matches(resource, exact),
            Self::Not(inner) => !inner.matches(resource, exact),
            Self::Present(path) => path.values(resource).into_iter().any(is_present),
            Self::Element(path, inner) => {
                path.values(resource).into_iter().filter_map(Value::as_object).any(|item| inner.matches(item, exact))
            }
            Self::Compare(path, operator, wanted) => {
                let exact = exact(path.as_str());
                let values = path.values(resource);
                match operator {
                    // An attribute without a value is not equal to anything but null.
                    Operator::Ne => !values.iter().any(|value| compare(value, Operator::Eq, wanted, exact)),
                    Operator::Eq if wanted.is_null() => values.is_empty(),
                    _ => values.iter().any(|value| compare(value, *operator, wanted, exact)),
                }
            }
        }
    }
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compare(value: &Value, operator: Operator, wanted: &Value, exact: bool) -> bool {
    match (value, wanted) {
        // A complex attribute stands for its `value` (RFC 7643, 2.4).
        (Value::Object(members), _) => {
            member(members, "value").is_some_and(|value| !value.is_object() && compare(value, operator, wanted, exact))
        }
        (Value::String(text), Value::String(wanted)) if exact => compare_text(text, operator, wanted),
        (Value::String(text), Value::String(wanted)) => {
            compare_text(&text.to_lowercase(), operator, &wanted.to_lowercase())
        }
        (Value::Number(number), Value::Number(wanted)) => {
            let order = number.as_f64().zip(wanted.as_f64()).and_then(|(left, right)| left.partial_cmp(&right));
            order.is_some_and(|order| match operator {
                Operator::Eq => order.is_eq(),
                Operator::Ge => order.is_ge(),
                Operator::Gt => order.is_gt(),
                Operator::Le => order.is_le(),
                Operator::Lt => order.is_lt(),
                Operator::Ne => order.is_ne(),
                Operator::Co | Operator::Ew | Operator::Sw => false,
            })
        }
        (Value::Bool(flag), Value::Bool(wanted)) => operator == Operator::Eq && flag == wanted,
        _ => false,
    }
}

/// Times are ISO 8601 in UTC, so their order is that of the text.
fn compare_text(text: &str, operator: Operator, wanted: &str) -> bool {
    match operator {
        Operator::Co => text.contains(wanted),
        Operator::Eq => text == wanted,
        Operator::Ew => text.ends_with(wanted),
        Operator::Ge => text >= wanted,
        Operator::Gt => text > wanted,
        Operator::Le => text <= wanted,
        Operator::Lt => text < wanted,
        Operator::Ne => text != wanted,
        Operator::Sw => text.starts_with(wanted),
    }
}

#[cfg(test)]
mod tests;
