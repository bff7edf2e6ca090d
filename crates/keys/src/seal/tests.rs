use std::sync::{Arc, Mutex};

use carnet_core::{Context, Error, Secret, SystemFiles, SystemRandom, test_context};
use carnet_store::{Options, Store};

use super::*;

/// Small, so that tests take no time; the form is the same.
const CHEAP: Cost = Cost { memory: 64, rounds: 1, lanes: 1 };
const PASSPHRASE: &str = "correct horse battery staple";

fn plain() -> SecretBytes {
    SecretBytes::new(b"a private key".as_slice())
}

fn with_files() -> (tempfile::TempDir, Context) {
    let folder = tempfile::tempdir().unwrap();
    let context = Context { files: Arc::new(SystemFiles), random: Arc::new(SystemRandom), ..test_context() };
    (folder, context)
}

async fn store() -> Arc<dyn Store> {
    carnet_store::open("sqlite::memory:", Options::default()).await.unwrap()
}

/// A service that keeps a key: here, which is the edge of the world.
#[derive(Debug)]
struct TestKms {
    key: u8,
    wrapped: Mutex<Vec<Vec<u8>>>,
}

impl TestKms {
    fn new(key: u8) -> Arc<Self> {
        Arc::new(Self { key, wrapped: Mutex::default() })
    }
}

impl Kms for TestKms {
    fn describe(&self) -> String {
        format!("test service, key {}", self.key)
    }

    fn wrap<'a>(&'a self, key: &'a SecretBytes, associated: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>> {
        let masked = key.expose().iter().map(|byte| byte ^ self.key);
        let wrapped: Vec<u8> = [self.key, u8::try_from(associated.len()).unwrap()].into_iter().chain(masked).collect();
        self.wrapped.lock().unwrap().push(wrapped.clone());
        Box::pin(async move { Ok(wrapped) })
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8], associated: &'a [u8]) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        Box::pin(async move {
            match wrapped {
                [key, length, masked @ ..] if *key == self.key && usize::from(*length) == associated.len() => {
                    Ok(SecretBytes::new(masked.iter().map(|byte| byte ^ self.key).collect::<Vec<u8>>()))
                }
                _ => Err(Error::refused("the service does not know this key")),
            }
        })
    }
}

/// One of each, with what it must not be confused with.
async fn sealers() -> (tempfile::TempDir, Vec<[Arc<dyn Sealer>; 2]>) {
    let (folder, context) = with_files();
    let (one, other) = (store().await, store().await);
    let secret = Secret::new(PASSPHRASE);
    let file =
        |name: &str| -> Arc<dyn Sealer> { Arc::new(KeyFile::new(&context, folder.path().join(name), true).unwrap()) };
    let files = [file("one"), file("other")];
    for file in &files {
        file.seal(&plain(), b"").await.unwrap();
    }
    let sealers = vec![
        files,
        [
            Arc::new(Passphrase::open(&*one, &context, &secret, CHEAP).await.unwrap()),
            Arc::new(Passphrase::open(&*other, &context, &secret, CHEAP).await.unwrap()),
        ],
        [Arc::new(Envelope::new(TestKms::new(7), &context)), Arc::new(Envelope::new(TestKms::new(8), &context))],
    ];
    (folder, sealers)
}

#[tokio::test]
async fn what_is_sealed_opens_with_the_same_and_nothing_else() {
    let (_folder, sealers) = sealers().await;
    for (place, [sealer, other]) in sealers.iter().enumerate() {
        let sealed = sealer.seal(&plain(), b"kid 1").await.unwrap();
        assert_ne!(sealed, sealer.seal(&plain(), b"kid 1").await.unwrap(), "the nonce is fresh");
        assert_eq!(sealer.open(&sealed, b"kid 1").await.unwrap(), plain());
        assert!(sealer.open(&sealed, b"kid 2").await.is_err(), "bound to its row");
        assert!(other.open(&sealed, b"kid 1").await.is_err(), "sealed with another key");
        for (elsewhere, [foreign, _]) in sealers.iter().enumerate().filter(|(elsewhere, _)| *elsewhere != place) {
            let error = foreign.open(&sealed, b"kid 1").await.unwrap_err();
            assert!(
                error.to_string().starts_with("the private key was sealed with "),
                "{place} by {elsewhere}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn rejects_what_is_sealed_when_any_byte_of_it_is_bent_or_missing() {
    let (_folder, sealers) = sealers().await;
    for [sealer, _] in &sealers {
        let sealed = sealer.seal(&plain(), b"kid").await.unwrap();
        for place in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[place] ^= 1;
            assert!(sealer.open(&bent, b"kid").await.is_err(), "byte {place} of {}", sealer.describe());
            assert!(sealer.open(&sealed[..place], b"kid").await.is_err(), "cut at {place}");
        }
    }
}

#[tokio::test]
async fn a_key_file_is_made_with_the_first_seal_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, context) = with_files();
    let path = folder.path().join("private/seal.key");
    assert!(KeyFile::new(&context, &path, false).is_err(), "nobody asked for it to be made");
    let file = KeyFile::new(&context, &path, true).unwrap();
    assert!(!path.exists());
    let error = file.open(&[1, 1, 0, 0], b"").await.unwrap_err();
    assert!(!path.exists(), "nothing is made to open something: {error}");
    let sealed = file.seal(&plain(), b"").await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let again = KeyFile::new(&context, &path, true).unwrap();
    assert_eq!(again.open(&sealed, b"").await.unwrap(), plain());
}

