//! What a person sees when a step of a route is wrong: its name, its fields, its kinds. For values see
//! `rendering_values`.

use super::refused;

pub(super) fn shown(text: &str) -> String {
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
4 | through = [ { sawp = { url = "*********" } } ]
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
4 | through = [ { swap = { ulr = "*********" } } ]
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

error: wanted a list such as ["a", "b"], found a text
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
10 | caller = { place = "****" }
   |          ^^^^^^^^^^^^^^^^^^
   |
help: add region = …: Where the caller lives.

error: unknown field `place`
  --> carnet.toml:10:12
   |
10 | caller = { place = "****" }
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
4 | through = [ { swap = { url = "*********" }, upgrade = {} } ]
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
4 | through = { swap = { url = "*********" } }
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
3 | source = *
  |          ^
  |
help: write "name" or { name = { … } } with the name of one source

error: this names no exchange
 --> carnet.toml:4:13
  |
4 | through = [ {}, { swap = * } ]
  |             ^^
  |
help: write "name" or { name = { … } } with the name of one exchange

error: wanted a table of fields, found a number
 --> carnet.toml:4:26
  |
4 | through = [ {}, { swap = * } ]
  |                          ^
  |
help: write { field = value, … }
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
