mod any;
mod config;
mod parties;
mod refusals;

use carnet_core::{Credential, Error, ScriptedHttp};
use carnet_jose::SubjectToken;
use serde_json::{Value, json};

use super::RelyingParty;
use crate::testing::{NOW, World, exchange_for, token, world};

/// A token with every claim that any service wants. It ends in ten minutes.
fn shown_with(bend: impl Fn(&mut Value)) -> Credential {
    let mut claims = json!({
        "iss": "https://issuer.example", "sub": "repo:carnet-sandbox/app:ref:refs/heads/main", "aud": "configured",
        "iat": NOW, "exp": NOW + 600, "jti": "once"
    });
    bend(&mut claims);
    SubjectToken::parse(token(&claims)).unwrap().into_credential()
}

fn shown() -> Credential {
    shown_with(|_| {})
}

/// The token in [`shown`].
fn shown_text() -> String {
    crate::testing::secret(&shown()).to_owned()
}

/// A section that every service of the catalogue takes.
fn section(name: &str) -> Value {
    let (settings, origin) = match name {
        "claude" => {
            (json!({"federation_rule_id": "fdrl_1", "organization_id": "org", "service_account_id": "svac_1"}), None)
        }
        "openai" => (json!({"identity_provider_id": "idp_1", "service_account_id": "sa_1"}), None),
        "openrouter" => (json!({"federation_policy_id": "policy"}), None),
        "tailscale" => (json!({"client_id": "kClient"}), None),
        "databricks" => (json!({"client_id": "principal"}), Some("https://dbc-1.cloud.databricks.com")),
        "databricks-account" => (json!({"account_id": "acc"}), Some("https://accounts.cloud.databricks.com")),
        "npm" => (json!({"package": "@carnet/sandbox"}), None),
        "octo-sts" => (json!({"scope": "carnet-sandbox/app", "identity": "reader"}), None),
        "infisical" => (json!({"identity_id": "machine"}), None),
        "hcp" => (json!({"provider": "iam/project/p/service-principal/s/workload-identity-provider/w"}), None),
        _ => (json!({}), None),
    };
    let mut section = json!({"name": name, "settings": settings});
    let configured = ["claude", "openai", "openrouter", "tailscale", "databricks", "databricks-account", "infisical"];
    if configured.contains(&name) {
        section["subject_audience"] = "configured".into();
    }
    if let Some(origin) = origin {
        section["origin"] = origin.into();
    }
    section
}

/// Asks with this answer to come.
fn ask(name: &str, status: u16, answer: &Value) -> (Result<Credential, Error>, World) {
    ask_with(name, &shown(), ScriptedHttp::default().answer(status, answer.to_string()))
}

fn ask_with(name: &str, credential: &Credential, http: ScriptedHttp) -> (Result<Credential, Error>, World) {
    let world = world(http);
    let made = exchange_for::<RelyingParty>(&section(name), &world, credential, None);
    (made, world)
}
