//! Entries from a file.

use std::sync::Arc;

use carnet_attest::Registration;
use carnet_entries::{Applied, Draft, EntryError, EntryFile, FollowedFile};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::*;

const TWO: &str = r#"
[[entry]]
spiffe_id = "spiffe://example.org/a"
parent_id = "spiffe://example.org/node"
selectors = ["unix:uid:1"]

[[entry]]
id = "b"
spiffe_id = "spiffe://example.org/ns/{k8s:ns}/sa/{k8s:sa}"
parent_id = "spiffe://example.org/node"
selectors = ["k8s:cluster:one"]
hint = "b"
"#;

async fn apply(world: &World, text: &str) -> Result<Applied, EntryError> {
    EntryFile::parse(text).unwrap().apply(&world.entries, "file", &by()).await
}

#[tokio::test]
async fn what_stands_in_the_file_is_there_and_what_does_not_is_not() {
    let world = World::new().await;
    let done = |created, updated, deleted| Applied { created, updated, deleted };
    assert_eq!(apply(&world, TWO).await.unwrap(), done(2, 0, 0));
    assert_eq!(apply(&world, TWO).await.unwrap(), done(0, 0, 0), "the same again");
    assert_eq!(apply(&world, &TWO.replace("hint = \"b\"", "hint = \"c\"")).await.unwrap(), done(0, 1, 0));
    let one = TWO.split("[[entry]]\nid").next().unwrap();
    assert_eq!(apply(&world, one).await.unwrap(), done(0, 0, 1));
    assert_eq!(world.entries.len(), 1);
    assert_eq!(apply(&world, "").await.unwrap(), done(0, 0, 1));
}

#[tokio::test]
async fn entries_of_others_are_not_touched() {
    let world = World::new().await;
    let api = world.create(entry("/c", &id("/node"), &["unix:uid:3"])).await;
    apply(&world, TWO).await.unwrap();
    apply(&world, "").await.unwrap();
    assert_eq!(world.entries.get(&api.entry.id), Some(api));
    assert_eq!(world.entries.len(), 1);
}

#[tokio::test]
async fn rejects_an_id_that_somebody_else_has_and_changes_nothing() {
    let world = World::new().await;
    let theirs = Registration { id: "b".to_owned(), ..entry("/c", &id("/node"), &["unix:uid:3"]) };
    world.entries.create(Draft::api(theirs), &by()).await.unwrap();
    let refused = apply(&world, TWO).await.unwrap_err();
    assert!(matches!(&refused, EntryError::Mistakes(mistakes) if mistakes[0].field == "entry[1].id"), "{refused}");
    assert_eq!(world.entries.len(), 1);
}

#[tokio::test]
async fn rejects_an_id_that_stands_there_twice() {
    let world = World::new().await;
    let refused = apply(&world, &format!("{TWO}{TWO}")).await.unwrap_err();
    assert!(matches!(&refused, EntryError::Mistakes(mistakes) if mistakes.len() == 2), "{refused}");
}

#[tokio::test]
async fn rejects_a_file_with_one_mistake_as_a_whole() {
    let world = World::new().await;
    let refused = apply(&world, &TWO.replace("[\"unix:uid:1\"]", "[]")).await.unwrap_err();
    assert!(matches!(&refused, EntryError::Mistakes(mistakes) if mistakes[0].field == "entry[0].selectors"));
    assert!(world.entries.is_empty());
}

#[test]
fn rejects_a_field_that_is_not_known() {
    EntryFile::parse(&TWO.replace("hint", "hnit")).unwrap_err();
}

#[test]
fn a_mistake_says_where_and_no_value_that_stands_there() {
    for line in ["passwd = \"HUNTER2\"", "passwd = \"HUNTER2", "parent = [\"HUNTER2\"]", "id = { a = \"HUNTER2\" }"] {
        let error = EntryFile::parse(&format!("[[entry]]\n{line}\n")).unwrap_err();
        assert!(error.to_string().contains("line 2, column "), "{error}");
        assert!(!format!("{error:?}").contains("HUNTER2"), "{error:?}");
    }
}

#[tokio::test]
async fn rejects_the_label_of_entries_that_are_made_one_by_one() {
    let world = World::new().await;
    let refused = EntryFile::default().apply(&world.entries, carnet_entries::API, &by()).await;
    assert!(matches!(refused, Err(EntryError::Foreign(_))));
}

#[tokio::test]
async fn a_file_is_followed_and_one_that_is_gone_or_broken_takes_nothing_away() {
    let world = World::new().await;
    let file = FollowedFile { path: "/entries.toml".into(), label: "file".to_owned() };
    file.apply(&world.entries, &world.context).await.unwrap_err();
    world.files.put("/entries.toml", TWO);
    assert_eq!(file.apply(&world.entries, &world.context).await.unwrap().created, 2);
    world.files.put("/entries.toml", "[[entry]");
    file.apply(&world.entries, &world.context).await.unwrap_err();
    assert_eq!(world.entries.len(), 2);
    for empty in ["", " \n\t\n"] {
        world.files.put("/entries.toml", empty);
        let error = file.apply(&world.entries, &world.context).await.unwrap_err();
        assert_eq!(error.to_string(), "read the entries in /entries.toml: it is empty");
        assert_eq!(error.hints(), ["to have no entries, write a comment"]);
        assert_eq!(world.entries.len(), 2, "as an editor leaves it for a moment");
    }

    let changes = watch::Sender::new(0);
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (entries, context, stop) = (Arc::clone(&world.entries), world.context.clone(), stop.clone());
        let told = changes.subscribe();
        async move { file.follow(&entries, &context, told, stop).await }
    });
    let mut told = world.entries.watch();
    told.mark_unchanged();
    world.files.put("/entries.toml", TWO.split("[[entry]]\nid").next().unwrap());
    changes.send_replace(1);
    told.changed().await.unwrap();
    assert_eq!(world.entries.len(), 1);
    world.files.put("/entries.toml", "# none\n");
    changes.send_replace(2);
    told.changed().await.unwrap();
    assert!(world.entries.is_empty(), "a comment is meant");
    stop.cancel();
    running.await.unwrap();
}
