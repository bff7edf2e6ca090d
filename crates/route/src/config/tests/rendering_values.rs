//! What a person sees when a value in a step, or beside the steps, is wrong.

use super::{
    super::{Config, Part, RouteSpec},
    environment, refused, registry,
    rendering_steps::shown,
    spec, words,
};

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

/// An exchange in which one of several is chosen.
const CALLER: &str = "through = [{ oci-rpst = { url = \"https://x.example/\", res_type = \"x\", caller = CALLER } }]";

/// As [`shown`], with all that is built in. Beside the value something else is wrong, so that its line is shown in any case.
fn shown_with_all(step: &str) -> String {
    let text = format!("version = 1\n[authority]\nstore = {{ url = \"sqlite:/x\" }}\n[route.a]\n{step}\n");
    let registry = crate::Registry::standard();
    Config::parse(&text, None, &registry, &environment()).unwrap_err().render(false, 200)
}

#[test]
fn a_password_in_a_url_is_not_shown_whatever_the_field() {
    for step in [
        "through = [{ oauth = { token_url = \"URL\", none = 1 } }]",
        "through = [{ oauth = { issuer = \"URL\", none = 1 } }]",
        "through = [{ oci-upst = { url = \"URL\", none = 1 } }]",
        "through = [{ oci-domain = { url = \"URL\", none = 1 } }]",
        "through = [{ gcp = { token_url = \"URL\", none = 1 } }]",
        "through = [{ carnet = { url = \"URL\", none = 1 } }]",
        "source = { url = { url = \"URL\", none = 1 } }",
        "[authority.more]\nstore = { url = \"URL\" }; none",
    ] {
        for (url, clean) in [
            ("https://u:HUNTER2@x.example/a", "https://*********@x.example/a"),
            ("postgres://carnet:HUNTER2@x.example/a", "postgres://**************@x.example/a"),
            ("https://u:HUNTER2token=x@x.example/a", "https://****************************"),
            ("https://x.example/a?sig=HUNTER2", "https://x.example/a?sig=*******"),
        ] {
            let shown = shown_with_all(&step.replace("URL", url));
            assert!(shown.contains(clean) && !shown.contains("HUNTER2"), "{shown}");
        }
    }
}

#[test]
fn what_is_hidden_in_the_text_is_not_said_either() {
    for (step, said) in [
        ("source = { url = { headers = \"HUNTER2\" } }", "found a text"),
        ("through = [{ oauth = { client_auth = \"client_secret HUNTER2\" } }]", "`client_secret *******` is not"),
    ] {
        let shown = shown_with_all(step);
        assert!(shown.contains(said) && !shown.contains("HUNTER2"), "{shown}");
    }
}

#[test]
fn a_secret_is_not_shown_whatever_stands_before_it() {
    for step in [
        "through = [{ oauth = { client_secret: \"HUNTER2\" } }]",
        "through = [{ oauth = { client_secret \"HUNTER2\" } }]",
        "through = [{ oauth = { client_secret = {a=\"HUNTER2\"} } }]",
        "source = { exec = { command = [\"/x\", \"--password\", \"HUNTER2\"], none = 1 } }",
        "source = { url = { headers = { \"X-Mine\" = \"HUNTER2\" }, none = 1 } }",
    ] {
        let shown = shown_with_all(step);
        assert!(shown.contains("\"*******\"") && !shown.contains("HUNTER2"), "{shown}");
    }
}

#[test]
fn what_one_word_of_a_command_line_hides_is_not_the_next_word() {
    for (line, message) in [
        ("swap url=https://x client_secret=${SECRET} bogus=1", "unknown field `bogus`"),
        ("swap url=https://x token=x bogus=1", "unknown field `bogus`"),
    ] {
        let error = spec(None, &[line], &[]).unwrap_err();
        let said: Vec<&str> = error.problems().iter().map(|problem| problem.message.as_str()).collect();
        assert!(said.iter().any(|said| said.starts_with(message)), "{said:?}");
    }
    for line in ["swap client_secret=HUNTER2", "swap url=https://x client_secret=HUNTER2 bogus=1"] {
        let error = spec(None, &[line], &[]).unwrap_err();
        assert!(!format!("{}{}", error.render(false, 80), error.to_json()).contains("HUNTER2"), "{line}");
    }
    for line in [
        "swap client_secret HUNTER2",
        "swap client_secret: HUNTER2",
        "swap url=https://x client_secret= HUNTER2",
        "swap url=https://x client_secret = HUNTER2",
        "swap url=https://x client_secret =HUNTER2",
        "swap url=https://x client_secret=correct HUNTER2 staple",
        "swap url=https://x klient HUNTER2",
        "swap klient HUNTER2",
        "swap url= HUNTER2",
        "klient=HUNTER2 x",
    ] {
        let error = Part::parse("--to", &words(line)).unwrap_err();
        assert!(!format!("{}{}", error.render(false, 80), error.to_json()).contains("HUNTER2"), "{line}");
    }
}

#[test]
fn a_field_where_a_route_is_named_is_not_said_with_its_value() {
    let config = Config::parse("version = 1\n", None, &registry(), &environment()).unwrap();
    let error = config.route("client_secret=HUNTER2").unwrap_err();
    assert_eq!(error.to_string(), "find the route `client_secret`");
}

