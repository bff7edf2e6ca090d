use std::os::unix::fs::PermissionsExt as _;

use carnet_core::{ErrorKind, Material, MemoryFiles, SystemFiles, test_context};
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::*;
use crate::{
    source::profile::ProfileConfig,
    testing::{self, TENANCY},
};

fn build(extra: &Value) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
    let mut config = json!({"directory": "/run/oci"});
    config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value::<ProfileDeliveryConfig>(config).unwrap().build()
}

async fn write(extra: Value, files: &Arc<MemoryFiles>) -> Result<Delivered, Error> {
    let context = Context { files: files.clone(), ..test_context() };
    build(&extra).unwrap().deliver(&context, &testing::session()).await
}

fn text(files: &MemoryFiles, path: &str) -> String {
    String::from_utf8(files.get(path).unwrap()).unwrap()
}

fn section(name: &str) -> String {
    format!(
        "[{name}]\ntenancy={TENANCY}\nregion=us-ashburn-1\nfingerprint={}\nkey_file=/run/oci/current/session_key.pem\n\
         security_token_file=/run/oci/current/token\n",
        testing::key().oci_fingerprint()
    )
}

#[test]
fn rejects_a_region_that_is_none() {
    let mistakes = build(&json!({"region": "../../x"})).unwrap_err();
    assert_eq!((mistakes[0].field.as_str(), mistakes[0].message.as_str()), ("region", "\"../../x\" is no region"));
}

#[tokio::test]
async fn a_region_with_its_domain_keeps_it_in_the_profile() {
    let files = Arc::new(MemoryFiles::default());
    write(json!({"region": "us-secret-1.oraclecloud99.com"}), &files).await.unwrap();
    let config = text(&files, "/run/oci/current/config");
    assert!(config.contains("\nregion=us-secret-1.oraclecloud99.com\n"), "{config}");
}

#[tokio::test]
async fn token_key_and_profile_are_written_together() {
    let files = Arc::new(MemoryFiles::default());
    let delivered = write(json!({}), &files).await.unwrap();
    assert_eq!(text(&files, "/run/oci/current/config"), section("CARNET"));
    assert_eq!(text(&files, "/run/oci/current/session_key.pem"), testing::pem(&testing::key()));
    let Material::OciSession(session) = testing::session().material else { panic!("another kind") };
    assert_eq!(text(&files, "/run/oci/current/token"), session.token.expose());
    let shown: Vec<_> =
        delivered.environment.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
    assert_eq!(
        shown,
        [
            "OCI_CLI_CONFIG_FILE=/run/oci/current/config",
            "OCI_CONFIG_FILE=/run/oci/current/config",
            "OCI_CLI_PROFILE=CARNET",
            "OCI_CONFIG_PROFILE=CARNET",
            "OCI_CLI_AUTH=security_token",
            "OCI_ANSIBLE_AUTH_TYPE=security_token",
            "OCI_REGION=us-ashburn-1",
        ]
    );
}

#[tokio::test]
async fn the_profile_is_merged_and_the_rest_of_the_file_stays() {
    let files = Arc::new(MemoryFiles::default());
    files.put("/home/user/.oci/config", "# mine\n[DEFAULT]\nregion=phx\n\n[CI]\nuser=old\n\n# last\n[Z]\na=b\n");
    let config = json!({"profile": "CI", "merge_into": "~/.oci/config"});
    let delivered = write(config, &files).await.unwrap();
    let wanted = format!("# mine\n[DEFAULT]\nregion=phx\n\n{}\n# last\n[Z]\na=b\n", section("CI"));
    assert_eq!(text(&files, "/home/user/.oci/config"), wanted);
    let names: Vec<_> = delivered.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.ends_with(&["TF_VAR_auth", "TF_VAR_config_file_profile", "TF_VAR_region"]), "{names:?}");
    assert_eq!(delivered.shared, [Path::new("/home/user/.oci/config")]);
    assert!(delivered.files.iter().all(|file| file.starts_with("/run/oci/current")), "{:?}", delivered.files);
}

#[tokio::test]
async fn an_unchanged_shared_file_is_left_alone() {
    let files = Arc::new(MemoryFiles::default());
    files.put("/c", section("CARNET"));
    let delivered = write(json!({"merge_into": "/c"}), &files).await.unwrap();
    assert!(delivered.shared.is_empty(), "{:?}", delivered.shared);
}

#[test]
fn racing_deliveries_into_one_shared_file_keep_every_profile() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("config");
    let session = testing::session();
    std::thread::scope(|scope| {
        for at in 0..8 {
            let (session, shared, directory) = (&session, &shared, folder.path().join(format!("p{at}")));
            scope.spawn(move || {
                let context = Context { files: Arc::new(SystemFiles), ..test_context() };
                let config = json!({"directory": directory, "profile": format!("P{at}"), "merge_into": shared});
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(build(&config).unwrap().deliver(&context, session)).unwrap();
            });
        }
    });
    let text = std::fs::read_to_string(&shared).unwrap();
    let kept: Vec<_> = (0..8).filter(|at| text.contains(&format!("[P{at}]\n"))).collect();
    assert_eq!(kept.len(), 8, "{kept:?}");
}

/// A delivery into a folder of its own and a shared file, on a real disk.
fn on_disk(folder: &Path, shared: &Path) -> (Context, Arc<dyn Delivery>) {
    let context = Context { files: Arc::new(SystemFiles), ..test_context() };
    (context, build(&json!({"directory": folder.join("oci"), "merge_into": shared})).unwrap())
}

