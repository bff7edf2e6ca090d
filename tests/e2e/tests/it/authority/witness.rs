//! An issuer of the test's own, for whose tokens rules are made.

use std::sync::Arc;

use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    authority::scene::AUDIENCE,
    scene::{Asked, Server},
};

/// It publishes its key on loopback, as any OpenID provider does.
pub(crate) struct Witness {
    key: Arc<SigningKey>,
    url: String,
}

impl Witness {
    pub(crate) fn start() -> Self {
        let key = Arc::new(SigningKey::generate(Algorithm::Es256).expect("make a key").with_kid("witness"));
        let jwks = json!({ "keys": [key.public_jwk()] }).to_string();
        let server = Server::start(move |asked: &Asked| {
            let host = asked.text.lines().find_map(|line| line.strip_prefix("host: ").or(line.strip_prefix("Host: ")));
            let url = format!("http://{}", host.unwrap_or_default().trim());
            match asked.path.as_str() {
                "/.well-known/openid-configuration" => {
                    (200, json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") }).to_string())
                }
                "/jwks" => (200, jwks.clone()),
                _ => (404, "{}".to_owned()),
            }
        });
        Self { key, url: server.url() }
    }

    /// A rule in TOML that makes `/ci/NAME` of its subject `job:NAME`, with more lines at its end.
    pub(crate) fn rule(&self, more: &str) -> String {
        format!(
            "[[rule]]\nname = \"witness\"\nissuer = \"{}\"\nexpected_audiences = [\"carnet\"]\nsubject = \"job:*\"\n\
             identity = \"/ci/{{job_id}}\"\nissue = [\"jwt-svid\", \"access-token\"]\naudiences = [\"{AUDIENCE}\"]\n{more}\n",
            self.url
        )
    }

    /// A token of the job of this name.
    pub(crate) fn token(&self, name: &str) -> String {
        self.token_with(name, &json!({}))
    }

    /// A token with members changed or added.
    pub(crate) fn token_with(&self, name: &str, members: &Value) -> String {
        let now = Timestamp::now().as_second();
        let mut claims =
            object(&json!({ "iss": self.url, "sub": format!("job:{name}"), "aud": "carnet", "job_id": name,
            "iat": now, "nbf": now, "exp": now + 300, "jti": format!("jti-{name}") }));
        claims.extend(object(members));
        encode_jwt(&self.key, &Map::new(), &claims).expect("sign").expose().to_owned()
    }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}
