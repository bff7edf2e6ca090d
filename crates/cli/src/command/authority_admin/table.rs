//! Tables for people.

use serde_json::Value;

use crate::output::{Text, bold};

/// Widest cell but the last of a row, in characters. Wider ones push the rest of their row to the right.
const WIDEST: usize = 60;
/// Between columns.
const GAP: usize = 2;

/// Items as rows. A column is its heading and the pointer (RFC 6901) to its value.
pub(super) fn table(columns: &[(&str, &str)], items: &[Value]) -> Text {
    let cell = |item: &Value, pointer: &str| item.pointer(pointer).map_or_else(|| "-".to_owned(), plain);
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|(_, pointer)| cell(item, pointer)).collect()).collect();
    let width = |at: usize, heading: &str| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.filter(|width| *width <= WIDEST).max().unwrap_or_default().max(heading.chars().count())
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(|(at, (heading, _))| width(at, heading)).collect();
    let mut text = Text::default();
    let headings: Vec<String> = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    text.styled(bold(), line(&headings, &widths)).push("\n");
    for row in &rows {
        text.push(line(row, &widths)).push("\n");
    }
    text
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
}
