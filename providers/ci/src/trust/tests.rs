use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const CIRCLE: &str = "https://oidc.circleci.com/org/o";

/// A trust as JSON: `iss`, `aud`, `sub`, and all other claims.
fn warnings(trust: &Value) -> Vec<Warning> {
    let list = |value: &'_ Value| -> Vec<String> {
        match value {
            Value::Array(values) => values.iter().map(|value| value.as_str().unwrap().to_owned()).collect(),
            one => vec![one.as_str().unwrap().to_owned()],
        }
    };
    let members = trust.as_object().unwrap();
    let others: Vec<(&str, Vec<String>)> = members
        .iter()
        .filter(|(name, _)| !["iss", "aud", "sub"].contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), list(value)))
        .collect();
    let audiences = members.get("aud").map(list).unwrap_or_default();
    lint(&CiTrust {
        issuer: members["iss"].as_str().unwrap(),
        audiences: audiences.iter().map(String::as_str).collect(),
        subject: members.get("sub").and_then(Value::as_str),
        claims: others.iter().map(|(name, values)| (*name, values.iter().map(String::as_str).collect())).collect(),
    })
}

/// What is warned of, shortly: `clause: beginning of the message`.
fn said(trust: &Value) -> Vec<String> {
    warnings(trust)
        .into_iter()
        .map(|warning| {
            format!("{}: {}", warning.clause, warning.message.split(' ').take(4).collect::<Vec<_>>().join(" "))
        })
        .collect()
}

/// A trust of each system with which nothing is wrong.
fn good() -> Vec<Value> {
    let aud = "https://me.example";
    vec![
        json!({"iss": GITHUB, "aud": aud, "repository_id": "1", "environment": "production"}),
        json!({"iss": GITHUB, "aud": aud, "sub": "repo:o@1/r@2:ref:refs/heads/main"}),
        json!({"iss": "https://gitlab.com", "aud": aud, "project_id": "1", "ref": "main", "ref_protected": "true"}),
        json!({"iss": "https://gitlab.example", "aud": aud, "project_path": "g/p", "project_id": "1", "ref_protected": "true"}),
        json!({"iss": "https://api.bitbucket.org/2.0/workspaces/w/pipelines-config/identity/oidc", "aud": aud,
            "sub": "{r}:{e}:*"}),
        json!({"iss": CIRCLE, "aud": aud, "oidc.circleci.com/project-id": "p", "oidc.circleci.com/vcs-origin": "github.com/o/r",
            "oidc.circleci.com/vcs-ref": "refs/heads/main", "oidc.circleci.com/ssh-rerun": "false"}),
        json!({"iss": "https://agent.buildkite.com", "aud": aud, "organization_id": "o", "pipeline_id": "p",
            "build_branch": "main"}),
        json!({"iss": "https://vstoken.dev.azure.com/o", "aud": aud, "prj_id": "p", "def_id": "d", "rpo_ref": "refs/heads/main"}),
        json!({"iss": "https://app.terraform.io", "aud": aud, "terraform_organization_id": "o", "terraform_workspace_id": "w",
            "terraform_run_phase": "apply"}),
        json!({"iss": "https://demo.app.spacelift.io", "aud": aud, "callerId": "c", "spacePath": "/root/production",
            "runType": "TRACKED"}),
        json!({"iss": "https://ci.example/oidc", "aud": aud, "sub": "https://ci.example/job/a/"}),
        json!({"iss": "https://accounts.google.com", "aud": aud, "sub": "108642097531864209753"}),
    ]
}

