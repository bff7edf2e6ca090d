//! What is wrong, where, and what to do about it.

mod excerpt;
mod hide;
mod quote;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use carnet_core::{Error, Place};
use serde::Serialize;

pub(crate) use self::hide::{blot_value, hidden, said_forms};
use self::{
    excerpt::Excerpt,
    hide::{blot, user_in_url, without_echo, without_pieces},
};
use super::{
    limits,
    lines::Lines,
    mask::{mask, mask_each},
    tree::{self, Node},
};

/// What the command line is called where a file would have its path.
const COMMAND_LINE: &str = "command line";

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug)]
pub struct ConfigError {
    origin: TextOrigin,
    /// What was read, with everything hidden that could be a secret. Same length as the original.
    text: String,
    problems: Vec<Problem>,
    /// Whether there are more mistakes than those.
    has_more: bool,
}

/// Where a text came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TextOrigin {
    CommandLine,
    File(Option<PathBuf>),
}

impl TextOrigin {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::CommandLine => COMMAND_LINE.to_owned(),
            Self::File(Some(path)) => plain(&path.display().to_string()),
            Self::File(None) => "configuration".to_owned(),
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it is. `None` when it is about the whole file.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The field, dotted, for instance `route.reader.through[0].gcp.audience`. Empty when it is in no field. Cut where it is
    /// long.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(skip)]
    span: Option<Range<usize>>,
    #[serde(skip)]
    related: Option<(Range<usize>, String)>,
    /// Values that are not shown, whatever they are.
    #[serde(skip)]
    hidden: Vec<Range<usize>>,
}

impl Problem {
    pub(crate) fn new(span: Range<usize>, message: impl AsRef<str>) -> Self {
        let message = plain(message.as_ref());
        Self {
            place: None,
            field: String::new(),
            message,
            hint: None,
            span: Some(span),
            related: None,
            hidden: Vec::new(),
        }
    }

    pub(crate) fn span(&self) -> Option<&Range<usize>> {
        self.span.as_ref()
    }

    /// Changes what it says is wrong.
    pub(crate) fn redact_message(&mut self, change: impl Fn(&str) -> String) {
        self.message = change(&self.message);
    }

    /// Changes all that it says.
    pub(crate) fn redact(&mut self, change: impl Fn(&str) -> String) {
        self.message = change(&self.message);
        self.hint = self.hint.as_deref().map(change);
    }

    /// About the whole file.
    pub(crate) fn whole(message: impl AsRef<str>) -> Self {
        Self { span: None, ..Self::new(0..0, message) }
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    pub(crate) fn field(mut self, field: impl AsRef<str>) -> Self {
        self.field = plain(&quote::short_name(field.as_ref()));
        self
    }

    pub(crate) fn hint(mut self, hint: impl AsRef<str>) -> Self {
        self.hint = Some(plain(hint.as_ref()));
        self
    }

    pub(crate) fn related(mut self, span: Range<usize>, label: impl AsRef<str>) -> Self {
        self.related = Some((span, plain(label.as_ref())));
        self
    }

    /// Shows nothing of what stands in this place.
    pub(crate) fn hiding_at(mut self, place: Range<usize>) -> Self {
        self.hidden.push(place);
        self
    }

    /// Shows nothing of what stands in this field, which nobody knows or reads: its name, or one in it, may be that of a secret,
    /// misspelt.
    pub(crate) fn hiding(mut self, field: &Node<'_>) -> Self {
        tree::places(field, &mut self.hidden);
        self
    }

    /// The same for a field that is known by its name and has a value of the wrong shape: what stands alone in it is shown.
    pub(crate) fn hiding_nested(self, field: &Node<'_>) -> Self {
        if tree::is_nested(field) { self.hiding(field) } else { self }
    }

    /// The places of which it shows nothing, for who does not report it.
    pub(crate) fn into_hidden(self) -> Vec<Range<usize>> {
        self.hidden
    }
}

impl ConfigError {
    pub(crate) fn new(origin: TextOrigin, text: &str, problems: Vec<Problem>) -> Self {
        Self::of(origin, text, &mask(text), problems, &[])
    }

    /// Of a text that was read as far as it could be; `unread` are places of which nothing is shown, beside those that the
    /// problems name.
    pub(crate) fn of_read(origin: TextOrigin, text: &str, problems: Vec<Problem>, unread: &[Range<usize>]) -> Self {
        Self::of(origin, text, &mask(text), problems, unread)
    }

    /// The same of a command line; `words` are the places of its names with their values.
    pub(crate) fn of_words(
        text: &str,
        words: impl IntoIterator<Item = Range<usize>>,
        problems: Vec<Problem>,
        unread: &[Range<usize>],
    ) -> Self {
        Self::of(TextOrigin::CommandLine, text, &mask_each(text, words), problems, unread)
    }

