//! Access tokens of which nothing is remembered: what they allow stands in them.
//!
//! What is remembered is only what takes them back: a row for a token that was revoked, and a mark for all tokens of a subject, of a rule, or of
//! a subject by a rule that were issued up to a time. A token whose rule is gone, or gives tokens of another form now, is good no more. So one is
//! looked up by reading, and nothing is written.

use carnet_core::{hex, safe_text};
use carnet_jose::{VerifiedJwt, sha256};
use carnet_store::{Expect, ObjectKind, Op, TokenRow};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{OwnToken, Unproved, own::unreadable};
use crate::Issuer;

/// The claim with which a token says that it stands by itself: its rule, and from which networks it may be used.
pub(crate) const STATED: &str = "carnet";
/// What the names of marks begin with.
const MARK: &str = "revoked-before/";
/// What to do about a token that was taken back.
const FIX: &str = "get a new token";

impl Issuer {
    /// A token that says all of itself, unless it was taken back. Its signature and times were verified.
    pub(super) async fn stateless_token(&self, jwt: VerifiedJwt) -> Result<OwnToken, Unproved> {
        let row = stated(&jwt)
            .ok_or_else(|| Unproved::new("header", "a claim \"carnet\" of another form", "rule and networks", FIX))?;
        let rules = self.rules();
        if !rules.compiled(&row.rule).is_some_and(|rule| rule.rule.stateless) {
            return Err(Unproved::new("revoked", "its rule is gone", "a rule that gives such tokens", FIX));
        }
        let revoked = self.store().token(row.id.clone()).await.map_err(|error| unreadable(&error))?;
        if let Some(at) = revoked.and_then(|row| row.revoked_at) {
            return Err(Unproved::new("revoked", format!("it was revoked at {at}"), "a token that is not", FIX));
        }
        let (subject, rule) = (row.subject.as_str(), row.rule.as_str());
        for (subject, rule) in [(Some(subject), None), (None, Some(rule)), (Some(subject), Some(rule))] {
            let mark = self.store().object(ObjectKind::Setting, mark_name(subject, rule)).await;
            let mark = mark.map_err(|error| unreadable(&error))?;
            // A mark that cannot be read takes back everything.
            let before = mark.map(|mark| mark.body.get("at").and_then(Value::as_i64).unwrap_or(i64::MAX));
            if before.is_some_and(|before| row.issued_at.as_second() <= before) {
                let seen = "its subject's or rule's tokens up to then were revoked";
                return Err(Unproved::new("revoked", seen, "a token that is not", FIX));
            }
        }
        Ok(OwnToken { jwt, row, stateless: true })
    }
}

/// The row that a token would have.
fn stated(jwt: &VerifiedJwt) -> Option<TokenRow> {
    let claims = jwt.claims();
    let stated = claims.get(STATED)?.as_object()?;
    let networks = stated.get("networks")?.as_array()?.iter().map(|network| network.as_str().map(str::to_owned));
    let expires_at = claims.time("exp")?;
    Some(TokenRow {
        id: claims.str("jti")?.to_owned(),
        subject: claims.str("sub")?.to_owned(),
        actor: None,
        rule: stated.get("rule")?.as_str()?.to_owned(),
        audiences: claims.audiences().into_iter().map(str::to_owned).collect(),
        issued_at: claims.time("iat")?,
        expires_at,
        max_expires_at: expires_at,
        uses_left: None,
        networks: networks.collect::<Option<_>>()?,
        revoked_at: None,
        claims: Value::Null,
    })
}

/// What takes one token back: a row for it, which says so. `None` when it is none that stands by itself.
pub(crate) fn tombstone(jwt: &VerifiedJwt, now: Timestamp) -> Option<Op> {
    Some(Op::InsertToken(TokenRow { revoked_at: Some(now), ..stated(jwt)? }))
}

/// What takes back all tokens that stand by themselves and were issued up to now: those of a subject, of a rule, or of a subject by a rule.
/// `None` when neither is given.
pub fn revocation_mark(subject: Option<&str>, rule: Option<&str>, now: Timestamp) -> Option<Op> {
    if subject.is_none() && rule.is_none() {
        return None;
    }
    let shown = |text: Option<&str>| text.map(safe_text);
    Some(Op::PutObject {
        kind: ObjectKind::Setting,
        name: mark_name(subject, rule),
        body: json!({ "at": now.as_second(), "subject": shown(subject), "rule": shown(rule) }),
        expect: Expect::Any,
    })
}

fn mark_name(subject: Option<&str>, rule: Option<&str>) -> String {
    format!("{MARK}{}", hex(&sha256(json!([subject, rule]).to_string().as_bytes())))
}