fn bent(at: usize, bend: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Value {
    let mut trust = good().remove(at);
    bend(trust.as_object_mut().unwrap());
    trust
}

#[test]
fn nothing_is_said_of_good_trusts() {
    for trust in good() {
        let said = warnings(&trust);
        assert!(said.is_empty(), "{trust}: {said:?}");
    }
}

#[test]
fn nothing_is_said_of_what_is_no_ci_system() {
    assert!(warnings(&json!({"iss": "https://idp.example"})).is_empty());
}

#[test]
fn warns_of_shared_issuers_without_a_tenant() {
    let aud = "https://me.example";
    for issuer in [
        GITHUB,
        "https://gitlab.com",
        "https://oidc.circleci.com",
        "https://agent.buildkite.com",
        "https://app.terraform.io",
        "https://accounts.google.com",
    ] {
        assert_eq!(said(&json!({"iss": issuer, "aud": aud})), ["subject: everybody who has an"], "{issuer}");
    }
    let of_workflow =
        json!({"iss": GITHUB, "aud": aud, "job_workflow_ref": "o/shared/.github/workflows/a.yml@refs/heads/main"});
    assert_eq!(said(&of_workflow), ["subject: everybody who has an"], "anybody may call a reusable workflow");
    assert_eq!(
        said(&json!({"iss": GITHUB, "aud": aud, "sub": "repo:o*:ref:refs/heads/main"})),
        ["subject: everybody who has an"]
    );
}

#[test]
fn whoever_pins_an_owner_is_not_told_that_everybody_gets_in() {
    let aud = "https://me.example";
    let all = "subject: every project, pipeline or";
    let group = "https://gitlab.com";
    for (trust, expected) in [
        (
            json!({"iss": group, "aud": aud, "sub": "project_path:group/*:ref_type:branch:ref:main", "ref_protected": "true"}),
            [all, "subject: `namespace_path` is a name:"].as_slice(),
        ),
        (
            json!({"iss": group, "aud": aud, "project_path": ["group/a", "group/sub/*"], "ref_protected": "true"}),
            &[all, "subject: `namespace_path` is a name:"],
        ),
        (
            json!({"iss": "https://accounts.google.com", "aud": aud, "hd": "example.org"}),
            &[all, "subject: `hd` is a name:"],
        ),
        (
            json!({"iss": group, "aud": aud, "sub": "project_path:group*:ref_type:branch:ref:main"}),
            &["subject: everybody who has an"],
        ),
        (
            json!({"iss": group, "aud": aud, "sub": "project_path:*/app:ref_type:branch:ref:main"}),
            &["subject: everybody who has an"],
        ),
        (json!({"iss": group, "aud": aud, "project_path": ["group/*", "*"]}), &["subject: everybody who has an"]),
    ] {
        assert_eq!(said(&trust), expected, "{trust}");
    }
}

#[test]
fn warns_of_a_whole_tenant() {
    let all = "subject: every project, pipeline or";
    for trust in [
        bent(0, |trust| {
            drop((trust.remove("repository_id"), trust.insert("repository_owner_id".to_owned(), json!("1"))));
        }),
        bent(2, |trust| drop((trust.remove("project_id"), trust.insert("namespace_id".to_owned(), json!("1"))))),
        bent(4, |trust| drop((trust.remove("sub"), trust.insert("branchName".to_owned(), json!("main"))))),
        bent(5, |trust| drop(trust.remove("oidc.circleci.com/project-id"))),
        bent(6, |trust| drop(trust.remove("pipeline_id"))),
        bent(7, |trust| {
            drop((trust.remove("prj_id"), trust.remove("def_id"), trust.insert("org_id".to_owned(), json!("o"))));
        }),
        bent(8, |trust| drop(trust.remove("terraform_workspace_id"))),
        bent(9, |trust| drop(trust.remove("callerId"))),
    ] {
        assert_eq!(said(&trust), [all], "{trust}");
    }
}

#[test]
fn warns_of_names_where_there_are_ids() {
    for (at, id, name) in [
        (0, "repository_id", ("repository", "o/r")),
        (2, "project_id", ("project_path", "g/p")),
        (8, "terraform_workspace_id", ("terraform_workspace_name", "w")),
    ] {
        let trust = bent(at, |trust| {
            trust.remove(id);
            trust.remove("terraform_organization_id");
            trust.insert("terraform_organization_name".to_owned(), json!("o"));
            trust.insert(name.0.to_owned(), json!(name.1));
        });
        let warned = said(&trust);
        assert!(warned.len() == 1 && warned[0].ends_with("is a name:"), "{trust}: {warned:?}");
    }
    let by_slugs = bent(6, |trust| {
        trust.remove("organization_id");
        trust.remove("pipeline_id");
        trust.insert("sub".to_owned(), json!("organization:o:pipeline:p:ref:refs/heads/main:commit:*:step:*"));
    });
    assert_eq!(said(&by_slugs), ["subject: `pipeline_slug` is a name:"]);
    assert!(warnings(&by_slugs)[0].fix.ends_with("one of pipeline_id, organization_id"), "each id once");
}

#[test]
fn warns_of_code_that_nobody_has_looked_at() {
    for (trust, expected) in [
        (
            json!({"iss": GITHUB, "aud": "a", "repository_id": "1", "sub": "repo:o/r:pull_request"}),
            "subject: it is for pull",
        ),
        (
            json!({"iss": GITHUB, "aud": "a", "repository_id": "1", "sub": "repo:o/r:*"}),
            "subject: every branch and every",
        ),
        (
            json!({"iss": GITHUB, "aud": "a", "repository_id": "1", "ref": "refs/heads/release/*"}),
            "subject: whoever can push makes",
        ),
        (bent(2, |trust| drop(trust.remove("ref_protected"))), "subject: branches that are not"),
        (
            bent(2, |trust| drop(trust.insert("ref_protected".to_owned(), json!(["true", "false"])))),
            "subject: branches that are not",
        ),
        (bent(4, |trust| drop(trust.insert("sub".to_owned(), json!("{r}:*")))), "subject: every branch of the"),
        (bent(5, |trust| drop(trust.remove("oidc.circleci.com/vcs-origin"))), "subject: builds of forks get"),
        (bent(5, |trust| drop(trust.remove("oidc.circleci.com/vcs-ref"))), "subject: every branch gets in"),
        (bent(5, |trust| drop(trust.remove("oidc.circleci.com/ssh-rerun"))), "subject: a job that was"),
        (bent(6, |trust| drop(trust.remove("build_branch"))), "subject: every branch gets in,"),
        (bent(8, |trust| drop(trust.remove("terraform_run_phase"))), "subject: plans get in as"),
        (bent(9, |trust| drop(trust.remove("runType"))), "subject: proposed runs get in"),
        (
            bent(9, |trust| drop((trust.remove("spacePath"), trust.insert("spaceId".to_owned(), json!("s"))))),
            "subject: spaces in different places",
        ),
        (
            bent(10, |trust| drop(trust.insert("sub".to_owned(), json!("https://ci.example/job/a/*")))),
            "subject: whoever may make a",
        ),
        (
            bent(11, |trust| drop((trust.remove("sub"), trust.insert("email".to_owned(), json!("a@b.example"))))),
            "subject: `email` is a name:",
        ),
    ] {
        let warned = said(&trust);
        assert!(warned.contains(&expected.to_owned()), "{trust}: {warned:?}");
    }
}

#[test]
fn warns_of_names_in_the_subjects_of_azure() {
    let of = |subject: &str| {
        said(&json!({"iss": "https://vstoken.dev.azure.com/o", "aud": "https://me.example", "sub": subject}))
    };
    assert_eq!(of("sc://o/p/c"), ["issuer: the issuer of Azure", "subject: the subject is made"]);
    assert_eq!(of("p://o/p/d"), ["subject: every branch gets in", "subject: the subject is made"]);
}

#[test]
fn warns_of_audiences_that_every_token_has() {
    let with =
        |at: usize, audience: &str| said(&bent(at, |trust| drop(trust.insert("aud".to_owned(), json!(audience)))));
    for (at, audience) in [
        (0, "https://github.com/o"),
        (4, "ari:cloud:bitbucket::workspace/w"),
        (5, "o"),
        (6, "https://buildkite.com/o"),
        (7, "api://AzureADTokenExchange"),
        (9, "demo.app.spacelift.io"),
        (2, "https://gitlab.com"),
    ] {
        let warned = with(at, audience);
        assert!(warned.len() == 1 && warned[0].starts_with("audience: "), "{audience}: {warned:?}");
    }
    assert_eq!(with(0, "*"), ["audience: `*` stands for every"]);
    assert_eq!(said(&bent(0, |trust| drop(trust.remove("aud")))), ["audience: no audience is compared:"]);
}

#[test]
fn a_token_is_told_what_it_is_and_what_to_bind() {
    let token = json!({"iss": GITHUB, "aud": "https://me.example", "sub": "repo:o/r:pull_request", "repository_id": "1",
        "repository_owner_id": "2", "repository": "o/r", "event_name": "pull_request"});
    let Value::Object(claims) = token else { panic!("an object") };
    let seen = look(&Claims(claims)).unwrap();
    assert_eq!((seen.system.name, seen.claims[0].0.about), ("GitHub Actions", "the repository"));
    assert_eq!(seen.bind, [("repository_id", "1".to_owned()), ("repository_owner_id", "2".to_owned())]);
    let clauses: Vec<_> = seen.warnings.iter().map(|warning| warning.clause).collect();
    assert_eq!(clauses, ["run", "subject", "subject"], "{:?}", seen.warnings);
    assert!(look(&Claims(serde_json::Map::new())).is_none());
}

#[test]
fn tokens_of_runs_that_deserve_less_are_named() {
    for claims in [
        json!({"iss": "https://gitlab.com", "ref_protected": "false"}),
        json!({"iss": CIRCLE, "oidc.circleci.com/ssh-rerun": true}),
        json!({"iss": "https://app.terraform.io", "terraform_run_phase": "plan"}),
        json!({"iss": "https://demo.app.spacelift.io", "runType": "PROPOSED"}),
    ] {
        let Value::Object(members) = claims.clone() else { panic!("an object") };
        assert_eq!(look(&Claims(members)).unwrap().warnings[0].clause, "run", "{claims}");
    }
}

proptest! {
    #[test]
    fn no_trust_is_too_strange(issuer: String, subject: String, name: String, value: String) {
        for issuer in [issuer.as_str(), GITHUB, CIRCLE, "https://gitlab.com", "https://vstoken.dev.azure.com/o"] {
            let claims = BTreeMap::from([(name.as_str(), vec![value.as_str()])]);
            for warning in lint(&CiTrust { issuer, audiences: vec![&value], subject: Some(&subject), claims }) {
                prop_assert!(!warning.fix.is_empty());
            }
        }
    }
}
