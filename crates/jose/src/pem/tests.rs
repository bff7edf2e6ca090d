use std::{
    io::Write,
    process::{Command, Stdio},
};

use proptest::prelude::*;

use super::*;
use crate::{Algorithm, SigningKey, testing::key};

/// Runs openssl(1), which is a witness from outside for everything that it can read or write.
pub(crate) fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl(1) must be installed to run the tests: apt-get install openssl");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn pem(algorithm: Algorithm) -> Vec<u8> {
    key(algorithm).to_pkcs8_pem().unwrap().expose().as_bytes().to_vec()
}

fn passphrase() -> Secret {
    Secret::new("correct horse")
}

/// Reads the key and makes sure that it is the one that was written.
fn same(algorithm: Algorithm, text: &[u8], passphrase: Option<&Secret>) {
    let der = private_key_from_pem(text, passphrase).unwrap_or_else(|error| panic!("{algorithm}: {error}"));
    let read = SigningKey::from_pkcs8(algorithm, &der).unwrap();
    assert_eq!(read.public_spki(), key(algorithm).public_spki());
}

fn refusal(text: &[u8], passphrase: Option<&Secret>) -> String {
    private_key_from_pem(text, passphrase).expect_err("the key must be refused").0
}

#[test]
fn reads_pkcs8_pkcs1_and_sec1() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        same(algorithm, &pem(algorithm), None);
        let traditional = openssl(&["pkey", "-traditional"], &pem(algorithm));
        let label = if algorithm == Algorithm::Rs256 { "BEGIN RSA PRIVATE KEY" } else { "BEGIN EC PRIVATE KEY" };
        assert!(String::from_utf8_lossy(&traditional).contains(label));
        same(algorithm, &traditional, None);
    }
    same(Algorithm::EdDsa, &pem(Algorithm::EdDsa), None);
}

#[test]
fn reads_encrypted_pkcs8() {
    for cipher in ["-aes-128-cbc", "-aes-256-cbc"] {
        let encrypted = openssl(
            &["pkcs8", "-topk8", "-v2", cipher.trim_start_matches('-'), "-passout", "pass:correct horse"],
            &pem(Algorithm::Rs256),
        );
        same(Algorithm::Rs256, &encrypted, Some(&passphrase()));
        assert_eq!(
            refusal(&encrypted, Some(&Secret::new("wrong"))),
            "the private key cannot be decrypted: the passphrase does not fit"
        );
        assert_eq!(refusal(&encrypted, None), "the private key is encrypted and no passphrase is given");
    }
}

#[test]
fn reads_encrypted_pkcs8_under_scrypt() {
    let encrypted = openssl(
        &["pkcs8", "-topk8", "-scrypt", "-scrypt_N", "1024", "-passout", "pass:correct horse"],
        &pem(Algorithm::Es256),
    );
    same(Algorithm::Es256, &encrypted, Some(&passphrase()));
}

#[test]
fn rejects_encryption_that_costs_more_than_any_real_one() {
    let encrypted = |options: &[&str]| {
        let arguments = [&["pkcs8", "-topk8", "-passout", "pass:correct horse", "-outform", "DER"], options].concat();
        openssl(&arguments, &pem(Algorithm::Es256))
    };
    let raise = |mut der: Vec<u8>, from: &[u8], to: &[u8]| {
        let at = der.windows(from.len()).position(|window| window == from).expect("the number is in it");
        der.splice(at..at + from.len(), to.iter().copied());
        let text = pem::encode_string("ENCRYPTED PRIVATE KEY", LineEnding::LF, &der).unwrap();
        refusal(text.as_bytes(), Some(&passphrase()))
    };
    // Numbers in DER become larger ones of the same length: the rounds, then `N` and `r`.
    let rounds = raise(encrypted(&["-v2", "aes-256-cbc", "-iter", "65537"]), &[2, 3, 1, 0, 1], &[2, 3, 0x7f, 0, 1]);
    let scrypt = encrypted(&["-scrypt", "-scrypt_N", "1024"]);
    let memory = raise(scrypt, &[2, 2, 0x04, 0, 2, 1, 8], &[2, 2, 0x40, 0, 2, 1, 0x7f]);
    for refused in [rounds, memory] {
        assert_eq!(refused, "the private key asks for more work to decrypt it than any real one does");
    }
}

#[test]
fn reads_the_traditional_encryption_that_oci_setup_keys_writes() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        for cipher in ["-aes128", "-aes192", "-aes256"] {
            let encrypted =
                openssl(&["pkey", "-traditional", cipher, "-passout", "pass:correct horse"], &pem(algorithm));
            assert!(String::from_utf8_lossy(&encrypted).contains("Proc-Type: 4,ENCRYPTED"));
            same(algorithm, &encrypted, Some(&passphrase()));
            for wrong in ["wrong", "", "correct horse "] {
                assert_eq!(
                    refusal(&encrypted, Some(&Secret::new(wrong))),
                    "the private key cannot be decrypted: the passphrase does not fit"
                );
            }
            assert_eq!(refusal(&encrypted, None), "the private key is encrypted and no passphrase is given");
        }
    }
}