#[test]
fn json_that_is_written_out_on_the_command_line_is_not_said_again() {
    for (name, field) in [
        ("url", "headers={\"Authorization\":\"HUNTER2\"}"),
        ("url", "headers.Authorization.x={\"Authorization\":\"HUNTER2\"}"),
        ("oauth", "parameters={\"client_secret\":\"HUNTER2\"}"),
        ("oauth", "scopes={\"client_secret\":\"HUNTER2\"}"),
        ("oauth", "lifetime_seconds={\"client_secret\":\"HUNTER2\"}"),
        ("oauth", "client_auth={\"client_secret\":\"HUNTER2\"}"),
        ("oauth", "resource={\"client_secret\":\"HUNTER2\\n\"}"),
    ] {
        let part = Part::parse(
            if name == "url" { "--from" } else { "--to" },
            &[name, "token_url=x", field].map(str::to_owned),
        );
        let (source, to) = if name == "url" { (part.ok(), None) } else { (None, part.ok()) };
        let spec = RouteSpec::from_parts(source, to.into_iter().collect(), Vec::new());
        let error = spec.build(&crate::Registry::standard(), &environment()).unwrap_err();
        let said = format!("{}{}", error.render(false, 200), error.to_json());
        assert!(!said.contains("HUNTER2"), "{said}");
    }
}

#[test]
fn the_same_in_a_file_is_not_said_again_however_it_is_escaped() {
    for value in [
        r#""{\"client_secret\":\"HUNTER2\"}""#,
        r#"'{"client_secret":"HUNTER2"}'"#,
        r#""""{"client_secret":"HUNTER2"}""""#,
        r#""client_secret=\u0022HUNTER2""#,
    ] {
        for field in ["lifetime", "scopes", "mode", "url"] {
            let route = "[route.a]\nsource = 'robot'\n[[route.a.through]]";
            let error = refused(&format!("version = 1\n{route}\nswap.{field} = {value}\n"));
            let said = format!("{}{}", error.render(false, 200), error.to_json());
            assert!(!said.contains("HUNTER2"), "{said}");
        }
    }
}

#[test]
fn the_value_of_an_unknown_field_is_not_shown() {
    for step in [
        "through = [{ oauth = { token_url = \"https://x.example/\", client_secrt = \"HUNTER2\" } }]",
        "through = [{ oauth = { token_url = \"https://x.example/\", klient = { a = [\"HUNTER2\"], b = \"HUNTER2\" } } }]",
        "through = [{ oauth = { token_url = \"https://x.example/\", client_secret.x.y = \"HUNTER2\" } }]",
        "through = [{ vault = { address = \"https://x.example/\", secret_id = \"HUNTER2\" } }]",
        "klient = \"HUNTER2\"",
        "[klient]\nklient = \"HUNTER2\"",
    ] {
        let shown = shown_with_all(step);
        assert!(shown.contains("error: unknown ") && !shown.contains("HUNTER2"), "{shown}");
    }
    let url = "url = { url = \"https://x.example/a\" }";
    for (step, message) in [
        (format!("source = {{ {url}, X-Api = \"HUNTER2\" }}"), "this names 2 sources in one place"),
        (format!("source = {{ {url}, file = \"HUNTER2\" }}"), "this names 2 sources in one place"),
        ("through = [{ oath = { client_sekret = \"HUNTER2\" } }]".to_owned(), "there is no exchange `oath`"),
        ("source = { auto = { klient = \"HUNTER2\" } }".to_owned(), "`auto` has no fields"),
        ("through = [{ oauth = \"HUNTER2\" }]".to_owned(), "wanted a table of fields, found a text"),
        (
            CALLER.replace("CALLER", "{ oci-config = {}, klient = \"HUNTER2\" }"),
            "wanted exactly 1 element, more than 1 element",
        ),
        (
            CALLER.replace("CALLER", "{ oci-konfig = { klient = \"HUNTER2\" } }"),
            "`oci-konfig` is not one of the values",
        ),
        (CALLER.replace("CALLER", "{ klient = \"HUNTER2\" }"), "`klient` is not one of the values"),
    ] {
        let shown = shown_with_all(&step);
        assert!(shown.contains(message) && !shown.contains("HUNTER2"), "{shown}");
        assert!(!step.contains(url) || shown.contains(url), "what is known is shown: {shown}");
    }
    let part = Part::parse("--to", &words("swap url=https://x klient=HUNTER2 kode=${SECRET}")).unwrap();
    let error = RouteSpec::from_parts(None, vec![part], Vec::new()).build(&registry(), &environment()).unwrap_err();
    let shown = error.render(false, 100);
    assert!(shown.contains("klient=******* kode=${SECRET}"), "{shown}");
    let unknown = spec(None, &["sawp klient=HUNTER2 kode=${SECRET}"], &[]).unwrap_err().render(false, 100);
    assert!(unknown.contains("sawp klient=******* kode=${SECRET}"), "{unknown}");
}

#[test]
fn the_pin_of_a_token_is_not_shown() {
    let shown = shown_with_all("[authority.keys]\npkcs11 = { module = \"/x\", pin = \"HUNTER2\", x: 1 }");
    assert!(shown.contains("pin = \"*******\""), "{shown}");
}
