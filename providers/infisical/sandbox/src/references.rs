//! References in values: `${NAME}` of the same folder, `${ENVIRONMENT.FOLDER.….NAME}` of any.

use crate::state::Project;

/// How deep references are followed (`MAX_SECRET_REFERENCE_DEPTH`).
const MAX_DEPTH: usize = 10;
/// Longest value that comes of them, in bytes, and most references that are followed for it: two references to a value double
/// it at each level.
const MAX_VALUE: usize = 1 << 18;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) environment: String,
    pub(crate) path: String,
}

/// The value with its references replaced. What is not there becomes nothing, and so does what would go round in a circle.
pub(crate) fn expand(project: &Project, place: &Place, value: &str) -> String {
    let mut left = MAX_VALUE;
    expanded(project, place, value, 0, &mut left)
}

fn expanded(project: &Project, place: &Place, value: &str, depth: usize, left: &mut usize) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, inside, after)) = next(rest) {
        add(&mut out, before, left);
        if depth < MAX_DEPTH && *left > 0 {
            *left = left.saturating_sub(1);
            let (place, name) = meant(place, inside);
            let folder = project.folder(&place.environment, &place.path).ok();
            if let Some(found) = folder.and_then(|folder| folder.secrets.get(name)) {
                let deeper = expanded(project, &place, found.value.expose(), depth.saturating_add(1), left);
                out.push_str(&deeper);
            }
        }
        rest = after;
    }
    add(&mut out, rest, left);
    out
}

/// Adds a text if it still fits; after one that does not nothing is added any more.
fn add(out: &mut String, text: &str, left: &mut usize) {
    if text.len() <= *left {
        out.push_str(text);
    }
    *left = left.saturating_sub(text.len());
}

/// What is before the next reference, what it says, and what is after it.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("${")?;
    let (inside, after) = rest.split_once('}')?;
    Some((before, inside.trim(), after))
}

/// Which secret a reference means.
fn meant<'r>(place: &Place, reference: &'r str) -> (Place, &'r str) {
    let Some((above, name)) = reference.rsplit_once('.') else { return (place.clone(), reference) };
    let (environment, folders) = above.split_once('.').unwrap_or((above, ""));
    let path = format!("/{}", folders.replace('.', "/"));
    (Place { environment: environment.to_owned(), path }, name)
}

#[cfg(test)]
mod tests {
    use carnet_core::Secret;
    use jiff::Timestamp;

    use super::*;
    use crate::state::{Environment, StoredValue};

    fn project(secrets: &[(&str, &str, &str)]) -> Project {
        let mut environment = Environment::new("Production", String::new());
        for (path, name, value) in secrets {
            let folder = environment.folders.entry((*path).to_owned()).or_default();
            let stored = StoredValue {
                id: String::new(),
                value: Secret::new(*value),
                comment: String::new(),
                version: 1,
                created: Timestamp::UNIX_EPOCH,
                updated: Timestamp::UNIX_EPOCH,
            };
            folder.secrets.insert((*name).to_owned(), stored);
        }
        Project { environments: [("prod".to_owned(), environment)].into(), ..Project::default() }
    }

    fn value(secrets: &[(&str, &str, &str)], value: &str) -> String {
        let place = Place { environment: "prod".to_owned(), path: "/".to_owned() };
        expand(&project(secrets), &place, value)
    }

    #[test]
    fn references_are_of_the_same_folder_or_name_environment_and_path() {
        let secrets = [("/", "USER", "u"), ("/db/main", "HOST", "h-${USER}"), ("/db/main", "USER", "inner")];
        assert_eq!(value(&secrets, "a ${USER} b"), "a u b");
        assert_eq!(value(&secrets, "${prod.USER}@${prod.db.main.HOST}"), "u@h-inner");
        assert_eq!(value(&secrets, "[${NONE}][${dev.USER}]"), "[][]");
        assert_eq!(value(&secrets, "${open"), "${open");
    }

    #[test]
    fn circles_and_multiplications_end() {
        assert!(value(&[("/", "A", "x${A}")], "${A}").len() <= MAX_DEPTH);
        let bomb = "${A}".repeat(64);
        assert!(value(&[("/", "A", &format!("{}{bomb}", "x".repeat(1000)))], "${A}").len() <= MAX_VALUE);
    }
}
