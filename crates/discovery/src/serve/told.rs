//! What probes and Prometheus are told. Nothing is kept up for them: what the service knows anyway is read when they ask.

use std::sync::Arc;

use axum::Router;
use carnet_ops::{Component, Gauge, Health};
use jiff::{SignedDuration, Timestamp};

use super::Shared;

/// `/livez`, `/readyz`, `/readyz/source`, `/readyz/certificate` and `/metrics`.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let health = Health::new();
    let gauge = |name, help| shared.metrics.gauge(name, help);
    let told = Told {
        shared: Arc::clone(shared),
        source: health.component("source"),
        certificate: shared.certificate.as_ref().map(|_| health.component("certificate")),
        jwt_authorities: gauge("jwt_authorities", "Keys that are published"),
        x509_authorities: gauge("x509_authorities", "Certificates of authorities in the bundle"),
        read: gauge("source_read_timestamp_seconds", "When the source was read last, 0 when never"),
        failing: gauge("source_failing", "1 when the source could not be read last, otherwise 0"),
        expires: gauge(
            "certificate_expires_timestamp_seconds",
            "When the listener's certificate expires, 0 without one",
        ),
    };
    carnet_ops::diagnostics_at_sight(health, shared.metrics.clone(), move || told.look())
}

struct Told {
    shared: Arc<Shared>,
    source: Component,
    certificate: Option<Component>,
    jwt_authorities: Gauge,
    x509_authorities: Gauge,
    read: Gauge,
    failing: Gauge,
    expires: Gauge,
}

impl Told {
    fn look(&self) {
        let (health, bundle) = {
            let generation = self.shared.generation();
            (generation.follower.health(), generation.follower.watch().borrow().clone())
        };
        let now = self.shared.context.now();
        let problem = health.last_error();
        match (health.is_ready(), problem.clone()) {
            (true, None) => self.source.ready(),
            (true, Some(why)) => self.source.degraded(why),
            (false, why) => self.source.failing(why.unwrap_or_else(|| "it was not read yet".to_owned())),
        }
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.jwt_authorities.set(bundle.as_ref().map_or(0, |bundle| number(bundle.jwt_authorities.len())));
        self.x509_authorities.set(bundle.as_ref().map_or(0, |bundle| number(bundle.x509_authorities.len())));
        let ago = health.last_success().and_then(|ago| SignedDuration::try_from(ago).ok());
        self.read.set(ago.and_then(|ago| now.checked_sub(ago).ok()).map_or(0, Timestamp::as_second));
        self.failing.set(problem.is_some().into());
        let expires = self.shared.certificate.as_ref().and_then(crate::ServedCertificate::expires_at);
        self.expires.set(expires.map_or(0, Timestamp::as_second));
        if let Some(component) = &self.certificate {
            match expires {
                Some(end) if now < end => component.ready(),
                Some(end) => component.failing(format!("the certificate has expired at {end}")),
                None => component.failing("there is no certificate yet"),
            }
        }
    }
}
