//! What is hidden of a configuration or a command line where something is wrong with it.

use super::{
    super::{Config, Part, RouteSpec},
    environment, refused, registry, spec, words,
};

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
        "swap klient=HUNTER2 x",
        "swap HUNTER2",
        "klient= HUNTER2",
        "= HUNTER2",
    ] {
        let error = Part::parse("--to", &words(line)).unwrap_err();
        assert!(!format!("{}{}", error.render(false, 80), error.to_json()).contains("HUNTER2"), "{line}");
    }
}

#[test]
fn what_is_given_in_vain_on_a_command_line_is_not_shown() {
    for (from, to, message) in [
        ("auto klient=HUNTER2", "swap url=https://x", "`auto` has no fields"),
        ("robot", "swap url=https://x klient=1 klient=HUNTER2", "`klient` is given twice"),
        ("robot", "swap url=https://x caller={klient=\"HUNTER2\"}", "unknown field `klient`"),
        ("robot", "swap url=https://x lifetime=[{klient=\"HUNTER2\"}]", "found a list"),
    ] {
        let error = spec(Some(from), &[to], &[]).unwrap_err();
        let said = format!("{}{}", error.render(false, 120), error.to_json());
        assert!(said.contains(message) && !said.contains("HUNTER2"), "{said}");
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
        (
            format!("source = {{ {url}, file = {{ path = \"HUNTER2\" }} }}").replace("https://x.example/a", "HUNTER2"),
            "this names 2 sources in one place",
        ),
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
    }
    let part = Part::parse("--to", &words("swap url=https://x klient=HUNTER2 kode=${SECRET}")).unwrap();
    let error = RouteSpec::from_parts(None, vec![part], Vec::new()).build(&registry(), &environment()).unwrap_err();
    let shown = error.render(false, 100);
    assert!(shown.contains("klient=******* kode=${SECRET}"), "{shown}");
    let unknown = spec(None, &["sawp klient=HUNTER2 kode=${SECRET}"], &[]).unwrap_err().render(false, 100);
    assert!(unknown.contains("sawp klient=******* kode=${SECRET}"), "{unknown}");
}

#[test]
fn what_stands_in_a_value_of_the_wrong_shape_is_not_shown() {
    let oauth = |fields: &str| format!("through = [{{ oauth = {{ token_url = \"https://x.example/\", {fields} }} }}]");
    for (step, message) in [
        ("through = { oauth = { client_sekret = \"HUNTER2\" } }".to_owned(), "`through` must be a list"),
        ("deliver = { env = { klient = \"HUNTER2\" } }".to_owned(), "`deliver` must be a list"),
        (format!("through = [{}]", "{ x = \"HUNTER2\" },".repeat(99)), "99 steps are more than"),
        (
            "source = { url = { url = \"https://x\", hedders = { X = \"HUNTER2\" } }, file = { path = \"/x\" } }"
                .to_owned(),
            "this names 2 sources",
        ),
        ("source = [{ klient = \"HUNTER2\" }]".to_owned(), "wanted the name of a source, found a list"),
        ("through = [[{ klient = \"HUNTER2\" }]]".to_owned(), "wanted the name of an exchange, found a list"),
        ("audience = { klient = \"HUNTER2\" }".to_owned(), "`audience` must be a text"),
        ("refresh = [{ klient = \"HUNTER2\" }]".to_owned(), "wanted a table of fields, found a list"),
        ("[route]\napi-ky = \"HUNTER2\"".to_owned(), "a route must be a table"),
        ("[[route.b]]\nklient = \"HUNTER2\"".to_owned(), "a route must be a table"),
        (oauth("issuer = { klient = \"HUNTER2\" }"), "wanted a text, found a table"),
        (oauth("issuer = [\"HUNTER2\"]"), "wanted a text, found a list"),
        (oauth("scopes = [{ klient = \"HUNTER2\" }]"), "wanted a text, found a table"),
        (oauth("scopes = [1, \"a\", { klient = \"HUNTER2\" }, [\"HUNTER2\"]]"), "wanted a text, found 1"),
        (oauth("parameters = { klient = { a = \"HUNTER2\" } }"), "wanted a text, found a table"),
        (oauth("parameters = [{ klient = \"HUNTER2\" }]"), "wanted a table, found a list"),
        (CALLER.replace("CALLER", "[{ klient = \"HUNTER2\" }]"), "error: wanted "),
        (oauth(&many("HUNTER2")), "unknown field `x0`"),
    ] {
        let shown = shown_with_all(&step);
        assert!(shown.contains(message) && !shown.contains("HUNTER2"), "{step}: {shown}");
    }
    for (text, message) in [
        ("version = { klient = \"HUNTER2\" }", "wanted the number 1"),
        ("version = 1\n[[route]]\napi-ky = \"HUNTER2\"", "`route` must be a table of routes"),
        ("version = 1\nroute = \"HUNTER2\"", "`route` must be a table of routes"),
    ] {
        let shown = refused(text).render(false, 100);
        assert!(shown.contains(message) && !shown.contains("HUNTER2"), "{shown}");
    }
}

