//! Lists, a page at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{answer::Failure, input};

/// Items on a page unless asked for.
const USUAL_PAGE: usize = 100;
/// Most items on a page.
pub(crate) const MAX_PAGE: usize = 1000;

/// A page of a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub(crate) struct Page<T> {
    /// The items, in the order of their names.
    pub(crate) items: Vec<T>,
    /// What to give as `after` for the next page. Absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// Which page.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// Only what comes after this name.
    #[serde(default)]
    pub(crate) after: Option<String>,
    /// Most items, 1 to 1000; 100 unless given.
    #[serde(default, deserialize_with = "input::number")]
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) limit: Option<usize>,
}

/// How many items are asked for.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Failure> {
    match asked {
        None => Ok(USUAL_PAGE),
        Some(limit) if (1..=MAX_PAGE).contains(&limit) => Ok(limit),
        Some(_) => Err(Failure::invalid(format!("a page has 1 to {MAX_PAGE} items")).field("limit")),
    }
}

impl<T> Page<T> {
    /// The page of at most `limit` items of which one more was asked for, if there are more.
    pub(crate) fn cut(mut items: Vec<T>, limit: usize, name: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(name);
        Self { items, next }
    }

    /// The page of a whole list that is in the order of its names.
    pub(crate) fn of(all: Vec<T>, query: &PageQuery, name: impl Fn(&T) -> String) -> Result<Self, Failure> {
        let limit = limit(query.limit)?;
        let rest = all.into_iter().filter(|item| query.after.as_ref().is_none_or(|after| name(item) > *after));
        Ok(Self::cut(rest.take(limit + 1).collect(), limit, name))
    }
}
