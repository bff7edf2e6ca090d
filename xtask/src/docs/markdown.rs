//! The little Markdown that the checks and the generated pages need.

/// A block between fences: its language, its first line in the file, its text.
pub(super) struct Block<'a> {
    pub(super) language: &'a str,
    pub(super) line: usize,
    pub(super) text: String,
}

/// The fenced blocks of a page.
pub(super) fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found: Vec<Block<'_>> = Vec::new();
    let mut open = false;
    for (index, line) in page.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            open = !open;
            if open {
                found.push(Block { language, line: index + 2, text: String::new() });
            }
        } else if open && let Some(block) = found.last_mut() {
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    found
}

/// The lines outside of fenced blocks, without what stands between backticks.
pub(super) fn prose(page: &str) -> Vec<String> {
    let mut open = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            open = !open;
        } else if !open {
            lines.push(line.split('`').step_by(2).collect::<Vec<_>>().join(""));
        }
    }
    lines
}

/// The targets of the links `[text](target)` of a page.
pub(super) fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(page) {
        for rest in line.split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// The anchors of a page's headings, as mdbook makes them.
pub(super) fn anchors(page: &str) -> Vec<String> {
    let mut open = false;
    let mut found: Vec<String> = Vec::new();
    for line in page.lines() {
        open ^= line.trim_start().starts_with("```");
        if open || !line.starts_with('#') {
            continue;
        }
        let anchor = anchor(line.trim_start_matches('#'));
        let count = found.iter().filter(|other| **other == anchor).count();
        found.push(if count == 0 { anchor } else { format!("{anchor}-{count}") });
    }
    found
}

/// The anchor of a heading: letters, digits, `-` and `_` stay, blanks become `-`, the rest goes.
pub(super) fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// A text as one cell of a table.
pub(super) fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "# A `b` c!\n\n[x](y.md#z) and `[n](o.md)`\n\n```sh\n# no heading [p](q)\ncarnet get\n```\n# A b c\n";

    #[test]
    fn blocks_know_language_and_line() {
        let blocks = blocks(PAGE);
        assert_eq!((blocks[0].language, blocks[0].line, blocks.len()), ("sh", 6, 1));
        assert!(blocks[0].text.ends_with("carnet get\n"));
    }

    #[test]
    fn links_in_code_are_none() {
        assert_eq!(links(PAGE), ["y.md#z"]);
    }

    #[test]
    fn anchors_of_equal_headings_are_numbered() {
        assert_eq!(anchors(PAGE), ["a-b-c", "a-b-c-1"]);
    }
}
