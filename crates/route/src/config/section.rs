//! One section: its fields checked against its schema, its type and its meaning, all mistakes at once.

use std::{cell::LazyCell, ops::Range, sync::Arc};

use carnet_core::Mistake;
use serde_json::Value as Json;
use toml::{
    Spanned,
    de::{DeValue, Error as ShapeError},
};

use super::{
    error::Problem,
    expand::Expansions,
    limits,
    lines::Lines,
    mask::{is_reference, sounds_secret},
    show::{self, Setting},
    tree::{self, Node},
    words::{self, Explained, type_words},
};
use crate::registry::Entry;

/// What is read, and what was found wrong with it so far.
pub(crate) struct Reader<'t> {
    pub(crate) text: &'t str,
    pub(crate) lines: Lines<'t>,
    /// What the text is called in `config show`.
    pub(crate) name: String,
    pub(crate) expansions: Expansions,
    pub(crate) problems: Vec<Problem>,
    /// Places that were not read, or not understood: nothing is shown of them, whatever is reported.
    pub(crate) unread: Vec<Range<usize>>,
    pub(crate) settings: Vec<Setting>,
    /// Words of the command line have no type: a string that does not fit is tried as a TOML value.
    pub(crate) untyped: bool,
}

impl<'t> Reader<'t> {
    pub(crate) fn problem(&mut self, mut problem: Problem) {
        // What a string would have been without its broken reference says nothing.
        let broken = problem.span().and_then(|span| self.expansions.at(span)).is_some_and(|found| found.broken);
        if !broken && self.problems.len() < limits::COLLECTED {
            let place = problem.span().cloned();
            problem.redact_message(|text| self.expansions.redact_pieces(text, place.as_ref()));
            self.problems.push(problem);
        } else {
            self.unread.extend(problem.into_hidden());
        }
    }

    /// Builds what `entry` describes. `anchor` is the place of its name, `path` its dotted name.
    pub(crate) fn build<T: ?Sized>(
        &mut self,
        entry: &Entry<T>,
        fields: Node<'t>,
        anchor: &Range<usize>,
        path: &str,
    ) -> Option<Arc<T>> {
        self.section(|| entry.schema().to_value(), fields, anchor, path, |fields| entry.build(fields))
    }

