//! A change that files and store do not go together with, which shows only when it is stored.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use carnet_core::{BoxFuture, Error, Files, NewFile, SecretBytes, SystemFiles, Unnamed};
use carnet_store::{ObjectKind, Store};
use serde_json::{Value, json};

use super::world::{World, segment};

const ISSUER: &str = "https://issuer.example";

/// The files of the system, in which the rules change in the moment of the next commit: too late to be seen before.
#[derive(Debug, Default)]
struct ChangedLate(OnceLock<Late>);

#[derive(Debug)]
struct Late {
    store: Arc<dyn Store>,
    /// How many transactions the store has made before it.
    commits: u64,
    text: String,
}

impl Files for ChangedLate {
    fn read(&self, path: &Path, limit: usize) -> Result<Option<SecretBytes>, Error> {
        match self.0.get() {
            Some(late) if path.ends_with("rules.toml") && late.store.transactions() > late.commits => {
                Ok(Some(SecretBytes::new(late.text.clone().into_bytes())))
            }
            _ => SystemFiles.read(path, limit),
        }
    }

    fn read_unnamed(&self, path: &Path, limit: usize) -> Result<Option<Unnamed>, Error> {
        SystemFiles.read_unnamed(path, limit)
    }

    fn replace(&self, files: &[NewFile]) -> Result<(), Error> {
        SystemFiles.replace(files)
    }

    fn replace_directory<'a>(&'a self, directory: &'a Path, files: &'a [NewFile]) -> BoxFuture<'a, Result<(), Error>> {
        SystemFiles.replace_directory(directory, files)
    }

    fn home(&self) -> Option<PathBuf> {
        None
    }
}

fn issuer(leeway: u32) -> Value {
    json!({ "issuer": ISSUER, "leeway": leeway })
}

/// Puts the issuer after these puts of it, while a file comes to name it, too. Answers what the store has of it then.
async fn put_late(before: &[u32]) -> Option<Value> {
    let files = Arc::new(ChangedLate::default());
    let world = World::with_files("# nothing is allowed\n", Arc::<ChangedLate>::clone(&files)).await;
    let path = format!("/v1/issuers/{}", segment(ISSUER));
    for leeway in before {
        assert_eq!(world.put(&path, issuer(*leeway)).await.status, 200);
    }
    let (store, commits) = (Arc::clone(&world.store), world.store.transactions());
    let text = format!("[[issuer]]\nissuer = \"{ISSUER}\"\nleeway = 30\n");
    files.0.set(Late { store, commits, text }).unwrap();
    let answer = world.put(&path, issuer(20)).await;
    assert_eq!((answer.status, answer.code()), (409, "conflict"), "{answer:?}");
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("it was taken back"), "{answer:?}");
    let rows = world.audit().await;
    let told: Vec<_> = rows.iter().rev().take(2).map(|row| row.record.action.as_str()).collect();
    assert_eq!(told, ["issuer.undo", "issuer.put"]);
    let left = world.store.object(ObjectKind::Issuer, ISSUER.to_owned()).await.unwrap();
    left.map(|object| object.body["leeway"].clone())
}

#[tokio::test]
async fn what_a_file_names_too_is_taken_away_again() {
    assert_eq!(put_late(&[]).await, None);
}

#[tokio::test]
async fn what_was_there_before_is_put_back() {
    assert_eq!(put_late(&[10]).await, Some(json!(10)));
}
