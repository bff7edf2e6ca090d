use carnet_core::{Kind, MapEnvironment};
use proptest::prelude::*;

use super::*;
use crate::{Start, testing::registry};

mod choices;
mod finding;
mod hidden;
mod rendering;
mod rendering_steps;
mod rendering_values;
mod rendering_variables;
mod sections;
mod showing;

fn environment() -> MapEnvironment {
    MapEnvironment::of(&[("HOST", "swap.example"), ("SECRET", "hunter2-hunter2"), ("NUMBER", "3600")])
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Some(Path::new("carnet.toml")), &registry(), &environment())
}

fn refused(text: &str) -> ConfigError {
    parse(text).unwrap_err()
}

const GOOD: &str = r#"
version = 1

[route.reader]
source = "auto"                      # or { robot = {} }
through = [
  { swap = { url = "https://${HOST}/token", scopes = ["read"], client_secret = "${SECRET}" } },
  "upgrade",
]
deliver = [ { paper = { path = "/run/$${kept}" } }, "note" ]
refresh = { at_percent = 40 }

[route."job.1"]
source = { letter = { path = "/run/token" } }
audience = "somebody"

[[route.tables.through]]
swap.url = "https://x"
[route.tables.source.robot]
volume = 3
"#;

#[test]
fn a_good_file_is_read_into_routes() {
    let config = parse(GOOD).unwrap();
    let names: Vec<&str> = config.routes().iter().map(Route::name).collect();
    assert_eq!(names, ["reader", "job.1", "tables"]);
    let reader = config.route("reader").unwrap();
    assert!(matches!(reader.start(), Start::Auto(_)));
    assert!(reader.gives().contains(Kind::OciSession));
    let steps: Vec<String> = reader.steps().iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["source auto", "through[0] swap", "through[1] upgrade", "deliver[0] paper", "deliver[1] note"]);
    assert_eq!(reader.exchanges()[0].audience().as_deref(), Some("https://swap.example/token"));
    assert!(reader.renewal().is_some());
}

