//! Files that are given with `-f`.

use std::{io::Read as _, path::Path};

use carnet_core::{Error, FileMistake, Files as _, SystemFiles};
use serde_json::Value;

/// Largest file, in bytes.
const MAX_FILE: usize = 16 << 20;

/// The documents in a file: those of the member `table`, those of a list, or the one that the file is.
pub(super) fn documents(path: &Path, table: &str) -> Result<Vec<Value>, Error> {
    let text = text(path)?;
    let place = path.display();
    let json = path.extension().is_some_and(|extension| extension == "json")
        || text.trim_start().starts_with('{')
        // A list in JSON; a section of TOML begins so, too, and what is wrong with it is to be told.
        || text.trim_start().starts_with('[') && serde_json::from_str::<Value>(&text).is_ok();
    let document: Value = if json {
        serde_json::from_str(&text)
            .map_err(|error| Error::configuration(format!("read {place} as JSON")).because(error))?
    } else {
        toml::from_str(&text).map_err(|error: toml::de::Error| {
            // Not the lines around it: a secret may stand there.
            let told = FileMistake::in_document(path, &text, error.span(), error.message());
            Error::configuration(format!("read {place} as TOML: {told}"))
        })?
    };
    match document {
        Value::Array(items) => Ok(items),
        Value::Object(mut members) => match members.remove(table) {
            Some(Value::Array(items)) if members.is_empty() => Ok(items),
            Some(_) if !members.is_empty() => {
                let others: Vec<&str> = members.keys().map(String::as_str).collect();
                let text = format!("read {place}: beside `{table}` it has {}", others.join(", "));
                Err(Error::configuration(text).hint(format!("give a file with [[{table}]] tables alone")))
            }
            Some(other) => Ok(vec![other]),
            None => Ok(vec![Value::Object(members)]),
        },
        _ => Err(Error::configuration(format!("read {place}: it holds no [[{table}]]"))),
    }
}

/// A file with a JSON document.
pub(super) fn json(path: &Path) -> Result<Value, Error> {
    let text = text(path)?;
    serde_json::from_str(&text)
        .map_err(|error| Error::configuration(format!("read {} as JSON", path.display())).because(error))
}

fn text(path: &Path) -> Result<String, Error> {
    let place = path.display();
    if path.as_os_str() == "-" {
        let mut text = String::new();
        let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_string(&mut text)
            .map_err(|error| Error::configuration("read standard input").because(error))?;
        return Ok(text);
    }
    let bytes = SystemFiles.read(path, MAX_FILE)?;
    let bytes = bytes.ok_or_else(|| Error::configuration(format!("read {place}: there is no such file")))?;
    String::from_utf8(bytes.expose().to_vec())
        .map_err(|_quoting| Error::configuration(format!("read {place}: it is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a file of rules that holds this.
    fn said(text: &str) -> Result<usize, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.toml");
        carnet_core::replace_files(&[carnet_core::NewFile::new(&path, text)]).unwrap();
        documents(&path, "rule").map(|found| found.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_begins_with_a_section_is_toml_with_its_mistakes() {
        let mistake = said("[[rule]]\nname = \"a").unwrap_err();
        assert!(mistake.contains("as TOML") && mistake.contains('2'), "{mistake}");
        assert_eq!(said("[[rule]]\nname = \"a\""), Ok(1));
    }

    #[test]
    fn a_list_and_a_table_of_json_are_read_as_json() {
        assert_eq!(said("[{\"name\": \"a\"}, {\"name\": \"b\"}]"), Ok(2));
        assert_eq!(said("{\"rule\": [{\"name\": \"a\"}]}"), Ok(1));
        assert!(said("{\"rule\": [").unwrap_err().contains("as JSON"));
    }
}
