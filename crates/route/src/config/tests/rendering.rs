//! What a person sees when a file is wrong: one file bent in one place each. For the steps see `rendering_steps`.

use super::refused;

fn shown(text: &str) -> String {
    refused(text).render(false, 100)
}

#[test]
fn text_that_is_not_toml() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot
"#), @r#"
error: invalid basic string, expected `"`
 --> carnet.toml:3:16
  |
3 | source = "*****
  |                ^
  |
help: the file must be TOML 1.0: name = "value" under a [section]
"#);
}

#[test]
fn a_field_that_is_given_twice() {
    insta::assert_snapshot!(shown(r"version = 1
version = 1
"), @r#"
error: duplicate key
 --> carnet.toml:2:1
  |
2 | version = *
  | ^^^^^^^
  |
help: the file must be TOML 1.0: name = "value" under a [section]
"#);
}

#[test]
fn a_missing_version() {
    insta::assert_snapshot!(shown(r#"[route.a]
source = "robot"
"#), @r"
error: `version` is missing
 --> carnet.toml:1:1
  |
1 | [route.a]
  | ^
  |
help: write version = 1
");
}

#[test]
fn a_version_from_the_future() {
    insta::assert_snapshot!(shown(r"version = 2
"), @r"
error: version 2 of the file format is not known to this carnet
 --> carnet.toml:1:11
  |
1 | version = 2
  |           ^
  |
help: write version = 1
");
}

#[test]
fn a_version_that_is_a_text() {
    insta::assert_snapshot!(shown(r#"version = "1"
"#), @r#"
error: wanted the number 1, found a text
 --> carnet.toml:1:11
  |
1 | version = "1"
  |           ^^^
  |
help: write version = 1
"#);
}

#[test]
fn an_unknown_section() {
    insta::assert_snapshot!(shown(r#"version = 1
[routes.a]
source = "robot"
"#), @r"
error: unknown field `routes`
 --> carnet.toml:2:2
  |
2 | [routes.a]
  |  ^^^^^^
  |
help: did you mean `route`?
");
}

#[test]
fn a_route_that_is_not_a_table() {
    insta::assert_snapshot!(shown(r#"version = 1
route.a = "robot"
"#), @r#"
error: a route must be a table
 --> carnet.toml:2:11
  |
2 | route.a = "*****"
  |           ^^^^^^^
  |
help: write [route.a] and its fields below
"#);
}

#[test]
fn a_route_with_a_bad_name() {
    insta::assert_snapshot!(shown(r#"version = 1
[route."../a"]
source = "robot"
"#), @r#"
error: `../a` cannot be the name of a route
 --> carnet.toml:2:8
  |
2 | [route."../a"]
  |        ^^^^^^
  |
help: begin with a letter or digit and go on with letters, digits, `-`, `_` and `.`, 64 at most
"#);
}

#[test]
fn a_route_without_a_source() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
through = [ "upgrade" ]
"#), @r#"
error: the route `a` has no source
 --> carnet.toml:2:8
  |
2 | [route.a]
  |        ^
  |
help: write source = "auto", or name one: source = { oci-instance = {} }
"#);
}

#[test]
fn an_unknown_source() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "vault"
"#), @r#"
error: there is no source `vault`
 --> carnet.toml:3:10
  |
3 | source = "vault"
  |          ^^^^^^^
  |
help: there are: auto, nowhere, robot, letter, keyring
"#);
}

#[test]
fn an_exchange_in_place_of_a_source() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = { swap = { url = "https://x" } }
"#), @r#"
error: there is no source `swap`
 --> carnet.toml:3:12
  |
3 | source = { swap = { url = "*********" } }
  |            ^^^^
  |
help: `swap` is an exchange: it belongs into `through`
"#);
}

#[test]
fn auto_with_fields() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = { auto = { only = "robot" } }
"#), @r#"
error: `auto` has no fields
 --> carnet.toml:3:10
  |
3 | source = { auto = { only = "*****" } }
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
help: write source = "auto"
"#);
}
