//! The documents as files, and what is served of them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use axum::{Router, http::header, response::Redirect, routing::get};
use carnet_discovery::{
    BundleSettings, Change, Check, ExportFile, Settings, UploadTo, check, diff, export, export_files, upload_commands,
};
use carnet_jose::Algorithm;

use crate::support::{bundle, context, key, listen};

fn files(issuer: &str) -> Vec<ExportFile> {
    let settings = Settings::of_issuer(issuer);
    export_files(&bundle(&[&key(Algorithm::Es256, "a")]), &settings, Some(&BundleSettings::default())).unwrap()
}

#[test]
fn the_files_are_where_the_issuer_says() {
    let paths: Vec<String> = files("https://a.example").into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["keys", ".well-known/openid-configuration", "bundle.json"]);
    let settings = Settings {
        jwks_uri: Some("https://a.example/x/jwks.json".to_owned()),
        ..Settings::of_issuer("https://a.example/x")
    };
    let found = export_files(&bundle(&[]), &settings, None).unwrap();
    assert_eq!(found[0].path, "jwks.json");
}

#[test]
fn rejects_a_key_set_that_is_elsewhere() {
    for uri in
        ["https://b.example/keys", "https://a.example.evil/keys", "https://a.example", "https://a.example/../keys"]
    {
        let settings = Settings { jwks_uri: Some(uri.to_owned()), ..Settings::of_issuer("https://a.example") };
        let error = export_files(&bundle(&[]), &settings, None).unwrap_err();
        assert!(error.to_string().contains("not below the issuer"), "{uri}: {error}");
    }
}

#[test]
fn files_are_written_for_everybody_and_only_where_they_differ() {
    let folder = tempfile::tempdir().unwrap();
    let (context, files) = (context(), files("https://a.example"));
    assert_eq!(diff(folder.path(), &files, &context).unwrap(), [Change::New; 3]);
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "a look changes nothing");
    assert_eq!(export(folder.path(), &files, &context).unwrap(), [Change::New; 3]);
    for file in &files {
        let path = folder.path().join(&file.path);
        assert_eq!(fs::read(&path).unwrap(), file.content);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
    let well_known = folder.path().join(".well-known");
    assert_eq!(fs::metadata(well_known).unwrap().permissions().mode() & 0o777, 0o755);
    let before = fs::metadata(folder.path().join("keys")).unwrap().modified().unwrap();
    fs::remove_file(folder.path().join("bundle.json")).unwrap();
    fs::write(folder.path().join(&files[1].path), "old").unwrap();
    let wanted = [Change::Same, Change::Changed, Change::New];
    assert_eq!(diff(folder.path(), &files, &context).unwrap(), wanted);
    assert_eq!(export(folder.path(), &files, &context).unwrap(), wanted);
    assert_eq!(fs::metadata(folder.path().join("keys")).unwrap().modified().unwrap(), before);
    assert_eq!(export(folder.path(), &files, &context).unwrap(), [Change::Same; 3]);
}

/// A static server of these files, bent in one place.
async fn serve(bend: impl FnOnce(&mut Vec<ExportFile>)) -> (String, Vec<ExportFile>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let files = files(&base);
    let mut served = files.clone();
    bend(&mut served);
    let mut router = Router::new();
    for file in served {
        let answer = ([(header::CONTENT_TYPE, file.content_type)], file.content);
        router = router.route(&format!("/{}", file.path), get(move || async move { answer }));
    }
    tokio::spawn(carnet_net::serve(listener, router, None, tokio_util::sync::CancellationToken::new()));
    (base, files)
}

/// What is wrong, but for TLS, which is not spoken here.
async fn wrongs(base: &str, files: &[ExportFile]) -> Vec<(String, Check)> {
    let findings = check(base, files, &context()).await.unwrap();
    let wrong = findings.into_iter().filter(|one| one.wrong.is_some() && one.check != Check::Tls);
    wrong.map(|one| (one.url.strip_prefix(base).unwrap_or(&one.url).to_owned(), one.check)).collect()
}

#[tokio::test]
async fn what_is_served_as_it_was_exported_is_good() {
    let (base, files) = serve(|_| {}).await;
    assert_eq!(wrongs(&base, &files).await, []);
    let findings = check(&base, &files, &context()).await.unwrap();
    let tls: Vec<bool> = findings.iter().filter(|one| one.check == Check::Tls).map(|one| one.wrong.is_some()).collect();
    assert_eq!(tls, [true; 3], "plain HTTP is told");
}

#[tokio::test]
async fn what_is_served_otherwise_is_told() {
    let one = |path: &str, check| [(path.to_owned(), check)];
    let (base, files) = serve(|files| files[0].content = "{}".into()).await;
    assert_eq!(wrongs(&base, &files).await, one("/keys", Check::Content));
    let (base, files) = serve(|files| files[0].content_type = "application/octet-stream").await;
    assert_eq!(wrongs(&base, &files).await, one("/keys", Check::ContentType));
    let (base, files) = serve(|files| drop(files.remove(2))).await;
    assert_eq!(wrongs(&base, &files).await, one("/bundle.json", Check::Answer));
    let (base, files) = serve(|_| {}).await;
    let slash = format!("{base}/");
    let found = wrongs(&slash, &files).await;
    assert_eq!(found.iter().map(|(_, check)| *check).collect::<Vec<_>>(), [Check::Issuer]);
}

#[tokio::test]
async fn redirects_are_told_because_clouds_do_not_follow_them() {
    let router = Router::new().fallback(|| async { Redirect::temporary("https://elsewhere.example/") });
    let (address, _running) = listen(router, None).await;
    let base = format!("http://{address}");
    let findings = check(&base, &files(&base), &context()).await.unwrap();
    let told =
        findings.iter().filter(|one| one.check == Check::Answer && one.hint.as_ref().unwrap().contains("redirect"));
    assert_eq!(told.count(), 3);
}

#[tokio::test]
async fn nothing_good_is_said_of_a_server_that_does_not_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let findings = check(&base, &files(&base), &context()).await.unwrap();
    let told: Vec<(Check, bool)> = findings.iter().map(|one| (one.check, one.wrong.is_some())).collect();
    assert_eq!(told, [(Check::Answer, true); 3]);
}

#[test]
fn uploads_say_the_type_that_object_stores_would_guess_wrong() {
    let files = files("https://a.example");
    for to in [UploadTo::S3("b"), UploadTo::Gcs("b"), UploadTo::Azure("a", "c"), UploadTo::Oci("b")] {
        let commands = upload_commands(Path::new("/tmp/my site"), &files, to);
        assert_eq!(commands.len(), 3);
        assert!(commands.iter().all(|command| command.contains("application/json")), "{commands:?}");
        assert!(commands[1].contains("'/tmp/my site/.well-known/openid-configuration'"), "{}", commands[1]);
    }
    let s3 = &upload_commands(Path::new("d"), &files, UploadTo::S3("b"))[0];
    assert_eq!(
        s3,
        "aws s3 cp d/keys s3://b/keys --content-type application/json --cache-control 'public, max-age=300'"
    );
}
