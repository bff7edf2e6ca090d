//! What is shown of a configuration that is good.

use super::*;

/// Each value in a line.
fn shown(config: &Config) -> String {
    let line = |setting: &Setting| format!("{} = {}  # {}", setting.field, setting.value, setting.origin);
    config.settings().iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_value_is_shown_with_its_origin_and_no_secret() {
    insta::assert_snapshot!(shown(&parse(GOOD).unwrap()), @r#"
version = 1  # carnet.toml:2:11
route.reader.source = "auto"  # carnet.toml:5:10
route.reader.refresh.at_percent = 40  # carnet.toml:11:26
route.reader.refresh.margin_seconds = 300  # default
route.reader.through[0] = "swap"  # carnet.toml:7:5
route.reader.through[0].swap.url = "https://${HOST}/token"  # carnet.toml:7:20, from HOST
route.reader.through[0].swap.scopes = ["read"]  # carnet.toml:7:54
route.reader.through[0].swap.client_secret = ***  # carnet.toml:7:80, from SECRET
route.reader.through[1] = "upgrade"  # carnet.toml:8:3
route.reader.deliver[0] = "paper"  # carnet.toml:10:15
route.reader.deliver[0].paper.path = "/run/${kept}"  # carnet.toml:10:32
route.reader.deliver[1] = "note"  # carnet.toml:10:53
route."job.1".source = "letter"  # carnet.toml:14:12
route."job.1".source.letter.path = "/run/token"  # carnet.toml:14:30
route."job.1".audience = "somebody"  # carnet.toml:15:12
route.tables.source = "robot"  # carnet.toml:19:22
route.tables.source.robot.volume = 3  # carnet.toml:20:10
route.tables.through[0] = "swap"  # carnet.toml:18:1
route.tables.through[0].swap.url = "https://x"  # carnet.toml:18:12
route.tables.through[0].swap.scopes = []  # default
"#);
}

#[test]
fn what_a_variable_holds_is_not_shown_whatever_the_field() {
    let config = parse(
        r#"version = 1
[route.a]
source = { letter = { path = "/run/${HOST}/$${kept}" } }
through = [{ swap = { url = "https://${HOST}/?sig=${SECRET}", scopes = ["--token", "${SECRET}", "x ${SECRET} ${SECRET}"] } }]
audience = "${SECRET}"
"#,
    );
    let shown = shown(&config.unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("swap.example"), "{shown}");
    for line in [
        "route.a.source.letter.path = \"/run/${HOST}/$${kept}\"  # carnet.toml:3:30, from HOST",
        "swap.url = \"https://${HOST}/?sig=${SECRET}\"  # carnet.toml:4:29, from HOST, SECRET",
        "swap.scopes = [\"--token\", \"${SECRET}\", \"x ${SECRET} ${SECRET}\"]  # carnet.toml:4:72, from SECRET",
        "route.a.audience = \"${SECRET}\"  # carnet.toml:5:12, from SECRET",
    ] {
        assert!(shown.contains(line), "no {line} in\n{shown}");
    }
}

#[test]
fn what_is_hidden_in_a_mistake_is_hidden_in_a_good_file_too() {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJIVU5URVIyIn0.SFVOVEVSMg";
    for (step, hidden) in [
        ("source = { url = { url = \"https://x.example/?sig=HUNTER2\" } }", "\"https://x.example/?sig=*******\""),
        ("source = { url = { url = \"https://x.example/?a=eyJhbGciOiJSUzI1NiJ9.e30.SFVOVEVSMg\" } }", "/?a=****"),
        (
            "source = { command = { argv = [\"/x\", \"--password\", \"HUNTER2\"] } }",
            "[\"/x\", \"--password\", \"*******\"]",
        ),
        (
            "source = { command = { argv = [\"/x\", \"-H\", \"Authorization: HUNTER2\"] } }",
            "\"Authorization: *******\"",
        ),
        (&format!("source = {{ command = {{ argv = [\"/x\", \"{jwt}\"] }} }}"), "[\"/x\", \"****"),
        ("source = { file = { path = '/x\"/password=HUNTER2' } }", "password=*******"),
        ("source = \"github-actions\"\naudience = \"token=HUNTER2\"", "\"token=*******\""),
    ] {
        let text = format!("version = 1\n[route.a]\n{step}\n");
        let config = Config::parse(&text, None, &Registry::standard(), &environment()).unwrap();
        let shown = shown(&config);
        assert!(shown.contains(hidden) && !shown.contains("HUNTER2"), "no {hidden} in {shown}");
        assert!(!shown.contains("SFVOVEVSMg"), "{shown}");
    }
}
