//! Keys in a real token: SoftHSM. It reads the place of its tokens from the environment of the process, once, so that each test
//! runs in a child of its own. Where SoftHSM is missing these tests fail: Debian has it in the package `softhsm2`.

use std::{
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use carnet_core::{Environment as _, Secret, SystemEnvironment};
use carnet_jose::{Algorithm, PublicKey};
use carnet_keys::{
    Backend as _, KeyManager, KeyParts, Pkcs11, Pkcs11Settings, Purpose, SecretSource, Software, Stage, Timing,
};
use carnet_spiffe::{BundleMap, SpiffeId, svid_profile, verify_x509_svid};

use crate::support::{World, domain, in_stage};

/// Where Debian puts it.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const CONFIGURATION: &str = "SOFTHSM2_CONF";
/// Set in the child, so that tokens that somebody has here for something else are left alone.
const IN_CHILD: &str = "CARNET_TEST_TOKEN";
const TOKEN: &str = "carnet test";
const PIN: &str = "1234";

/// Runs the test of this name again, in a process that has a token. `true` in that process.
fn in_a_process_with_a_token(name: &str) -> bool {
    if SystemEnvironment.get(IN_CHILD).is_some() {
        return true;
    }
    assert!(Path::new(MODULE).exists(), "SoftHSM is not here: apt-get install softhsm2");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tokens")).unwrap();
    let configuration = folder.path().join("softhsm2.conf");
    let text =
        format!("directories.tokendir = {}\nobjectstore.backend = file\n", folder.path().join("tokens").display());
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&configuration).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", "5678"])
        .env(CONFIGURATION, &configuration)
        .output()
        .expect("softhsm2-util runs: apt-get install softhsm2");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CONFIGURATION, &configuration)
        .env(IN_CHILD, "1")
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    assert!(!said.contains(PIN), "the PIN was said");
    false
}

fn settings() -> Pkcs11Settings {
    Pkcs11Settings { module: PathBuf::from(MODULE), token: TOKEN.to_owned(), pin: Secret::new(PIN), sessions: 4 }
}

fn with_token(world: &World, token: &Pkcs11) -> KeyParts {
    KeyParts { backend: Arc::new(token.clone()), ..world.parts() }
}

#[tokio::test]
async fn a_token_makes_finds_signs_with_and_removes_every_sort_of_key() {
    if !in_a_process_with_a_token("token::a_token_makes_finds_signs_with_and_removes_every_sort_of_key") {
        return;
    }
    let token = Pkcs11::open(settings()).await.unwrap();
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256, Algorithm::EdDsa] {
        let kid = format!("kid-{algorithm}");
        let made = token.generate(&kid, algorithm).await.unwrap();
        assert!(made.key.is_external() && made.key.to_pkcs8().is_err(), "{algorithm}");
        // As after a restart: other sessions, found by its id.
        let again = Pkcs11::open(settings()).await.unwrap();
        let found = again.load(&kid, algorithm, &made.material).await.unwrap();
        assert_eq!(found.public_spki(), made.key.public_spki());
        let public = PublicKey::from_spki(&made.key.public_spki()).unwrap();
        assert!(public.verify(algorithm, b"message", &found.sign(b"message").unwrap()), "{algorithm}");
        token.destroy(&kid).await.unwrap();
        token.destroy(&kid).await.unwrap();
        let error = again.load(&kid, algorithm, &made.material).await.unwrap_err();
        assert!(error.to_string().contains("has no key kid-"), "{error}");
    }
    let error = token.generate("other", Algorithm::Ps256).await.unwrap_err();
    assert_eq!(error.to_string(), "keys for PS256 are not made in tokens");
}

#[tokio::test]
async fn many_threads_share_few_sessions() {
    if !in_a_process_with_a_token("token::many_threads_share_few_sessions") {
        return;
    }
    let token = Pkcs11::open(Pkcs11Settings { sessions: 2, ..settings() }).await.unwrap();
    let key = Arc::new(token.generate("shared", Algorithm::Es256).await.unwrap().key);
    let public = PublicKey::from_spki(&key.public_spki()).unwrap();
    let threads: Vec<_> = (0..16_u8)
        .map(|number| {
            let key = Arc::clone(&key);
            tokio::task::spawn_blocking(move || {
                (0..8_u8).map(|turn| key.sign(&[number, turn]).unwrap()).collect::<Vec<_>>()
            })
        })
        .collect();
    for (number, thread) in (0..16_u8).zip(threads) {
        for (turn, signature) in (0..8_u8).zip(thread.await.unwrap()) {
            assert!(public.verify(Algorithm::Es256, &[number, turn], &signature));
        }
    }
}

