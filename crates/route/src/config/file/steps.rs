//! The steps of a route: what each is called, and what stands in it.

use std::{ops::Range, sync::Arc};

use carnet_core::{Delivery, Exchange};
use toml::de::{DeTable, DeValue};

use super::{
    super::{
        anchors::Anchors,
        error::Problem,
        tree::{self, Node},
        words::type_words,
    },
    File,
};
use crate::{Auto, Role, Start, Unknown, registry::Entry, route::MAX_EXCHANGES};

/// One step as written: its name, the place of the name, its fields.
pub(super) struct Written<'t> {
    name: String,
    anchor: Range<usize>,
    fields: Node<'t>,
}

impl<'t> File<'t, '_> {
    pub(super) fn source(&mut self, value: Node<'t>, path: &str, anchors: &mut Anchors) -> Option<Start> {
        let span = value.span();
        let written = self.written(Role::Source, value, &format!("{path}.source"))?;
        anchors.source = written.anchor.clone();
        if written.name == Auto::NAME {
            let fields = written.fields.get_ref().as_table().map_or(0, DeTable::len);
            if fields > 0 || !written.fields.get_ref().is_table() {
                let problem = Problem::new(span, "`auto` has no fields").field(format!("{path}.source.auto"));
                let problem = problem.hiding(&written.fields);
                self.reader.problem(problem.hint("write source = \"auto\""));
            }
            let text = format!("\"{}\"", Auto::NAME);
            self.record(&format!("{path}.source"), &written.anchor, text);
            return Some(Start::Auto(Auto::new(self.registry)));
        }
        let entry = self.registry.find_source(&written.name).cloned();
        self.step(entry, written, format!("{path}.source")).map(Start::Source)
    }

    pub(super) fn exchange(&mut self, (at, written): (usize, Written<'t>), path: &str) -> Option<Arc<dyn Exchange>> {
        let entry = self.registry.find_exchange(&written.name).cloned();
        self.step(entry, written, format!("{path}.through[{at}]"))
    }

    pub(super) fn delivery(&mut self, (at, written): (usize, Written<'t>), path: &str) -> Option<Arc<dyn Delivery>> {
        let entry = self.registry.find_delivery(&written.name).cloned();
        self.step(entry, written, format!("{path}.deliver[{at}]"))
    }

    fn step<T: ?Sized>(
        &mut self,
        entry: Result<Entry<T>, Unknown>,
        written: Written<'t>,
        path: String,
    ) -> Option<Arc<T>> {
        let Written { name, anchor, fields } = written;
        match entry {
            Ok(entry) => {
                self.record(&path, &anchor, format!("\"{name}\""));
                self.reader.build(&entry, fields, &anchor, &format!("{path}.{name}"))
            }
            Err(unknown) => {
                let problem = Problem::new(anchor, unknown.to_string()).field(path).hiding(&fields);
                self.reader.problem(problem.hint(unknown.hint()));
                None
            }
        }
    }

    pub(super) fn steps(
        &mut self,
        role: Role,
        value: Node<'t>,
        path: &str,
        anchors: &mut Vec<Range<usize>>,
    ) -> Vec<(usize, Written<'t>)> {
        let (span, field) = (value.span(), role.field());
        let path = format!("{path}.{field}");
        let Some(count) = value.get_ref().as_array().map(|array| array.len()) else {
            let problem = Problem::new(span, format!("`{field}` must be a list, also of one")).hiding_nested(&value);
            self.reader.problem(problem.field(path).hint(format!("write {field} = [ {{ name = {{ … }} }} ]")));
            return Vec::new();
        };
        if count > MAX_EXCHANGES {
            let problem = Problem::new(span, format!("{count} steps are more than {MAX_EXCHANGES}")).hiding(&value);
            self.reader.problem(problem.field(path).hint("make several routes of it"));
            return Vec::new();
        }
        let DeValue::Array(array) = value.into_inner() else { return Vec::new() };
        let mut written = Vec::new();
        for (at, value) in array.into_iter().enumerate() {
            anchors.push(value.span());
            if let Some(step) = self.written(role, value, &format!("{path}[{at}]")) {
                if let Some(anchor) = anchors.last_mut() {
                    *anchor = step.anchor.clone();
                }
                written.push((at, step));
            }
        }
        written
    }

    /// `"name"` or `{ name = { … } }`.
    fn written(&mut self, role: Role, value: Node<'t>, path: &str) -> Option<Written<'t>> {
        let span = value.span();
        let wrong = match value.get_ref() {
            DeValue::String(name) => {
                return Some(Written { name: name.to_string(), anchor: span.clone(), fields: tree::empty(span) });
            }
            DeValue::Table(table) => match table.len() {
                0 => format!("this names no {}", role.name()),
                1 => return only(value),
                count => format!("this names {count} {} in one place", role.plural()),
            },
            other => format!("wanted the name of {}, found {}", role.with_article(), type_words(other)),
        };
        let hint = format!("write \"name\" or {{ name = {{ … }} }} with the name of one {}", role.name());
        self.reader.problem(Problem::new(span, wrong).field(path).hint(hint).hiding(&value));
        None
    }
}

/// The only entry of a table.
fn only(table: Node<'_>) -> Option<Written<'_>> {
    let DeValue::Table(table) = table.into_inner() else { return None };
    let (key, fields) = table.into_iter().next()?;
    Some(Written { anchor: key.span(), name: key.into_inner().into_owned(), fields })
}