#[test]
fn of_a_text_that_is_not_toml_no_value_is_shown() {
    for line in [
        "client_sekret = \"HUNTER2",
        "klient HUNTER2",
        "url = { x = 1, klient = HUNTER2 }",
        "url = \"https://x.example/HUNTER2",
        "klient: HUNTER2",
        "klient = [\n \"HUNTER2==\", \"HUNTER2==\"",
        "klient =\n \"HUNTER2\", url = \"x\"",
        "through = [ { oauth = { url = \"https://x\", client_secrt \"HUNTER2\" } } ]",
        "through = [ { oauth = { url = \"https://x\", klient_sekret:HUNTER2 } } ]",
        "oauth.klient_sekret \"HUNTER2\"",
        "'klient_sekret' \"HUNTER2\"",
        "klient_sekret\"HUNTER2\"",
        "\"klient.name\" = \"HUNTER2",
        "# HUNTER2\nurl = x",
    ] {
        let shown = refused(&format!("version = 1\n[route.a]\nsource = \"robot\"\n{line}\n")).render(false, 100);
        assert!(shown.contains("must be TOML") && !shown.contains("HUNTER2"), "{shown}");
    }
    let shown = refused("{\"version\":1,\"klient\":[\"HUNTER2\"]}").render(false, 100);
    assert!(shown.contains("\"version\":*,") && !shown.contains("HUNTER2"), "{shown}");
}

/// More unknown fields than are looked for in one section.
fn many(last: &str) -> String {
    (0..=super::limits::MISTAKES).map(|at| format!("x{at} = \"{last}\"")).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_a_mistake_that_is_not_told_hides_is_not_shown() {
    // Of a text with a broken reference only that is told.
    for step in [
        "through = [{ oauth = \"HUNTER2 ${UNSET}\" }]",
        "source = { url = { url = \"https://x.example/\", headers = [\"HUNTER2 ${UNSET}\"] } }",
        "through = [[\"HUNTER2 ${UNSET}\"]]",
    ] {
        let shown = shown_with_all(step);
        assert!(shown.contains("variable `UNSET` is not set") && shown.contains("${UNSET}"), "{shown}");
        assert!(!shown.contains("HUNTER2"), "{shown}");
    }
    // More mistakes than are collected.
    let unset = (0..=super::limits::COLLECTED).fold(String::new(), |text, at| text + &format!("a{at} = \"${{NO}}\"\n"));
    let error = refused(&format!("a = {{ a = \"${{NO}}\", klient = \"HUNTER2\" }}\nversion = 1\n{unset}"));
    assert_eq!(error.problems().len(), super::limits::REPORTED);
    let shown = error.render(false, 100);
    assert!(shown.contains("klient = \"*******\""), "{shown}");
}

#[test]
fn a_name_that_only_the_meaning_refuses_is_as_unknown_as_any() {
    let party =
        |settings: &str| format!("through = [{{ relying-party = {{ name = \"openai\", settings = {settings} }} }}]");
    let written = "{ identity_provider_id = \"i\", service_account_id = \"s\", key = \"HUNTER2\" }";
    for settings in [written, &written.replace("key =", "\"a.key\" ="), &written.replace("key =", "\"a\\u0007\" =")] {
        let shown = shown_with_all(&party(settings));
        assert!(shown.contains("is no setting of this service") && !shown.contains("HUNTER2"), "{shown}");
    }
    assert!(shown_with_all(&party(written)).contains("service_account_id = \"s\", key = \"*******\""));
}

#[test]
fn the_pin_of_a_token_is_not_shown() {
    let shown = shown_with_all("[authority.keys]\npkcs11 = { module = \"/x\", pin = \"HUNTER2\", x: 1 }");
    assert!(shown.contains("\"*******\"") && !shown.contains("HUNTER2"), "{shown}");
}
