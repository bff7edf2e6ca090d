use carnet_core::{ErrorKind, Material, MemoryFiles, test_context};
use serde_json::json;

use super::*;
use crate::testing::{self, Script, TENANCY, answer, answer_with, with};

const RESOURCE: &str = "ocid1.fnfunc.oc1.iad.aaaa";

fn source() -> Arc<dyn Source> {
    ResourceConfig::default().build().unwrap()
}

async fn find(context: &Context) -> Result<Found, Error> {
    source().find(context, &Want::default()).await
}

async fn credential(context: &Context) -> Credential {
    match find(context).await.unwrap() {
        Found::Credential(credential) => *credential,
        Found::NotHere(reason) => panic!("not here: {reason}"),
    }
}

async fn reason(context: &Context) -> String {
    match find(context).await.unwrap() {
        Found::NotHere(reason) => reason,
        Found::Credential(_) => panic!("found"),
    }
}

fn name(name: &str) -> String {
    format!("OCI_RESOURCE_PRINCIPAL_{name}")
}

/// A context with these variables, given without their prefix.
fn given(script: &Script, variables: &[(&str, &str)], files: &[(&str, &str)]) -> Context {
    let named: Vec<_> = variables.iter().map(|(key, value)| (name(key), *value)).collect();
    let borrowed: Vec<_> = named.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    with(script.context(), &borrowed, files)
}

fn rpst(extra: serde_json::Value) -> String {
    testing::session_token(extra).expose().to_owned()
}

fn token(extra: serde_json::Value) -> testing::Step {
    answer(200, &json!({"token": rpst(extra)}).to_string())
}

const TOKENS: &str = r#"{"resourcePrincipalToken":"rpt","servicePrincipalSessionToken":"spst"}"#;

#[tokio::test]
async fn without_the_version_it_is_not_here() {
    assert_eq!(reason(&test_context()).await, "OCI_RESOURCE_PRINCIPAL_VERSION is not set");
}

#[tokio::test]
async fn refuses_a_version_that_nobody_knows() {
    let error = find(&given(&Script::default(), &[("VERSION", "9.9")], &[])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("9.9, which is none of 1.1, 2.1, 2.1.1, 2.1.2, 2.2 and 3.0"), "{error}");
    assert!(error.hints().iter().any(|hint| hint.contains("write one of 1.1")), "{:?}", error.hints());
}

#[tokio::test]
async fn a_token_that_is_not_text_is_refused_with_its_line_and_a_hint() {
    let pem = testing::pem(&testing::key());
    let files = MemoryFiles::default();
    files.put("/rp/rpst", b"ST$\nSchl\xfcssel");
    let variables = [("VERSION", "2.2"), ("RPST", "/rp/rpst"), ("PRIVATE_PEM", pem.as_str())];
    let context = Context { files: Arc::new(files), ..given(&Script::default(), &variables, &[]) };
    let error = find(&context).await.unwrap_err();
    let said = carnet_core::chain(&error).join(": ");
    assert!(
        said.contains(&name("RPST")) && said.contains("read /rp/rpst: byte 8 (line 2, column 5) is not UTF-8"),
        "{said}"
    );
    assert_eq!(error.hints(), ["save the file as UTF-8"]);
}

mod version_2_2 {
    use super::*;

    #[tokio::test]
    async fn token_and_key_as_values() {
        let (token, pem) = (
            rpst(json!({"res_tenant": TENANCY, "tenant": null, "res_compartment": "ocid1.compartment.oc1..c"})),
            testing::pem(&testing::key()),
        );
        let variables = [("VERSION", "2.2"), ("RPST", &token), ("PRIVATE_PEM", &pem), ("REGION", "IAD")];
        let credential = credential(&given(&Script::default(), &variables, &[])).await;
        assert_eq!(credential.facts["compartment"], "ocid1.compartment.oc1..c");
        let Material::OciSession(session) = credential.material else { panic!("another kind") };
        assert_eq!(session.token.expose(), token);
        assert_eq!((session.region.as_deref(), session.tenancy.as_deref()), (Some("us-ashburn-1"), Some(TENANCY)));
    }

    #[tokio::test]
    async fn token_and_key_as_files() {
        let (token, pem) = (rpst(json!({})) + "\n", testing::pem(&testing::key()));
        let variables = [("VERSION", "2.2"), ("RPST", "/rp/rpst"), ("PRIVATE_PEM", "/rp/key"), ("REGION", "iad")];
        let context = given(&Script::default(), &variables, &[("/rp/rpst", &token), ("/rp/key", &pem)]);
        let Material::OciSession(session) = credential(&context).await.material else { panic!("another kind") };
        assert_eq!(session.token.expose(), token.trim());
    }