#[test]
fn openssl_reads_what_we_write() {
    for algorithm in Algorithm::ALL {
        openssl(&["pkey", "-check", "-noout"], &pem(algorithm));
    }
}

#[test]
fn a_label_after_the_key_and_other_line_ends_are_tolerated() {
    let text = String::from_utf8(pem(Algorithm::Rs256)).unwrap();
    same(Algorithm::Rs256, format!("{text}OCI_API_KEY").as_bytes(), None);
    same(Algorithm::Rs256, format!("{text}\nOCI_API_KEY\n").as_bytes(), None);
    same(Algorithm::Rs256, format!("Bag Attributes\n  friendlyName: x\n{text}").as_bytes(), None);
    same(Algorithm::Rs256, text.replace('\n', "\r\n").as_bytes(), None);
    same(Algorithm::Rs256, format!("\u{feff}{text}").as_bytes(), None);
    same(Algorithm::Rs256, text.replace('\n', "  \n").as_bytes(), None);
}

#[test]
fn certificates_and_parameters_beside_the_key_are_passed_over() {
    let text = String::from_utf8(pem(Algorithm::Es256)).unwrap();
    let other = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n";
    same(Algorithm::Es256, format!("{other}{text}{other}").as_bytes(), None);
}

#[test]
fn rejects_what_holds_no_private_key_and_says_what_it_holds() {
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n").into_bytes();
    assert_eq!(refusal(&block("CERTIFICATE"), None), "it holds a certificate, not a private key");
    assert_eq!(refusal(&block("PUBLIC KEY"), None), "it holds a public key, not a private key");
    assert_eq!(refusal(&block("X509 CRL"), None), "it holds no private key, only: X509 CRL");
    assert_eq!(refusal(b"", None), "there is no PEM block in it, so no private key");
    assert!(refusal(key(Algorithm::Rs256).to_pkcs8().unwrap().expose(), None).contains("may be DER"));
    assert!(refusal(&block("OPENSSH PRIVATE KEY"), None).contains("ssh-keygen -p -m PKCS8"));
    assert!(refusal(&block("DSA PRIVATE KEY"), None).contains("not supported"));
}

#[test]
fn rejects_two_private_keys() {
    let two = [pem(Algorithm::Rs256), pem(Algorithm::Es256)].concat();
    assert_eq!(refusal(&two, None), "the PEM text holds more than one private key; leave only the one to use");
}

#[test]
fn rejects_keys_that_are_cut_or_bent() {
    let text = String::from_utf8(pem(Algorithm::Rs256)).unwrap();
    assert!(refusal(&text.as_bytes()[..500], None).contains("the file is cut off"));
    assert!(refusal(text.replace("-----END", "-----BEGIN").as_bytes(), None).contains("not closed"));
    assert!(refusal(text.replace("\nM", "\n!").as_bytes(), None).contains("not base64"));
    assert_eq!(refusal(text.replace("\nM", "\nN").as_bytes(), None), "the private key is not valid PKCS#8");
    let pkcs1 = text.replace("PRIVATE KEY", "EC PRIVATE KEY");
    assert_eq!(refusal(pkcs1.as_bytes(), None), "the private key is not valid SEC 1");
    assert!(refusal(&vec![b'x'; MAX_LENGTH + 1], None).contains("more than"));
}

#[test]
fn rejects_encryption_that_is_not_supported_and_says_how_to_convert() {
    let block = |info: &str| {
        format!("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: {info}\n\nAAAA\n-----END RSA PRIVATE KEY-----\n")
            .into_bytes()
    };
    assert!(refusal(&block("DES-EDE3-CBC,0011223344556677"), Some(&passphrase())).contains("openssl pkey -aes256"));
    for bad in ["", "AES-128-CBC", "AES-128-CBC,xx", "AES-128-CBC,001", "AES-128-CBC,é1"] {
        assert!(refusal(&block(bad), Some(&passphrase())).contains("DEK-Info line"), "{bad}");
    }
    assert!(refusal(&block("AES-128-CBC,00"), Some(&passphrase())).contains("wrong length"));
}

#[test]
fn no_message_quotes_the_key() {
    let secret = "czNjcjN0czNjcjN0czNjcjN0";
    for text in [
        format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----"),
        format!("-----BEGIN PRIVATE KEY-----\n{secret}!\n-----END PRIVATE KEY-----"),
        format!("-----BEGIN PRIVATE KEY-----\n{secret}"),
    ] {
        assert!(!refusal(text.as_bytes(), None).contains(secret));
    }
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in any::<Vec<u8>>()) {
        drop(private_key_from_pem(&bytes, Some(&passphrase())));
    }

    #[test]
    fn reading_never_panics_inside_a_block(
        label in "(RSA |EC |ENCRYPTED |)PRIVATE KEY",
        head in "(DEK-Info: AES-(128|256)-CBC,([0-9A-F]{32})?\n\n)?",
        body in any::<Vec<u8>>(),
    ) {
        let text = format!("-----BEGIN {label}-----\n{head}{}\n-----END {label}-----\n", STANDARD.encode(body));
        drop(private_key_from_pem(text.as_bytes(), Some(&passphrase())));
    }
}
