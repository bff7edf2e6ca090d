//! Files of profiles, such as `~/.oci/config` and `~/.aws/credentials`: reading a profile, and replacing one without
//! touching the rest.
//!
//! The format is what the SDKs have in common (Oracle's Go `common/configuration.go` and Python `oci/config.py`; botocore's
//! `configloader.py`): sections, `key=value` split at the first `=`, comments on lines of their own. What stands behind a
//! value belongs to it.

mod shared;

use std::fmt;

pub use shared::put_profile;

/// A configuration file.
#[derive(Clone, PartialEq, Eq)]
pub struct Ini {
    sections: Vec<Section>,
}

/// One profile.
#[derive(Clone, PartialEq, Eq)]
pub struct Section {
    name: String,
    entries: Vec<Entry>,
    /// The first line that is not `key=value`. Only a mistake when this section is used: a file has many users.
    malformed: Option<IniError>,
}

/// One `key=value`.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    key: String,
    value: String,
    line: usize,
}

/// A line that cannot be read. Says where and what is wrong, never what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IniError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for IniError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for IniError {}

impl IniError {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// What a line is.
enum Line<'a> {
    Blank,
    Entry(&'a str, &'a str),
    Header(&'a str),
    Malformed(&'static str),
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Self {
        let text = line.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            return Self::Blank;
        }
        if let Some(rest) = text.strip_prefix('[') {
            return match rest.strip_suffix(']').map(str::trim) {
                Some(name) if !name.is_empty() && !name.contains(['[', ']']) => Self::Header(name),
                _ => Self::Malformed("a section is written [NAME] on a line of its own"),
            };
        }
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Self::Entry(key.trim(), value.trim()),
            Some(_) => Self::Malformed("there is no key before the ="),
            None => Self::Malformed("this is neither [SECTION] nor key=value nor a comment"),
        }
    }
}

impl Ini {
    /// Reads a file. Lines before the first section must be blank or comments.
    ///
    /// # Errors
    /// The line of a malformed or repeated section header, or of an entry before the first section.
    pub fn parse(text: &str) -> Result<Self, IniError> {
        let mut sections: Vec<Section> = Vec::new();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let number = number.saturating_add(1);
            match (Line::read(line), sections.last_mut()) {
                (Line::Blank, _) => {}
                (Line::Header(name), _) => {
                    if sections.iter().any(|section| section.name == name) {
                        return Err(IniError::new(number, format!("the section [{name}] is there twice")));
                    }
                    sections.push(Section { name: name.to_owned(), entries: Vec::new(), malformed: None });
                }
                (Line::Entry(key, value), Some(section)) => {
                    let (key, value) = (key.to_ascii_lowercase(), value.to_owned());
                    section.entries.push(Entry { key, value, line: number });
                }
                (Line::Malformed(message), Some(section)) => {
                    section.malformed.get_or_insert_with(|| IniError::new(number, message));
                }
                (Line::Malformed(message), None) => return Err(IniError::new(number, message)),
                (Line::Entry(..), None) => {
                    return Err(IniError::new(number, "there is no [SECTION] before this line"));
                }
            }
        }
        Ok(Self { sections })
    }

    /// A section by its name, as it is written.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The names of all sections, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|section| section.name.as_str())
    }
}

impl Section {
    /// Refuses what must not stand in a section that is used: a malformed line, a key that is there twice.
    ///
    /// # Errors
    /// The first such line.
    pub fn check(&self) -> Result<(), IniError> {
        if let Some(error) = &self.malformed {
            return Err(error.clone());
        }
        let mut seen: Vec<&Entry> = Vec::new();
        for entry in &self.entries {
            if let Some(first) = seen.iter().find(|other| other.key == entry.key) {
                let message = format!("{} is there twice, first on line {}", safe_key(&entry.key), first.line);
                return Err(IniError::new(entry.line, message));
            }
            seen.push(entry);
        }
        Ok(())
    }

    /// The entry of a key, written in lower case. An empty value counts as absent.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key && !entry.value.is_empty())
    }
}

impl Entry {
    /// The value, without the white space around it.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The line it stands on, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Refuses a value with a comment behind it: every SDK keeps the comment as part of the value.
    ///
    /// # Errors
    /// The line of this entry.
    pub fn refuse_comment(&self) -> Result<(), IniError> {
        if [" #", " ;", "\t#", "\t;"].iter().any(|mark| self.value.contains(mark)) {
            let message = format!("a comment stands behind {}=; it would be part of the value", safe_key(&self.key));
            return Err(IniError::new(self.line, message));
        }
        Ok(())
    }
}

fn safe_key(key: &str) -> String {
    crate::safe_text(key)
}

/// Shows names, never values.
impl fmt::Debug for Ini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Shows the name, never values.
impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.name)
    }
}

/// Shows the line, never the value.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)
    }
}

/// The text with one section replaced, or added at the end. Every other byte stays as it is; blank lines and comments
/// before the next section belong to that one.
///
/// # Errors
/// When the text cannot be read, so that nothing is lost of a file that somebody broke.
pub fn with_section(text: &str, name: &str, entries: &[(&str, &str)]) -> Result<String, IniError> {
    Ini::parse(text)?;
    let mut section = format!("[{name}]\n");
    for (key, value) in entries {
        section.extend([key, "=", value, "\n"]);
    }
    let mut before = String::with_capacity(text.len().saturating_add(section.len()));
    // Lines that may turn out to be the next section's.
    let mut between = String::new();
    let mut after = String::new();
    let mut place = Place::Before;
    for line in text.split_inclusive('\n') {
        match (Line::read(line.trim_start_matches('\u{feff}')), place) {
            (Line::Header(found), Place::Before) if found == name => place = Place::Within,
            (Line::Header(_), Place::Within) => {
                place = Place::After;
                after.push_str(&between);
                after.push_str(line);
            }
            (Line::Blank, Place::Within) => between.push_str(line),
            (_, Place::Within) => between.clear(),
            (_, Place::Before) => before.push_str(line),
            (_, Place::After) => after.push_str(line),
        }
    }
    match place {
        Place::Before => {
            if !before.is_empty() {
                before.push_str(if before.ends_with('\n') { "\n" } else { "\n\n" });
            }
        }
        Place::Within => after = between,
        Place::After => {}
    }
    Ok(before + &section + &after)
}

/// Where a line stands, seen from the section that is replaced.
#[derive(Clone, Copy)]
enum Place {
    Before,
    Within,
    After,
}

#[cfg(test)]
mod tests;
