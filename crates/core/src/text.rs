//! Files that must be text.

use std::{fmt, path::Path};

use crate::{Error, FileMistake, Place};

/// Where bytes cease to be UTF-8, for people: `byte 23 (line 3, column 7) is not UTF-8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotText {
    /// The first byte that is not, counted from 0.
    pub offset: usize,
    /// The same place as an editor shows it.
    pub place: Place,
}

impl NotText {
    /// What to do about it.
    pub const HINT: &str = "save the file as UTF-8";
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "byte {} (line {line}, column {column}) is not UTF-8", self.offset)
    }
}

/// These bytes as text.
///
/// # Errors
/// Where they cease to be UTF-8.
pub fn as_text(bytes: &[u8]) -> Result<&str, NotText> {
    std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let before = bytes.get(..offset).map(String::from_utf8_lossy).unwrap_or_default();
        NotText { offset, place: Place::of(&before, before.len()) }
    })
}

/// What stands in a file, as text. Nothing of it is in the error.
///
/// # Errors
/// [`crate::ErrorKind::Configuration`] with the place when it is not UTF-8.
pub fn file_text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Error> {
    as_text(bytes).map_err(|not_text| {
        let mistake = FileMistake {
            file: Some(path.to_owned()),
            place: Some(not_text.place),
            field: String::new(),
            message: not_text.to_string(),
            hint: Some(NotText::HINT.to_owned()),
        };
        Error::configuration(format!("read {}: {not_text}", path.display())).hint(NotText::HINT).mistakes([mistake])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_line_and_column_of_the_first_byte_that_is_not_text() {
        assert_eq!(as_text("a\nä".as_bytes()), Ok("a\nä"));
        for (bytes, offset, line, column) in [
            (&b"\xff\xfea"[..], 0, 1, 1),
            (b"[x]\n# Schl\xfcssel\n", 10, 2, 7),
            (b"\xc3\xa4\xfc", 2, 1, 2),
            (b"a\n\xc3", 2, 2, 1),
        ] {
            let error = as_text(bytes).unwrap_err();
            assert_eq!((error.offset, error.place.line, error.place.column), (offset, line, column), "{bytes:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_text_has_a_hint_and_a_place_for_programs() {
        let error = file_text(Path::new("/c"), b"[x]\n# Schl\xfcssel\n").unwrap_err();
        assert_eq!(error.to_string(), "read /c: byte 10 (line 2, column 7) is not UTF-8");
        assert_eq!(error.hints(), ["save the file as UTF-8"]);
        let mistake = &error.file_mistakes()[0];
        assert_eq!(
            (mistake.file.as_deref(), mistake.place),
            (Some(Path::new("/c")), Some(Place { line: 2, column: 7 }))
        );
    }
}
