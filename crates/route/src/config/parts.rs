//! A route from words of the command line: `--from file path=/run/token --to gcp audience=…`.
//!
//! The words are laid out as a text of one line per flag, so that a mistake is shown under the word it is about.

use std::{ops::Range, sync::Arc};

use carnet_core::{Delivery, Environment};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    error::{ConfigError, Problem, TextOrigin},
    expand,
    lines::Lines,
    section::Reader,
    tree::{self, Node},
};
use crate::{Auto, Registry, Role, Route, Start, Unknown, registry::Entry, route::Step};

/// A name and its fields, as they came with one flag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The flag, for instance `--to`.
    pub flag: String,
    /// The name of the source, exchange or delivery.
    pub name: String,
    /// Its fields. A dot goes into a table (`caller.oci-instance.url`); `-` counts as `_` in the first word. A value is
    /// text, or where text does not fit, TOML (`true`, `3600`, `["a", "b"]`).
    pub fields: Vec<(String, String)>,
}

impl Part {
    /// The words after a flag: the name, then `field=value` as often as needed.
    ///
    /// # Errors
    /// A word that is neither, named with its flag.
    pub fn parse(flag: &str, words: &[String]) -> Result<Self, ConfigError> {
        let mut words = words.iter();
        let name = words.next().cloned().unwrap_or_default();
        let mut part = Self { flag: flag.to_owned(), name, fields: Vec::new() };
        // What a field holds that nobody has looked for yet is not shown.
        let (mut problems, mut unread) = (Vec::new(), Vec::new());
        let mut text = format!("{flag} {}", part.name);
        if part.name.is_empty() || part.name.contains('=') {
            let hint = format!("write {flag} NAME field=value …");
            let message = format!("{flag} needs a name first");
            let sign = flag.len() + 1 + before_sign(&part.name).len();
            let problem = Problem::new(flag.len() + 1..text.len(), message).hiding_at(sign..text.len());
            problems.push(problem.field(flag).hint(hint));
        }
        let mut places: Vec<Range<usize>> = std::iter::once(flag.len() + 1..text.len()).collect();
        for word in words {
            text.push(' ');
            let start = text.len();
            text.push_str(word);
            // A word without a name of its own may be the value of the name before it, or the rest of it.
            let is_named = word.find('=').is_some_and(|sign| sign > 0);
            match places.last_mut().filter(|_| !is_named) {
                Some(place) => place.end = text.len(),
                None => places.push(start..text.len()),
            }
            match word.split_once('=') {
                Some((field, value)) if !field.is_empty() => {
                    unread.push(start.saturating_add(field.len() + 1)..text.len());
                    part.fields.push((field.to_owned(), value.to_owned()));
                }
                _ => {
                    // It may be a secret whose name, before it, is misspelt or left out.
                    let place = start..text.len();
                    let problem = Problem::new(place.clone(), "a word is not field=value").hiding_at(place);
                    let hint = format!("write the fields of {flag} {} as field=value", before_sign(&part.name));
                    problems.push(problem.field(flag).hint(hint));
                }
            }
        }
        if problems.is_empty() { Ok(part) } else { Err(ConfigError::of_words(&text, places, problems, &unread)) }
    }

    /// Builds the delivery that this names, for instance of `--format`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn delivery(
        &self,
        registry: &Registry,
        environment: &dyn Environment,
    ) -> Result<Arc<dyn Delivery>, ConfigError> {
        let layout = Layout::of([self]);
        layout.read(environment, |reader, parts| {
            let (part, line) = parts.into_iter().next()?;
            build(reader, registry.find_delivery(&part.name).cloned(), part, &line)
        })
    }
}

/// A route from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// What it is called in reports.
    pub name: String,
    /// The source; `auto` when `None`.
    pub source: Option<Part>,
    /// The exchanges, in order.
    pub through: Vec<Part>,
    /// The deliveries, in order.
    pub deliver: Vec<Part>,
    /// What the last credential must name.
    pub audience: Option<String>,
}

