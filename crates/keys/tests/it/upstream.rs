//! An authority above ours.

use std::path::Path;

use carnet_core::{Context, NewFile, SystemFiles};
use carnet_jose::{Algorithm, SigningKey};
use carnet_keys::{KeyManager, Upstream};
use carnet_spiffe::{BundleMap, SpiffeId, SvidError, svid_profile, verify_x509_svid};
use carnet_x509::{Authority, AuthorityProfile, der_to_pem};
use jiff::SignedDuration;
use std::sync::Arc;

use crate::support::{World, domain};

/// A company's root with an issuing authority below it.
struct Company {
    root: Authority,
    issuing: Authority,
}

fn profile(world: &World, name: &str, path_length: Option<u8>, days: i64) -> AuthorityProfile {
    AuthorityProfile {
        subject: vec![("CN", name.to_owned())],
        uri: Vec::new(),
        path_length,
        not_before: world.now() - SignedDuration::from_hours(24),
        not_after: world.now() + SignedDuration::from_hours(24 * days),
    }
}

fn company(world: &World, name: &str) -> Company {
    let key = || Arc::new(SigningKey::generate(Algorithm::Es384).unwrap());
    let root = Authority::self_signed(&profile(world, &format!("{name} Root"), None, 3650), key()).unwrap();
    let issuing = root.subordinate(&profile(world, name, Some(1), 365), key()).unwrap();
    Company { root, issuing }
}

fn write(folder: &Path, name: &str, content: &str) {
    carnet_core::replace_files(&[NewFile::new(folder.join(name), content)]).unwrap();
}

fn key_pem(authority: &Authority) -> String {
    authority.signing_key().to_pkcs8_pem().unwrap().expose().to_owned()
}

fn chain_pem(company: &Company) -> String {
    format!("{}{}", company.issuing.certificate_pem(), company.root.certificate_pem())
}

/// A world whose files are those of a folder with the company's authority in it.
async fn world_below(folder: &Path) -> (World, Company) {
    let mut world = World::new(&[]).await;
    world.context = Context { files: Arc::new(SystemFiles), ..world.context.clone() };
    world.seal = folder.join("seal.key");
    world.upstream = Some(Upstream { certificate: folder.join("ca.pem"), key: folder.join("ca.key"), root: None });
    let company = company(&world, "Company");
    write(folder, "ca.key", &key_pem(&company.issuing));
    write(folder, "ca.pem", &chain_pem(&company));
    (world, company)
}

fn svid_verifies(world: &World, manager: &KeyManager) -> Result<SpiffeId, SvidError> {
    let ring = manager.ring();
    let authority = ring.authority().unwrap();
    let workload = SpiffeId::new(&domain(), "/workload").unwrap();
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let leaf = authority
        .authority
        .issue_for_key(&svid_profile(&workload, &[], world.now(), authority.not_after), &key.public_spki())
        .unwrap();
    let mut bundles = BundleMap::default();
    bundles.insert(ring.bundle(&domain()));
    verify_x509_svid(&authority.chain_of(leaf), &bundles, world.now())
}

#[tokio::test]
async fn the_authority_is_certified_by_the_upstream_and_the_bundle_has_its_root() {
    let folder = tempfile::tempdir().unwrap();
    let (world, company) = world_below(folder.path()).await;
    let manager = world.manager().await;
    let ring = manager.ring();
    assert_eq!(ring.x509_roots(), [company.root.certificate().to_vec()]);
    let authority = ring.authority().unwrap();
    assert_eq!(
        authority.upstream,
        [authority.authority.certificate().to_vec(), company.issuing.certificate().to_vec()]
    );
    assert_eq!(svid_verifies(&world, &manager).unwrap().path(), "/workload");
    world.advance(12);
    manager.tick().await.unwrap();
    assert_eq!(manager.ring().x509_roots().len(), 1, "the next authority has the same root");
    let reopened = world.manager().await;
    assert_eq!(svid_verifies(&world, &reopened).unwrap().path(), "/workload");
}

#[tokio::test]
async fn a_root_of_its_own_file_completes_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let (mut world, company) = world_below(folder.path()).await;
    write(folder.path(), "ca.pem", &company.issuing.certificate_pem());
    let error = KeyManager::open(world.parts()).await.unwrap_err();
    assert!(error.to_string().ends_with("does not end in a root"), "{error}");
    write(folder.path(), "root.pem", &der_to_pem(company.root.certificate()));
    world.upstream = world.upstream.map(|upstream| Upstream { root: Some(folder.path().join("root.pem")), ..upstream });
    let manager = world.manager().await;
    assert_eq!(manager.ring().x509_roots(), [company.root.certificate().to_vec()]);
}

