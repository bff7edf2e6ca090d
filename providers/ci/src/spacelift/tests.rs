use carnet_core::{ErrorKind, MemoryFiles};
use serde_json::json;

use super::*;
use crate::testing::{NOW, context, credential as given, find, reason, token};

const ACCOUNT: &str = "demo.app.spacelift.io";

fn of(subject: &str, end: i64) -> String {
    token(&json!({"iss": "https://demo.app.spacelift.io", "sub": subject, "aud": ACCOUNT, "iat": NOW, "exp": end,
        "spaceId": "s", "callerId": "c", "runType": "TRACKED", "scope": "write"}))
}

fn run(variable: Option<&str>, file: Option<&str>) -> Context {
    let files = MemoryFiles::default();
    if let Some(token) = file {
        files.put(FILE, format!("{token}\n"));
    }
    let variables: Vec<_> = variable.map(|token| (TOKEN, token)).into_iter().collect();
    Context { files: Arc::new(files), ..context(&variables) }
}

#[test]
fn the_token_is_in_a_variable_or_in_a_file() {
    let (one, other) = (of("variable", NOW + 60), of("file", NOW + 60));
    let subject =
        |context: &Context| given(find(&Spacelift::default(), context, Some(ACCOUNT))).facts["subject"].clone();
    assert_eq!(subject(&run(Some(&one), Some(&other))), "variable");
    assert_eq!(subject(&run(None, Some(&other))), "file");
    assert_eq!(subject(&run(Some(&of("variable", NOW)), Some(&other))), "file", "the one that counts still");
    let found = given(find(&Spacelift::default(), &run(Some(&one), None), None));
    assert_eq!((found.facts["callerId"].as_str(), found.facts["scope"].as_str()), ("c", "write"));
}

#[test]
fn a_path_names_the_only_place() {
    let context = run(Some(&of("variable", NOW + 60)), None);
    let elsewhere = Spacelift { path: Some("/run/token".into()) };
    assert_eq!(reason(find(&elsewhere, &context, None)), "/run/token does not exist");
    let usual = Spacelift { path: Some(FILE.into()) };
    let context = run(Some(&of("variable", NOW + 60)), Some(&of("file", NOW + 60)));
    assert_eq!(given(find(&usual, &context, None)).facts["subject"], "file");
}

#[test]
fn elsewhere_it_says_where_it_looked() {
    let reason = reason(find(&Spacelift::default(), &run(None, None), None));
    assert!(reason.contains(TOKEN) && reason.contains(FILE), "{reason}");
}

#[test]
fn rejects_another_audience_and_says_that_nobody_can_choose_it() {
    let error = find(&Spacelift::default(), &run(Some(&of("s", NOW + 60)), None), Some("https://a")).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
    assert!(error.hints()[0].contains(&format!("accept {ACCOUNT}")), "{:?}", error.hints());
}

#[test]
fn rejects_expired_token_and_what_is_none() {
    let error = find(&Spacelift::default(), &run(Some(&of("s", NOW)), None), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired);
    for (variable, file) in [(Some("hush"), None), (None, Some("hush")), (None, Some("hush hush"))] {
        let error = find(&Spacelift::default(), &run(variable, file), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(!format!("{error:?}").contains("hush"));
    }
}

#[test]
fn rejects_an_empty_path() {
    assert_eq!(Spacelift { path: Some("".into()) }.build().unwrap_err()[0].field, "path");
}
