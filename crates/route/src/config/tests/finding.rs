//! Which file it is, whose, and its bytes.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use carnet_core::{BoxFuture, MemoryFiles, NewFile, SecretBytes, Unnamed, test_context};

use super::*;

/// Which of the places counts, when these hold a file.
fn found(flag: Option<&str>, variables: &[(&str, &str)], files: &[&str]) -> Result<Option<PathBuf>, ConfigError> {
    let memory = MemoryFiles::default();
    for file in files {
        memory.put(*file, "version = 1\n");
    }
    let context =
        Context { files: Arc::new(memory), environment: Arc::new(MapEnvironment::of(variables)), ..test_context() };
    let config = Config::load(flag.map(Path::new), &registry(), &context)?;
    Ok(config.and_then(|config| config.path().map(Path::to_owned)))
}

/// What another user of the machine does in a folder where anybody may write: at every access, another file stands there.
#[derive(Debug, Default)]
struct Swapped {
    /// For each access: whether the file is another user's, and what it holds. The last one stays.
    accesses: Mutex<VecDeque<(bool, &'static str)>>,
}

impl Swapped {
    fn context(accesses: &[(bool, &'static str)]) -> Context {
        let files = Self { accesses: Mutex::new(accesses.iter().copied().collect()) };
        Context { files: Arc::new(files), ..test_context() }
    }

    /// What one access meets: owner and content together, because they are of one file.
    fn access(&self) -> (bool, SecretBytes) {
        let mut accesses = self.accesses.lock().unwrap();
        let (theirs, text) = if accesses.len() > 1 { accesses.pop_front().unwrap() } else { accesses[0] };
        (theirs, SecretBytes::new(text))
    }
}

impl Files for Swapped {
    fn read(&self, _: &Path, _: usize) -> Result<Option<SecretBytes>, Error> {
        Ok(Some(self.access().1))
    }

    fn read_unnamed(&self, _: &Path, _: usize) -> Result<Option<Unnamed>, Error> {
        let (theirs, bytes) = self.access();
        Ok(Some(if theirs { Unnamed::OfAnotherUser } else { Unnamed::Bytes(bytes) }))
    }

    fn replace(&self, _: &[NewFile]) -> Result<(), Error> {
        Err(Error::internal("write while looking for the configuration"))
    }

    fn replace_directory<'a>(&'a self, _: &'a Path, files: &'a [NewFile]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.replace(files) })
    }

    fn home(&self) -> Option<PathBuf> {
        None
    }
}

const OWN: &str = "version = 1\n[route.own]\nsource = \"robot\"\n";
const THEIRS: &str = "version = 1\n[route.theirs]\nsource = \"robot\"\n";

#[test]
fn rejects_a_file_of_another_user_that_nobody_named() {
    let error = Config::load(None, &registry(), &Swapped::context(&[(true, THEIRS)])).unwrap_err();
    assert!(error.problems()[0].message.contains("belongs to another user"), "{:?}", error.problems()[0]);
    assert_eq!(error.problems()[0].hint.as_deref(), Some("if it is meant, name it: --config carnet.toml"));
}

#[test]
fn accepts_a_file_of_another_user_that_was_named() {
    let context = Swapped::context(&[(true, THEIRS)]);
    let named = Config::load(Some(Path::new("carnet.toml")), &registry(), &context).unwrap().unwrap();
    assert_eq!(named.routes()[0].name(), "theirs");
}

#[test]
fn a_file_that_is_swapped_after_its_owner_was_asked_for_does_not_count() {
    let context = Swapped::context(&[(false, OWN), (true, THEIRS)]);
    let config = Config::load(None, &registry(), &context).unwrap().unwrap();
    assert_eq!(config.routes()[0].name(), "own");
}

#[test]
fn rejects_a_file_of_another_user_that_is_swapped_for_ones_own() {
    let error = Config::load(None, &registry(), &Swapped::context(&[(true, THEIRS), (false, OWN)])).unwrap_err();
    assert!(error.problems()[0].message.contains("belongs to another user"), "{:?}", error.problems()[0]);
}

#[test]
fn the_file_is_looked_for_in_the_documented_order() {
    let all = ["/flag", "/variable", "carnet.toml", "/xdg/carnet/carnet.toml", "/etc/carnet/carnet.toml"];
    let both: &[(&str, &str)] = &[("CARNET_CONFIG", "/variable"), ("XDG_CONFIG_HOME", "/xdg")];
    let xdg = &both[1..];
    assert_eq!(found(Some("/flag"), both, &all).unwrap(), Some(PathBuf::from("/flag")));
    assert_eq!(found(None, both, &all).unwrap(), Some(PathBuf::from("/variable")));
    for expected in &all[2..] {
        let at = all.iter().position(|path| path == expected).unwrap();
        assert_eq!(found(None, xdg, &all[at..]).unwrap(), Some(PathBuf::from(expected)));
    }
    let home = "/home/user/.config/carnet/carnet.toml";
    assert_eq!(found(None, &[], &[home]).unwrap(), Some(PathBuf::from(home)));
    assert_eq!(found(None, &[("XDG_CONFIG_HOME", "relative")], &[home]).unwrap(), Some(PathBuf::from(home)));
    assert_eq!(found(None, &[], &[]).unwrap(), None);
}

#[test]
fn a_file_that_was_named_must_exist() {
    let error = found(Some("/missing"), &[], &["carnet.toml"]).unwrap_err();
    assert_eq!(error.problems()[0].message, "the file, named by --config, does not exist");
    let error = found(None, &[("CARNET_CONFIG", "/missing")], &["carnet.toml"]).unwrap_err();
    assert_eq!(error.problems()[0].message, "the file, named by CARNET_CONFIG, does not exist");
}

#[test]
fn bytes_that_are_not_text_are_named_by_place() {
    let bytes = b"version = 1\n# \xff";
    let error = Config::from_bytes(bytes, Some(Path::new("a.toml")), &registry(), &environment()).unwrap_err();
    insta::assert_snapshot!(error.render(false, 100), @r"
error: byte 14 (line 2, column 3) is not UTF-8
--> a.toml
 |
help: save the file as UTF-8
");
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let error = refused(&"# \n".repeat(limits::FILE));
    assert_eq!(error.problems()[0].message, "the file is larger than 1048576 bytes");
}
