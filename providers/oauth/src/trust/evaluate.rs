//! Does this token become the principal of this trust?

use std::collections::BTreeMap;

use carnet_core::safe_text;
use carnet_jose::Claims;
use carnet_trust::{Decision, Grant, Refusal};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Check, Manner, Matching, Stage, Trust, lint::lint, pattern::matches};

/// What is asked: these claims, shown with these members, now.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The claims of a token whose signature holds.
    pub claims: &'a Claims,
    /// What the request says beside the token, by its names on the wire.
    pub members: &'a BTreeMap<String, String>,
    /// The trust.
    pub trust: &'a Trust,
    /// How the service looks at tokens.
    pub manner: &'a Manner,
    /// The time.
    pub now: Timestamp,
}

/// The answer. The clauses are `disabled`, `members`, `issuer`, `expired`, `not-yet`, `audience`, `subject`, `claims`
/// and `pending`. The code of a refusal is empty: which one a service answers is its own business.
pub fn evaluate(question: &Question<'_>) -> Decision {
    let mut held = Vec::new();
    match question.decide(&mut held) {
        Ok(mut grant) => {
            grant.held = held;
            Decision::Allow(grant)
        }
        Err(mut refusal) => {
            refusal.held = held;
            Decision::Refuse(*refusal)
        }
    }
}

type Checked = Result<(), Box<Refusal>>;

impl Question<'_> {
    fn decide(&self, held: &mut Vec<&'static str>) -> Result<Grant, Box<Refusal>> {
        let Trust { id, stage, principal, life, .. } = self.trust;
        if *stage == Stage::Disabled {
            return Err(refuse("disabled", "a trust that is switched off", "one that works", "switch it on"));
        }
        held.push("stage");
        self.members()?;
        held.push("members");
        self.issuer()?;
        held.push("issuer");
        self.times()?;
        held.push("times");
        for check in self.manner.order {
            match check {
                Check::Audience => self.audience()?,
                Check::Subject => self.subject()?,
                Check::Claims => self.other_claims()?,
            }
            held.push(check.name());
        }
        if *stage == Stage::Pending {
            let fix = "add the publisher to the project, which exists already";
            return Err(refuse("pending", "a publisher that waits for its project", "one of a project", fix));
        }
        let subject = self.claims.str("sub").map(|subject| ("subject".to_owned(), safe_text(subject)));
        Ok(Grant {
            principal: principal.clone(),
            lifetime: life.map(SignedDuration::from_secs),
            attributes: subject.into_iter().chain([("trust".to_owned(), safe_text(id))]).collect(),
            held: Vec::new(),
            warnings: lint(self.trust),
        })
    }

    fn members(&self) -> Checked {
        for (name, wanted) in &self.trust.members {
            let fix = "say what the trust at the service says";
            let seen = match self.members.get(name) {
                Some(seen) if wanted.contains(seen) => continue,
                None if wanted.len() == 1 => continue,
                Some(seen) => format!("`{name}` {}", safe_text(seen)),
                None => format!("no `{name}`"),
            };
            return Err(refuse("members", seen, wanted.join(" or "), fix));
        }
        Ok(())
    }

    fn issuer(&self) -> Checked {
        let seen = self.claims.str("iss").unwrap_or_default();
        if seen == self.trust.issuer {
            return Ok(());
        }
        let fix = "write the issuer into the trust as the claim `iss` has it, character by character";
        Err(refuse("issuer", safe_text(seen), &self.trust.issuer, fix))
    }

    fn times(&self) -> Checked {
        let late = |time: Timestamp| time.saturating_add(self.manner.leeway).unwrap_or(Timestamp::MAX);
        let now = self.now;
        match self.claims.time("exp") {
            Some(end) if now >= late(end) => {
                let fix = "take a new token from the issuer for each exchange";
                return Err(refuse("expired", end.to_string(), format!("later than {now}"), fix));
            }
            None if self.manner.expiry_needed => {
                return Err(refuse("claims", "no `exp`", "`exp`", "let the issuer say when its tokens end"));
            }
            _ => {}
        }
        for name in ["nbf", "iat"] {
            if let Some(start) = self.claims.time(name).filter(|start| *start > late(now)) {
                let fix = "compare the clocks of both sides";
                return Err(refuse("not-yet", format!("`{name}` {start}"), format!("not later than {now}"), fix));
            }
        }
        Ok(())
    }

    fn audience(&self) -> Checked {
        let seen = self.claims.audiences();
        let own = self.manner.audience.filter(|_| self.trust.audiences.is_empty());
        let wanted: Vec<&str> = own.into_iter().chain(self.trust.audiences.iter().map(String::as_str)).collect();
        let matching = if self.manner.matching == Matching::Segments { Matching::Segments } else { Matching::Exact };
        if wanted.iter().any(|wanted| seen.iter().any(|seen| matches(matching, wanted, seen))) {
            return Ok(());
        }
        let fix = "ask the issuer for a token with the wanted audience, or name the one seen in the trust";
        Err(refuse("audience", safe_text(&seen.join(", ")), wanted.join(", "), fix))
    }

    fn subject(&self) -> Checked {
        let Some(wanted) = &self.trust.subject else { return Ok(()) };
        let seen = self.claims.str("sub").unwrap_or_default();
        if matches(self.manner.matching, wanted, seen) {
            return Ok(());
        }
        Err(refuse("subject", safe_text(seen), wanted, "compare `sub` of the token with the subject of the trust"))
    }

    fn other_claims(&self) -> Checked {
        for (name, wanted) in &self.trust.claims {
            let seen = claim(self.claims, name, self.manner.matching);
            let fits = |text: &str| wanted.iter().any(|wanted| matches(self.manner.matching, wanted, text));
            let shown = match seen.and_then(text) {
                Some(text) if fits(&text) => continue,
                Some(text) => format!("`{name}` {}", safe_text(&text)),
                None if seen.is_some() => format!("`{name}` is not a text"),
                None => format!("no `{name}`"),
            };
            let fix = format!("compare `{name}` of the token with the trust");
            return Err(refuse("claims", shown, wanted.join(" or "), fix));
        }
        Ok(())
    }
}

impl Check {
    const fn name(self) -> &'static str {
        match self {
            Self::Audience => "audience",
            Self::Subject => "subject",
            Self::Claims => "claims",
        }
    }
}

fn claim<'a>(claims: &'a Claims, name: &str, matching: Matching) -> Option<&'a Value> {
    if matching != Matching::Segments {
        return claims.get(name);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// A claim as a text: booleans are `true` and `false` (octo-sts, `trust_policy.go`), lists and numbers never fit.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn refuse(
    clause: &'static str,
    seen: impl Into<String>,
    wanted: impl Into<String>,
    fix: impl Into<String>,
) -> Box<Refusal> {
    Box::new(Refusal::new(clause, seen, wanted, "", fix))
}