    #[tokio::test]
    async fn refuses_what_is_missing_by_its_name() {
        let (token, pem) = (rpst(json!({})), testing::pem(&testing::key()));
        let all = [("VERSION", "2.2"), ("RPST", token.as_str()), ("PRIVATE_PEM", pem.as_str())];
        for missing in ["RPST", "PRIVATE_PEM"] {
            let some: Vec<_> = all.into_iter().filter(|(key, _)| *key != missing).collect();
            let error = find(&given(&Script::default(), &some, &[])).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(&name(missing)), "{error}");
        }
        let files = [("VERSION", "2.2"), ("RPST", "/rp/rpst"), ("PRIVATE_PEM", pem.as_str())];
        let error = find(&given(&Script::default(), &files, &[])).await.unwrap_err();
        assert!(error.to_string().contains("/rp/rpst"), "{error}");
    }

    #[tokio::test]
    async fn in_a_kubernetes_pod_without_the_rest_it_is_not_here() {
        let context = with(test_context(), &[(&name("VERSION"), "2.2"), ("KUBERNETES_SERVICE_HOST", "10.0.0.1")], &[]);
        assert!(reason(&context).await.contains("Kubernetes"));
    }

    #[tokio::test]
    async fn an_expired_value_cannot_be_renewed_and_an_expired_file_was_not() {
        let (token, pem) = (rpst(json!({"exp": testing::now().as_second() - 1})), testing::pem(&testing::key()));
        let inline = [("VERSION", "2.2"), ("RPST", token.as_str()), ("PRIVATE_PEM", pem.as_str())];
        let error = find(&given(&Script::default(), &inline, &[])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Expired);
        assert!(error.hints()[0].contains("cannot be renewed"), "{:?}", error.hints());
        let files = [("VERSION", "2.2"), ("RPST", "/t"), ("PRIVATE_PEM", "/k")];
        let error = find(&given(&Script::default(), &files, &[("/t", &token), ("/k", &pem)])).await.unwrap_err();
        assert!(error.hints()[0].contains("did not renew"), "{:?}", error.hints());
    }

    #[tokio::test]
    async fn refuses_a_key_that_is_not_the_tokens() {
        let (token, pem) = (rpst(json!({})), testing::pem(&testing::other_key()));
        let variables = [("VERSION", "2.2"), ("RPST", token.as_str()), ("PRIVATE_PEM", pem.as_str())];
        let error = find(&given(&Script::default(), &variables, &[])).await.unwrap_err();
        assert_eq!(error.failed_clause(), Some("key"));
    }

    #[tokio::test]
    async fn refuses_a_key_and_a_passphrase_of_two_forms() {
        let (token, pem) = (rpst(json!({})), testing::pem(&testing::key()));
        for (key, passphrase) in [("/k", "words"), (pem.as_str(), "/p")] {
            let variables =
                [("VERSION", "2.2"), ("RPST", &token), ("PRIVATE_PEM", key), ("PRIVATE_PEM_PASSPHRASE", passphrase)];
            let error =
                find(&given(&Script::default(), &variables, &[("/k", &pem), ("/p", "words")])).await.unwrap_err();
            assert!(error.to_string().contains("both be paths or both be values"), "{error}");
        }
    }

    #[tokio::test]
    async fn refuses_a_malformed_token_or_key_without_quoting_it() {
        let (token, pem) = (rpst(json!({})), testing::pem(&testing::key()));
        for (token, pem) in [("MARK", pem.as_str()), (token.as_str(), "MARK")] {
            let variables = [("VERSION", "2.2"), ("RPST", token), ("PRIVATE_PEM", pem)];
            let error = find(&given(&Script::default(), &variables, &[])).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(!format!("{error:?}").contains("MARK"), "{error:?}");
        }
    }
}

mod version_2_1 {
    use super::*;

