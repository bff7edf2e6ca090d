//! Every refusal of every party: one good request, bent in one place, and the party's own status, code and words.

mod forms;
mod services;
mod stores;

use carnet_oauth::trust::Stage;
use carnet_trust::Decision;

use crate::support::{Asked, Reply, Sandbox, Signed};

/// What is bent, and what is answered: status, code, words.
pub(crate) type Row = (&'static str, fn(&Sandbox, &mut Asked), u16, &'static str, &'static str);

/// Where a party's answer has its code and its words.
pub(crate) type Places = (&'static str, &'static str);

/// RFC 6749, 5.2.
pub(crate) const OAUTH: Places = ("/error", "/error_description");
/// gRPC's gateway.
pub(crate) const GRPC: Places = ("/code", "/message");

/// Asks once for each row, of a sandbox of its own, after seeing that the request is good before it is bent.
pub(crate) async fn refuses(party: &'static str, places: Places, rows: &[Row]) {
    for (what, bend, status, code, words) in rows {
        let sandbox = Sandbox::new();
        let mut asked = sandbox.good(party);
        asked.claim("jti", "seen to be good");
        let good = sandbox.ask(&asked).await;
        assert_eq!(good.status, asked.wire.status, "{party}: {}", good.text);
        asked.claim("jti", "first");
        let before = sandbox.world.decisions.count();
        bend(&sandbox, &mut asked);
        // Signatures have chance in them: the one that is sent is the one that must not come back.
        let token = asked.token.clone().unwrap_or_else(|| sandbox.token(&asked));
        asked.token = Some(token.clone());
        let reply = sandbox.ask(&asked).await;
        check(party, what, places, &reply, (*status, *code, *words));
        let decided = sandbox.world.decisions.since(before).pop().unwrap();
        assert!(matches!(decided.decision, Decision::Refuse(_)), "{party}, {what}: the operator is told");
        let signature = token.rsplit('.').next().unwrap();
        let told = format!("{} {decided:?}", reply.text);
        assert!(signature.len() < 20 || !told.contains(signature), "{party}, {what}: it quotes the token: {told}");
    }
}

fn check(party: &str, what: &str, places: Places, reply: &Reply, (status, code, words): (u16, &str, &str)) {
    assert_eq!(reply.status, status, "{party}, {what}: {}", reply.text);
    let body = reply.json();
    let text = |place: &str| match body.pointer(place) {
        Some(value) => value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned),
        None => String::new(),
    };
    let (seen_code, seen_words) = (text(places.0), text(places.1));
    assert!(seen_code == code && seen_words.contains(words), "{party}, {what}: {body}");
    assert_eq!(reply.headers["content-type"], "application/json", "{party}, {what}");
}

pub(crate) fn strange_issuer(sandbox: &Sandbox, asked: &mut Asked) {
    sandbox.publish("https://stranger.example");
    asked.claim("iss", "https://stranger.example");
}

pub(crate) fn expired(sandbox: &Sandbox, asked: &mut Asked) {
    let now = sandbox.world.now("tests").as_second();
    asked.claim("exp", now - 31);
}

pub(crate) fn not_yet(sandbox: &Sandbox, asked: &mut Asked) {
    let now = sandbox.world.now("tests").as_second();
    asked.claim("nbf", now + 31);
}

/// The keys that are kept are too old, and nobody answers.
pub(crate) fn no_keys(sandbox: &Sandbox, asked: &mut Asked) {
    sandbox.advance(600);
    sandbox.unpublish();
    let now = sandbox.world.now("tests").as_second();
    asked.claim("exp", now + 300);
}

pub(crate) fn signed(asked: &mut Asked, signed: Signed) {
    asked.signed = signed;
}

/// A trust like the seeded one under another name, at this stage; the request means it.
pub(crate) fn other_trust(sandbox: &Sandbox, asked: &mut Asked, member: &'static str, stage: Stage) {
    let party = asked.wire.party;
    sandbox.trust(party, &[(member, &["another"])], |trust| trust.stage = stage);
    asked.set(member, "another");
}