impl RouteSpec {
    /// A route of these parts.
    pub fn from_parts(source: Option<Part>, through: Vec<Part>, deliver: Vec<Part>) -> Self {
        Self { name: "command line".to_owned(), source, through, deliver, audience: None }
    }

    /// Sets the audience of the last step.
    #[must_use]
    pub fn audience(mut self, audience: Option<String>) -> Self {
        self.audience = audience;
        self
    }

    /// Builds and checks the route.
    ///
    /// # Errors
    /// Everything that is wrong with it, each under the flag it is about.
    pub fn build(&self, registry: &Registry, environment: &dyn Environment) -> Result<Route, ConfigError> {
        let layout = Layout::of(self.source.iter().chain(&self.through).chain(&self.deliver));
        layout.read(environment, |reader, parts| {
            let mut parts = parts.into_iter();
            let source: Vec<_> = parts.by_ref().take(usize::from(self.source.is_some())).collect();
            let through: Vec<_> = parts.by_ref().take(self.through.len()).collect();
            let deliver: Vec<_> = parts.collect();
            let place = |step: &Step| {
                let like = match step.role {
                    Role::Source => &source,
                    Role::Exchange => &through,
                    Role::Delivery => &deliver,
                };
                like.get(step.index).map(|(_, line)| line.name.clone())
            };
            let start = match source.first() {
                Some((part, line)) if part.name == Auto::NAME && !part.fields.is_empty() => {
                    let problem = Problem::new(line.name.clone(), "`auto` has no fields").field(&part.flag);
                    let problem = line.values().fold(problem, Problem::hiding_at);
                    reader.problem(problem.hint(format!("write {} {}", part.flag, Auto::NAME)));
                    None
                }
                Some((part, line)) if part.name != Auto::NAME => {
                    build(reader, registry.find_source(&part.name).cloned(), part, line).map(Start::Source)
                }
                _ => Some(Start::Auto(Auto::new(registry))),
            };
            let exchanges = through
                .iter()
                .map(|(part, line)| build(reader, registry.find_exchange(&part.name).cloned(), part, line))
                .collect::<Vec<_>>();
            let deliveries = deliver
                .iter()
                .map(|(part, line)| build(reader, registry.find_delivery(&part.name).cloned(), part, line))
                .collect::<Vec<_>>();
            let exchanges = exchanges.into_iter().collect::<Option<Vec<_>>>()?;
            let deliveries = deliveries.into_iter().collect::<Option<Vec<_>>>()?;
            match Route::new(self.name.clone(), start?, exchanges, deliveries) {
                Ok(route) => Some(route.audience(self.audience.clone())),
                Err(misfits) => {
                    for misfit in misfits {
                        let problem = Problem::new(place(&misfit.to).unwrap_or_default(), misfit.to_string());
                        let problem = problem.hint(misfit.hint(registry));
                        reader.problem(match place(&misfit.from) {
                            Some(span) => problem.related(span, misfit.label()),
                            None => problem,
                        });
                    }
                    None
                }
            }
        })
    }
}

/// Where the words of a part stand in the text.
#[derive(Clone, Debug)]
struct Line {
    name: Range<usize>,
    /// Place of the name and of the value, by field.
    fields: Vec<(Range<usize>, Range<usize>)>,
}

impl Line {
    /// Where the values stand.
    fn values(&self) -> impl Iterator<Item = Range<usize>> {
        self.fields.iter().map(|(_, value)| value.clone())
    }
}

struct Layout<'p> {
    text: String,
    parts: Vec<(&'p Part, Line)>,
}

impl<'p> Layout<'p> {
    fn of(parts: impl IntoIterator<Item = &'p Part>) -> Self {
        let mut layout = Self { text: String::new(), parts: Vec::new() };
        for part in parts {
            layout.text.push_str(&part.flag);
            layout.text.push(' ');
            let name = layout.push(&part.name);
            let mut fields = Vec::new();
            for (field, value) in &part.fields {
                layout.text.push(' ');
                let field = layout.push(field);
                layout.text.push('=');
                fields.push((field, layout.push(value)));
            }
            layout.text.push('\n');
            layout.parts.push((part, Line { name, fields }));
        }
        layout
    }