    fn variables<'a>(version: &'a str, pem: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("VERSION", version),
            ("RPT_ENDPOINT", "https://rp.example"),
            ("RPST_ENDPOINT", "https://auth.example"),
            ("RESOURCE_ID", RESOURCE),
            ("TENANCY_ID", TENANCY),
            ("PRIVATE_PEM", pem),
            ("REGION", "iad"),
            ("SECURITY_CONTEXT", "ctx"),
        ]
    }

    #[tokio::test]
    async fn each_version_has_its_path_and_its_key_id() {
        let pem = testing::pem(&testing::key());
        for (version, path, key_id, context_header) in [
            ("2.1", "resourcePrincipalTokenV2", format!("resource/v2.1/{RESOURCE}"), None),
            ("2.1.1", "resourcePrincipalTokenV2", format!("resource/v2.1.1/{TENANCY}/{RESOURCE}"), None),
            ("2.1.2", "resourcePrincipalTokenV212", format!("resource/v2.1.2/{TENANCY}/{RESOURCE}"), Some("ctx")),
        ] {
            let script = Script::of([answer(200, TOKENS), token(json!({}))]);
            credential(&given(&script, &variables(version, &pem), &[])).await;
            let [first, second] = script.requests().try_into().unwrap_or_else(|_| panic!("two requests"));
            assert_eq!(first.url.as_str(), format!("https://rp.example/20180711/{path}/{RESOURCE}"));
            assert!(first.headers["authorization"].to_str().unwrap().contains(&format!("keyId=\"{key_id}\"")));
            assert_eq!(first.headers.get("security-context").map(|value| value.to_str().unwrap()), context_header);
            assert_eq!(second.url.as_str(), "https://auth.example/v1/resourcePrincipalSessionToken");
            let body: serde_json::Value = serde_json::from_slice(&second.body).unwrap();
            let spki = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, testing::key().public_spki());
            assert_eq!(
                body,
                json!({"resourcePrincipalToken": "rpt", "servicePrincipalSessionToken": "spst", "sessionPublicKey": spki})
            );
        }
    }

    #[tokio::test]
    async fn no_error_quotes_the_tokens_that_were_sent() {
        let pem = testing::pem(&testing::key());
        let tokens = json!({"resourcePrincipalToken": "rpt-0123456789abcdef", "servicePrincipalSessionToken": "spst"});
        let said = json!({"code": "NotAuthenticated", "message": "bad 0123456789abcdef, bad spst"});
        let script = Script::of([answer(200, &tokens.to_string()), answer(401, &said.to_string())]);
        let error = find(&given(&script, &variables("2.1", &pem), &[])).await.unwrap_err();
        let shown = carnet_core::chain(&error).join(": ");
        assert!(shown.contains("bad [redacted], bad [redacted]"), "{shown}");
    }

    #[tokio::test]
    async fn another_path_and_the_regions_auth_service() {
        let pem = testing::pem(&testing::key());
        let mut variables = variables("2.1", &pem);
        variables.retain(|(key, _)| *key != "RPST_ENDPOINT");
        variables.push(("RPT_PATH", "/v9/{id}/token"));
        let script = Script::of([answer(200, TOKENS), token(json!({}))]);
        credential(&given(&script, &variables, &[])).await;
        assert_eq!(script.requests()[0].url.path(), format!("/v9/{RESOURCE}/token"));
        assert_eq!(script.requests()[1].url.host_str(), Some("auth.us-ashburn-1.oraclecloud.com"));
    }

    #[tokio::test]
    async fn refuses_what_is_missing_by_its_name() {
        let pem = testing::pem(&testing::key());
        for (version, missing) in [
            ("2.1", "RPT_ENDPOINT"),
            ("2.1", "RESOURCE_ID"),
            ("2.1", "PRIVATE_PEM"),
            ("2.1.1", "TENANCY_ID"),
            ("2.1.2", "SECURITY_CONTEXT"),
        ] {
            let mut variables = variables(version, &pem);
            variables.retain(|(key, _)| *key != missing);
            let error = find(&given(&Script::default(), &variables, &[])).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(&name(missing)), "{error}");
        }
    }

    #[tokio::test]
    async fn refuses_an_id_that_would_change_the_path() {
        let pem = testing::pem(&testing::key());
        for id in ["../../x", "a b", "a\"b", ".."] {
            let mut variables = variables("2.1", &pem);
            variables.retain(|(key, _)| *key != "RESOURCE_ID");
            variables.push(("RESOURCE_ID", id));
            let error = find(&given(&Script::default(), &variables, &[])).await.unwrap_err();
            assert!(error.to_string().contains("not an OCID"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_refusal_names_the_step_and_shows_no_token() {
        let pem = testing::pem(&testing::key());
        for (script, words) in [
            (Script::of([answer(404, r#"{"code":"NotAuthorizedOrNotFound","message":"eyJMARK"}"#)]), "rp.example"),
            (Script::of([answer(200, "{\"MARK\":1}")]), "resource principal token"),
            (
                Script::of([answer(200, TOKENS), answer(401, r#"{"code":"NotAuthenticated","message":"eyJMARK"}"#)]),
                "auth.example",
            ),
        ] {
            let error = find(&given(&script, &variables("2.1", &pem), &[])).await.unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert!(!format!("{error:?}").contains("MARK"), "{error:?}");
        }
    }
}

mod version_1_1 {
    use carnet_core::HttpErrorKind;

    use super::*;
    use crate::testing::Step;

    #[tokio::test]
    async fn away_from_an_instance_it_is_not_here() {
        let script = Script::of([0; 4].map(|_| Step::Fail(HttpErrorKind::Timeout)));
        let context = given(&script, &[("VERSION", "1.1"), ("RPT_ENDPOINT", "https://rp.example")], &[]);
        assert!(reason(&context).await.starts_with("resource principal 1.1 needs an instance: no metadata service"));
    }

    #[tokio::test]
    async fn refuses_a_missing_endpoint_before_anything_is_sent() {
        let error = find(&given(&Script::default(), &[("VERSION", "1.1")], &[])).await.unwrap_err();
        assert!(error.to_string().contains(&name("RPT_ENDPOINT")), "{error}");
    }
}

mod version_3_0 {
    use super::*;

    const LEAF: &str = "_FOR_LEAF_RESOURCE";

    async fn run(script: &Script, extra: &[(&str, &str)]) -> Result<Found, Error> {
        let (token, pem) = (rpst(json!({"sub": "leaf"})), testing::pem(&testing::key()));
        let leaf = [("VERSION", "2.2"), ("RPST", &token), ("PRIVATE_PEM", &pem), ("REGION", "iad")]
            .map(|(key, value)| (format!("{key}{LEAF}"), value));
        let mut variables: Vec<_> = leaf.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        variables.push(("VERSION", "3.0"));
        variables.push(("RPT_URL_FOR_PARENT_RESOURCE", "https://rp.example/parent/1"));
        variables.push(("RPST_ENDPOINT_FOR_PARENT_RESOURCE", "https://auth.example"));
        variables.retain(|(key, _)| !extra.iter().any(|(other, _)| other == key));
        variables.extend(extra.iter().filter(|(_, value)| !value.is_empty()));
        find(&given(script, &variables, &[])).await
    }

    #[tokio::test]
    async fn the_leaf_acts_for_parent_and_grandparent_with_one_key() {
        let up = |url: &str| answer_with(200, TOKENS, &[("opc-parent-rpt-url", url)]);
        let script = Script::of([
            up("https://rp.example/parent/2"),
            token(json!({"sub": "parent"})),
            up("https://rp.example/parent/2"),
            token(json!({"sub": "grandparent"})),
        ]);
        let Found::Credential(credential) = run(&script, &[]).await.unwrap() else { panic!("not here") };
        assert_eq!(credential.facts["principal"], "grandparent");
        let urls: Vec<_> = script.requests().iter().map(|request| request.url.to_string()).collect();
        let session = "https://auth.example/v1/resourcePrincipalSessionToken";
        assert_eq!(urls, ["https://rp.example/parent/1", session, "https://rp.example/parent/2", session]);
        let signers: Vec<_> = script
            .requests()
            .iter()
            .map(|request| {
                request.headers["authorization"]
                    .to_str()
                    .unwrap()
                    .split("keyId=")
                    .nth(1)
                    .unwrap()
                    .split(',')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(signers[0], signers[1]);
        assert_ne!(signers[1], signers[2], "the parent's token signs for the grandparent");
    }

    #[tokio::test]
    async fn the_climb_ends_at_depth_ten() {
        let steps = (0..40).map(|at| {
            if at % 2 == 0 {
                answer_with(200, TOKENS, &[("opc-parent-rpt-url", &format!("https://rp.example/up/{at}"))])
            } else {
                token(json!({}))
            }
        });
        let script = Script::of(steps);
        run(&script, &[]).await.unwrap();
        assert_eq!(script.requests().len(), 20);
    }

    #[tokio::test]
    async fn a_parent_elsewhere_is_an_address_that_nobody_configured() {
        let script = Script::of([
            answer_with(200, TOKENS, &[("opc-parent-rpt-url", "https://other.example/2")]),
            token(json!({})),
            answer(200, TOKENS),
            token(json!({})),
        ]);
        run(&script, &[]).await.unwrap();
        let destinations: Vec<_> = script.requests().iter().map(|request| request.destination).collect();
        assert_eq!(destinations[0], Destination::Configured);
        assert_eq!(destinations[2], Destination::Untrusted);
    }

    #[tokio::test]
    async fn refuses_a_parent_that_is_no_url() {
        let script = Script::of([answer_with(200, TOKENS, &[("opc-parent-rpt-url", "/up")]), token(json!({}))]);
        let error = run(&script, &[]).await.unwrap_err();
        assert!(error.to_string().contains("opc-parent-rpt-url"), "{error}");
    }

    #[tokio::test]
    async fn refuses_a_leaf_that_is_nested_itself_and_a_missing_parent() {
        let error = run(&Script::default(), &[("VERSION_FOR_LEAF_RESOURCE", "3.0")]).await.unwrap_err();
        assert!(error.to_string().contains("cannot itself be 3.0"), "{error}");
        for missing in ["VERSION_FOR_LEAF_RESOURCE", "RPT_URL_FOR_PARENT_RESOURCE"] {
            let error = run(&Script::default(), &[(missing, "")]).await.unwrap_err();
            assert!(error.to_string().contains(&name(missing)), "{error}");
        }
    }
}
