use std::os::unix::fs::PermissionsExt as _;

use carnet_core::{BoxFuture, ErrorKind, Files, FixedClock, MemoryFiles, SecretBytes, SystemFiles, test_context};

use super::*;
use crate::testing;

fn made_at(path: &Path) -> SessionKeyConfig {
    SessionKeyConfig { file: Some(path.to_owned()), make_if_missing: true, ..SessionKeyConfig::default() }
}

fn keys(config: SessionKeyConfig) -> SessionKeys {
    let mut mistakes = Vec::new();
    let keys = SessionKeys::build(Some(config), &mut mistakes);
    assert_eq!(mistakes, []);
    keys
}

#[tokio::test]
async fn a_prepared_key_is_the_one_that_is_used_and_kept_until_its_age() {
    let keys = keys(SessionKeyConfig::default());
    let clock = Arc::new(FixedClock::at(testing::now()));
    let context = Context { clock: clock.clone(), ..test_context() };
    keys.prepare();
    keys.prepare();
    let (first, second) = futures_util::future::join(keys.get(&context), keys.get(&context)).await;
    let first = first.unwrap();
    assert!(Arc::ptr_eq(&first, &second.unwrap()));
    clock.advance(SignedDuration::from_hours(11));
    assert!(Arc::ptr_eq(&first, &keys.get(&context).await.unwrap()));
    clock.advance(SignedDuration::from_hours(1));
    assert!(!Arc::ptr_eq(&first, &keys.get(&context).await.unwrap()));
}

#[tokio::test]
async fn without_reuse_every_token_gets_its_own_key() {
    let reuse = Some(duration::Duration(SignedDuration::ZERO));
    let keys = keys(SessionKeyConfig { reuse, ..SessionKeyConfig::default() });
    let first = keys.get(&test_context()).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &keys.get(&test_context()).await.unwrap()));
}

#[tokio::test]
async fn a_key_file_spares_the_search() {
    let keys = keys(SessionKeyConfig { file: Some("/run/key.pem".into()), ..SessionKeyConfig::default() });
    let files = MemoryFiles::default();
    files.put("/run/key.pem", testing::pem(&testing::key()));
    let context = Context { files: Arc::new(files), ..test_context() };
    keys.prepare();
    assert_eq!(keys.get(&context).await.unwrap().public_spki(), testing::key().public_spki());
    assert!(keys.current.lock().unwrap().is_none(), "no search was started");
}

#[tokio::test]
async fn refuses_a_missing_or_malformed_key_file_by_its_path() {
    let keys = keys(SessionKeyConfig { file: Some("/run/key.pem".into()), ..SessionKeyConfig::default() });
    let missing = keys.get(&test_context()).await.unwrap_err();
    assert!(missing.to_string().contains("/run/key.pem"));
    let files = MemoryFiles::default();
    files.put("/run/key.pem", "MARK");
    let context = Context { files: Arc::new(files), ..test_context() };
    let malformed = keys.get(&context).await.unwrap_err();
    assert_eq!((missing.kind(), malformed.kind()), (ErrorKind::Configuration, ErrorKind::Configuration));
    assert!(!format!("{malformed:?}").contains("MARK"));
}

#[tokio::test]
async fn a_missing_key_file_is_made_once_and_used_by_whoever_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys/key.pem");
    let context = Context { files: Arc::new(SystemFiles), ..test_context() };
    let first = keys(made_at(&path)).get(&context).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let later = keys(made_at(&path)).get(&context).await.unwrap();
    assert_eq!(first.public_spki(), later.public_spki());
}

#[tokio::test]
async fn rejects_a_key_file_that_cannot_be_made_before_there_is_a_token_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file/key.pem");
    let context = Context { files: Arc::new(SystemFiles), ..test_context() };
    context.files.replace(&[NewFile::new(folder.path().join("file"), "no folder")]).unwrap();
    let error = keys(made_at(&path)).get(&context).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

#[tokio::test]
async fn the_key_file_may_be_named_from_the_home_folder() {
    let files = Arc::new(MemoryFiles::default());
    let context = Context { files: files.clone(), ..test_context() };
    keys(made_at(Path::new("~/key.pem"))).get(&context).await.unwrap();
    assert!(files.get("/home/user/key.pem").unwrap().starts_with(b"-----BEGIN PRIVATE KEY-----\n"));
}

#[test]
fn refuses_fields_that_contradict_each_other() {
    let mut mistakes = Vec::new();
    let reuse = Some(duration::Duration(SignedDuration::from_hours(1)));
    SessionKeys::build(Some(SessionKeyConfig { reuse, file: Some("k".into()), make_if_missing: false }), &mut mistakes);
    SessionKeys::build(Some(SessionKeyConfig { reuse: None, file: None, make_if_missing: true }), &mut mistakes);
    SessionKeys::build(Some(made_at(Path::new("/run/oci/current/session_key.pem"))), &mut mistakes);
    let fields: Vec<_> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
    assert_eq!(fields, ["session_key.reuse", "session_key.make_if_missing", "session_key.file"]);
}

#[tokio::test]
async fn warns_of_a_key_file_that_others_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let context = Context { files: Arc::new(SystemFiles), ..test_context() };
    let keys = keys(made_at(&path));
    keys.get(&context).await.unwrap();
    for (mode, warns) in [(0o600, false), (0o644, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        keys.get(&context).await.unwrap();
        let warning = keys.warning(&context);
        assert_eq!(
            warning.is_some_and(|text| text.contains("key.pem") && text.contains("chmod 600")),
            warns,
            "{mode:o}"
        );
    }
    assert_eq!(SessionKeys::build(None, &mut Vec::new()).warning(&context), None);
}

/// Files that all belong to somebody else.
#[derive(Debug)]
struct Theirs(MemoryFiles);

impl Files for Theirs {
    fn read(&self, path: &Path, limit: usize) -> Result<Option<SecretBytes>, Error> {
        self.0.read(path, limit)
    }

    fn read_unnamed(&self, path: &Path, _: usize) -> Result<Option<Unnamed>, Error> {
        Ok(self.0.get(path).map(|_| Unnamed::OfAnotherUser))
    }

    fn replace(&self, files: &[NewFile]) -> Result<(), Error> {
        self.0.replace(files)
    }

    fn replace_directory<'a>(&'a self, directory: &'a Path, files: &'a [NewFile]) -> BoxFuture<'a, Result<(), Error>> {
        self.0.replace_directory(directory, files)
    }

    fn home(&self) -> Option<PathBuf> {
        self.0.home()
    }
}

#[tokio::test]
async fn rejects_a_key_file_of_another_user() {
    let files = MemoryFiles::default();
    files.put("/run/key.pem", testing::pem(&testing::key()));
    let context = Context { files: Arc::new(Theirs(files)), ..test_context() };
    for config in [
        SessionKeyConfig { file: Some("/run/key.pem".into()), ..SessionKeyConfig::default() },
        made_at(Path::new("/run/key.pem")),
    ] {
        let error = keys(config).get(&context).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("/run/key.pem") && error.to_string().contains("another user"), "{error}");
    }
}