    /// Reads one section.
    pub(crate) fn section<V>(
        &mut self,
        schema: impl FnOnce() -> Json,
        fields: Node<'t>,
        anchor: &Range<usize>,
        path: &str,
        build: impl Fn(Spanned<DeValue<'_>>) -> Result<Result<V, Vec<Mistake>>, ShapeError>,
    ) -> Option<V> {
        let mut places = Vec::new();
        show::leaves(&fields, &mut Vec::new(), &mut |_, value| places.push(value.span()));
        self.expansions.read_section(&places);
        let read = self.fields(schema, fields, anchor, path, build);
        self.expansions.read_section(&[]);
        read
    }

    /// Reads its fields. Serde stops at the first mistake, so what it complains about is reported, taken away, and
    /// the rest is read again. The schema is made when somebody needs it: for a command line without a mistake nobody does.
    fn fields<V>(
        &mut self,
        schema: impl FnOnce() -> Json,
        mut fields: Node<'t>,
        anchor: &Range<usize>,
        path: &str,
        build: impl Fn(Spanned<DeValue<'_>>) -> Result<Result<V, Vec<Mistake>>, ShapeError>,
    ) -> Option<V> {
        if !fields.get_ref().is_table() {
            let message = format!("wanted a table of fields, found {}", type_words(fields.get_ref()));
            let problem = Problem::new(fields.span(), message).field(path).hiding(&fields);
            self.problem(problem.hint("write { field = value, … }"));
            return None;
        }
        let schema = LazyCell::new(schema);
        let before = self.problems.len();
        if !self.untyped || sounds_secret_somewhere(&fields) {
            self.refuse_written_secrets(&schema, &fields, path);
        }
        let recorded = self.settings.len();
        let mut removed = Removed::default();
        let mut clean = true;
        for _ in 0..limits::MISTAKES {
            match build(fields.clone()) {
                Ok(Ok(value)) if clean => {
                    self.settings.truncate(recorded);
                    // Nobody asks a command line for its settings.
                    if !self.untyped {
                        self.record(&schema, &fields, path);
                    }
                    return (self.problems.len() == before).then_some(value);
                }
                Ok(Err(mistakes)) if clean => {
                    for mistake in mistakes {
                        self.mistake(&fields, anchor, path, mistake);
                    }
                    return None;
                }
                // The rest fits, but was never whole: what its meaning is cannot be said.
                Ok(_) => return None,
                Err(error) => {
                    if self.untyped && reinterpret(self.text, &mut fields, &error) {
                        continue;
                    }
                    clean = false;
                    if !self.misshapen(&schema, &mut fields, &mut removed, anchor, path, &error) {
                        // What is missing is found at the end, when all is read.
                        if words::missing(error.message()).is_none() {
                            tree::places(&fields, &mut self.unread);
                        }
                        return None;
                    }
                }
            }
        }
        tree::places(&fields, &mut self.unread);
        None
    }

    /// Reports what does not fit the type, and takes it away. False when the rest cannot be read either.
    fn misshapen(
        &mut self,
        schema: &Json,
        fields: &mut Node<'_>,
        removed: &mut Removed,
        anchor: &Range<usize>,
        path: &str,
        error: &ShapeError,
    ) -> bool {
        let own = fields.span();
        let span = error.span().unwrap_or_else(|| own.clone());
        let at = if span == own { Some(Vec::new()) } else { tree::path_at(fields, &span) };
        let place = if span == own { anchor.clone() } else { span };
        match &at {
            Some(at) if removed.emptied(at) && words::is_empty_choice(error.message()) => {}
            Some(at) if let Some(missing) = words::missing(error.message()) => {
                let there = tree::get(fields, at);
                let there = |name: &str| there.is_some_and(|table| table.get_ref().get(name).is_some());
                let mut names = show::required(schema, at);
                if !names.contains(&missing) {
                    names.push(missing);
                }
                names.retain(|name| !there(name) && !removed.has(at, name));
                self.missing(schema, &names, at, &place, path);
            }
            _ => self.unfit(schema, error.message(), (&*fields, at.as_deref()), removed, &place, path),
        }
        match at.map(tree::entry) {
            Some(entry) if tree::remove(fields, &entry) => {
                removed.names.push(entry);
                true
            }
            _ => false,
        }
    }

    /// Reports fields that are required at `at`.
    fn missing(&mut self, schema: &Json, names: &[&str], at: &[String], place: &Range<usize>, path: &str) {
        for name in names {
            let about = show::description(schema, &[at, &[(*name).to_owned()]].concat());
            let about = about.map_or_else(|| format!("add {name} = …"), |about| format!("add {name} = …: {about}"));
            let problem = Problem::new(place.clone(), format!("`{name}` is missing"));
            self.problem(problem.field(join(path, at)).hint(about));
        }
    }

    /// Reports what does not fit at `at` in the fields.
    fn unfit(
        &mut self,
        schema: &Json,
        message: &str,
        (fields, at): (&Node<'_>, Option<&[String]>),
        removed: &mut Removed,
        place: &Range<usize>,
        path: &str,
    ) {
        let entry = at.map(|at| tree::entry(at.to_vec())).unwrap_or_default();
        let node = at.map_or(Some(fields), |at| tree::get(fields, at));
        let secret = show::is_secret(schema, &entry) || node.is_some_and(|node| self.holds_variable(node));
        let is_strange = node.is_some_and(|node| match node.get_ref().as_str() {
            // Of a choice, this is what was chosen.
            Some(chosen) if words::is_unknown_variant(message, chosen) => false,
            _ => words::is_of_unknown_name(message),
        });
        let Explained { message, hint, meant } = words::explain(message, secret);
        if let (Some((_, parents)), Some(meant)) = (entry.split_last(), meant) {
            removed.names.push([parents, &[meant]].concat());
        }
        let about = || show::description(schema, &entry).filter(|_| !entry.is_empty());
        let problem = Problem::new(place.clone(), message).field(join(path, at.unwrap_or_default()));
        let problem = match node {
            Some(node) if is_strange => problem.hiding(node),
            Some(node) => problem.hiding_nested(node),
            None => problem,
        };
        // It is taken away as a whole: the elements of a list behind this one are not read.
        if let Some(DeValue::Array(elements)) = tree::get(fields, &entry).map(Spanned::get_ref) {
            let nested = elements.iter().filter(|element| tree::is_nested(element));
            nested.for_each(|element| tree::places(element, &mut self.unread));
        }
        self.problem(match hint.or_else(about) {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }

    fn mistake(&mut self, fields: &Node<'_>, anchor: &Range<usize>, path: &str, mistake: Mistake) {
        let Mistake { field, message, hint, is_unknown } = mistake;
        let place = tree::locate(fields, &field).unwrap_or_else(|| anchor.clone());
        let names: Vec<String> = tree::segments(&field).map(str::to_owned).collect();
        let name = join(path, &names);
        // Where the place does not show the field, the message names it.
        let own = names.iter().rposition(|name| name.parse::<usize>().is_err());
        let message = match own.and_then(|at| names.get(at..)) {
            Some([last, indices @ ..]) if !message.contains(last.as_str()) => {
                format!("{}: {message}", join(last, indices))
            }
            _ => message,
        };
        let mut problem = Problem::new(place.clone(), message).field(name);
        if is_unknown {
            problem = problem.hiding(tree::deepest(fields, &names));
        }
        if let Some(hint) = hint {
            // Unlike ours, it may say the value.
            problem = problem.hint(hint);
            problem.redact(|text| self.expansions.redact(text, Some(&place)));
        }
        self.problem(problem);
    }

    /// A secret must not stand in a file that is kept in version control, nor in a command line that every user of the
    /// machine can read.
    fn refuse_written_secrets(&mut self, schema: &Json, fields: &Node<'_>, path: &str) {
        let mut found = Vec::new();
        show::leaves(fields, &mut Vec::new(), &mut |name, value| {
            let text = value.get_ref().is_str();
            if text && show::is_secret(schema, name) && self.is_written(schema, name, &value.span()) {
                found.push((name.to_vec(), value.span()));
            }
        });
        for (name, span) in found {
            let last = name.last().cloned().unwrap_or_default();
            let file = format!("{last}_file");
            let file = show::has_field(schema, &file).then(|| format!(", or name a file with {file}"));
            let write = if self.untyped { format!("{last}='${{NAME}}'") } else { format!("{last} = \"${{NAME}}\"") };
            let hint = format!("put it into an environment variable and write {write}{}", file.unwrap_or_default());
            let message = format!("`{last}` is a secret and is written out");
            self.problem(Problem::new(span.clone(), message).field(join(path, &name)).hint(hint).hiding_at(span));
        }
    }

    /// Whether a variable was put somewhere in this: it may hold a secret even where the field does not say so.
    fn holds_variable(&self, node: &Node<'_>) -> bool {
        let mut holds = false;
        show::leaves(node, &mut Vec::new(), &mut |_, value| holds |= self.expansions.within(&value.span()));
        holds
    }

    /// What a string became, if there was a variable in it.
    pub(crate) fn expanded(&self, span: &Range<usize>) -> Option<String> {
        self.expansions.at(span).map(|expansion| expansion.value.clone())
    }

    /// Whether what must be a reference is not. A field made for a secret holds nothing else. In a map, such as headers,
    /// most values are not secret, and a secret may stand behind a word such as `Bearer`.
    fn is_written(&self, schema: &Json, name: &[String], span: &Range<usize>) -> bool {
        if show::is_named(schema, name) {
            return !self.is_reference(span);
        }
        let referred = self.expansions.at(span).is_some_and(|expansion| !expansion.variables.is_empty());
        name.last().is_some_and(|last| sounds_secret(last)) && !referred
    }

    fn is_reference(&self, span: &Range<usize>) -> bool {
        let raw = self.text.get(span.clone()).unwrap_or_default();
        self.expansions.at(span).is_some_and(|expansion| expansion.whole) || is_reference(raw.trim_matches(['"', '\'']))
    }

    fn record(&mut self, schema: &Json, fields: &Node<'_>, path: &str) {
        let mut settings = show::record(&self.lines, &self.name, &self.expansions, schema, fields, path);
        self.settings.append(&mut settings);
    }
}

/// Whether a text stands in a field whose name sounds like a secret. The names of all fields that are secrets do, which
/// `names_of_secrets_sound_like_secrets` holds them to.
fn sounds_secret_somewhere(fields: &Node<'_>) -> bool {
    let mut found = false;
    show::leaves(fields, &mut Vec::new(), &mut |name, value| {
        found |= value.get_ref().is_str() && name.iter().any(|part| sounds_secret(part));
    });
    found
}

/// What was reported and taken away from a section because it does not fit, and what unknown fields were probably meant
/// to be. Neither is missing as well.
#[derive(Default)]
struct Removed {
    names: Vec<Vec<String>>,
}

impl Removed {
    /// Whether the table at `at` had this field.
    fn has(&self, at: &[String], field: &str) -> bool {
        self.under(at).any(|name| name == field)
    }

    /// Whether something was taken away from the table at `at`.
    fn emptied(&self, at: &[String]) -> bool {
        self.under(at).next().is_some()
    }

    fn under(&self, at: &[String]) -> impl Iterator<Item = &str> {
        let split = self.names.iter().filter_map(|name| name.split_last());
        split.filter(move |(_, parents)| *parents == at).map(|(name, _)| name.as_str())
    }
}

/// Reads a word that does not fit as a string as a boolean, number, array or table. False when that is not possible.
fn reinterpret<'t>(text: &'t str, fields: &mut Node<'t>, error: &ShapeError) -> bool {
    let Some(span) = error.span() else { return false };
    let Some(value) = tree::path_at(fields, &span).and_then(|path| tree::get_mut(fields, &path)) else {
        return false;
    };
    // A word with a variable in it is not what stands in the text; it stays a string.
    let word = text.get(span.clone()).filter(|word| value.get_ref().as_str() == Some(word));
    match word.map(DeValue::parse) {
        Some(Ok(parsed)) if !parsed.get_ref().is_str() => {
            *value.get_mut() = shift(parsed, span.start).into_inner();
            true
        }
        _ => false,
    }
}

/// Moves all places by so many bytes.
fn shift(value: Node<'_>, by: usize) -> Node<'_> {
    let moved = |span: Range<usize>| span.start + by..span.end + by;
    let span = moved(value.span());
    let value = match value.into_inner() {
        DeValue::Array(array) => {
            let mut shifted = toml::de::DeArray::new();
            array.into_iter().for_each(|value| shifted.push(shift(value, by)));
            DeValue::Array(shifted)
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (Spanned<_>, _)| {
                let span = moved(key.span());
                (Spanned::new(span, key.into_inner()), shift(value, by))
            };
            DeValue::Table(table.into_iter().map(entry).collect())
        }
        scalar => scalar,
    };
    Spanned::new(span, value)
}

pub(crate) fn join(path: &str, names: &[String]) -> String {
    names.iter().fold(path.to_owned(), |path, name| match name.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) if path.is_empty() => name.clone(),
        Err(_) => format!("{path}.{name}"),
    })
}