#[tokio::test]
async fn a_missing_key_file_is_not_made_anew_when_something_is_to_be_opened() {
    let (folder, context) = with_files();
    let path = folder.path().join("seal.key");
    let sealed = KeyFile::new(&context, &path, true).unwrap().seal(&plain(), b"").await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = KeyFile::new(&context, &path, true).unwrap().open(&sealed, b"").await.unwrap_err();
    assert_eq!(error.to_string(), format!("the key file {} is missing", path.display()));
    assert!(!path.exists());
}

#[tokio::test]
async fn rejects_a_key_file_that_others_may_read_or_of_another_length() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, context) = with_files();
    let path = folder.path().join("seal.key");
    KeyFile::new(&context, &path, true).unwrap().seal(&plain(), b"").await.unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = KeyFile::new(&context, &path, false).unwrap_err();
    assert!(error.to_string().ends_with("other users may read it"), "{error}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(KeyFile::new(&context, &path, false).is_ok());
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(31).unwrap();
    let error = KeyFile::new(&context, &path, false).unwrap_err();
    assert!(error.to_string().ends_with("it has 31 bytes, not 32"), "{error}");
}

#[tokio::test]
async fn nodes_with_one_passphrase_share_a_key_and_a_wrong_one_is_told() {
    let (store, context) = (store().await, test_context());
    let open = |text: &str| {
        let (store, context, text) = (Arc::clone(&store), context.clone(), Secret::new(text));
        async move { Passphrase::open(&*store, &context, &text, CHEAP).await }
    };
    let (one, two) = tokio::join!(open(PASSPHRASE), open(PASSPHRASE));
    let sealed = one.unwrap().seal(&plain(), b"").await.unwrap();
    assert_eq!(two.unwrap().open(&sealed, b"").await.unwrap(), plain());
    let error = open("another passphrase").await.unwrap_err();
    assert_eq!(error.to_string(), "the passphrase is not the one that the keys of this store are sealed with");
    let error = open("short").await.unwrap_err();
    assert_eq!(error.to_string(), "the passphrase of the keys is shorter than 12 characters");
}

#[tokio::test]
async fn rejects_a_stored_cost_that_no_machine_has() {
    let (store, context) = (store().await, test_context());
    let body = serde_json::json!({ "derivations": [
        { "salt": "00", "cost": { "memory": u32::MAX, "rounds": 1, "lanes": 1 }, "check": "00" },
    ] });
    let commit = carnet_store::Commit {
        ops: vec![carnet_store::Op::PutObject {
            kind: carnet_store::ObjectKind::Setting,
            name: "keys.passphrase".to_owned(),
            body,
            expect: carnet_store::Expect::Absent,
        }],
        audit: carnet_store::AuditRecord::new(context.now(), "test", carnet_store::Outcome::Allowed),
        refused: None,
    };
    assert!(matches!(store.commit(commit).await.unwrap(), carnet_store::Committed::Done { .. }));
    let error = Passphrase::open(&*store, &context, &Secret::new(PASSPHRASE), CHEAP).await.unwrap_err();
    assert_eq!(error.to_string(), "the setting keys.passphrase of the store asks for more than any machine has");
}

#[tokio::test]
async fn a_new_passphrase_stands_beside_the_old_one_until_the_next() {
    let (store, context) = (store().await, test_context());
    let opens = |text: &'static str| {
        let (store, context) = (Arc::clone(&store), context.clone());
        async move { Passphrase::open(&*store, &context, &Secret::new(text), CHEAP).await.is_ok() }
    };
    assert!(opens("the first of them").await);
    for text in ["the second of them", "the third of them"] {
        Passphrase::change(&*store, &context, &Secret::new(text), CHEAP).await.unwrap();
    }
    assert!(opens("the third of them").await && opens("the second of them").await);
    assert!(!opens("the first of them").await);
}

#[tokio::test]
async fn the_service_sees_data_keys_only() {
    let kms = TestKms::new(7);
    let sealer = Envelope::new(Arc::<TestKms>::clone(&kms), &test_context());
    for _ in 0..2 {
        sealer.seal(&plain(), b"").await.unwrap();
    }
    let wrapped = kms.wrapped.lock().unwrap();
    assert!(wrapped.iter().all(|wrapped| wrapped.len() == 34), "32 bytes and its own header");
    assert_ne!(wrapped[0], wrapped[1], "each seal has a data key of its own");
}

#[test]
fn nothing_of_a_sealing_key_prints() {
    let context = test_context();
    let file = KeyFile::new(&context, "/seal.key", true).unwrap();
    assert_eq!(format!("{file:?}"), "KeyFile { path: \"/seal.key\", .. }");
}
