//! What probes and Prometheus are told. Nothing is kept up for them: what the agent knows anyway is read when they ask.

use std::sync::Arc;

use axum::Router;
use carnet_ops::{Component, Gauge, Health, Metrics};
use jiff::Timestamp;

use crate::{Facts, Phase, core::Core};

/// `/livez`, `/readyz`, `/readyz/workloads`, `/readyz/identity` and `/metrics`.
pub(crate) fn router(core: &Arc<Core>) -> Router {
    let (health, metrics) = (Health::new(), Metrics::new("carnet_agent"));
    let gauge = |name, help| metrics.gauge(name, help);
    let told = Told {
        core: Arc::clone(core),
        workloads: health.component("workloads"),
        identity: health.component("identity"),
        entries: gauge("entries", "Entries of this node's workloads"),
        x509_svids: gauge("x509_svids", "X509-SVIDs that are ready"),
        jwt_svids: gauge("jwt_svids", "JWT-SVIDs that are kept"),
        expires: gauge("svid_expires_timestamp_seconds", "When the agent's own SVID expires, 0 when it has none"),
        answered: gauge("authority_answered_timestamp_seconds", "When the authority answered last, 0 when never"),
        away: gauge("authority_away", "1 when the last call of the authority failed, otherwise 0"),
    };
    carnet_ops::diagnostics_at_sight(health, metrics, move || told.look())
}

struct Told {
    core: Arc<Core>,
    workloads: Component,
    identity: Component,
    entries: Gauge,
    x509_svids: Gauge,
    jwt_svids: Gauge,
    expires: Gauge,
    answered: Gauge,
    away: Gauge,
}

impl Told {
    fn look(&self) {
        let facts = Facts::of(&self.core);
        // An agent whose authority is away serves what it has, and is ready.
        match facts.phase {
            Phase::Starting => self
                .workloads
                .failing(facts.problem.clone().unwrap_or_else(|| "nothing came from the authority yet".to_owned())),
            Phase::Serving => self.workloads.ready(),
            Phase::Banned => self.workloads.failing("the authority has turned this agent away"),
        }
        match facts.expires_at {
            Some(end) if self.core.context.now() < end => self.identity.ready(),
            Some(end) => self.identity.failing(format!("the agent's SVID has expired at {end}")),
            None => self.identity.failing("the agent has no SVID"),
        }
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let moment = |time: Option<Timestamp>| time.map_or(0, Timestamp::as_second);
        self.entries.set(number(facts.entries));
        self.x509_svids.set(number(facts.x509_svids));
        self.jwt_svids.set(number(facts.jwt_svids));
        self.expires.set(moment(facts.expires_at));
        self.answered.set(moment(facts.last_answer));
        self.away.set(facts.problem.is_some().into());
    }
}