    /// Where the fields stand, each with its value.
    fn words(&self) -> impl Iterator<Item = Range<usize>> {
        let fields = self.parts.iter().flat_map(|(_, line)| &line.fields);
        fields.map(|(field, value)| field.start..value.end)
    }

    fn push(&mut self, word: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(word);
        start..self.text.len()
    }

    fn read<T>(
        &self,
        environment: &dyn Environment,
        read: impl FnOnce(&mut Reader<'_>, Vec<(&'p Part, Line)>) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let mut problems = Vec::new();
        let mut expansions = expand::Expansions::default();
        for (part, line) in &self.parts {
            for ((_, value), (_, span)) in part.fields.iter().zip(&line.fields) {
                let mut node = Spanned::new(span.clone(), DeValue::String(value.as_str().into()));
                expand::expand(&mut node, &self.text, environment, &mut problems, &mut expansions);
            }
        }
        let name = TextOrigin::CommandLine.name();
        let (unread, settings) = (Vec::new(), Vec::new());
        let mut reader = Reader {
            text: &self.text,
            lines: Lines::of(&self.text),
            name,
            expansions,
            problems,
            unread,
            settings,
            untyped: true,
        };
        let built = read(&mut reader, self.parts.clone());
        match built {
            Some(built) if reader.problems.is_empty() => Ok(built),
            _ => Err(ConfigError::of_words(&self.text, self.words(), reader.problems, &reader.unread)),
        }
    }
}

fn build<T: ?Sized>(
    reader: &mut Reader<'_>,
    entry: Result<Entry<T>, Unknown>,
    part: &Part,
    line: &Line,
) -> Option<Arc<T>> {
    let entry = match entry {
        Ok(entry) => entry,
        Err(unknown) => {
            let problem = Problem::new(line.name.clone(), unknown.to_string()).field(&part.flag).hint(unknown.hint());
            // What is a secret in it nobody knows.
            reader.problem(line.values().fold(problem, Problem::hiding_at));
            return None;
        }
    };
    let before = reader.problems.len();
    let mut fields: Node<'_> = tree::empty(line.name.clone());
    for ((field, value), (key, span)) in part.fields.iter().zip(&line.fields) {
        let expanded = reader.expanded(span).unwrap_or_else(|| value.clone());
        let mut names: Vec<String> = tree::segments(field).map(str::to_owned).collect();
        if let Some(first) = names.first_mut() {
            *first = first.replace('-', "_");
        }
        let value = Spanned::new(span.clone(), DeValue::String(expanded.into()));
        if !insert(&mut fields, &names, key, value) {
            let problem = Problem::new(key.clone(), format!("`{field}` is given twice")).field(&part.flag);
            let problem = problem.hiding_at(span.clone());
            reader.problem(problem.hint("give it once; a list is written field='[\"a\", \"b\"]'"));
        }
    }
    let path = format!("{} {}", part.flag, part.name);
    let built = reader.build(&entry, fields, &line.name, &path);
    built.filter(|_| reader.problems.len() == before)
}

/// What stands before the first `=`: where a name is wanted and a field was given, its value may be a secret.
pub fn before_sign(word: &str) -> &str {
    word.split_once('=').map_or(word, |(before, _)| before)
}

/// Puts a value under a dotted name. False when something is there already.
fn insert<'t>(node: &mut Node<'t>, names: &[String], key: &Range<usize>, value: Node<'t>) -> bool {
    let Some((first, rest)) = names.split_first() else { return false };
    let DeValue::Table(table) = node.get_mut() else { return false };
    if rest.is_empty() {
        let taken = table.contains_key(first.as_str());
        if !taken {
            table.insert(Spanned::new(key.clone(), first.clone().into()), value);
        }
        return !taken;
    }
    if !table.contains_key(first.as_str()) {
        let name = Spanned::new(key.clone(), first.clone().into());
        table.insert(name, Spanned::new(key.clone(), DeValue::Table(DeTable::new())));
    }
    table.get_mut(first.as_str()).is_some_and(|next| insert(next, rest, key, value))
}
