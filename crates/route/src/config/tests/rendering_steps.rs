//! What a person sees when a step of a route is wrong.

use super::refused;

fn shown(text: &str) -> String {
    refused(text).render(false, 100)
}

#[test]
fn a_misspelt_exchange() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
through = [ { sawp = { url = "https://x" } } ]
"#), @r#"
error: there is no exchange `sawp`
 --> carnet.toml:4:15
  |
4 | through = [ { sawp = { url = "https://x" } } ]
  |               ^^^^
  |
help: did you mean `swap`?
"#);
}

#[test]
fn a_misspelt_field() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
through = [ { swap = { ulr = "https://x" } } ]
"#), @r#"
error: unknown field `ulr`
 --> carnet.toml:4:24
  |
4 | through = [ { swap = { ulr = "https://x" } } ]
  |                        ^^^
  |
help: did you mean `url`?
"#);
}

#[test]
fn everything_wrong_in_one_section() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = { letter = {} }

[[route.a.through]]
[route.a.through.swap]
lifetime = "long"
scopes = "read"
mode = "gentel"
caller = { place = "here" }
extra = true
"#), @r#"
error: `path` is missing
 --> carnet.toml:3:12
  |
3 | source = { letter = {} }
  |            ^^^^^^
  |
help: add path = …: The file that the letter is in.

error: `url` is missing
 --> carnet.toml:6:18
  |
6 | [route.a.through.swap]
  |                  ^^^^
  |
help: add url = …: Where the swap is made: an https URL.

error: wanted a whole number from 0, found "long"
 --> carnet.toml:7:12
  |
7 | lifetime = "long"
  |            ^^^^^^
  |
help: Life of the token in seconds, at most 3600.

error: wanted a list such as ["a", "b"], found "read"
 --> carnet.toml:8:10
  |
8 | scopes = "read"
  |          ^^^^^^
  |
help: What the token is for.

error: `gentel` is not one of the values
 --> carnet.toml:9:8
  |
9 | mode = "gentel"
  |        ^^^^^^^^
  |
help: did you mean `gentle`?

error: `region` is missing
  --> carnet.toml:10:10
   |
10 | caller = { place = "here" }
   |          ^^^^^^^^^^^^^^^^^^
   |
help: add region = …

error: unknown field `place`
  --> carnet.toml:10:12
   |
10 | caller = { place = "here" }
   |            ^^^^^
   |
help: the fields are: region

error: unknown field `extra`
  --> carnet.toml:11:1
   |
11 | extra = true
   | ^^^^^
   |
help: the fields are: url, lifetime, scopes, client_secret, client_secret_file, headers, mode, caller, voucher
"#);
}

#[test]
fn a_name_alone_where_fields_are_needed() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "letter"
"#), @r#"
error: `path` is missing
 --> carnet.toml:3:10
  |
3 | source = "letter"
  |          ^^^^^^^^
  |
help: add path = …: The file that the letter is in.
"#);
}

#[test]
fn two_names_in_one_step() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
through = [ { swap = { url = "https://x" }, upgrade = {} } ]
"#), @r#"
error: this names 2 exchanges in one place
 --> carnet.toml:4:13
  |
4 | through = [ { swap = { url = "https://x" }, upgrade = {} } ]
  |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
help: write "name" or { name = { … } } with the name of one exchange
"#);
}

#[test]
fn steps_that_are_not_a_list() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
through = { swap = { url = "https://x" } }
"#), @r#"
error: `through` must be a list, also of one
 --> carnet.toml:4:11
  |
4 | through = { swap = { url = "https://x" } }
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
help: write through = [ { name = { … } } ]
"#);
}

#[test]
fn a_step_that_is_a_number() {
    insta::assert_snapshot!(shown(r"version = 1
[route.a]
source = 7
through = [ {}, { swap = 5 } ]
"), @r#"
error: wanted the name of a source, found a number
 --> carnet.toml:3:10
  |
3 | source = 7
  |          ^
  |
help: write "name" or { name = { … } } with the name of one source

error: this names no exchange
 --> carnet.toml:4:13
  |
4 | through = [ {}, { swap = 5 } ]
  |             ^^
  |
help: write "name" or { name = { … } } with the name of one exchange

error: wanted a table of fields, found a number
 --> carnet.toml:4:26
  |
4 | through = [ {}, { swap = 5 } ]
  |                          ^
  |
help: write { field = value, … }
"#);
}

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
fn kinds_that_do_not_fit() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "keyring"
through = [ { swap = { url = "https://x" } } ]
deliver = [ { paper = { path = "/x" } } ]
"#), @r#"
error: source keyring gives oci-api-key, but through[0] swap takes jwt
 --> carnet.toml:4:15
  |
3 | source = "keyring"
  |          --------- gives oci-api-key
4 | through = [ { swap = { url = "https://x" } } ]
  |               ^^^^
  |
help: no exchange takes oci-api-key and gives jwt: replace one of the two

error: through[0] swap gives access-token, but deliver[0] paper takes oci-session
 --> carnet.toml:5:15
  |
4 | through = [ { swap = { url = "https://x" } } ]
  |               ---- gives access-token
5 | deliver = [ { paper = { path = "/x" } } ]
  |               ^^^^^
  |
help: deliveries that take access-token: note
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
fn an_unknown_field_of_a_route() {
    insta::assert_snapshot!(shown(r#"version = 1
[route.a]
source = "robot"
trough = []
"#), @r"
error: unknown field `trough`
 --> carnet.toml:4:1
  |
4 | trough = []
  | ^^^^^^
  |
help: did you mean `through`?
");
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
4 | through = [ { swap = { url = "https://x", voucher = { preist = { region = "here" } } } } ]
  |                                                       ^^^^^^
  |
help: did you mean `priest`?
"#);
}
