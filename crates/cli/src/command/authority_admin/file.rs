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
        || text.trim_start().starts_with(['{', '[']) && toml::from_str::<Value>(&text).is_err();
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