/// The example of the manual, against the real providers.
#[cfg(all(feature = "gcp", feature = "oci"))]
#[test]
fn the_manuals_example_is_read() {
    let text = r#"
version = 1

[route.bucket-reader]
source = "auto"
through = [
  { oci-domain = { url = "https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com" } },
  { gcp = { audience = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/oracle/providers/oracle", service_account = "reader@carnet-sandbox.iam.gserviceaccount.com" } },
]
deliver = [
  { gcp-credential-file = { path = "/run/carnet/gcp.json", executable = { command = "/usr/local/bin/carnet helper gcp bucket-reader" } } },
]
"#;
    let config = Config::parse(text, None, &Registry::standard(), &environment());
    let config = config.unwrap_or_else(|error| panic!("{}", error.render(false, 120)));
    let steps: Vec<String> = config.routes()[0].steps().iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["source auto", "through[0] oci-domain", "through[1] gcp", "deliver[0] gcp-credential-file"]);
}

#[test]
fn an_unknown_route_is_answered_with_the_names_there_are() {
    let config = parse(GOOD).unwrap();
    let error = config.route("raeder").unwrap_err();
    assert_eq!(error.to_string(), "find the route `raeder` in carnet.toml");
    assert_eq!(error.hints(), ["did you mean `reader`?"]);
    assert_eq!(config.route("x").unwrap_err().hints(), ["there are: reader, job.1, tables"]);
}

#[test]
fn the_values_of_variables_are_not_in_errors() {
    let error =
        refused("version = 1\n[route.a]\nsource = \"robot\"\nthrough = [ { swap = { url = \"${SECRET}\" } } ]\n");
    assert_eq!(error.problems()[0].message, "url: `${SECRET}` is not an https URL");
    assert!(!format!("{error:?}{}{}", error.render(false, 100), error.to_json()).contains("hunter2"));
}

#[test]
fn a_written_secret_is_not_in_errors() {
    // The second would be cut before its end in an excerpt of 100 columns, and then look like nothing in particular.
    for field in
        ["client_secret = \"hunter2\"", "other = \"ghs_0123456789012345678901234567890123hunter2\", nonsense = 1"]
    {
        let swap = format!("{{ swap = {{ url = \"https://x\", {field} }} }}");
        let error = refused(&format!("version = 1\n[route.a]\nsource = \"robot\"\nthrough = [ {swap} ]\n"));
        assert!(!format!("{error:?}{}{}", error.render(false, 100), error.to_json()).contains("hunter2"));
        assert!(!format!("{:?}", Error::from(error)).contains("hunter2"));
    }
}

#[test]
fn only_headers_that_sound_secret_must_come_from_a_variable() {
    let with = |headers: &str| {
        let swap = format!("{{ swap = {{ url = \"https://x\", headers = {{ {headers} }} }} }}");
        parse(&format!("version = 1\n[route.a]\nsource = \"robot\"\nthrough = [ {swap} ]\n"))
    };
    with("Metadata = \"True\", Authorization = \"Bearer ${SECRET}\"").unwrap();
    let error = with("Authorization = \"Bearer hunter2\"").unwrap_err();
    assert_eq!(error.problems()[0].message, "`Authorization` is a secret and is written out");
    assert!(!error.render(false, 100).contains("hunter2"));
}

#[test]
fn errors_are_data_for_programs() {
    let error = refused("version = 1\n[route.a]\nsource = \"robt\"\n");
    insta::assert_json_snapshot!(error.to_json(), @r#"
{
  "file": "carnet.toml",
  "mistakes": [
    {
      "column": 10,
      "field": "route.a.source",
      "hint": "did you mean `robot`?",
      "line": 3,
      "message": "there is no source `robt`"
    }
  ],
  "version": 1
}
"#);
}

#[test]
fn as_any_other_error_it_keeps_every_mistake() {
    let error = Error::from(refused("version = 2\n[route.a]\nsource = \"robt\"\n"));
    assert_eq!(error.kind(), carnet_core::ErrorKind::Configuration);
    assert_eq!(error.to_string(), "read carnet.toml: 2 mistakes");
    assert_eq!(
        error.hints(),
        [
            "carnet.toml:1:11: version 2 of the file format is not known to this carnet (write version = 1)",
            "carnet.toml:3:10: there is no source `robt` (did you mean `robot`?)",
        ]
    );
}

#[test]
fn a_file_cannot_paint_on_the_terminal() {
    let error = refused("version = 1\n[route.a]\nsource = \"\\u001b[31mred\\u202e\"\n");
    assert_eq!(error.problems()[0].message, r"there is no source `\u{1b}[31mred\u{202e}`");
}

#[test]
fn a_file_full_of_mistakes_is_answered_with_the_first_of_them() {
    let error = refused(&(0..5000).fold(String::new(), |text, at| text + &format!("x{at} = \"${{NO}}\"\n")));
    assert_eq!(error.problems().len(), limits::REPORTED);
    assert_eq!(error.to_string(), "read carnet.toml: more than 1000 mistakes");
}

#[test]
fn the_schema_accepts_what_the_loader_accepts_by_name() {
    let schema = schema(&registry()).to_value();
    let names = schema.pointer("/properties/route/additionalProperties/properties/source/anyOf").unwrap();
    assert_eq!(names[0]["const"], "auto");
    assert_eq!(names[1]["enum"], serde_json::json!(["nowhere", "robot", "keyring"]));
    let secret = schema.pointer("/$defs/SwapConfig/properties/client_secret/writeOnly");
    assert_eq!(secret, Some(&true.into()));
    for reference in references(&schema) {
        assert!(schema.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
}

fn references(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(object) => {
            let own = object.get("$ref").and_then(serde_json::Value::as_str).map(str::to_owned);
            own.into_iter().chain(object.values().flat_map(references)).collect()
        }
        serde_json::Value::Array(array) => array.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn part(flag: &str, line: &str) -> Part {
    Part::parse(flag, &words(line)).unwrap()
}

fn spec(from: Option<&str>, to: &[&str], deliver: &[&str]) -> Result<Route, ConfigError> {
    RouteSpec::from_parts(
        from.map(|line| part("--from", line)),
        to.iter().map(|line| part("--to", line)).collect(),
        deliver.iter().map(|line| part("--deliver", line)).collect(),
    )
    .build(&registry(), &environment())
}

#[test]
fn a_route_is_built_from_the_command_line() {
    let swap = r#"swap url=https://${HOST} lifetime=3600 scopes=["a","b"] caller.region=here client-secret=${SECRET}"#;
    let route = spec(None, &[swap, "upgrade"], &["paper path=/run/x"]).unwrap();
    let steps: Vec<String> = route.steps().iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["source auto", "through[0] swap", "through[1] upgrade", "deliver[0] paper"]);
    assert_eq!(route.exchanges()[0].audience().as_deref(), Some("https://swap.example"));
    assert!(spec(Some("letter path=3600"), &[], &[]).is_ok(), "what fits as text stays text");
}

#[test]
fn a_delivery_is_built_from_the_command_line() {
    let delivery = part("--format", "paper path=/run/x").delivery(&registry(), &environment()).unwrap();
    assert_eq!(delivery.name(), "paper");
    let error = part("--format", "papre path=/run/x").delivery(&registry(), &environment()).unwrap_err();
    assert_eq!(error.problems()[0].hint.as_deref(), Some("did you mean `paper`?"));
}

#[test]
fn mistakes_on_the_command_line_are_shown_under_their_words() {
    let error = spec(
        Some("keyring"),
        &["swap ulr=https://x lifetime=soon client_secret=hunter2", "upgrade x=${NOT_SET}"],
        &["paper"],
    )
    .unwrap_err();
    insta::assert_snapshot!(error.render(false, 100), @r#"
error: unknown field `ulr`
 --> command line:2:11
  |
2 | --to swap ulr=********* lifetime=soon client_secret=*******
  |           ^^^
  |
help: did you mean `url`?

error: wanted a whole number from 0, found "soon"
 --> command line:2:34
  |
2 | --to swap ulr=********* lifetime=soon client_secret=*******
  |                                  ^^^^
  |
help: Life of the token in seconds, at most 3600.

error: `client_secret` is a secret and is written out
 --> command line:2:53
  |
2 | --to swap ulr=********* lifetime=soon client_secret=*******
  |                                                     ^^^^^^^
  |
help: put it into an environment variable and write client_secret='${NAME}', or name a file with client_secret_file

error: unknown field `x`
 --> command line:3:14
  |
3 | --to upgrade x=${NOT_SET}
  |              ^
  |
help: there is no field to set here

error: the environment variable `NOT_SET` is not set, or empty
 --> command line:3:16
  |
3 | --to upgrade x=${NOT_SET}
  |                ^^^^^^^^^^
  |
help: set NOT_SET, or write $${NOT_SET} for the text itself

error: `path` is missing
 --> command line:4:11
  |
4 | --deliver paper
  |           ^^^^^
  |
help: add path = …: Where it is written.
"#);
}

#[test]
fn kinds_that_do_not_fit_are_shown_on_the_command_line() {
    let error = spec(Some("keyring"), &["swap url=https://x"], &["paper path=/x"]).unwrap_err();
    insta::assert_snapshot!(error.render(false, 100), @r"
error: source keyring gives oci-api-key, but through[0] swap takes jwt
 --> command line:2:6
  |
1 | --from keyring
  |        ------- gives oci-api-key
2 | --to swap url=https://x
  |      ^^^^
  |
help: no exchange takes oci-api-key and gives jwt: replace one of the two

error: through[0] swap gives access-token, but deliver[0] paper takes oci-session
 --> command line:3:11
  |
2 | --to swap url=https://x
  |      ---- gives access-token
3 | --deliver paper path=/x
  |           ^^^^^
  |
help: deliveries that take access-token: note
");
}

#[test]
fn words_that_are_not_fields_are_refused() {
    let error = Part::parse("--to", &words("swap url https://x =3")).unwrap_err();
    let messages: Vec<&str> = error.problems().iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["a word is not field=value"; 3]);
    assert!(Part::parse("--to", &[]).is_err());
    let auto = spec(Some("auto only=robot"), &[], &[]).unwrap_err();
    assert_eq!(auto.problems()[0].message, "`auto` has no fields");
    let twice = spec(Some("letter path=/a path=/b"), &[], &[]).unwrap_err();
    assert_eq!(twice.problems()[0].message, "`path` is given twice");
}

proptest! {
    #[test]
    fn the_loader_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = Config::from_bytes(&bytes, None, &registry(), &environment()) {
            error.render(false, 80);
            error.to_json();
        }
    }

    #[test]
    fn the_loader_never_panics_on_what_looks_like_a_file(
        lines in proptest::collection::vec(prop_oneof![
            Just("version = 1".to_owned()),
            Just("[route.a]".to_owned()),
            Just("[[route.a.through]]".to_owned()),
            Just("[route.a.through.swap]".to_owned()),
            "(source|through|deliver|swap|url|audience|refresh|client_secret) = [\"{\\[]{0,2}[a-z$ß}\\[\\]]{0,6}[}\"\\]]{0,2}",
            "(source|through|deliver) = \\[? ?\\{ (robot|swap|letter|paper) = \\{ ?(path|url|lifetime|scopes)? ?=? ?(\"x\"|3|\\[\"\"\\])? ?\\} ?\\}?\\]?",
            "(url|path|lifetime|scopes|mode|caller) = (\"[$]\\{HOST\\}\"|\"[$]{1,3}\\{?[A-Z]?\\}?\"|4000|true|\\{ region = 1 \\}|\\[1, 2\\])",
            "\\PC{0,30}",
        ], 0..10),
    ) {
        if let Err(error) = parse(&lines.join("\n")) {
            prop_assert!(!error.problems().is_empty());
            error.render(true, 80);
            error.to_json();
        }
    }

    #[test]
    fn the_command_line_never_panics(words in proptest::collection::vec("\\PC{0,20}|(url|scopes|lifetime)=\\PC{0,10}", 0..6)) {
        if let Ok(part) = Part::parse("--to", &words)
            && let Err(error) = RouteSpec::from_parts(None, vec![part], Vec::new()).build(&registry(), &environment())
        {
            error.render(false, 80);
        }
    }
}
