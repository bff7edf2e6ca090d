//! Tables for people.

use serde_json::Value;

use crate::output::{Text, bold};

/// Widest cell but the last of a row, in characters. Wider ones push the rest of their row to the right.
const WIDEST: usize = 60;
/// Between columns.
const GAP: usize = 2;

/// Items as rows. A column is its heading and the pointer (RFC 6901) to its value.
pub(super) fn table(columns: &[(&str, &str)], items: &[Value]) -> Text {
    Table::new(columns).rows(items, true)
}

/// A table that grows. Its columns become wider with what comes, and never narrower.
pub(super) struct Table<'a> {
    columns: &'a [(&'a str, &'a str)],
    widths: Vec<usize>,
}

impl<'a> Table<'a> {
    pub(super) fn new(columns: &'a [(&'a str, &'a str)]) -> Self {
        Self { columns, widths: columns.iter().map(|(heading, _)| heading.chars().count()).collect() }
    }

    /// More rows, with the headings or without.
    pub(super) fn rows(&mut self, items: &[Value], with_heading: bool) -> Text {
        let cell = |item: &Value, pointer: &str| item.pointer(pointer).map_or_else(|| "-".to_owned(), plain);
        let rows: Vec<Vec<String>> =
            items.iter().map(|item| self.columns.iter().map(|(_, pointer)| cell(item, pointer)).collect()).collect();
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = Some(cell.chars().count())
                    .filter(|count| *count <= WIDEST)
                    .map_or(*width, |count| count.max(*width));
            }
        }
        let mut text = Text::default();
        if with_heading {
            let headings: Vec<String> = self.columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
            text.styled(bold(), line(&headings, &self.widths)).push("\n");
        }
        for row in &rows {
            text.push(line(row, &self.widths)).push("\n");
        }
        text
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (at, cell) in cells.iter().enumerate() {
        line.push_str(cell);
        if at + 1 < cells.len() {
            let width = widths.get(at).copied().unwrap_or_default().max(cell.chars().count()) + GAP;
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        }
    }
    line
}

/// A value on one line.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.replace('\n', " "),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let items = [json!({ "a": "x", "b": { "c": [1, 2] } }), json!({ "a": "longer" })];
        let text = table(&[("A", "/a"), ("C", "/b/c")], &items);
        assert_eq!(format!("{text:?}").matches("longer").count(), 1);
        assert_eq!(line(&["x".to_owned(), "y".to_owned()], &[6, 1]), "x       y");
        assert_eq!(plain(&json!(["a", "b"])), "a, b");
    }

    #[test]
    fn a_table_that_grows_keeps_its_columns_and_has_one_heading() {
        let mut growing = Table::new(&[("A", "/a"), ("B", "/b")]);
        let text = |text: Text| format!("{text:?}");
        let first = text(growing.rows(&[json!({ "a": "long", "b": 1 })], true));
        assert!(first.contains("A     B") && first.contains("long  1"), "{first}");
        let more = text(growing.rows(&[json!({ "a": "x", "b": 2 })], false));
        assert!(more.contains("x     2") && !more.contains("A     B"), "{more}");
    }
}
