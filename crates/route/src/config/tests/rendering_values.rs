//! What a person sees when a value in a step, or beside the steps, is wrong.

use super::rendering_steps::shown;

#[test]
fn a_secret_that_is_written_out() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
through = [ { swap = { url = "https://x", client_secret = "hunter2" } } ]
"#), @r#"
error: `client_secret` is a secret and is written out
 --> carnet.toml:4:59
  |
4 | through = [ { swap = { url = "https://x", client_secret = "*******" } } ]
  |                                                           ^^^^^^^^^
  |
help: put it into an environment variable and write client_secret = "${NAME}", or name a file with client_secret_file
"#);
}

#[test]
fn a_secret_that_is_only_in_part_a_reference() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
through = [ { swap = { url = "https://x", client_secret = "x${SECRET}" } } ]
"#), @r#"
error: `client_secret` is a secret and is written out
 --> carnet.toml:4:59
  |
4 | through = [ { swap = { url = "https://x", client_secret = "**********" } } ]
  |                                                           ^^^^^^^^^^^^
  |
help: put it into an environment variable and write client_secret = "${NAME}", or name a file with client_secret_file
"#);
}

#[test]
fn a_variable_that_is_not_set() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
through = [ { swap = { url = "https://${HOTS}/token" } } ]
"#), @r#"
error: the environment variable `HOTS` is not set, or empty
 --> carnet.toml:4:39
  |
4 | through = [ { swap = { url = "https://${HOTS}/token" } } ]
  |                                       ^^^^^^^
  |
help: set HOTS, or write $${HOTS} for the text itself
"#);
}

#[test]
fn references_that_are_not_well_formed() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
audience = "${HOST"
through = [ { swap = { url = "https://${HO ST}" } } ]
"#), @r#"
error: a reference `${` is not closed
 --> carnet.toml:4:13
  |
4 | audience = "${HOST"
  |             ^^
  |
help: write ${NAME}, or $${ for the two characters themselves

error: `${HO ST}` does not name a variable
 --> carnet.toml:5:39
  |
5 | through = [ { swap = { url = "https://${HO ST}" } } ]
  |                                       ^^^^^^^^
  |
help: a name is letters, digits and `_`; write $${ for the two characters themselves
"#);
}

#[test]
fn values_whose_meaning_is_wrong() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"

[[route.a.through]]
[route.a.through.swap]
url = "http://x"
lifetime = 7200
scopes = [ "read", "" ]
caller = { region = "moon" }
"#), @r#"
error: url: `http://x` is not an https URL
 --> carnet.toml:7:7
  |
7 | url = "http://x"
  |       ^^^^^^^^^^
  |
help: begin with https://

error: lifetime: more than an hour
 --> carnet.toml:8:12
  |
8 | lifetime = 7200
  |            ^^^^
  |
help: 3600 is the most

error: scopes[1]: a scope is empty
 --> carnet.toml:9:20
  |
9 | scopes = [ "read", "" ]
  |                    ^^

error: region: nobody lives there
  --> carnet.toml:10:21
   |
10 | caller = { region = "moon" }
   |                     ^^^^^^
   |
help: choose another
"#);
}

#[test]
fn a_section_that_contradicts_itself() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
through = [ { swap = { url = "https://x", client_secret = "${SECRET}", client_secret_file = "/x" } } ]
"#), @r#"
error: both client_secret and client_secret_file are given
 --> carnet.toml:4:15
  |
4 | through = [ { swap = { url = "https://x", client_secret = "${SECRET}", client_secret_file = "...
  |               ^^^^
  |
help: give one
"#);
}

#[test]
fn a_refresh_out_of_range() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
refresh = { at_percent = 95, margin_seconds = 86400 }
"#), @r"
error: at_percent: 95 is not between 1 and 90
 --> carnet.toml:4:26
  |
4 | refresh = { at_percent = 95, margin_seconds = 86400 }
  |                          ^^
  |
help: 50 renews at half of the life

error: margin_seconds: 86400 is more than 43200, which is twelve hours
 --> carnet.toml:4:47
  |
4 | refresh = { at_percent = 95, margin_seconds = 86400 }
  |                                               ^^^^^
  |
help: 300 is five minutes
");
}

#[test]
fn an_empty_audience() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
audience = ""
"#), @r#"
error: `audience` must be a text that is not empty
 --> carnet.toml:4:12
  |
4 | audience = ""
  |            ^^
  |
help: it is what the last credential of the route must name
"#);
}

#[test]
fn an_unknown_choice() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
through = [ { swap = { url = "https://x", voucher = { preist = { region = "here" } } } } ]
"#), @r#"
error: `preist` is not one of the values
 --> carnet.toml:4:55
  |
4 | through = [ { swap = { url = "https://x", voucher = { preist = { region = "****" } } } } ]
  |                                                       ^^^^^^
  |
help: did you mean `priest`?
"#);
}
