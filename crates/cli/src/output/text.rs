//! Text for people, in which only carnet has colours.

use anstyle::Style;

use super::visible;

/// Text for people, piece by piece. A piece may come from outside: whatever in it steers a terminal, colours included, is
/// shown as what it is. Only what stands around a piece is carnet's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text(Vec<(Style, String)>);

impl Text {
    /// Adds a piece without a style.
    pub(crate) fn push(&mut self, piece: impl Into<String>) -> &mut Self {
        self.styled(Style::new(), piece)
    }

    /// Adds a piece with a style of carnet's.
    pub(crate) fn styled(&mut self, style: Style, piece: impl Into<String>) -> &mut Self {
        self.0.push((style, piece.into()));
        self
    }

    /// The same, without the secrets that slipped into a piece.
    pub(crate) fn redacted(self) -> Self {
        Self(self.0.into_iter().map(|(style, piece)| (style, carnet_core::redacted(&piece).into_owned())).collect())
    }

    /// What goes to the terminal.
    pub(super) fn render(&self, colour: bool) -> String {
        let mut text = String::new();
        for (style, piece) in &self.0 {
            let style = if colour { *style } else { Style::new() };
            text.push_str(&format!("{}{}{}", style.render(), visible::for_people(piece), style.render_reset()));
        }
        text
    }
}

impl<T: Into<String>> From<T> for Text {
    fn from(piece: T) -> Self {
        Self(vec![(Style::new(), piece.into())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::red;

    #[test]
    fn only_carnets_own_colours_pass() {
        let mut text = Text::from("a\u{1b}[30mb ");
        text.styled(red(), "c\u{1b}[0m\u{1b}[8md").push("\u{1b}[mz\n");
        let own = (red().render().to_string(), red().render_reset().to_string());
        assert_eq!(
            text.render(true),
            format!("a\\u{{1b}}[30mb {}c\\u{{1b}}[0m\\u{{1b}}[8md{}\\u{{1b}}[mz\n", own.0, own.1)
        );
        assert_eq!(text.render(false), "a\\u{1b}[30mb c\\u{1b}[0m\\u{1b}[8md\\u{1b}[mz\n");
    }
}
