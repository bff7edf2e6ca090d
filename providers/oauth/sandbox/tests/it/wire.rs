//! What each party is sent, written from its pages once more: neither the client's catalogue nor the faces are asked.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

const EXCHANGE: [(&str, &str); 2] = [
    ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
    ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
];

/// In what form members are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Form,
    Json,
    Query,
    Nothing,
}

/// One party's request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    pub(crate) party: &'static str,
    pub(crate) service: &'static str,
    pub(crate) method: &'static str,
    /// `{name}` is a member that is part of the path.
    pub(crate) path: &'static str,
    pub(crate) sent: Sent,
    /// The member with the token; without one it is in the header.
    pub(crate) token: Option<&'static str>,
    /// Members that are always the same.
    pub(crate) always: &'static [(&'static str, &'static str)],
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) prefix: &'static str,
    /// Where the answer has the token.
    pub(crate) given: &'static str,
    pub(crate) status: u16,
    /// What takes the token.
    pub(crate) resource: Option<Resource>,
}

/// A content type, and the body that names something.
type Body = (&'static str, fn(&str) -> String);

/// One call with a token that was given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resource {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) takes: Takes,
    pub(crate) sends: Option<Body>,
    /// What the body names.
    pub(crate) names: &'static str,
    /// Where the answer says whose the token is, or what it is good for.
    pub(crate) says: Option<(&'static str, &'static str)>,
    /// The status for a token that is unknown.
    pub(crate) stranger: u16,
}

const fn get(path: &'static str) -> Resource {
    Resource {
        method: "GET",
        path,
        takes: Takes::Bearer,
        sends: None,
        names: "",
        says: Some(("/principal", "")),
        stranger: 401,
    }
}

/// A form with a file, as "Upload API" has it (docs.pypi.org/api/upload).
pub(crate) fn upload(project: &str) -> String {
    let part =
        |name: &str, value: &str| format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let [action, name] = [part(":action", "file_upload"), part("name", project)];
    format!("{action}{name}{}--b--\r\n", part("content\"; filename=\"a.whl", "a file"))
}

/// Metadata and file, each after its length ("Web API: Publish", doc.rust-lang.org/cargo/reference/registry-web-api.html).
pub(crate) fn publication(name: &str) -> String {
    let metadata = format!("{{\"name\":\"{name}\",\"vers\":\"0.2.0\"}}");
    let length = |text: &str| String::from_utf8(u32::try_from(text.len()).unwrap().to_le_bytes().to_vec()).unwrap();
    format!("{}{metadata}{}file", length(&metadata), length("file"))
}

/// How the party's token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Bearer,
    Bare,
    Password,
}

const USUAL: Wire = Wire {
    party: "",
    service: "",
    method: "POST",
    path: "",
    sent: Sent::Json,
    token: None,
    always: &[],
    headers: &[],
    prefix: "",
    given: "/access_token",
    status: 200,
    resource: None,
};