    fn of(origin: TextOrigin, text: &str, masked: &str, mut problems: Vec<Problem>, unread: &[Range<usize>]) -> Self {
        let hidden = unread.iter().fold(hidden(text, masked), blot_value);
        // Also of those that are not reported because there are too many.
        let hidden = problems.iter().flat_map(|problem| &problem.hidden).fold(hidden, blot_value);
        problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
        problems.dedup();
        let has_more = problems.len() > limits::REPORTED;
        problems.truncate(limits::REPORTED);
        for span in problems.iter_mut().filter_map(|problem| problem.span.as_mut()) {
            *span = clamp(text, span);
        }
        let users = problems.iter().filter_map(|problem| user_in_url(text, problem));
        let hidden = users.fold(hidden, blot);
        let lines = Lines::of(text);
        for problem in &mut problems {
            if let Some(span) = problem.span.clone() {
                let field = problem.field.clone();
                problem.redact(|said| without_echo(said, text, &hidden, &span));
                problem.redact_message(|said| without_pieces(said, text, &hidden, &span, &field));
                problem.place = Some(lines.place(span.start));
            }
            problem.redact(|text| quote::short(&carnet_core::redacted(text)));
            if let Some((span, label)) = &mut problem.related {
                *span = clamp(text, span);
                *label = quote::short(label);
            }
        }
        Self { origin, text: hidden, problems, has_more }
    }

    /// The mistakes, in the order of the file; of very many the first 1000.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The file, if it was one.
    pub fn path(&self) -> Option<&Path> {
        match &self.origin {
            TextOrigin::File(path) => path.as_deref(),
            TextOrigin::CommandLine => None,
        }
    }

    /// For people: each mistake under the lines it is about; of many the first 20. `width` is that of the terminal.
    pub fn render(&self, colour: bool, width: usize) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.term_width(width);
        let more = self.more(limits::SHOWN);
        let shown = self.problems.iter().take(limits::SHOWN).chain(&more);
        let parts: Vec<String> = shown.map(|problem| self.rendered(problem, &renderer)).collect();
        parts.join("\n\n")
    }

    fn rendered(&self, problem: &Problem, renderer: &Renderer) -> String {
        let name = self.origin.name();
        let title = Level::ERROR.primary_title(problem.message.as_str());
        let related = problem.related.as_ref();
        let excerpt = problem.span.as_ref().map(|span| Excerpt::of(&self.text, span, related.map(|(span, _)| span)));
        let mut report = vec![match &excerpt {
            Some(Excerpt { text, first_line, span, related: near, .. }) => {
                let mut snippet = Snippet::source(*text)
                    .line_start(*first_line)
                    .path(name.as_str())
                    .annotation(AnnotationKind::Primary.span(span.clone()));
                if let (Some(span), Some((_, label))) = (near, related) {
                    let context = AnnotationKind::Context.span(span.clone()).label(label.as_str());
                    snippet = snippet.annotation(context);
                }
                title.element(snippet)
            }
            None => title.element(annotate_snippets::Origin::path(name.as_str())),
        }];
        if let Some(hint) = &problem.hint {
            report.push(Group::with_title(Level::HELP.secondary_title(hint.as_str())));
        }
        let drawn = renderer.render(&report);
        match (problem.place, excerpt.map_or(0, |excerpt| excerpt.missing)) {
            // The renderer counts columns from where the line was cut.
            (Some(Place { line, column }), missing @ 1..) => {
                let cut = format!("{name}:{line}:{}", column.saturating_sub(missing));
                drawn.replacen(&cut, &format!("{name}:{line}:{column}"), 1)
            }
            _ => drawn,
        }
    }

    /// That there are more mistakes than so many, if there are.
    fn more(&self, shown: usize) -> Option<Problem> {
        let message = match (self.problems.len().saturating_sub(shown), self.has_more) {
            (0, false) => return None,
            (0, true) => format!("there are more mistakes than these {shown}"),
            (1, false) => "1 more mistake".to_owned(),
            (more, false) => format!("{more} more mistakes"),
            (more, true) => format!("more than {more} more mistakes"),
        };
        Some(Problem::whole(message).hint("correct these first"))
    }

    /// For programs: 1000 mistakes at most, and one without a place that says so where there are more.
    pub fn to_json(&self) -> serde_json::Value {
        let more = self.more(self.problems.len());
        let mistakes: Vec<&Problem> = self.problems.iter().chain(&more).collect();
        serde_json::json!({ "version": 1, "file": self.origin.name(), "mistakes": mistakes })
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.origin.name();
        match self.problems.len() {
            1 => write!(f, "read {name}: 1 mistake"),
            count if self.has_more => write!(f, "read {name}: more than {count} mistakes"),
            count => write!(f, "read {name}: {count} mistakes"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Each mistake becomes a hint with its place, so that nothing is lost where the error is shown as any other; of many the
/// first 20.
impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        let name = error.origin.name();
        let mut outer = Self::configuration(error.to_string());
        let more = error.more(limits::SHOWN);
        for Problem { place, message, hint, .. } in error.problems.iter().take(limits::SHOWN).chain(&more) {
            let place = place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
            let hint = hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            outer = outer.hint(format!("{name}{place}: {message}{hint}"));
        }
        outer
    }
}

/// Control characters shown as what they are, so that a file cannot paint on the terminal of whoever checks it.
pub(crate) fn plain(text: &str) -> String {
    let hidden = |letter: char| {
        let direction = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        letter.is_control() || direction
    };
    text.chars().fold(String::with_capacity(text.len()), |mut plain, letter| {
        if hidden(letter) {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
        plain
    })
}

/// Brings a span into the text and onto the borders of characters; an empty one covers one character, if there is one.
fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end.max(start));
    if end > start {
        return start..end;
    }
    let next = text.get(start..).and_then(|rest| rest.chars().next()).filter(|letter| *letter != '\n');
    start..start + next.map_or(0, char::len_utf8)
}
