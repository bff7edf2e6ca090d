//! ACME accounts that are bound to an account that was made elsewhere, at a Pebble that demands it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use carnet_core::Error;
use carnet_discovery::acme::{Acme, AcmeSettings, ExternalAccount};
use serde_json::json;

use crate::{acme::Pebble, support::context};

const KEY_ID: &str = "kid-1";
/// 48 bytes.
const KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

async fn pebble(http_port: u16) -> Pebble {
    let keys = json!({ KEY_ID: KEY });
    let more = json!({
        "httpPort": http_port,
        "externalAccountBindingRequired": true,
        "externalAccountMACKeys": keys,
    });
    Pebble::start_with(more).await
}

/// An account with the key in this file, whose content only its owner may read.
fn external(folder: &Path, key_id: &str, content: &str) -> ExternalAccount {
    let key_file = folder.join("eab.key");
    fs::write(&key_file, content).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    ExternalAccount { key_id: key_id.to_owned(), key_file }
}

/// What comes of asking for a certificate with this account.
async fn obtain(pebble: &Pebble, cache: &Path, external_account: Option<ExternalAccount>) -> Result<(), Error> {
    let settings = AcmeSettings { external_account, ..pebble.settings(cache) };
    Acme::new(settings, context()).unwrap().obtain().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_had_with_the_account_that_the_authority_demands() {
    let folder = tempfile::tempdir().unwrap();
    let challenges = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pebble = pebble(challenges.local_addr().unwrap().port()).await;
    let external = external(folder.path(), KEY_ID, &format!("{KEY}\n"));
    let settings = AcmeSettings { external_account: Some(external.clone()), ..pebble.settings(folder.path()) };
    let acme = Acme::new(settings, context()).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    tokio::spawn(carnet_net::serve(challenges, acme.challenge_router(), None, stop));
    acme.obtain().await.unwrap();
    assert!(acme.current().is_some());
    assert!(!format!("{acme:?}").contains(KEY), "the key never shows");
    // The account is there now: the key is not asked for again.
    fs::remove_file(&external.key_file).unwrap();
    acme.obtain().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_no_account_a_wrong_one_and_a_wrong_key() {
    let folder = tempfile::tempdir().unwrap();
    let pebble = pebble(1).await;
    let error = obtain(&pebble, folder.path(), None).await.unwrap_err();
    assert!(error.provider_code().unwrap().ends_with(":externalAccountRequired"), "{error:?}");
    assert!(error.hints()[0].contains("set `external_account`"), "{error:?}");

    let unknown = external(folder.path(), "kid-9", KEY);
    let error = obtain(&pebble, folder.path(), Some(unknown)).await.unwrap_err();
    assert!(error.provider_code().unwrap().contains(":acme:error:"), "{error:?}");
    assert!(error.hints()[0].contains("the identifier kid-9"), "{error:?}");

    let other_key = KEY.replace('z', "y");
    let wrong = external(folder.path(), KEY_ID, &other_key);
    let error = obtain(&pebble, folder.path(), Some(wrong)).await.unwrap_err();
    let text = format!("{error:?} {}", carnet_core::chain(&error).join(": "));
    assert!(text.contains("make an ACME account") && !text.contains(&other_key), "{text}");
    let accounts = fs::read_dir(folder.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "json"));
    assert_eq!(accounts.count(), 0, "no account was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_a_file_that_is_missing_open_to_others_or_holds_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let pebble = pebble(1).await;
    let said = async |external: ExternalAccount| {
        let error = obtain(&pebble, folder.path(), Some(external)).await.unwrap_err();
        format!("{} {:?}", carnet_core::chain(&error).join(": "), error.hints())
    };
    let missing = ExternalAccount { key_id: KEY_ID.to_owned(), key_file: folder.path().join("none.key") };
    assert!(said(missing).await.contains("does not exist"));
    let open = external(folder.path(), KEY_ID, KEY);
    fs::set_permissions(&open.key_file, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(said(open).await.contains("other users may read it"));
    for (content, why) in
        [("", "fewer than 32 bytes"), ("not base64url!", "base64url"), ("c2hvcnQ", "fewer than 32 bytes")]
    {
        let text = said(external(folder.path(), KEY_ID, content)).await;
        assert!(text.contains(why), "{content}: {text}");
    }
}
