//! Rules and patterns of definitions, compiled once: every write of every object asks for them.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use carnet_trust::Expression;
use regex::Regex;

/// Most that are remembered; with one more, all are compiled anew as they are needed.
const MOST: usize = 1024;

type Compiled<T> = LazyLock<Mutex<HashMap<String, Arc<T>>>>;

static RULES: Compiled<Result<Expression, String>> = LazyLock::new(Mutex::default);
static PATTERNS: Compiled<Option<Regex>> = LazyLock::new(Mutex::default);

/// A rule over `self` and `oldSelf`, or why it is none.
pub(crate) fn rule(source: &str) -> Arc<Result<Expression, String>> {
    let compile = || Expression::compile_with(source, &["self", "oldSelf"]).map_err(|error| error.to_string());
    once(&RULES, source, compile)
}

/// A pattern. `None` when it is no regular expression.
pub(crate) fn pattern(source: &str) -> Arc<Option<Regex>> {
    once(&PATTERNS, source, || Regex::new(source).ok())
}

fn once<T>(all: &Mutex<HashMap<String, Arc<T>>>, source: &str, compile: impl FnOnce() -> T) -> Arc<T> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = all.get(source) {
        return Arc::clone(found);
    }
    if all.len() >= MOST {
        all.clear();
    }
    let made = Arc::new(compile());
    all.insert(source.to_owned(), Arc::clone(&made));
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compiled_is_found_again_and_mistakes_are_too() {
        assert!(Arc::ptr_eq(&rule("self.a == 1"), &rule("self.a == 1")));
        assert!(rule("self.a ==").is_err() && rule("other.a == 1").is_err());
        assert!(pattern("^a$").as_ref().as_ref().is_some_and(|pattern| pattern.is_match("a")));
        assert!(pattern("(").is_none());
    }
}
