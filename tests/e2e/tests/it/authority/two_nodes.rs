//! Two authorities on one PostgreSQL: equal, and one may die.

use std::{
    sync::{Barrier, atomic::AtomicBool},
    thread,
};

use carnet_store::testing::TestPostgres;
use serde_json::json;

use super::{
    load::{Load, audited},
    scene::{Running, admin, exchange, token},
    site::Site,
    witness::Witness,
};
use crate::{
    agent::{Node, Watch, entry},
    authority::scene::JWT,
};

fn site(rules: &str) -> Site {
    let url = TestPostgres::shared().and_then(TestPostgres::database).unwrap();
    Site::new(rules).store(url)
}

fn two(site: &Site) -> [Running; 2] {
    ["one", "two"].map(|name| site.start(name, "127.0.0.1:0"))
}

#[test]
fn a_token_for_one_use_that_is_shown_to_both_at_once_is_taken_by_one() {
    let witness = Witness::start();
    let site = site(&witness.rule("single_use = true"));
    let nodes = two(&site);
    for round in 0..20 {
        let subject = witness.token(&round.to_string());
        let start = Barrier::new(2);
        let answers = thread::scope(|scope| {
            let both = nodes.each_ref().map(|node| {
                scope.spawn(|| {
                    start.wait();
                    token(node.says("public"), &exchange(&subject, JWT)).unwrap()
                })
            });
            both.map(|caller| caller.join().unwrap())
        });
        let mut statuses = answers.each_ref().map(|answer| answer.status);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400], "round {round}: {answers:?}");
    }
    assert_eq!(audited(&Site::admin_of(&nodes[1])).len(), 20);
}

#[test]
fn one_that_is_killed_takes_nothing_with_it_that_it_has_answered() {
    let witness = Witness::start();
    let site = site(&witness.rule(""));
    let [one, two] = two(&site);
    let stop = AtomicBool::new(false);
    let ports = [&one, &two].map(|node| node.says("public").rsplit(':').next().unwrap().to_owned());
    let given = thread::scope(|scope| {
        let load = Load::start(scope, &witness, &stop, &[one.says("public"), two.says("public")], 3);
        let of = |port: &str, subject: &str| subject.starts_with(&format!("job:{port}-"));
        let mut given = Vec::new();
        // Both have work.
        while ports.iter().any(|port| given.iter().filter(|subject: &&String| of(port, subject)).count() < 10) {
            given.push(load.given.recv().unwrap().subject);
        }
        one.kill();
        // The other goes on.
        given.extend(load.given.iter().map(|one| one.subject).filter(|subject| of(&ports[1], subject)).take(10));
        given.extend(load.end().into_iter().map(|one| one.subject));
        given
    });
    let audited = audited(&Site::admin_of(&two));
    for subject in &given {
        assert!(audited.contains(subject), "{subject} got a token and there is no row of it");
    }
}

#[test]
fn an_entry_that_is_made_at_one_reaches_a_workload_of_the_other() {
    let site = site("");
    let [one, two] = two(&site);
    admin(&Site::admin_of(&one), 201, "POST", "/v1/entries", &entry("first", "web", "/first"));
    let node = Node::join(&site, "web", &two);
    let mut watch = Watch::open(&node.socket, &site.path(""));
    assert_eq!(watch.ids(), ["spiffe://e2e.test/first"]);
    admin(&Site::admin_of(&one), 201, "POST", "/v1/entries", &entry("second", "web", "/second"));
    let ids = watch.ids();
    assert!(ids.len() == 2 && ids.contains(&"spiffe://e2e.test/second".to_owned()), "{ids:?}");
    admin(&Site::admin_of(&one), 200, "DELETE", "/v1/entries/first", &json!(null));
    assert_eq!(watch.ids(), ["spiffe://e2e.test/second"]);
}