#[tokio::test]
async fn a_shared_file_that_somebody_holds_is_waited_for_without_stopping_other_work() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("config");
    let (context, delivery) = on_disk(folder.path(), &shared);
    let theirs = context.files.hold(&shared).await.unwrap();
    let session = testing::session();
    let mut delivering = delivery.deliver(&context, &session);
    assert!((&mut delivering).now_or_never().is_none());
    assert!(!shared.exists() && !folder.path().join("oci/current").exists());
    drop(theirs);
    delivering.await.unwrap();
    assert!(std::fs::read_to_string(&shared).unwrap().contains("[CARNET]\n"));
}

#[tokio::test]
async fn a_shared_file_behind_a_link_is_changed_and_the_link_stays() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (link, file) = (folder.path().join("config"), elsewhere.path().join("real"));
    carnet_core::replace_files(&[NewFile::new(&file, "[MINE]\nregion=fra\n")]).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let (context, delivery) = on_disk(folder.path(), &link);
    let delivered = delivery.deliver(&context, &testing::session()).await.unwrap();
    assert_eq!(std::fs::read_link(&link).unwrap(), file);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("[MINE]\nregion=fra\n") && text.contains("[CARNET]\n"), "{text}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(delivered.shared, [file]);
    let names = |folder: &Path| {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(folder.path()), ["config".into(), "oci".into()].into());
    assert_eq!(names(elsewhere.path()), [".real.lock".into(), "real".into()].into());
}

#[tokio::test]
async fn refuses_a_shared_file_behind_links_in_a_circle_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("config");
    std::os::unix::fs::symlink(&link, &link).unwrap();
    let (context, delivery) = on_disk(folder.path(), &link);
    delivery.deliver(&context, &testing::session()).await.unwrap_err();
    assert!(!folder.path().join("oci").exists());
}

#[tokio::test]
async fn a_shared_file_that_is_broken_is_not_touched_and_nothing_is_written() {
    let files = Arc::new(MemoryFiles::default());
    files.put("/c", "user=x\n");
    let error = write(json!({"merge_into": "/c"}), &files).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(text(&files, "/c"), "user=x\n");
    assert!(files.get("/run/oci/current/token").is_none());
}

#[tokio::test]
async fn a_shared_file_that_is_not_text_is_named_with_its_line_and_not_touched() {
    let files = Arc::new(MemoryFiles::default());
    files.put("/c", b"[DEFAULT]\nuser=x\n# Schl\xfcssel\n");
    let error = write(json!({"merge_into": "/c"}), &files).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(
        carnet_core::chain(&error).join(": ").contains("read /c: byte 23 (line 3, column 7) is not UTF-8"),
        "{error:?}"
    );
    assert_eq!(error.hints(), ["save the file as UTF-8"]);
    assert_eq!(files.get("/c").unwrap(), b"[DEFAULT]\nuser=x\n# Schl\xfcssel\n");
}

#[tokio::test]
async fn what_is_written_is_read_back_by_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("oci");
    let context = Context { files: Arc::new(SystemFiles), ..test_context() };
    let delivery = build(&json!({"directory": directory})).unwrap();
    delivery.deliver(&context, &testing::session()).await.unwrap();
    let file = directory.join("current/config").display().to_string();
    let source =
        carnet_core::SourceConfig::build(ProfileConfig { file: Some(file), profile: Some("CARNET".to_owned()) });
    let found = source.unwrap().find(&context, &carnet_core::Want::default()).await.unwrap();
    let carnet_core::Found::Credential(found) = found else { panic!("not here") };
    let (Material::OciSession(read), Material::OciSession(written)) = (&found.material, &testing::session().material)
    else {
        panic!("another kind")
    };
    assert_eq!((&read.token, &read.private_key), (&written.token, &written.private_key));
    assert_eq!((&read.region, &read.tenancy), (&written.region, &written.tenancy));
    assert!(!found.facts.contains_key("warning"), "nobody else may read the key");
}

#[tokio::test]
async fn refuses_a_session_that_lacks_what_a_profile_needs() {
    for (field, words) in [("region", "region"), ("tenancy", "tenancy")] {
        let mut credential = testing::session();
        if let Material::OciSession(session) = &mut credential.material {
            match field {
                "region" => session.region = None,
                _ => session.tenancy = None,
            }
        }
        let error = build(&json!({})).unwrap().deliver(&test_context(), &credential).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        let given = json!({"region": "fra", "tenancy": "ocid1.tenancy.oc1..given"});
        build(&given).unwrap().deliver(&test_context(), &credential).await.unwrap();
    }
}

#[tokio::test]
async fn refuses_a_credential_of_another_kind() {
    let error = build(&json!({})).unwrap().deliver(&test_context(), &testing::api_key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[test]
fn refuses_names_and_paths_that_would_break_the_file() {
    for (extra, field) in [
        (json!({"directory": "run/oci"}), "directory"),
        (json!({"directory": "/run/a\nb"}), "directory"),
        (json!({"directory": "/run/a ;b"}), "directory"),
        (json!({"merge_into": "config"}), "merge_into"),
        (json!({"profile": "a]b"}), "profile"),
        (json!({"profile": ""}), "profile"),
        (json!({"profile": "DEFAULT", "merge_into": "/c"}), "profile"),
        (json!({"tenancy": "mine"}), "tenancy"),
    ] {
        assert_eq!(build(&extra).unwrap_err()[0].field, field);
    }
}
