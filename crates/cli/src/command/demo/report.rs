//! What the rows did, for people and for programs.

use carnet_core::{Error, ErrorKind, chain};
use carnet_route::{Hop, RouteRun};
use carnet_trust::Refusal;
use serde_json::{Value, json};

use super::calls::Called;
use crate::output::{Text, bold, error_json, green, red};

/// All rows.
#[derive(Default)]
pub(super) struct Report {
    pub(super) crossings: Vec<Row>,
    pub(super) refusals: Vec<RefusalRow>,
}

/// A crossing.
pub(super) struct Row {
    name: &'static str,
    pub(super) hops: Vec<Hop>,
    pub(super) principal: Option<String>,
    expires_at: Option<jiff::Timestamp>,
    pub(super) call: Option<Called>,
    pub(super) error: Option<Error>,
}

/// A refusal.
pub(super) struct RefusalRow {
    name: &'static str,
    clause: &'static str,
    message: String,
    kind: Option<ErrorKind>,
    code: Option<String>,
    hints: Vec<String>,
    decision: Option<Refusal>,
    /// Why the row failed: it was allowed, or refused by another clause.
    pub(super) error: Option<Error>,
}

impl Report {
    pub(super) fn is_empty(&self) -> bool {
        self.crossings.is_empty() && self.refusals.is_empty()
    }

    pub(super) fn passed(&self) -> bool {
        self.crossings.iter().all(Row::passed) && self.refusals.iter().all(RefusalRow::passed)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "passed": self.passed(),
            "crossings": self.crossings.iter().map(Row::to_json).collect::<Vec<_>>(),
            "refusals": self.refusals.iter().map(RefusalRow::to_json).collect::<Vec<_>>(),
        })
    }

    pub(super) fn summary(&self) -> String {
        let crossed = self.crossings.iter().filter(|row| row.passed()).count();
        let refused = self.refusals.iter().filter(|row| row.passed()).count();
        format!(
            "\n{crossed} of {} crossings made, {refused} of {} bent ones refused by the right clause\n",
            self.crossings.len(),
            self.refusals.len()
        )
    }
}

impl Row {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, hops: Vec::new(), principal: None, expires_at: None, call: None, error: None }
    }

    /// Notes what a route gave.
    pub(super) fn reached(&mut self, run: &RouteRun) {
        self.hops.extend(run.hops.iter().cloned());
        self.principal = run.credential.facts.get("principal").or_else(|| run.credential.facts.get("subject")).cloned();
        // Clouds tell whole seconds, and so does this.
        self.expires_at = run.credential.expires_at.and_then(|at| jiff::Timestamp::from_second(at.as_second()).ok());
    }

    /// The principal that the last step supposes and nobody has told it.
    pub(super) fn assumed(&self) -> Option<&str> {
        self.hops.last()?.facts.get("assumed_principal").map(|principal| &**principal)
    }

    fn passed(&self) -> bool {
        self.error.is_none() && self.call.as_ref().is_some_and(|call| (200..300).contains(&call.status))
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "passed": self.passed(),
            "hops": self.hops,
            "principal": self.principal,
            "expires_at": self.expires_at,
            "call": self.call,
            "error": self.error.as_ref().map(error_json),
        })
    }

    pub(super) fn text(&self) -> Text {
        let mut text = headline(self.passed(), self.name);
        for hop in &self.hops {
            let fact = |name: &str| hop.facts.get(name).cloned();
            let assumed = || fact("assumed_principal").map(|principal| format!("assumed: {principal}"));
            let principal = fact("principal").or_else(assumed).or_else(|| fact("subject")).unwrap_or_default();
            let elapsed = hop.elapsed.as_secs_f64() * 1e3;
            line(&mut text, &hop.step.to_string(), &format!("{:<13} {elapsed:>6.1} ms  {principal}", hop.kind));
        }
        let told = self.hops.last().and_then(|hop| hop.facts.get("principal").or_else(|| hop.facts.get("subject")));
        if let Some(principal) = self.principal.as_ref().filter(|decided| told != Some(*decided)) {
            line(&mut text, "the cloud has seen", principal);
        }
        if let Some(end) = self.expires_at {
            line(&mut text, "expires", &format!("{end:.0}"));
        }
        if let Some(call) = &self.call {
            line(&mut text, &format!("{} {}", call.method, call.url), &format!("{} {}", call.status, call.answer));
        }
        failure(&mut text, self.error.as_ref());
        text
    }
}

