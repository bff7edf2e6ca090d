//! What passes, and what does not.

use proptest::prelude::*;

use super::{
    places::{PEM, spanning, token_at},
    *,
};

#[test]
fn tokens_and_control_characters_do_not_pass() {
    let text = "Token ST$eyJhbGciOiJSUzI1NiJ9.e30.c2ln is \u{1b}[31mbad\u{202e}, key -----BEGIN PRIVATE KEY-----";
    let safe = safe_text(text);
    assert_eq!(safe, "Token [redacted] is [31mbad , key [redacted]");
}

#[test]
fn a_word_with_the_start_of_a_token_or_key_does_not_pass() {
    for word in [
        "eyJhbGciOi",
        "ya29.a0Af",
        "x-----BEGIN",
        "ghs_16C7",
        "ghp_16C7",
        "glpat-x1",
        "hvs.CAES",
        "hvb.AAAA",
        "hvr.AAAA",
        "idcscs-5f2b",
        "xoxb-17",
        "(ya29.c.b0)",
    ] {
        let rest = if word.contains(PEM) { "" } else { " here" };
        let before = if word.contains(PEM) { "x" } else { "" };
        assert_eq!(safe_text(&format!("got {word} here")), format!("got {before}[redacted]{rest}"));
    }
}

#[test]
fn nothing_of_a_pem_block_passes() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEH\n-----END PRIVATE KEY-----";
    for show in [safe_text as fn(&str) -> String, |text| redacted(text).into_owned()] {
        assert_eq!(show(&format!("read {key}: no such file")), "read [redacted]: no such file");
        assert_eq!(show(&format!("{key} {key}")), "[redacted] [redacted]");
        assert_eq!(show(key.split("-----END").next().unwrap()), "[redacted]");
    }
}

#[test]
fn fifty_thousand_pem_blocks_need_no_more_stack_than_one() {
    let text = format!("a {}b", "-----BEGIN-----END-----\n".repeat(50_000));
    let reader = std::thread::Builder::new().stack_size(256 * 1024);
    let read =
        reader.spawn(move || (safe_text(&text), redacted(&text).into_owned(), blotted(&text).len() == text.len()));
    let (safe, said, same_length) = read.unwrap().join().unwrap();
    assert!(safe.starts_with("a [redacted] [redacted] ") && said.ends_with("\n[redacted]\nb") && same_length, "{safe}");
}

#[test]
fn who_asks_in_a_url_is_not_shown() {
    for (said, shown) in [
        ("postgres://carnet:HUNTER2@db/carnet", "postgres://[redacted]@db/carnet"),
        ("at `https://HUNTER2@a.example`: no", "at `https://[redacted]@a.example`: no"),
        ("https://u:HUN@TER2@a.example/b@c", "https://[redacted]@a.example/b@c"),
        ("https://u:HUN/TER2@a.example/", "https://[redacted]@a.example/"),
        ("https://u:HUN?TER#2@a.example/", "https://[redacted]@a.example/"),
        ("https:///u:HUNTER2@a.example/", "https:///[redacted]@a.example/"),
        ("'https://u:HUN \"TER2@a.example/' bob@b", "'https://[redacted]@a.example/' bob@b"),
        ("https://a.example/?next=https://u:HUNTER2@b/", "https://a.example/?next=https://[redacted]@b/"),
    ] {
        assert_eq!(redacted(said), shown);
        let safe = safe_text(said);
        assert_eq!(safe, shown);
        let blotted = blotted(said);
        let secret = said.len() + "[redacted]".len() - shown.len();
        assert_eq!((blotted.len(), blotted.matches('*').count()), (said.len(), secret), "{blotted}");
    }
}

#[test]
fn an_address_without_a_user_passes() {
    for said in [
        "write postgres://USER@HOST/DATABASE",
        "https://****@a.example/ is hidden already",
        "as in http://user:password@host:port",
        "https://a.example:8443/x@y",
        "https://[2001:db8::1]:8443/x@y",
        "https://a.example, mail bob@a.example",
        "'https://a.example' 'bob@a.example'",
        "serviceAccount:x@p.iam.gserviceaccount.com",
        "@://",
    ] {
        assert_eq!((&*redacted(said), &*safe_text(said), &*blotted(said)), (said, said, said));
    }
}

#[test]
fn what_stands_before_a_token_is_shown_only_if_it_is_short() {
    let opaque = "AbC/1".repeat(60);
    assert_eq!(redacted(&format!("a={opaque}:eyJhbGciOi!b")), "[redacted]!b");
    assert_eq!(redacted(&format!("eyJhbGciOi!{opaque}")), "[redacted]");
}

