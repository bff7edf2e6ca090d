//! Certificates in files that somebody else replaces.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use carnet_core::{NewFile, SystemFiles, replace_files};
use carnet_net::CertificateFiles;
use carnet_x509::{Issued, der_to_pem};
use tokio_util::sync::CancellationToken;

use crate::support::{authority, key_pem, leaf};

/// A chain and a key in PEM, and the leaf in DER.
struct Made {
    chain: String,
    key: String,
    leaf: Vec<u8>,
}

fn made() -> Made {
    let issued: Issued = authority().issue(&leaf(&["localhost"], &[])).unwrap();
    Made { chain: der_to_pem(&issued.certificate), key: key_pem(&issued), leaf: issued.certificate }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    replace_files(&[NewFile::new(&path, text.as_bytes().to_vec())]).unwrap();
    path
}

fn write_pair(folder: &Path, made: &Made) -> (PathBuf, PathBuf) {
    (write(folder, "tls.crt", &made.chain), write(folder, "tls.key", &made.key))
}

fn open(chain: PathBuf, key: PathBuf) -> Result<CertificateFiles, carnet_core::Error> {
    CertificateFiles::open(Arc::new(SystemFiles), chain, key)
}

fn shown(files: &CertificateFiles) -> Vec<u8> {
    files.source()().unwrap().chain().next().unwrap().to_vec()
}

#[test]
fn a_new_pair_is_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (made(), made());
    let (chain, key) = write_pair(folder.path(), &old);
    let files = open(chain, key).unwrap();
    assert_eq!(shown(&files), old.leaf);
    assert!(!files.reload().unwrap(), "nothing has changed");
    write_pair(folder.path(), &new);
    assert!(files.reload().unwrap());
    assert_eq!(shown(&files), new.leaf);
    assert!(!files.reload().unwrap());
}

#[test]
fn half_a_pair_is_kept_out_until_the_other_half_comes() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (made(), made());
    let (chain, key) = write_pair(folder.path(), &old);
    let files = open(chain, key).unwrap();
    write(folder.path(), "tls.crt", &new.chain);
    for _ in 0..2 {
        let error = files.reload().unwrap_err();
        assert!(error.hints().iter().any(|hint| hint.contains("another certificate")), "{error:?}");
        assert_eq!(shown(&files), old.leaf);
    }
    write(folder.path(), "tls.key", &new.key);
    assert!(files.reload().unwrap());
    assert_eq!(shown(&files), new.leaf);
}

#[test]
fn the_last_good_pair_stays_when_a_file_is_gone_or_broken() {
    let folder = tempfile::tempdir().unwrap();
    let old = made();
    let (chain, key) = write_pair(folder.path(), &old);
    let files = open(chain.clone(), key.clone()).unwrap();
    fs::remove_file(&key).unwrap();
    let error = files.reload().unwrap_err();
    assert!(error.to_string().contains(key.to_str().unwrap()), "{error}");
    write(folder.path(), "tls.key", "not PEM");
    assert!(files.reload().is_err());
    write_pair(folder.path(), &old);
    write(folder.path(), "tls.crt", "");
    assert!(files.reload().is_err());
    assert_eq!(shown(&files), old.leaf);
    write_pair(folder.path(), &old);
    assert!(!files.reload().unwrap(), "it is the pair that is shown");
}

#[test]
fn a_kubernetes_secret_is_replaced_by_its_link() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (made(), made());
    for (name, made) in [("..old", &old), ("..new", &new)] {
        fs::create_dir(folder.path().join(name)).unwrap();
        write_pair(&folder.path().join(name), made);
    }
    let link = |target: &str| {
        let data = folder.path().join("..data");
        drop(fs::remove_file(&data));
        std::os::unix::fs::symlink(target, data).unwrap();
    };
    link("..old");
    let [chain, key] = ["tls.crt", "tls.key"].map(|name| {
        std::os::unix::fs::symlink(Path::new("..data").join(name), folder.path().join(name)).unwrap();
        folder.path().join(name)
    });
    let files = open(chain, key).unwrap();
    assert_eq!(shown(&files), old.leaf);
    link("..new");
    assert!(files.reload().unwrap());
    assert_eq!(shown(&files), new.leaf);
}

#[test]
fn rejects_a_first_pair_that_does_not_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path(), &made());
    let key = write(folder.path(), "tls.key", &made().key);
    assert!(open(folder.path().join("tls.crt"), key).is_err());
}

#[test]
fn nothing_of_a_key_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let made = made();
    let (chain, key) = write_pair(folder.path(), &made);
    let files = open(chain, key).unwrap();
    let text = format!("{files:?} {:?}", files.current());
    assert!(text.contains("tls.key") && made.key.lines().skip(1).all(|line| !text.contains(line)), "{text}");
}

#[tokio::test]
async fn a_watched_pair_is_taken_without_being_told() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (made(), made());
    let (chain, key) = write_pair(folder.path(), &old);
    let files = open(chain, key).unwrap();
    let shutdown = CancellationToken::new();
    let watching = tokio::spawn({
        let (files, shutdown) = (files.clone(), shutdown.clone());
        async move { files.watch(Duration::from_millis(1), shutdown).await }
    });
    write_pair(folder.path(), &new);
    let taken = async {
        while shown(&files) != new.leaf {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), taken).await.unwrap();
    shutdown.cancel();
    watching.await.unwrap();
}