#[tokio::test]
async fn a_manager_signs_tokens_and_certificates_with_keys_that_never_leave_the_token() {
    if !in_a_process_with_a_token("token::a_manager_signs_tokens_and_certificates_with_keys_that_never_leave_the_token")
    {
        return;
    }
    let world = World::new(&[Algorithm::Es256, Algorithm::Rs256]).await;
    let token = Pkcs11::open(settings()).await.unwrap();
    let manager = KeyManager::open(with_token(&world, &token)).await.unwrap();
    let ring = manager.ring();
    assert!(ring.signer(Algorithm::Rs256).unwrap().is_external());
    let authority = ring.authority().unwrap();
    let workload = SpiffeId::new(&domain(), "/workload").unwrap();
    let leaf_key = carnet_jose::SigningKey::generate(Algorithm::Es256).unwrap();
    let profile = svid_profile(&workload, &[], world.now(), authority.not_after);
    let leaf = authority.authority.issue_for_key(&profile, &leaf_key.public_spki()).unwrap();
    let mut bundles = BundleMap::default();
    bundles.insert(ring.bundle(&domain()));
    assert_eq!(verify_x509_svid(&authority.chain_of(leaf), &bundles, world.now()).unwrap(), workload);

    // A rotation, and a restart after it, find the keys again; the one that retired is gone from the token.
    let purpose = Purpose::Jwt(Algorithm::Es256);
    let old = ring.signer(Algorithm::Es256).unwrap().kid().unwrap().to_owned();
    manager.rotate(purpose, "test", Timing::Now).await.unwrap();
    let manager = KeyManager::open(with_token(&world, &token)).await.unwrap();
    let keys = manager.list().await.unwrap();
    assert_eq!(in_stage(&keys, purpose, Stage::Retired)[0].kid, old);
    let material = carnet_core::SecretBytes::new(old.as_bytes());
    assert!(token.load(&old, Algorithm::Es256, &material).await.is_err(), "the private half is gone");
    let signer = manager.ring().signer(Algorithm::Es256).unwrap();
    let public = signer.public_key().unwrap();
    assert!(public.verify(Algorithm::Es256, b"message", &signer.sign(b"message").unwrap()));
}

#[tokio::test]
async fn keys_of_another_backend_are_replaced_and_stay_published() {
    if !in_a_process_with_a_token("token::keys_of_another_backend_are_replaced_and_stay_published") {
        return;
    }
    let world = World::new(&[Algorithm::Es256]).await;
    let software = KeyManager::open(KeyParts { backend: Arc::new(Software), ..world.parts() }).await.unwrap();
    let before = software.ring().signer(Algorithm::Es256).unwrap();
    let token = Pkcs11::open(settings()).await.unwrap();
    let manager = KeyManager::open(with_token(&world, &token)).await.unwrap();
    let after = manager.ring().signer(Algorithm::Es256).unwrap();
    assert!(after.is_external());
    let published: Vec<_> = manager.ring().published().iter().map(|key| key.kid.clone()).collect();
    assert_eq!(published.len(), 2);
    assert!(published.iter().any(|kid| Some(kid.as_str()) == before.kid()));
}

#[tokio::test]
async fn rejects_a_wrong_pin_a_wrong_label_and_a_library_that_is_none() {
    if !in_a_process_with_a_token("token::rejects_a_wrong_pin_a_wrong_label_and_a_library_that_is_none") {
        return;
    }
    let wrong_pin = Pkcs11Settings { pin: Secret::new("9999"), ..settings() };
    let error = Pkcs11::open(wrong_pin).await.unwrap_err();
    assert_eq!(error.to_string(), "log in in the token \"carnet test\": the token answers PinIncorrect");
    assert_eq!(error.hints(), ["the PIN is wrong; tokens lock themselves after a few attempts"]);
    assert!(!format!("{error:?}").contains("9999"));
    let error = Pkcs11::open(Pkcs11Settings { token: "other".to_owned(), ..settings() }).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no token \"other\"; there are: [\"carnet test\"]");
    let no_library = Pkcs11Settings { module: PathBuf::from("/nonexistent.so"), ..settings() };
    let error = Pkcs11::open(no_library).await.unwrap_err();
    assert_eq!(error.to_string(), "load the PKCS #11 library /nonexistent.so");
    // The right PIN still works after that, and comes from the environment like any other.
    let context = carnet_core::Context {
        environment: Arc::new(carnet_core::MapEnvironment::of(&[("PIN", PIN)])),
        ..carnet_core::test_context()
    };
    let pin = SecretSource::Environment("PIN".to_owned()).read(&context, "PIN of the token").unwrap();
    assert!(Pkcs11::open(Pkcs11Settings { pin, ..settings() }).await.is_ok());
}
