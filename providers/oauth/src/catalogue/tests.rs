use super::*;

const TAILSCALE: &str = include_str!("../../catalogue/tailscale.toml");
const SNOWFLAKE: &str = include_str!("../../catalogue/snowflake.toml");
const NPM: &str = include_str!("../../catalogue/npm.toml");

fn wrong(name: &str, text: &str) -> String {
    read(name, text).unwrap_err()
}

/// The entry with one place in it changed.
fn bent(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not there");
    text.replacen(from, to, 1)
}

#[test]
fn every_entry_can_be_read_and_is_known_by_its_name() {
    let names: Vec<&str> = parties().collect();
    assert_eq!(names.len(), 13);
    assert!(names.is_sorted(), "{names:?}");
    for name in names {
        let party = find(name).unwrap().unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(party.name, name);
    }
    assert!(find("unheard-of").is_none());
}

#[test]
fn every_file_of_the_folder_is_an_entry() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix(".toml").unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(files, parties().collect::<Vec<_>>());
}

#[test]
fn no_entry_is_without_pages() {
    for name in parties() {
        let party = find(name).unwrap().unwrap();
        let pages = party.request.source.len() + party.answer.source.len() + party.refusal.source.len();
        assert!(pages > 0, "{name} names no page at all");
    }
}

#[test]
fn rejects_what_is_not_understood() {
    for (from, to) in [
        ("title = ", "titel = "),
        ("dialect = \"login\"", "dialect = \"logout\""),
        ("required = true", "required = \"yes\""),
        ("[lifetime]", "[lifetimes]"),
        ("kind = \"refused\"", "kind = \"strange\""),
        ("rule = \"configured\"", "rule = \"any\""),
        ("encoding = \"form\"", "encoding = \"xml\""),
    ] {
        let text = bent(TAILSCALE, from, to);
        assert!(wrong("tailscale", &text).starts_with("catalogue/tailscale.toml: "), "{to}");
    }
}

#[test]
fn rejects_what_does_not_hang_together() {
    for (from, to, says) in [
        ("name = \"tailscale\"", "name = \"headscale\"", "`name` is not the name of the file"),
        ("token = \"jwt\"\n", "", "`token` stands with `login`"),
        ("dialect = \"login\"", "dialect = \"token-exchange\"", "`token` stands with `login`"),
        ("path = \"/api", "path = \"api", "`path` must begin with `/`"),
        ("path = \"/api", "path = \"/{client_id}/api", "{client_id} is no setting"),
        ("path = \"/api", "path = \"/a{client_id}/api", "a whole segment"),
        ("encoding = \"form\"\n", "", "`encoding` is missing"),
        ("encoding = \"form\"", "encoding = \"query\"", "a token does not belong into an address"),
        ("encoding = \"form\"", "encoding = \"form\"\nmethod = \"get\"", "`get` has no body"),
        ("encoding = \"form\"", "encoding = \"form\"\nprefix = \"x\"", "`prefix` stands with `presented`"),
        ("\"https://api.tailscale.com\"", "\"http://api.tailscale.com\"", "`origin` is not https://host"),
        ("\"https://api.tailscale.com\"", "\"https://api.tailscale.com/\"", "`origin` is not https://host"),
        ("rule = \"configured\"", "rule = \"fixed\"", "[audience]: `default` stands with"),
        ("rule = \"configured\"", "rule = \"configured\"\ndefault = \"x\"", "[audience]: `default` stands with"),
        ("seconds = 300", "seconds = 0", "[lifetime] is not above 0"),
        ("seconds = 300\n", "", "nothing says how long"),
        ("token = \"/access_token\"", "token = \"access_token\"", "access_token is not a JSON pointer"),
        ("token = \"/access_token\"\n", "", "[answer]: `token` stands where"),
        ("scope = \"/scope\"", "type = \"/token_type\"", "`type` and `type_is` stand together"),
        ("message = [\"/message\"]", "message = [\"message\"]", "message is not a JSON pointer"),
        ("status = 403", "code = \"x\"", "asks for what is not read"),
        ("status = 403\n", "", "one fits everything"),
        ("clause = \"client\"", "clause = \"\"", "does not say clause and fix"),
        ("required = true", "required = true\ndefault = \"x\"", "is required and has a default"),
        ("required = true", "default = \"x\"\none_of = [\"y\"]", "the default of client_id is not one"),
        ("required = true", "default = \"x\"\nstarts_with = [\"y\"]", "the default of client_id is not one"),
        ("required = true", "place = \"segment\"", "client_id is not where its `place` says"),
        ("needed = [\"iss\", \"sub\", \"aud\", \"exp\"]", "needed = []", "[claims] needs none"),
    ] {
        let error = wrong("tailscale", &bent(TAILSCALE, from, to));
        assert!(error.contains(says), "{from} -> {to}: {error}");
    }
}

#[test]
fn rejects_a_setting_that_is_there_twice() {
    let twice = "[[request.setting]]\nname = \"other\"\nmember = \"client_id\"\nabout = \"x\"\n\n[audience]";
    assert!(wrong("tailscale", &bent(TAILSCALE, "[audience]", twice)).contains("other is there twice"));
}

#[test]
fn rejects_statements_without_a_page() {
    let text = bent(TAILSCALE, "source = [\"https://tailscale.com/kb/1581/workload-identity-federation\"]\n", "");
    assert!(wrong("tailscale", &text).contains("[claims] has neither `source` nor `unconfirmed`"));
    let text = bent(TAILSCALE, "unconfirmed = [\"what 401 means here\"]\n", "");
    assert!(wrong("tailscale", &text).contains("[refusal.rule] has neither"));
    let text = bent(TAILSCALE, "unconfirmed = [\"what 401 means here\"]", "unconfirmed = [\"\"]");
    assert!(wrong("tailscale", &text).contains("`unconfirmed` says nothing"));
    let text = bent(TAILSCALE, "https://github.com/tailscale", "http://github.com/tailscale");
    assert!(wrong("tailscale", &text).contains("is not the address of a page"));
}

#[test]
fn rejects_a_presented_token_that_would_be_sent() {
    for (from, to, says) in [
        ("prefix = \"WIF.{provider}.\"\n", "", "`prefix` stands with `presented`"),
        ("prefix = ", "origin = \"https://a.example\"\nprefix = ", "`origin` without anything that is sent"),
        ("prefix = ", "path = \"/a\"\nprefix = ", "`path` must begin with `/`"),
        ("default = \"OIDC\"\n", "", "provider is not where its `place` says"),
        ("WIF.{provider}.", "WIF.{provider.", "has an open brace"),
    ] {
        let error = wrong("snowflake", &bent(SNOWFLAKE, from, to));
        assert!(error.contains(says), "{from} -> {to}: {error}");
    }
}

#[test]
fn rejects_an_end_that_is_needed_and_has_no_place() {
    let text = bent(NPM, "expires = \"/expires\"", "expiry_needed = true");
    assert!(wrong("npm", &text).contains("`expiry_needed` without a place for it"));
}
