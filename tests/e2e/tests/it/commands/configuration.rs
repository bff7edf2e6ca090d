//! `config check|show|schema`.

use std::path::Path;

use serde_json::{Value, json};

use super::schema::accepts;
use crate::{
    harness::{both, carnet, json, output, root},
    scene::{fails, nowhere, put, works},
};

/// The example of README.md, with the dots that stand for a part of a name filled in.
fn readme_example() -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    example.expect("README.md has an example").replace("idcs-…", "idcs-c0ffee00c0ffee00c0ffee00c0ffee00")
}

fn written(home: &Path, text: &str) {
    put(&home.join("carnet.toml"), text, 0o600);
}

#[test]
fn the_readmes_example_is_good() {
    let home = tempfile::tempdir().unwrap();
    written(home.path(), &readme_example());
    let text = works(&mut nowhere(home.path(), ["config", "check"]));
    assert!(text.contains("ok, 1 route: bucket-reader"), "{text}");
    let answer = json(&mut nowhere(home.path(), ["--output", "json", "config", "check"]));
    assert_eq!((&answer["ok"], &answer["routes"]), (&json!(true), &json!(["bucket-reader"])), "{answer}");
}

#[test]
fn every_example_of_the_manual_is_good() {
    let home = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for page in [
        "docs/src/routes.md",
        "providers/oci/README.md",
        "providers/gcp/README.md",
        "providers/ci/README.md",
        "providers/generic/README.md",
    ] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        for example in text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let example = example.replace("idcs-…", "idcs-c0ffee00c0ffee00c0ffee00c0ffee00");
            if !example.contains("[route.") || example.contains('…') {
                continue;
            }
            let version = if example.contains("version = 1") { "" } else { "version = 1\n" };
            written(
                home.path(),
                &format!("{version}{}", example.replace("NUMBER", "123").replace("PROJECT", "my-project")),
            );
            works(&mut nowhere(home.path(), ["config", "check"]));
            seen += 1;
        }
    }
    assert!(seen > 4, "only {seen} examples were found");
}

#[test]
fn show_names_the_origin_of_each_value() {
    let home = tempfile::tempdir().unwrap();
    written(home.path(), "version = 1\n[route.a]\nsource = { file = { path = \"${WHERE}/token\" } }\n");
    let mut command = nowhere(home.path(), ["--output", "json", "config", "show"]);
    let answer = json(command.env("WHERE", "/run"));
    let settings = answer["settings"].as_array().unwrap();
    let path = settings.iter().find(|one| one["field"] == "route.a.source.file.path").unwrap();
    assert!(path["value"].as_str().unwrap().contains("/token"), "{path}");
    assert_eq!(path["origin"]["line"], 3, "{path}");
    let text = works(nowhere(home.path(), ["config", "show"]).env("WHERE", "/run"));
    assert!(text.contains("route.a.source.file.path = "), "{text}");
}

#[test]
fn the_configuration_is_looked_for_in_its_order() {
    let home = tempfile::tempdir().unwrap();
    let routes = |command: &mut std::process::Command| json(command)["routes"].clone();
    let check = || nowhere(home.path(), ["--output", "json", "config", "check"]);
    let file = |name: &str| {
        put(
            &home.path().join(format!("{name}.toml")),
            format!("version = 1\n[route.{name}]\nsource = \"auto\"\n"),
            0o600,
        );
    };
    for name in ["carnet", "variable", "flag"] {
        file(name);
    }
    assert_eq!(routes(&mut check()), json!(["carnet"]));
    assert_eq!(routes(check().env("CARNET_CONFIG", "variable.toml")), json!(["variable"]));
    assert_eq!(routes(check().env("CARNET_CONFIG", "variable.toml").args(["--config", "flag.toml"])), json!(["flag"]));
}

#[test]
fn the_schema_accepts_the_readmes_example_and_refuses_a_bent_one() {
    let schema = json(&mut carnet(["config", "schema"]));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let home = tempfile::tempdir().unwrap();
    written(home.path(), &readme_example());
    let domain = "https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com";
    let gcp = json!({
        "audience": "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/oracle/providers/oracle",
        "service_account": "reader@carnet-sandbox.iam.gserviceaccount.com",
        "subject_audience": domain,
    });
    let good = json!({"version": 1, "route": {"bucket-reader": {
        "source": "auto", "through": [{"oci-domain": {"url": domain}}, {"gcp": gcp}],
    }}});
    for part in ["source = \"auto\"", "bucket-reader", "oci-domain", gcp["audience"].as_str().unwrap()] {
        assert!(readme_example().contains(part), "the example has changed: {part}");
    }
    accepts(&schema, &good).unwrap();
    for (pointer, bent) in [
        ("/version", json!("1")),
        ("/route/bucket-reader/source", json!("nobody")),
        ("/route/bucket-reader/through/1/gcp", json!({})),
        ("/route/bucket-reader/through/0/oci-domain", json!({"url": domain, "ulr": domain})),
    ] {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = bent;
        assert!(accepts(&schema, &document).is_err(), "{pointer}");
    }
}