pub(crate) const WIRES: [Wire; 13] = [
    Wire {
        party: "claude",
        service: "oauth-claude",
        path: "/v1/oauth/token",
        token: Some("assertion"),
        always: &[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")],
        resource: Some(get("/v1/models")),
        ..USUAL
    },
    Wire {
        party: "crates-io",
        service: "oauth-crates-io",
        path: "/api/v1/trusted_publishing/tokens",
        token: Some("jwt"),
        given: "/token",
        resource: Some(Resource {
            method: "PUT",
            takes: Takes::Bare,
            sends: Some(("application/octet-stream", publication)),
            names: "carnet-sandbox",
            says: Some(("/crate/name", "carnet-sandbox")),
            stranger: 403,
            ..get("/api/v1/crates/new")
        }),
        ..USUAL
    },
    Wire {
        party: "databricks",
        service: "oauth-databricks",
        path: "/oidc/v1/token",
        sent: Sent::Form,
        token: Some("subject_token"),
        always: &[EXCHANGE[0], EXCHANGE[1], ("scope", "all-apis")],
        resource: Some(get("/api/2.0/preview/scim/v2/Me")),
        ..USUAL
    },
    Wire {
        party: "databricks-account",
        service: "oauth-databricks-account",
        path: "/oidc/accounts/{account_id}/v1/token",
        sent: Sent::Form,
        token: Some("subject_token"),
        always: &[EXCHANGE[0], EXCHANGE[1], ("scope", "all-apis")],
        resource: Some(get("/api/2.0/accounts/c0ffee00-0000-4000-8000-00000000da7a/scim/v2/Me")),
        ..USUAL
    },
    Wire {
        party: "hcp",
        service: "oauth-hcp",
        path: "/2019-12-10/{provider}/exchange-token",
        token: Some("jwt_token"),
        resource: Some(Resource {
            says: Some(("/principal/service/name", "")),
            ..get("/iam/2019-12-10/caller-identity")
        }),
        ..USUAL
    },
    Wire {
        party: "infisical",
        service: "oauth-infisical",
        path: "/api/v1/auth/oidc-auth/login",
        token: Some("jwt"),
        given: "/accessToken",
        resource: Some(Resource {
            says: Some(("/secrets/0/secretValue", "")),
            ..get("/api/v4/secrets?projectId=c0ffee00-0000-4000-8000-0000000000f0&environment=dev")
        }),
        ..USUAL
    },
    Wire {
        party: "npm",
        service: "oauth-npm",
        path: "/-/npm/v1/oidc/token/exchange/package/{package}",
        sent: Sent::Nothing,
        given: "/token",
        status: 201,
        resource: Some(Resource { method: "PUT", says: None, ..get("/@carnet-sandbox%2fapp") }),
        ..USUAL
    },
    Wire {
        party: "octo-sts",
        service: "oauth-octo-sts",
        method: "GET",
        path: "/sts/exchange",
        sent: Sent::Query,
        given: "/token",
        resource: Some(Resource {
            says: Some(("/repositories/0/full_name", "carnet-sandbox/app")),
            ..get("/installation/repositories")
        }),
        ..USUAL
    },
    Wire {
        party: "openai",
        service: "oauth-openai",
        path: "/oauth/token",
        token: Some("subject_token"),
        always: &EXCHANGE,
        resource: Some(get("/v1/models")),
        ..USUAL
    },
    Wire {
        party: "openrouter",
        service: "oauth-openrouter",
        path: "/api/v1/oauth/token",
        sent: Sent::Form,
        token: Some("subject_token"),
        always: &EXCHANGE,
        resource: Some(get("/api/v1/key")),
        ..USUAL
    },
    Wire {
        party: "pypi",
        service: "oauth-pypi",
        path: "/_/oidc/mint-token",
        token: Some("token"),
        given: "/token",
        resource: Some(Resource {
            method: "POST",
            takes: Takes::Password,
            sends: Some(("multipart/form-data; boundary=b", upload)),
            names: "Carnet_Sandbox",
            says: None,
            stranger: 403,
            ..get("/legacy/")
        }),
        ..USUAL
    },
    Wire {
        party: "snowflake",
        service: "oauth-snowflake",
        path: "/api/v2/statements",
        always: &[("statement", "select current_user()")],
        headers: &[("x-snowflake-authorization-token-type", "WORKLOAD_IDENTITY_FEDERATION")],
        prefix: "WIF.OIDC.",
        given: "/data/0/0",
        ..USUAL
    },
    Wire {
        party: "tailscale",
        service: "oauth-tailscale",
        path: "/api/v2/oauth/token-exchange",
        sent: Sent::Form,
        token: Some("jwt"),
        resource: Some(get("/api/v2/tailnet/-/devices")),
        ..USUAL
    },
];

pub(crate) fn wire(party: &str) -> Wire {
    WIRES.into_iter().find(|wire| wire.party == party).unwrap_or_else(|| panic!("no {party}"))
}

impl Wire {
    /// The path, and what of the members is not in it.
    pub(crate) fn target(&self, members: &BTreeMap<String, String>) -> (String, Vec<(String, String)>) {
        let (mut path, mut rest) = (self.path.to_owned(), Vec::new());
        for (name, value) in members {
            let place = format!("{{{name}}}");
            if path.contains(&place) {
                // The provider of HCP is several parts, the package of npm one.
                let value = if name == "provider" { value.clone() } else { value.replace('/', "%2f") };
                path = path.replace(&place, &value);
            } else {
                rest.push((name.clone(), value.clone()));
            }
        }
        (path, rest)
    }

    /// Members in the form of the party: query, content type and body.
    pub(crate) fn encode(&self, fields: &[(String, String)]) -> (String, Option<&'static str>, String) {
        let form = || url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        match self.sent {
            Sent::Form => (String::new(), Some("application/x-www-form-urlencoded"), form()),
            Sent::Query => (format!("?{}", form()), None, String::new()),
            Sent::Nothing => (String::new(), None, String::new()),
            Sent::Json => {
                let members = fields.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
                let body = Value::Object(members.collect::<Map<String, Value>>());
                (String::new(), Some("application/json"), body.to_string())
            }
        }
    }
}
