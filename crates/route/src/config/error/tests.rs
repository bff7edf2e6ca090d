//! Configurations that are long, or wrong very often: what is said of them stays short and about the right place.

use carnet_core::MapEnvironment;

use super::*;
use crate::{Config, Registry, testing};

fn refused_by(registry: &Registry, text: &str) -> ConfigError {
    Config::parse(text, Some(Path::new("carnet.toml")), registry, &MapEnvironment::default()).unwrap_err()
}

fn refused(text: &str) -> ConfigError {
    refused_by(&testing::registry(), text)
}

/// At least so many mistakes, all in the second line.
fn one_line(count: usize) -> String {
    let fields: Vec<String> = (0..count).map(|at| format!("x{at} = \"${{NO}}\"")).collect();
    format!("version = 1\nroute = {{ a = {{ source = {{ robot = {{ {} }} }} }} }}\n", fields.join(", "))
}

/// How many mistakes are shown.
fn count(shown: &str) -> usize {
    shown.lines().filter(|line| line.starts_with("error: ")).count()
}

#[test]
fn of_many_mistakes_the_first_are_shown_and_the_others_counted() {
    let error = refused(&one_line(300));
    let shown = error.render(false, 120);
    let more = error.problems().len() - limits::SHOWN;
    assert_eq!(count(&shown), limits::SHOWN + 1);
    assert!(shown.contains(&format!("error: {more} more mistakes\n")), "{shown}");
    let told = Error::from(error.clone());
    assert_eq!(told.hints().len(), limits::SHOWN + 1);
    assert_eq!(told.hints().last().unwrap(), &format!("carnet.toml: {more} more mistakes (correct these first)"));
    assert_eq!(error.to_json()["mistakes"].as_array().unwrap().len(), error.problems().len());
}

#[test]
fn programs_are_told_of_a_thousand_mistakes_and_that_there_are_more() {
    let error = refused(&one_line(5000));
    let answer = error.to_json();
    let mistakes = answer["mistakes"].as_array().unwrap();
    assert_eq!(mistakes.len(), limits::REPORTED + 1);
    assert_eq!(mistakes[limits::REPORTED]["message"], "there are more mistakes than these 1000");
    assert!(mistakes[limits::REPORTED].get("line").is_none(), "{answer}");
    assert!(error.render(false, 120).contains("error: more than 980 more mistakes\n"));
}

#[test]
fn as_many_as_are_shown_are_all() {
    let lines: Vec<String> = (0..20).map(|at| format!("x{at} = 1\n")).collect();
    let error = refused(&format!("version = 1\n{}", lines.concat()));
    let shown = error.render(false, 120);
    assert_eq!((error.problems().len(), count(&shown)), (20, 20), "{shown}");
    assert!(!shown.contains("more mistake"), "{shown}");
}

#[test]
fn a_place_in_a_long_line_is_shown_with_its_column_and_the_caret_under_it() {
    let text = one_line(300);
    let error = refused(&text);
    let shown = error.render(false, 120);
    assert!(shown.len() < 1000 * (limits::SHOWN + 1), "{}", shown.len());
    let mut lines = shown.lines();
    for problem in error.problems().iter().take(limits::SHOWN) {
        let Place { line, column } = problem.place.unwrap();
        let origin = format!(" --> carnet.toml:{line}:{column}");
        assert!(lines.any(|line| line == origin), "no {origin} in\n{shown}");
        let (source, carets) = (lines.nth(1).unwrap(), lines.next().unwrap());
        let wanted = &text.lines().nth(1).unwrap()[column - 1..column + 2];
        assert!(source[carets.find('^').unwrap()..].starts_with(wanted), "no {wanted} in\n{source}\n{carets}");
    }
}

#[test]
fn a_long_value_is_quoted_by_its_begin() {
    let error = refused(&format!("version = 1\n[route.a]\nsource = \"{}\"\n", "ro bot ".repeat(30_000)));
    let message = &error.problems()[0].message;
    assert!(message.starts_with("there is no source `ro bot ro bot") && message.ends_with("…`"), "{message}");
    let told = format!("{:?}", Error::from(error.clone()));
    for said in [error.render(false, 120), error.render(true, 120), error.to_json().to_string(), told] {
        assert!(said.len() < 5000, "{}: {said:.500}", said.len());
    }
}

#[test]
fn a_long_name_does_not_make_long_mistakes_of_its_fields() {
    let name = "a b ".repeat(30_000);
    let error = refused(&format!("version = 1\n[route.\"{name}\"]\nsource = \"robot\"\nx = 1\ny = 2\n"));
    assert_eq!(error.problems().len(), 3, "{}", error.problems().len());
    assert!(error.to_json().to_string().len() < 5000);
    assert!(error.render(false, 120).len() < 5000);
}

/// Everything that is said of a step of a route, in every form.
fn said_of(step: &str) -> String {
    let error = refused_by(&Registry::standard(), &format!("version = 1\n[route.a]\n{step}\n"));
    let hints = Error::from(error.clone()).hints().join("\n");
    format!("{}\n{}\n{hints}", error.render(false, 200), error.to_json())
}

#[test]
fn who_asks_is_not_shown_where_a_url_has_no_scheme() {
    for step in [
        "source = \"github-actions\"\nthrough = [{ oauth = { token_url = \"URL\" } }]",
        "source = \"github-actions\"\nthrough = [{ oauth = { issuer = \"URL\", none = 1 } }]",
        "source = \"github-actions\"\nthrough = [{ oci-upst = { url = \"URL\", client_id = \"a\" } }]",
        "source = \"github-actions\"\nthrough = [{ oci-domain = { url = \"URL\" } }]",
        "source = { url = { url = \"URL\" } }",
        "source = { url = { url = \"URL\", none = 1 } }",
    ] {
        for (url, clean) in [
            ("u:HUNTER2@x.example", "\"*********@x.example\""),
            ("HUNTER2@x.example", "\"*******@x.example\""),
            ("https:/u:HUNTER2@x.example", "@x.example\""),
        ] {
            let said = said_of(&step.replace("URL", url));
            assert!(said.contains(clean) && !said.contains("HUNTER2"), "{said}");
        }
    }
}

#[test]
fn who_asks_is_not_said_either() {
    let text = "url = \"u:HUNTER2@x\"";
    let problem = Problem::new(6..19, "`u:HUNTER2@x` is none, nor is u:HUNTER2@x/a").field("a.url");
    let error = ConfigError::new(TextOrigin::CommandLine, text, vec![problem.hint("not u:HUNTER2@x")]);
    let Problem { message, hint, .. } = &error.problems()[0];
    assert_eq!(message, "`*********@x` is none, nor is *********@x/a");
    assert_eq!(hint.as_deref(), Some("not *********@x"));
}