#[tokio::test]
async fn new_files_bring_a_new_authority_that_consumers_learn_of_before_it_signs() {
    let folder = tempfile::tempdir().unwrap();
    let (world, first) = world_below(folder.path()).await;
    let manager = world.manager().await;
    let before = manager.ring().authority().unwrap().kid.clone();
    let second = company(&world, "Other");
    // The key comes first, so that for a moment the pair does not match: told, and everything stays.
    write(folder.path(), "ca.key", &key_pem(&second.issuing));
    let error = manager.tick().await.unwrap_err();
    assert!(error.to_string().contains("the private key is not the one of the certificate"), "{error}");
    assert_eq!(svid_verifies(&world, &manager).unwrap().path(), "/workload");
    write(folder.path(), "ca.pem", &chain_pem(&second));
    assert!(manager.tick().await.unwrap());
    assert_eq!(manager.ring().authority().unwrap().kid, before, "consumers do not know the new root yet");
    let roots = [first.root.certificate().to_vec(), second.root.certificate().to_vec()];
    assert_eq!(manager.ring().x509_roots(), roots);
    assert!(!manager.tick().await.unwrap(), "once for each change");
    world.clock.advance(world.settings.propagation);
    assert!(manager.tick().await.unwrap());
    assert_ne!(manager.ring().authority().unwrap().kid, before);
    assert_eq!(manager.ring().authority().unwrap().upstream.last(), Some(&second.issuing.certificate().to_vec()));
    assert_eq!(svid_verifies(&world, &manager).unwrap().path(), "/workload");
}

#[tokio::test]
async fn what_is_signed_does_not_outlive_what_is_above() {
    let folder = tempfile::tempdir().unwrap();
    let (world, company) = world_below(folder.path()).await;
    let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
    let short = AuthorityProfile {
        not_after: world.now() + SignedDuration::from_hours(6),
        ..profile(&world, "Short", Some(1), 1)
    };
    let issuing = company.root.subordinate(&short, key).unwrap();
    write(folder.path(), "ca.key", &key_pem(&issuing));
    write(folder.path(), "ca.pem", &format!("{}{}", issuing.certificate_pem(), company.root.certificate_pem()));
    let manager = world.manager().await;
    assert_eq!(manager.ring().authority().unwrap().not_after, short.not_after);
}

#[tokio::test]
async fn rejects_an_upstream_that_cannot_certify() {
    let folder = tempfile::tempdir().unwrap();
    let (world, company) = world_below(folder.path()).await;
    let refused = |what: &'static str| {
        let parts = world.parts();
        async move {
            let error = KeyManager::open(parts).await.unwrap_err();
            let chain = carnet_core::chain(&error).join(": ");
            assert!(chain.contains(what), "{what}: {chain}");
        }
    };
    let key = || Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
    let below = |profile: &AuthorityProfile| {
        let authority = company.root.subordinate(profile, key()).unwrap();
        write(folder.path(), "ca.key", &key_pem(&authority));
        write(folder.path(), "ca.pem", &format!("{}{}", authority.certificate_pem(), company.root.certificate_pem()));
    };
    below(&profile(&world, "Leaves", Some(0), 30));
    refused("may not certify another (its path length is 0)").await;
    let expired = AuthorityProfile { not_after: world.now(), ..profile(&world, "Old", Some(1), 0) };
    below(&expired);
    refused("is valid from").await;
    write(folder.path(), "ca.pem", &chain_pem(&company));
    refused("it is a P-256 key, and ES384 needs P-384").await;
    let stranger = self::company(&world, "Stranger");
    write(folder.path(), "ca.key", &key_pem(&stranger.issuing));
    refused("the private key is not the one of the certificate").await;
    // A chain of certificates that do not belong together.
    write(folder.path(), "ca.key", &key_pem(&company.issuing));
    write(
        folder.path(),
        "ca.pem",
        &format!("{}{}", company.issuing.certificate_pem(), stranger.root.certificate_pem()),
    );
    refused("a leaf of the new certificate authority would not verify").await;
    write(folder.path(), "ca.pem", "nothing");
    refused("ca.pem").await;
    write(folder.path(), "ca.pem", &chain_pem(&company));
    write(folder.path(), "ca.key", "nothing");
    refused("read the key").await;
    assert!(world.store.keys().await.unwrap().is_empty(), "no authority without the upstream");
    write(folder.path(), "ca.key", &key_pem(&company.issuing));
    assert!(KeyManager::open(world.parts()).await.is_ok());
}

#[tokio::test]
async fn rejects_an_upstream_key_that_others_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (world, _company) = world_below(folder.path()).await;
    let key = folder.path().join("ca.key");
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = KeyManager::open(world.parts()).await.unwrap_err();
    assert!(error.to_string().ends_with("other users may read it"), "{error}");
}
