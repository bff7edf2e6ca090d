//! No answer of a service in the catalogue may make the exchange panic, give a token that is none, or show the token that was
//! sent.
#![no_main]

use std::sync::{Arc, LazyLock};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{
    Context, Credential, Exchange, ExchangeConfig as _, Material, ScriptedHttp, Secret, Want, chain, test_context,
};
use carnet_jose::SubjectToken;
use carnet_oauth::RelyingParty;
use futures_util::FutureExt as _;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// A token with every claim that a service of the catalogue looks at, and a signature that nobody here checks.
static TOKEN: LazyLock<Secret> = LazyLock::new(|| {
    let claims = json!({
        "iss": "https://issuer.example", "sub": "job", "aud": "a", "iat": 1_795_262_400, "nbf": 1_795_262_400,
        "exp": 1_795_262_700, "jti": "1", "repository": "o/r", "repository_owner": "o", "repository_owner_id": "1",
        "repository_id": "2", "workflow_ref": "o/r/.github/workflows/w.yml@refs/heads/main", "job_workflow_ref": "x",
        "event_name": "push", "ref": "refs/heads/main", "environment": "e", "run_id": "3", "sha": "4",
    });
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "k" });
    Secret::new(format!("{}.{}.c2ln", part(header.to_string()), part(claims.to_string())))
});

/// One exchange for each service to which something is sent.
static PARTIES: LazyLock<Vec<Arc<dyn Exchange>>> = LazyLock::new(|| {
    let own = |name: &str, settings: Value| json!({ "name": name, "settings": settings, "subject_audience": "a" });
    let fixed = |name: &str, settings: Value| json!({ "name": name, "settings": settings });
    let mut sections = vec![
        own(
            "claude",
            json!({ "federation_rule_id": "fdrl_1", "organization_id": "o", "service_account_id": "svac_1" }),
        ),
        own("databricks", json!({ "client_id": "c" })),
        own("databricks-account", json!({ "account_id": "c" })),
        own("infisical", json!({ "identity_id": "i" })),
        own("openai", json!({ "identity_provider_id": "idp_1", "service_account_id": "sa_1" })),
        own("openrouter", json!({ "federation_policy_id": "p" })),
        own("tailscale", json!({ "client_id": "k" })),
        fixed("crates-io", json!({})),
        fixed("hcp", json!({ "provider": "iam/project/p/service-principal/s/workload-identity-provider/w" })),
        fixed("npm", json!({ "package": "@a/b" })),
        fixed("octo-sts", json!({ "scope": "o/r", "identity": "i" })),
        fixed("pypi", json!({})),
    ];
    for section in &mut sections {
        if section["name"].as_str().is_some_and(|name| name.starts_with("databricks")) {
            section["origin"] = "https://dbc-1.cloud.databricks.com".into();
        }
    }
    let build = |section: Value| {
        let party: RelyingParty = serde_json::from_value(section.clone()).expect("a section");
        party.build().unwrap_or_else(|mistakes| panic!("{section}: {mistakes:?}"))
    };
    sections.into_iter().map(build).collect()
});

fuzz_target!(|input: (u16, Vec<u8>)| {
    let (status, body) = input;
    let status = 200 + status % 400;
    let shown: Credential = SubjectToken::parse(TOKEN.clone()).expect("a JWT").into_credential();
    for party in PARTIES.iter() {
        let http = Arc::new(ScriptedHttp::default().answer(status, body.clone()));
        let context = Context { http, ..test_context() };
        let made = party.exchange(&context, &shown, &Want::default()).now_or_never().expect("nothing here waits");
        match made {
            Ok(made) => {
                let Material::AccessToken(access) = made.material else { panic!("another kind") };
                assert!((200..300).contains(&status) && !access.token.is_empty());
                assert!(access.token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
            }
            Err(error) => {
                let said = format!("{:?} {:?} {:?}", chain(&error), error.hints(), error.provider_code());
                assert!(!said.contains(TOKEN.expose()), "{}", party.name());
            }
        }
    }
});
