//! The file: its version, its routes. For the steps of a route see `steps`.

mod steps;

use std::{ops::Range, path::Path, sync::Arc};

use carnet_core::Environment;
use carnet_renew::Schedule;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue, ValueDeserializer},
};

use super::{
    VERSION,
    anchors::Anchors,
    error::{ConfigError, Problem, TextOrigin},
    expand, limits,
    lines::Lines,
    refresh::RefreshSection,
    section::Reader,
    show::{self, Setting},
    tree::Node,
    unparsed,
    words::type_words,
};
use crate::{
    Registry, Role, Route,
    registry::{Entry, Section},
    route::Misfit,
    suggest,
};

/// The fields of the file, of a route and of its `refresh`.
const TOP: [&str; 2] = ["version", "route"];
const REFRESH: [&str; 2] = ["at_percent", "margin_seconds"];
const ROUTE: &[&str] = &["source", "through", "deliver", "audience", "refresh"];

/// What a file says.
pub(crate) struct Content {
    pub(crate) routes: Vec<Route>,
    /// The sections that stand in it, by name.
    pub(crate) sections: Vec<(&'static str, Arc<Section>)>,
    pub(crate) settings: Vec<Setting>,
}

pub(crate) fn read(
    text: &str,
    path: Option<&Path>,
    registry: &Registry,
    environment: &dyn Environment,
) -> Result<Content, ConfigError> {
    let origin = TextOrigin::File(path.map(Path::to_owned));
    if text.len() > limits::FILE {
        let problem = Problem::whole(format!("the file is larger than {} bytes", limits::FILE));
        return Err(ConfigError::new(origin, "", vec![problem.hint("split it into several files")]));
    }
    let (tree, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problems = errors.iter().take(limits::COLLECTED).map(not_toml).collect();
        let fields: Vec<&str> = TOP.into_iter().chain(ROUTE.iter().copied()).chain(REFRESH).collect();
        let unread = unparsed::values(text, &fields, registry);
        return Err(ConfigError::of_read(origin, text, problems, &unread));
    }
    let span = tree.span();
    let mut tree = Spanned::new(span, DeValue::Table(tree.into_inner()));
    let mut problems = Vec::new();
    let mut expansions = expand::Expansions::default();
    expand::expand(&mut tree, text, environment, &mut problems, &mut expansions);
    let name = origin.name();
    let (unread, settings) = (Vec::new(), Vec::new());
    let lines = Lines::of(text);
    let reader = Reader { text, lines, name, expansions, problems, unread, settings, untyped: false };
    let mut file = File { reader, registry, sections: Vec::new() };
    let routes = file.top(tree);
    let File { reader: Reader { problems, unread, settings, .. }, sections, .. } = file;
    if problems.is_empty() {
        Ok(Content { routes, sections, settings })
    } else {
        Err(ConfigError::of_read(origin, text, problems, &unread))
    }
}

fn not_toml(error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    Problem::new(span, error.message()).hint("the file must be TOML 1.0: name = \"value\" under a [section]")
}

struct File<'t, 'r> {
    reader: Reader<'t>,
    registry: &'r Registry,
    sections: Vec<(&'static str, Arc<Section>)>,
}

impl<'t> File<'t, '_> {
    fn top(&mut self, tree: Node<'t>) -> Vec<Route> {
        let DeValue::Table(table) = tree.into_inner() else { return Vec::new() };
        self.version(table.get("version"));
        let mut routes = Vec::new();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "version" => {}
                "route" => self.routes(value, &mut routes),
                name => match self.registry.sections().iter().find(|entry| entry.name() == name) {
                    Some(entry) => {
                        let built = self.reader.build(entry, value, &key.span(), entry.name());
                        self.sections.extend(built.map(|built| (entry.name(), built)));
                    }
                    None => self.unknown_at_top(&key, &value),
                },
            }
        }
        routes
    }

    fn unknown_at_top(&mut self, key: &Spanned<DeString<'t>>, value: &Node<'t>) {
        let sections = self.registry.sections().iter().map(Entry::name);
        let known: Vec<&str> = TOP.into_iter().chain(sections).collect();
        self.unknown(key, value, "", &known);
    }

    fn version(&mut self, version: Option<&Node<'t>>) {
        let hint = format!("write version = {VERSION}");
        let Some(version) = version else {
            return self.reader.problem(Problem::new(0..0, "`version` is missing").field("version").hint(hint));
        };
        let span = version.span();
        let number = version.get_ref().as_integer().map(ToString::to_string);
        match number {
            Some(number) if number == VERSION.to_string() => {
                self.record("version", &span, number);
            }
            Some(number) => {
                let message = format!("version {number} of the file format is not known to this carnet");
                self.reader.problem(Problem::new(span, message).field("version").hint(hint));
            }
            None => {
                let message = format!("wanted the number {VERSION}, found {}", type_words(version.get_ref()));
                let problem = Problem::new(span, message).field("version").hiding_nested(version);
                self.reader.problem(problem.hint(hint));
            }
        }
    }

    fn routes(&mut self, value: Node<'t>, routes: &mut Vec<Route>) {
        let span = value.span();
        let Some(count) = value.get_ref().as_table().map(DeTable::len) else {
            let problem = Problem::new(span, "`route` must be a table of routes").field("route").hiding(&value);
            return self.reader.problem(problem.hint("write [route.NAME] and its fields below"));
        };
        if count > limits::ROUTES {
            let message = format!("{count} routes are more than {}", limits::ROUTES);
            let problem = Problem::new(span, message).field("route").hiding(&value);
            return self.reader.problem(problem.hint("split the file"));
        }
        if let DeValue::Table(table) = value.into_inner() {
            routes.extend(table.into_iter().filter_map(|(key, value)| self.route(&key, value)));
        }
    }

    fn route(&mut self, key: &Spanned<DeString<'t>>, value: Node<'t>) -> Option<Route> {
        let name = key.get_ref().to_string();
        let path = if name.contains('.') { format!("route.\"{name}\"") } else { format!("route.{name}") };
        let before = self.reader.problems.len();
        if !is_name(&name) {
            let problem = Problem::new(key.span(), format!("`{name}` cannot be the name of a route")).field(&path);
            self.reader.problem(problem.hint(format!(
                "begin with a letter or digit and go on with letters, digits, `-`, `_` and `.`, {} at most",
                limits::NAME
            )));
        }
        if !value.get_ref().is_table() {
            // It may be meant as a field of something else.
            let problem = Problem::new(value.span(), "a route must be a table").field(&path).hiding(&value);
            self.reader.problem(problem.hint(format!("write [route.{name}] and its fields below")));
        }
        let DeValue::Table(table) = value.into_inner() else { return None };
        let mut anchors = Anchors { source: key.span(), ..Anchors::default() };
        let (mut start, mut exchanges, mut deliveries) = (None, Vec::new(), Vec::new());
        let (mut audience, mut schedule, mut has_source) = (None, None, false);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "source" => {
                    has_source = true;
                    start = self.source(value, &path, &mut anchors);
                }
                "through" => exchanges = self.steps(Role::Exchange, value, &path, &mut anchors.through),
                "deliver" => deliveries = self.steps(Role::Delivery, value, &path, &mut anchors.deliver),
                "audience" => audience = self.audience(&value, &path),
                "refresh" => schedule = self.refresh(&key, value, &path),
                _ => self.unknown(&key, &value, &path, ROUTE),
            }
        }
        if !has_source {
            let problem = Problem::new(key.span(), format!("the route `{name}` has no source")).field(&path);
            self.reader.problem(problem.hint("write source = \"auto\", or name one: source = { oci-instance = {} }"));
        }
        let exchanges = exchanges.into_iter().map(|written| self.exchange(written, &path)).collect::<Vec<_>>();
        let deliveries = deliveries.into_iter().map(|written| self.delivery(written, &path)).collect::<Vec<_>>();
        let (start, exchanges, deliveries) = (
            start?,
            exchanges.into_iter().collect::<Option<Vec<_>>>()?,
            deliveries.into_iter().collect::<Option<Vec<_>>>()?,
        );
        match Route::new(name, start, exchanges, deliveries) {
            Ok(route) if self.reader.problems.len() == before => {
                let route = route.audience(audience);
                Some(match schedule {
                    Some(schedule) => route.schedule(schedule),
                    None => route,
                })
            }
            Ok(_) => None,
            Err(misfits) => {
                for misfit in &misfits {
                    self.misfit(misfit, &anchors, &path);
                }
                None
            }
        }
    }

    fn audience(&mut self, value: &Node<'t>, path: &str) -> Option<String> {
        let field = format!("{path}.audience");
        let Some(audience) = value.get_ref().as_str().filter(|audience| !audience.is_empty()) else {
            let problem = Problem::new(value.span(), "`audience` must be a text that is not empty").field(field);
            let problem = problem.hiding_nested(value);
            self.reader.problem(problem.hint("it is what the last credential of the route must name"));
            return None;
        };
        let shown = show::shown(&self.reader.expansions, &["audience".to_owned()], value);
        self.record(&field, &value.span(), shown);
        Some(audience.to_owned())
    }

    fn refresh(&mut self, key: &Spanned<DeString<'t>>, value: Node<'t>, path: &str) -> Option<Schedule> {
        let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<RefreshSection>();
        let path = format!("{path}.refresh");
        self.reader.section(
            || schema.to_value(),
            value,
            &key.span(),
            &path,
            |fields| Ok(RefreshSection::deserialize(ValueDeserializer::from(fields))?.build()),
        )
    }

    fn misfit(&mut self, misfit: &Misfit, anchors: &Anchors, path: &str) {
        let field = format!("{path}.{}", misfit.to.role.field());
        self.reader.problem(
            Problem::new(anchors.of(&misfit.to), misfit.to_string())
                .field(field)
                .hint(misfit.hint(self.registry))
                .related(anchors.of(&misfit.from), misfit.label()),
        );
    }

    fn unknown(&mut self, key: &Spanned<DeString<'t>>, value: &Node<'t>, path: &str, fields: &[&str]) {
        let name = key.get_ref();
        let hint = match suggest(name, fields.iter().copied()) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!("the fields are: {}", fields.join(", ")),
        };
        let field = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        let problem = Problem::new(key.span(), format!("unknown field `{name}`")).hiding(value);
        self.reader.problem(problem.field(field).hint(hint));
    }

    fn record(&mut self, field: &str, span: &Range<usize>, value: String) {
        let Reader { lines, name, expansions, .. } = &self.reader;
        let setting = show::setting(lines, name, expansions, field, span, value);
        self.reader.settings.push(setting);
    }
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|letter| letter.is_ascii_alphanumeric());
    let rest = letters.all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    first && rest && name.len() <= limits::NAME
}
