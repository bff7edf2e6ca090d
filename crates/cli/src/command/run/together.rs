//! What several routes hand to one command. A name can stand for one thing only.

use std::{collections::BTreeMap, path::PathBuf};

use carnet_core::{Error, Secret};

/// What the deliveries of one route handed over.
#[derive(Debug, Default)]
pub(super) struct Handed {
    /// Variables. The last of a name counts, within one route.
    pub(super) environment: Vec<(String, Secret)>,
    /// Files that it replaces as a whole.
    pub(super) files: Vec<PathBuf>,
}

/// What all routes handed over, and which route it was.
#[derive(Debug, Default)]
pub(super) struct Together {
    environment: BTreeMap<String, (String, Secret)>,
    files: BTreeMap<PathBuf, String>,
}

impl Together {
    /// Adds what a route handed over. The warning names the variables that another route gave another value: that is lost,
    /// and a command that reads one of them acts as the wrong identity. It is no error, because programs that use several
    /// profiles name each themselves, while every profile comes with the same variables.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when another route writes the same file: at every renewal it would change
    /// hands.
    pub(super) fn add(&mut self, route: &str, handed: Handed) -> Result<Option<String>, Error> {
        for file in handed.files {
            if let Some(other) = self.files.get(&file).filter(|other| *other != route) {
                let what = format!("run with the routes {other} and {route}: both write {}", file.display());
                return Err(Error::configuration(what).hint("give one of them another path in its `deliver`"));
            }
            self.files.insert(file, route.to_owned());
        }
        let mut lost: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in handed.environment {
            let before = self.environment.insert(name.clone(), (route.to_owned(), value.clone()));
            if let Some((other, before)) = before
                && other != route
                && before.expose() != value.expose()
            {
                lost.entry(other).or_default().push(name);
            }
        }
        let lost: Vec<String> =
            lost.into_iter().map(|(other, names)| format!("{} (also of {other})", names.join(", "))).collect();
        Ok((!lost.is_empty()).then(|| {
            format!(
                "the command gets the variables of {route} where several routes give one: {}; to hand over both, name another \
                 variable in the `deliver` of one of them",
                lost.join("; ")
            )
        }))
    }

    /// The variables for the command.
    pub(super) fn environment(self) -> Vec<(String, Secret)> {
        self.environment.into_iter().map(|(name, (_, value))| (name, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<const N: usize>(pairs: [(&str, &str); N]) -> Handed {
        let environment = pairs.map(|(name, value)| (name.to_owned(), Secret::new(value))).to_vec();
        Handed { environment, files: Vec::new() }
    }

    fn file(path: &str) -> Handed {
        Handed { environment: Vec::new(), files: vec![path.into()] }
    }

    #[test]
    fn a_variable_of_two_routes_is_told_without_its_value() {
        let mut together = Together::default();
        assert_eq!(together.add("a", variables([("TOKEN", "value-1"), ("REGION", "iad")])).unwrap(), None);
        let lost = together.add("b", variables([("TOKEN", "value-2"), ("REGION", "iad")])).unwrap().unwrap();
        assert!(lost.contains("the variables of b") && lost.contains(": TOKEN (also of a);"), "{lost}");
        assert!(!lost.contains("value") && !lost.contains("REGION"), "{lost}");
        let value = |(name, value): (String, Secret)| format!("{name}={}", value.expose());
        let all: Vec<_> = together.environment().into_iter().map(value).collect();
        assert_eq!(all, ["REGION=iad", "TOKEN=value-2"]);
    }

    #[test]
    fn within_one_route_the_last_counts() {
        let mut together = Together::default();
        assert_eq!(together.add("a", variables([("TOKEN", "1"), ("TOKEN", "2")])).unwrap(), None);
        assert_eq!(together.add("a", variables([("TOKEN", "3")])).unwrap(), None);
        assert_eq!(together.environment().len(), 1);
    }

    #[test]
    fn rejects_a_file_of_two_routes() {
        let mut together = Together::default();
        together.add("a", file("/run/token")).unwrap();
        together.add("a", file("/run/token")).unwrap();
        together.add("b", file("/run/other")).unwrap();
        let error = together.add("b", file("/run/token")).unwrap_err();
        assert_eq!(error.kind(), carnet_core::ErrorKind::Configuration);
        assert_eq!(error.to_string(), "run with the routes a and b: both write /run/token");
    }
}
