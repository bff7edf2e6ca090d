//! What a person sees when a file is wrong: one file bent in one place each, and one bent everywhere.

use super::refused;

fn shown(text: &str) -> String {
    refused(text).render(false, 100)
}

#[test]
fn text_that_is_not_toml() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot
"##), @"");
}

#[test]
fn a_field_that_is_given_twice() {
    insta::assert_snapshot!(shown(r##"version = 1
version = 1
"##), @"");
}

#[test]
fn a_missing_version() {
    insta::assert_snapshot!(shown(r##"[route.a]
source = "robot"
"##), @"");
}

#[test]
fn a_version_from_the_future() {
    insta::assert_snapshot!(shown(r##"version = 2
"##), @"");
}

#[test]
fn a_version_that_is_a_text() {
    insta::assert_snapshot!(shown(r##"version = "1"
"##), @"");
}

#[test]
fn an_unknown_section() {
    insta::assert_snapshot!(shown(r##"version = 1
[routes.a]
source = "robot"
"##), @"");
}

#[test]
fn a_route_that_is_not_a_table() {
    insta::assert_snapshot!(shown(r##"version = 1
route.a = "robot"
"##), @"");
}

#[test]
fn a_route_with_a_bad_name() {
    insta::assert_snapshot!(shown(r##"version = 1
[route."../a"]
source = "robot"
"##), @"");
}

#[test]
fn a_route_without_a_source() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
through = [ "upgrade" ]
"##), @"");
}

#[test]
fn an_unknown_source() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "vault"
"##), @"");
}

#[test]
fn an_exchange_in_place_of_a_source() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = { swap = { url = "https://x" } }
"##), @"");
}

#[test]
fn auto_with_fields() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = { auto = { only = "robot" } }
"##), @"");
}

#[test]
fn a_misspelt_exchange() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
through = [ { sawp = { url = "https://x" } } ]
"##), @"");
}

#[test]
fn a_misspelt_field() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
through = [ { swap = { ulr = "https://x" } } ]
"##), @"");
}

#[test]
fn everything_wrong_in_one_section() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = { letter = {} }

[[route.a.through]]
[route.a.through.swap]
lifetime = "long"
scopes = "read"
mode = "gentel"
caller = { place = "here" }
extra = true
"##), @"");
}

#[test]
fn a_name_alone_where_fields_are_needed() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "letter"
"##), @"");
}

#[test]
fn two_names_in_one_step() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
through = [ { swap = { url = "https://x" }, upgrade = {} } ]
"##), @"");
}

#[test]
fn steps_that_are_not_a_list() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
through = { swap = { url = "https://x" } }
"##), @"");
}

#[test]
fn a_step_that_is_a_number() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = 7
through = [ {}, { swap = 5 } ]
"##), @"");
}

#[test]
fn a_secret_that_is_written_out() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
through = [ { swap = { url = "https://x", client_secret = "hunter2" } } ]
"##), @"");
}

#[test]
fn a_secret_that_is_only_in_part_a_reference() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
through = [ { swap = { url = "https://x", client_secret = "x${SECRET}" } } ]
"##), @"");
}

#[test]
fn a_variable_that_is_not_set() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
through = [ { swap = { url = "https://${HOTS}/token" } } ]
"##), @"");
}

#[test]
fn references_that_are_not_well_formed() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
audience = "${HOST"
through = [ { swap = { url = "https://${HO ST}" } } ]
"##), @"");
}

#[test]
fn values_whose_meaning_is_wrong() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"

[[route.a.through]]
[route.a.through.swap]
url = "http://x"
lifetime = 7200
scopes = [ "read", "" ]
caller = { region = "moon" }
"##), @"");
}

#[test]
fn a_section_that_contradicts_itself() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
through = [ { swap = { url = "https://x", client_secret = "${SECRET}", client_secret_file = "/x" } } ]
"##), @"");
}

#[test]
fn kinds_that_do_not_fit() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "keyring"
through = [ { swap = { url = "https://x" } } ]
deliver = [ { paper = { path = "/x" } } ]
"##), @"");
}

#[test]
fn a_refresh_out_of_range() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
refresh = { at_percent = 95, margin_seconds = 86400 }
"##), @"");
}

#[test]
fn an_empty_audience() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
audience = ""
"##), @"");
}

#[test]
fn an_unknown_field_of_a_route() {
    insta::assert_snapshot!(shown(r##"version = 1
[route.a]
source = "robot"
trough = []
"##), @"");
}