#[test]
fn a_dry_run_shows_the_steps_and_sends_nothing() {
    let home = tempfile::tempdir().unwrap();
    written(home.path(), &readme_example());
    let text = works(&mut nowhere(home.path(), ["get", "bucket-reader", "--dry-run"]));
    for part in ["auto", "oci-domain", "gcp", "asks the step before it for the audience"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let answer = json(&mut nowhere(home.path(), ["--output", "json", "get", "bucket-reader", "--dry-run"]));
    let steps: Vec<&Value> = answer["steps"].as_array().unwrap().iter().map(|step| &step["name"]).collect();
    assert_eq!(steps[..3], [&json!("auto"), &json!("oci-domain"), &json!("gcp")], "{answer}");
}

#[test]
fn several_routes_are_no_matter_for_get() {
    let home = tempfile::tempdir().unwrap();
    written(home.path(), "version = 1\n[route.a]\nsource = \"auto\"\n[route.b]\nsource = \"auto\"\n");
    fails(&mut nowhere(home.path(), ["get", "a", "b"]), 2, &["several routes", "carnet run"]);
}

/// An authority with these lines in its section, all of whose files would be in the home.
fn authority(home: &Path, lines: &str) {
    let at = home.display();
    written(
        home,
        &format!(
            "version = 1\n[authority]\nissuer = \"https://oidc.example.org\"\ntrust_domain = \"example.org\"\n\
             store = {{ url = \"sqlite:{at}/store.db\" }}\nkeys = {{ seal = {{ key_file = \"{at}/seal.key\" }} }}\n{lines}"
        ),
    );
}

#[test]
fn the_check_refuses_what_the_start_of_an_authority_refuses_and_that_makes_no_store() {
    let home = tempfile::tempdir().unwrap();
    let rules = home.path().join("rules.toml");
    put(&rules, "[[rule]]\nname = \"wide\"\nissuer = \"https://ci.example.org\"\n", 0o600);
    let files = format!("rules = [\"{}\"]\n", rules.display());
    for (lines, says) in [
        ("attest.oci = { roots = {}, tenancies = [] }\n", "tenancies: is empty"),
        ("rules = [\"/nope\"]\n", "read /nope"),
        ("entries = [\"/nope\"]\n", "read /nope"),
        (files.as_str(), "rules.toml"),
    ] {
        authority(home.path(), lines);
        fails(&mut nowhere(home.path(), ["config", "check"]), 2, &[says]);
        fails(nowhere(home.path(), ["authority"]).stdin(std::process::Stdio::null()), 2, &[says]);
        assert!(!home.path().join("store.db").exists() && !home.path().join("seal.key").exists(), "{lines}");
    }
    authority(home.path(), "");
    assert!(works(&mut nowhere(home.path(), ["config", "check"])).ends_with("ok, [authority]\n"));
}

/// The mistakes of a check for programs, which must end as one with mistakes does.
fn mistakes(home: &Path) -> Vec<Value> {
    let done = output(&mut nowhere(home, ["--output", "json", "config", "check"]));
    assert_eq!((done.status.code(), done.stderr.as_slice()), (Some(2), &b""[..]), "{}", both(&done));
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&answer["ok"], &answer["problems"]["version"]), (&json!(false), &json!(1)), "{answer}");
    assert_eq!(answer["problems"]["file"], "carnet.toml", "{answer}");
    answer["problems"]["mistakes"].as_array().unwrap().clone()
}

#[test]
fn programs_are_told_the_mistakes_of_the_files_that_an_authority_reads() {
    let home = tempfile::tempdir().unwrap();
    let (rules, entries) = (home.path().join("rules.toml"), home.path().join("entries.toml"));
    let rule = "[[rule]]\nname = \"wide\"\nissuer = \"https://ci.example.org\"\n";
    authority(home.path(), &format!("rules = [\"{}\"]\n", rules.display()));
    put(&rules, rule, 0o600);
    let told = mistakes(home.path());
    assert!(!told.is_empty());
    for one in &told {
        assert_eq!(one["file"], json!(rules), "{one}");
        assert!(one["field"].as_str().unwrap().starts_with("rule `wide`"), "{one}");
        assert!(!one["message"].as_str().unwrap().is_empty(), "{one}");
    }
    put(&rules, format!("{rule}claims = 5\n"), 0o600);
    let [one] = mistakes(home.path()).try_into().expect("one mistake");
    assert_eq!((&one["file"], &one["line"]), (&json!(rules), &json!(4)), "{one}");
    authority(home.path(), &format!("entries = [\"{}\"]\n", entries.display()));
    put(&entries, "[[entry]]\nspiffe_id = 5\n", 0o600);
    let [one] = mistakes(home.path()).try_into().expect("one mistake");
    assert_eq!((&one["file"], &one["line"], &one["column"]), (&json!(entries), &json!(2), &json!(13)), "{one}");
    authority(home.path(), "attest.oci = { roots = {}, tenancies = [] }\n");
    let told = mistakes(home.path());
    assert!(told.iter().any(|one| one["field"] == "authority.attest.oci.tenancies" && one["line"] == 7), "{told:?}");
    authority(home.path(), "rules = [\"/nope\"]\n");
    let [one] = mistakes(home.path()).try_into().expect("one mistake");
    assert!(one["message"].as_str().unwrap().starts_with("read /nope: "), "{one}");
    assert!(one["hint"].as_str().unwrap().starts_with("name a file"), "{one}");
}

#[test]
fn programs_are_told_one_mistake_in_a_nested_choice_once() {
    let home = tempfile::tempdir().unwrap();
    written(
        home.path(),
        "version = 1\n[discovery]\ndomains = [\"oidc.example.org\"]\n\
         source = { workload-api = { trust_domain = 5 } }\nlisten = { plain = { address = \":8080\" } }\n",
    );
    let [one] = mistakes(home.path()).try_into().expect("one mistake");
    assert_eq!((&one["field"], &one["line"]), (&json!("discovery.source.workload-api.trust_domain"), &json!(4)));
}