#[test]
fn what_is_said_as_a_whole_keeps_all_but_the_secrets() {
    let jwt = format!("eyJhbGciOi{}.{}.c2ln", "a".repeat(900), "b".repeat(900));
    let opaque = "AbC+".repeat(60);
    for (said, shown) in [
        ("read carnet.toml\n  hint: see\tthere", "read carnet.toml\n  hint: see\tthere"),
        (&*format!("read {jwt}: File name too long"), "read [redacted]: File name too long"),
        (&*format!("read /run/{jwt}/x"), "read /run/[redacted]/x"),
        (&*format!("unexpected argument '{jwt}' found"), "unexpected argument '[redacted]' found"),
        (&*format!("a={jwt},b={jwt};"), "a=[redacted],b=[redacted];"),
        (&*format!("{opaque} is no region"), "[redacted] is no region"),
        (&*format!("GET https://127.0.0.1/{opaque}/x"), "GET https://127.0.0.1/[redacted]/x"),
    ] {
        assert_eq!(redacted(said), shown);
    }
    for path in [format!("/{}", "Folder/".repeat(60)), "folder/".repeat(60)] {
        let said = format!("read {path}: no such file");
        assert_eq!(redacted(&said), said);
    }
}

#[test]
fn many_marks_and_many_tokens_are_one_text_like_any_other() {
    // Read anew after each, this would take hours.
    let long = "eyJhbGciOi,".repeat(60_000);
    assert_eq!(redacted(&long), "[redacted],".repeat(60_000));
    assert_eq!(blotted(&format!("source = \"{long}")), format!("source = \"{}", "**********,".repeat(60_000)));
    for text in ["://", "http://u:p", "'x:y://"].map(|text| text.repeat(60_000)) {
        assert_eq!(redacted(&text), text);
    }
    let (word, list) = ("aeyJ".repeat(20_000), "eyJhbGciOi,".repeat(2_000));
    assert_eq!(redacted(&word), "a[redacted]");
    assert_eq!(blotted(&word), format!("a{}", "*".repeat(word.len() - 1)));
    assert_eq!(redacted(&list), "[redacted],".repeat(2_000));
}

#[test]
fn an_excerpt_keeps_its_places() {
    let jwt = format!("eyJhbGciOi{}.c2ln", "a".repeat(300));
    let opaque = "AbC1".repeat(60);
    let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----";
    let text = format!("a = \"{jwt}\", regio = 1\nsecret_env = \"ghs_0123456789\" # ü\nb = '{opaque}'\n{key}\nc = 1\n");
    let blotted = blotted(&text);
    assert_eq!((blotted.len(), blotted.lines().count()), (text.len(), text.lines().count()));
    for secret in [&jwt[10..30], "0123456789", &opaque[..20], "MIGH"] {
        assert!(!blotted.contains(secret), "{secret} in {blotted}");
    }
    for kept in ["regio = 1", "secret_env = \"", "# ü", "c = 1"] {
        assert!(blotted.contains(kept), "{kept} in {blotted}");
    }
}

#[test]
fn a_name_that_only_looks_like_a_mark_passes() {
    for name in ["/etc/serviceKeyJson/carnet.toml", "keyJson", "monkeyJobs", "archvs.example.com", "apiKeyJson.jwt"] {
        assert_eq!((safe_text(name).as_str(), &*redacted(name)), (name, name));
    }
    let within = format!("keyJ{}", "a".repeat(40));
    assert_eq!(redacted(&within), "k[redacted]", "{within}");
}

#[test]
fn every_mark_of_direction_is_taken_out() {
    for mark in ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{e0041}'] {
        assert_eq!(safe_text(&format!("a{mark}b")), "a b", "{mark:?}");
    }
}

#[test]
fn long_words_and_long_texts_are_cut() {
    assert_eq!(safe_text(&"a".repeat(201)), "[redacted]");
    let long = safe_text(&"word ".repeat(200));
    assert!(long.ends_with("word…") && long.chars().count() <= MAX_TEXT + 1, "{long}");
}

/// As it is said above, word for word, without looking ahead.
fn plainly(text: &str) -> String {
    let text = without(text, &spanning(text));
    let words = text.split(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c));
    let mut safe = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        let secret = word.chars().count() > MAX_WORD || token_at(word).is_some();
        let next = format!("{safe}{}{}", if safe.is_empty() { "" } else { " " }, if secret { REDACTED } else { word });
        if next.chars().count() > MAX_TEXT {
            return safe + "…";
        }
        safe = next;
    }
    safe
}

proptest! {
    #[test]
    fn looking_ahead_changes_nothing(
        text in "(eyJ|ya29\\.|-----BEGIN|gh[sp]_|glpat-|hv[sbr]\\.|idcscs-|xoxb-|eyj|ya2|---|ghs|glp|xox|[a-z./:-]{1,30}|.{1,9}| |\n|\u{200b}|x{190,210}){0,6}"
    ) {
        prop_assert_eq!(safe_text(&text), plainly(&text));
    }

    #[test]
    fn nothing_that_looks_like_a_token_survives(before in ".{0,40}[ /=(\"']", token in "eyJ[A-Za-z0-9_-]{1,40}", after in ".{0,40}") {
        let safe = safe_text(&format!("{before}{token}{after}"));
        prop_assert!(!safe.contains(&token));
        prop_assert!(!safe.chars().any(char::is_control));
        let said = format!("{before}{token}{after}");
        prop_assert!(!redacted(&said).contains(&token));
    }
}