impl RefusalRow {
    pub(super) fn new(name: &'static str, clause: &'static str) -> Self {
        let (message, kind, code, hints, decision, error) = (String::new(), None, None, Vec::new(), None, None);
        Self { name, clause, message, kind, code, hints, decision, error }
    }

    /// Notes what the client was told; it must have been a no.
    pub(super) fn told(&mut self, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => self.error = Some(Error::internal("be refused: it was allowed")),
            Err(error) => {
                self.message = chain(&error).join(": ");
                self.kind = Some(error.kind());
                self.code = error.provider_code().map(ToOwned::to_owned);
                self.hints = error.hints().into_iter().map(ToOwned::to_owned).collect();
            }
        }
    }

    /// Notes what the other side decided; it must be by the clause of this row.
    pub(super) fn decided(&mut self, decision: Option<Refusal>) {
        let failed = decision.as_ref().map(|decision| decision.clause);
        if self.error.is_none() && failed != Some(self.clause) {
            let failed = failed.unwrap_or("none");
            self.error = Some(Error::internal(format!("fail by the clause {}: the clause is {failed}", self.clause)));
        }
        self.decision = decision;
    }

    fn passed(&self) -> bool {
        self.error.is_none()
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "passed": self.passed(),
            "clause": self.decision.as_ref().map(|decision| decision.clause),
            "clause_wanted": self.clause,
            "decision": self.decision,
            "client": {
                "kind": self.kind,
                "exit_code": self.kind.map(ErrorKind::exit_code),
                "message": self.message,
                "code": self.code,
                "hints": self.hints,
            },
            "error": self.error.as_ref().map(error_json),
        })
    }

    pub(super) fn text(&self) -> Text {
        let mut text = headline(self.passed(), &format!("refused: {}", self.name));
        if let Some(decision) = &self.decision {
            let parts = [
                ("clause", decision.clause),
                ("seen", &decision.seen),
                ("wanted", &decision.wanted),
                ("fix", &decision.fix),
            ];
            for (name, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
                line(&mut text, name, value);
            }
        }
        if let (Some(kind), Some(code)) = (self.kind, &self.code) {
            line(&mut text, "the client is told", &format!("{code}, exit code {}", kind.exit_code()));
        }
        failure(&mut text, self.error.as_ref());
        text
    }
}

fn headline(passed: bool, name: &str) -> Text {
    let (style, word) = if passed { (green(), "ok    ") } else { (red(), "FAILED") };
    let mut text = Text::default();
    text.styled(style, word).push(" ").styled(bold(), name).push("\n");
    text
}

fn line(text: &mut Text, left: &str, right: &str) {
    text.push(format!("       {left:<34} {right}\n"));
}

fn failure(text: &mut Text, error: Option<&Error>) {
    if let Some(error) = error {
        line(text, "failed", &chain(error).join(": "));
        for hint in error.hints() {
            line(text, "hint", hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: Result<(), Error>, decision: Option<Refusal>) -> RefusalRow {
        let mut row = RefusalRow::new("bent", "audience");
        row.told(outcome);
        row.decided(decision);
        row
    }

    fn by(clause: &'static str) -> Refusal {
        Refusal::new(clause, "seen", "wanted", "code", "fix")
    }

    #[test]
    fn a_refusal_passes_by_its_own_clause_only() {
        assert!(row(Err(Error::refused("no")), Some(by("audience"))).passed());
        assert!(!row(Err(Error::refused("no")), Some(by("subject"))).passed());
        assert!(!row(Err(Error::refused("no")), None).passed());
        assert!(!row(Ok(()), Some(by("audience"))).passed(), "it was allowed all the same");
    }
}
