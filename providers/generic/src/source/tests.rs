use carnet_core::{
    Destination, ErrorKind, HttpErrorKind, Kind, MapEnvironment, MemoryFiles, ScriptedCommands, ScriptedHttp, chain,
    test_context,
};
use serde_json::json;

use super::*;
use crate::testing::{credential, find, good, mistakes, reason};

fn with_files(files: &[(&str, &str)]) -> Context {
    let memory = MemoryFiles::default();
    for (path, content) in files {
        memory.put(*path, *content);
    }
    Context { files: Arc::new(memory), ..test_context() }
}

#[test]
fn a_file_is_read_at_each_use() {
    let files = Arc::new(MemoryFiles::default());
    let context = Context { files: Arc::clone(&files) as _, ..test_context() };
    let section = json!({ "path": "/run/token" });
    assert_eq!(reason(find::<FileSource>(section.clone(), &context, None)), "there is no file /run/token");
    files.put("/run/token", good());
    assert_eq!(credential(find::<FileSource>(section.clone(), &context, None)).kind(), Kind::Jwt);
    files.put("/run/token", "opaque");
    assert_eq!(credential(find::<FileSource>(section, &context, None)).kind(), Kind::AccessToken);
}

#[test]
fn a_json_file_has_its_token_in_a_member() {
    let context = with_files(&[("/run/t.json", r#"{"id_token":"opaque"}"#)]);
    let section = json!({ "path": "/run/t.json", "format": "json", "field": "id_token" });
    assert_eq!(credential(find::<FileSource>(section, &context, None)).kind(), Kind::AccessToken);
}

#[test]
fn rejects_empty_file_and_names_it() {
    let context = with_files(&[("/run/token", "\n")]);
    let error = find::<FileSource>(json!({ "path": "/run/token" }), &context, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.to_string(), "read the token in /run/token: there is nothing in it");
}

#[test]
fn a_variable_is_read_by_name() {
    let context = Context { environment: Arc::new(MapEnvironment::of(&[("TOKEN", &good())])), ..test_context() };
    let section = |name: &str| json!({ "variable": name });
    assert_eq!(credential(find::<EnvSource>(section("TOKEN"), &context, Some("https://a"))).kind(), Kind::Jwt);
    assert_eq!(reason(find::<EnvSource>(section("OTHER"), &context, None)), "the variable OTHER is not set");
}

#[test]
fn the_kinds_it_gives_follow_the_section() {
    let gives = |section| serde_json::from_value::<FileSource>(section).unwrap().build().unwrap().gives();
    assert_eq!(gives(json!({ "path": "/t", "kind": "jwt" })), Kinds::of(&[Kind::Jwt]));
    assert_eq!(gives(json!({ "path": "/t", "kind": "access-token" })), Kinds::of(&[Kind::AccessToken]));
    assert_eq!(gives(json!({ "path": "/t" })), Kinds::of(&[Kind::Jwt, Kind::AccessToken]));
}

fn with_commands(commands: ScriptedCommands) -> (Context, Arc<ScriptedCommands>) {
    let commands = Arc::new(commands);
    (Context { commands: Arc::clone(&commands) as _, ..test_context() }, commands)
}

#[test]
fn a_program_prints_its_token_and_is_told_the_audience() {
    let (context, commands) = with_commands(ScriptedCommands::default().answer(Some(0), good() + "\n", "chatter"));
    let section = json!({ "argv": ["/bin/token", "a b"], "timeout": "2s" });
    assert_eq!(credential(find::<CommandSource>(section, &context, Some("https://a"))).kind(), Kind::Jwt);
    let command = commands.commands().remove(0);
    assert_eq!((command.argv, command.timeout.as_secs()), (vec!["/bin/token".to_owned(), "a b".to_owned()], 2));
    assert_eq!(command.environment[0].0, "CARNET_AUDIENCE");
    assert_eq!(command.environment[0].1.expose(), "https://a");
}

#[test]
fn rejects_program_that_fails_and_shows_one_safe_line() {
    let stderr = format!("secret first line\nlogin failed for {}\n\n", good());
    let (context, _) = with_commands(ScriptedCommands::default().answer(Some(3), "half a token", stderr));
    let error = find::<CommandSource>(json!({ "argv": ["/bin/token"] }), &context, None).unwrap_err();
    assert_eq!(error.to_string(), "run /bin/token for a token: it ended with status 3");
    assert_eq!(error.hints(), ["its last words were: login failed for [redacted]"]);
}

#[test]
fn rejects_program_that_fails_without_repeating_its_secrets() {
    let stderr = "password=hunter2 client_secret=s3cr3t\n";
    let (context, _) = with_commands(ScriptedCommands::default().answer(Some(1), "", stderr));
    let error = find::<CommandSource>(json!({ "argv": ["/bin/token"] }), &context, None).unwrap_err();
    assert_eq!(error.hints(), ["its last words were: password=[redacted]"]);
}

#[test]
fn rejects_program_that_a_signal_ended() {
    let (context, _) = with_commands(ScriptedCommands::default().answer(None, good(), ""));
    let error = find::<CommandSource>(json!({ "argv": ["/bin/token"] }), &context, None).unwrap_err();
    assert_eq!((error.kind(), error.hints().len()), (ErrorKind::Refused, 0));
}

fn with_http(http: ScriptedHttp, files: &[(&str, &str)]) -> (Context, Arc<ScriptedHttp>) {
    let http = Arc::new(http);
    (Context { http: Arc::clone(&http) as _, ..with_files(files) }, http)
}

#[test]
fn a_url_is_asked_with_its_headers() {
    let answer = json!({ "value": good() }).to_string();
    let (context, http) = with_http(ScriptedHttp::default().answer(200, answer), &[("/run/key", "k1\n")]);
    let section = json!({ "url": "https://issuer.example/token?v=2", "format": "json", "field": "value",
        "headers": { "Accept": "application/json" },
        "header_files": { "Authorization": { "path": "/run/key", "prefix": "Bearer " } },
        "audience_parameter": "audience" });
    assert_eq!(credential(find::<UrlSource>(section, &context, Some("https://a"))).kind(), Kind::Jwt);
    let request = http.requests().remove(0);
    assert_eq!(request.url.as_str(), "https://issuer.example/token?v=2&audience=https%3A%2F%2Fa");
    assert_eq!(
        (&request.headers["accept"], &request.headers["authorization"]),
        (&"application/json".parse().unwrap(), &"Bearer k1".parse().unwrap())
    );
    assert!(request.headers["authorization"].is_sensitive());
    assert_eq!(request.destination, Destination::Configured);
}

#[test]
fn rejects_answers_by_status() {
    for (status, kind) in [
        (301, ErrorKind::Refused),
        (401, ErrorKind::Refused),
        (404, ErrorKind::Refused),
        (429, ErrorKind::Unreachable),
        (503, ErrorKind::Unreachable),
    ] {
        let (context, _) = with_http(ScriptedHttp::default().answer(status, "hush"), &[]);
        let error = find::<UrlSource>(json!({ "url": "https://a.example/t?key=hush" }), &context, None).unwrap_err();
        assert_eq!((error.kind(), error.provider_code()), (kind, Some(status.to_string().as_str())));
        assert!(!chain(&error).join(" ").contains("hush"), "{error:?}");
    }
}

#[test]
fn rejects_silence() {
    let (context, _) = with_http(ScriptedHttp::default().fail(HttpErrorKind::Timeout), &[]);
    let error = find::<UrlSource>(json!({ "url": "https://a.example/" }), &context, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[test]
fn rejects_header_file_that_is_missing_or_has_lines() {
    let section = json!({ "url": "https://a.example/", "header_files": { "x-key": { "path": "/run/key" } } });
    for files in [&[][..], &[("/run/key", "a\nb")][..]] {
        let (context, http) = with_http(ScriptedHttp::default(), files);
        let error = find::<UrlSource>(section.clone(), &context, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(http.requests().is_empty());
    }
}

#[test]
fn rejects_sections_bent_in_one_place() {
    assert_eq!(mistakes::<FileSource>(json!({ "path": "" })), ["path"]);
    assert_eq!(mistakes::<EnvSource>(json!({ "variable": "$TOKEN" })), ["variable"]);
    assert_eq!(mistakes::<CommandSource>(json!({ "argv": [] })), ["argv"]);
    assert_eq!(mistakes::<CommandSource>(json!({ "argv": ["a", "b\u{0}"] })), ["argv"]);
    for timeout in ["soon", "0s", "1h"] {
        assert_eq!(mistakes::<CommandSource>(json!({ "argv": ["a"], "timeout": timeout })), ["timeout"]);
    }
    let plain = ["http://a.example/", "http://10.0.0.1/", "http://localhost.example/", "http://metadata/"];
    for url in ["a.example", "file:///etc/passwd", "https://user@a.example/"].into_iter().chain(plain) {
        assert_eq!(mistakes::<UrlSource>(json!({ "url": url })), ["url"]);
    }
    let with = |name: &str, value: serde_json::Value| {
        let mut section = json!({ "url": "https://a.example/" });
        section[name] = value;
        mistakes::<UrlSource>(section)
    };
    assert_eq!(with("headers", json!({ "Host": "x" })), ["headers.Host"]);
    assert_eq!(with("headers", json!({ "x y": "x" })), ["headers.x y"]);
    assert_eq!(with("headers", json!({ "x": "a\nb" })), ["headers.x"]);
    assert_eq!(with("header_files", json!({ "Content-Length": { "path": "/x" } })), ["header_files.Content-Length"]);
    assert_eq!(with("audience_parameter", json!("")), ["audience_parameter"]);
}

#[test]
fn accepts_plain_http_to_this_machine_and_to_metadata_services() {
    for url in [
        "http://127.0.0.1:7/t",
        "http://[::1]/t",
        "http://localhost/t",
        "http://169.254.169.254/t",
        "http://[fd00:ec2::254]/t",
        "http://localhost./t",
        "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/identity?audience=a",
        "http://metadata.google.internal./t",
    ] {
        let (context, http) = with_http(ScriptedHttp::default().answer(200, good()), &[]);
        assert_eq!(credential(find::<UrlSource>(json!({ "url": url }), &context, None)).kind(), Kind::Jwt, "{url}");
        // The client looks at the address and takes no proxy.
        assert_eq!(http.requests().remove(0).destination, Destination::Metadata, "{url}");
    }
}

#[test]
fn nothing_secret_is_in_the_debug_form() {
    let section = json!({ "url": "https://a.example/?key=hush", "headers": { "x-key": "hush" } });
    let source = serde_json::from_value::<UrlSource>(section).unwrap().build().unwrap();
    assert!(!format!("{source:?}").contains("hush"));
    let section = json!({ "argv": ["/bin/token", "hush"] });
    let source = serde_json::from_value::<CommandSource>(section).unwrap().build().unwrap();
    assert!(!format!("{source:?}").contains("hush"));
}
