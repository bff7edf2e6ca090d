//! What a variable holds is not said, whatever is wrong with it.

use std::sync::LazyLock;

use carnet_core::MapEnvironment;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::super::{Config, Problem, RouteSpec, show};
use crate::{Part, Registry, registry::Role};

/// What every value has in it.
const MARKER: &str = "S3CRET";
/// As deep as fields are looked for.
const DEPTH: usize = 4;

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);
/// Every field of everything that is built in.
static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let sources = REGISTRY.sources().iter().map(|entry| (Role::Source, entry.name(), entry.schema().to_value()));
    let exchanges = REGISTRY.exchanges().iter().map(|entry| (Role::Exchange, entry.name(), entry.schema().to_value()));
    let deliveries =
        REGISTRY.deliveries().iter().map(|entry| (Role::Delivery, entry.name(), entry.schema().to_value()));
    let all = sources.chain(exchanges).chain(deliveries);
    all.flat_map(|(role, entry, schema)| {
        let fields = fields(&schema, &schema, DEPTH);
        fields.into_iter().map(move |name| Field { role, entry, name })
    })
    .collect()
});

#[derive(Debug)]
struct Field {
    role: Role,
    entry: &'static str,
    /// As it is written on a command line.
    name: String,
}

/// The dotted names of all fields below a schema.
fn fields(root: &Json, schema: &Json, depth: usize) -> Vec<String> {
    let Some(depth) = depth.checked_sub(1) else { return Vec::new() };
    let mut names = Vec::new();
    for schema in show::alternatives(root, schema, 8) {
        for (name, property) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
            let below = fields(root, property, depth).into_iter().map(|below| format!("{name}.{below}"));
            names.extend(std::iter::once(name.clone()).chain(below));
        }
    }
    names.sort();
    names.dedup();
    names
}

/// How a value may stand in a file.
const WAYS: [&str; 4] = ["\"${VALUE}\"", "[\"${VALUE}\"]", "{ a = \"${VALUE}\" }", "\"x ${VALUE}\""];

/// All that is said about a file with this value in these fields, in this way.
fn said(fields: &[Field], way: &str, value: &str) -> String {
    let steps = fields.iter().enumerate().map(|(at, Field { role, entry, name })| {
        let step = format!("{{ {entry} = {{ {name} = {way} }} }}");
        match role {
            Role::Source => format!("[route.r{at}]\nsource = {step}\n"),
            Role::Exchange => format!("[route.r{at}]\nsource = 'auto'\nthrough = [{step}]\n"),
            Role::Delivery => format!("[route.r{at}]\nsource = 'auto'\ndeliver = [{step}]\n"),
        }
    });
    let text = format!("version = 1\n{}", steps.collect::<String>());
    let environment = MapEnvironment::of(&[("VALUE", value)]);
    let Err(error) = Config::parse(&text, None, &REGISTRY, &environment) else { return String::new() };
    let told = carnet_core::Error::from(error.clone());
    format!("{}\n{}\n{:?}", error.render(false, 200), error.to_json(), told.hints())
}

/// The lines in which the value is.
fn leaks(said: &str) -> Vec<&str> {
    said.lines().flat_map(|line| line.split("\"field\"")).filter(|line| line.contains(MARKER)).collect()
}

#[test]
fn no_field_says_what_a_variable_holds() {
    assert!(FIELDS.len() > 200, "{}", FIELDS.len());
    let long = format!("a b,{MARKER}/{}", "0123456789-".repeat(20));
    for value in [
        "{\"Authorization\":\"Bearer S3CRET\"}",
        "p\"w\\S3CRET",
        "S3CRET\nx",
        "\tx\u{200b}S3CRET\\",
        "S3CRET\u{301}\"'`",
        "S3CRET",
        "https://u:p@x.example/S3CRET?a=b#c\n",
        "S3CRET x",
        &long,
    ] {
        for way in WAYS {
            let said = FIELDS.chunks(20).map(|fields| said(fields, way, value)).collect::<String>();
            assert!(!said.is_empty() && leaks(&said).is_empty(), "{value:?} as {way}: {:#?}", leaks(&said));
        }
    }
}

#[test]
fn an_ordinary_word_in_a_variable_spoils_no_help() {
    let file = |path: &str, format: &str| format!("source.file = {{ path = \"{path}\", format = \"{format}\" }}\n");
    for (a, b) in [(file("/x", "${VALUE}"), file("/x", "jsn")), (file("/x", "text"), file("${VALUE}", "jsn"))] {
        let text = format!("version = 1\n[route.a]\n{a}[route.b]\n{b}");
        let environment = MapEnvironment::of(&[("VALUE", "json")]);
        let error = Config::parse(&text, None, &REGISTRY, &environment).unwrap_err();
        let told = |problem: &Problem| (problem.message.clone(), problem.hint.clone());
        let told: Vec<_> = error.problems().iter().map(told).collect();
        let hint = Some("did you mean `json`?".to_owned());
        assert_eq!(told, [("`jsn` is not one of the values".to_owned(), hint)]);
    }
}

#[test]
fn the_command_line_does_not_say_it_either() {
    for (role, words) in [
        (Role::Source, "url url=http://127.0.0.1:9/ headers=${VALUE}"),
        (Role::Exchange, "oauth token_url=https://x.example/ scopes=${VALUE}"),
        (Role::Exchange, "oauth token_url=https://x.example/ parameters=${VALUE}"),
        (Role::Exchange, "oauth token_url=https://x.example/ client_auth=${VALUE}"),
        (Role::Exchange, "vault address=https://x.example/ method=${VALUE}"),
        (Role::Exchange, "oci-upst region=${VALUE}"),
    ] {
        for value in ["{\"Authorization\":\"Bearer S3CRET\"}", "p\"w\\S3CRET", "S3CRET\n\t", "S3CRET"] {
            let part = Part::parse("--x", &super::words(words)).unwrap();
            let (source, through) = if role == Role::Source { (Some(part), vec![]) } else { (None, vec![part]) };
            let environment = MapEnvironment::of(&[("VALUE", value)]);
            let spec = RouteSpec::from_parts(source, through, Vec::new());
            let error = spec.build(&REGISTRY, &environment).unwrap_err();
            let said = format!("{}\n{}", error.render(false, 200), error.to_json());
            assert!(leaks(&said).is_empty(), "{words} {value:?}: {said}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_value_is_said(
        before in "(.|[\"\\\\\n\t\u{200b}]){0,40}",
        after in "(.|[\"\\\\\n\t\u{200b}]){0,40}",
        at in any::<prop::sample::Index>(),
        way in 0..WAYS.len(),
    ) {
        let fields: Vec<&[Field]> = FIELDS.chunks(20).collect();
        let said = said(fields[at.index(fields.len())], WAYS[way], &format!("{before}{MARKER}{after}"));
        prop_assert!(leaks(&said).is_empty(), "{:#?}", leaks(&said));
    }
}
