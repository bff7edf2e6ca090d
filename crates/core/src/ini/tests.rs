use proptest::prelude::*;

use super::*;

const FILE: &str = "# mine\n[DEFAULT]\nuser=ocid1.user.oc1..a\nKey_File = ~/k=1.pem\n\n; next\n[CI]\nregion=iad\n";

#[test]
fn sections_and_entries_are_read_with_their_lines() {
    let ini = Ini::parse(FILE).unwrap();
    assert_eq!(ini.names().collect::<Vec<_>>(), ["DEFAULT", "CI"]);
    let key_file = ini.section("DEFAULT").unwrap().get("key_file").unwrap();
    assert_eq!((key_file.value(), key_file.line()), ("~/k=1.pem", 4));
    assert!(ini.section("default").is_none() && ini.section("CI").unwrap().get("user").is_none());
}

#[test]
fn refuses_what_cannot_be_read_by_its_line() {
    for (text, line, words) in [
        ("a=b", 1, "no [SECTION]"),
        ("\n[a\n", 2, "[NAME]"),
        ("[]\n", 1, "[NAME]"),
        ("[a]\n[b]\n[a]\n", 3, "twice"),
        ("what\n", 1, "neither"),
    ] {
        let error = Ini::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn a_section_in_use_must_be_sound_and_others_need_not_be() {
    let ini = Ini::parse("[good]\na=1\n[odd]\nwhat\n[empty]\n=1\n[twice]\na=1\nA=2\n").unwrap();
    let line = |name| ini.section(name).unwrap().check().map_err(|error| error.line);
    assert_eq!((line("good"), line("odd"), line("empty"), line("twice")), (Ok(()), Err(4), Err(6), Err(9)));
}

#[test]
fn refuses_a_comment_behind_a_value() {
    let ini = Ini::parse("[a]\nregion=iad ; home\nkey_file=/a;b#c\n").unwrap();
    let entry = |key| ini.section("a").unwrap().get(key).unwrap();
    assert_eq!(entry("region").refuse_comment().unwrap_err().line, 2);
    entry("key_file").refuse_comment().unwrap();
}

#[test]
fn replacing_a_section_keeps_every_other_byte() {
    let entries = [("tenancy", "t"), ("region", "r")];
    assert_eq!(
        with_section(FILE, "DEFAULT", &entries).unwrap(),
        "# mine\n[DEFAULT]\ntenancy=t\nregion=r\n\n; next\n[CI]\nregion=iad\n"
    );
    assert_eq!(
        with_section(FILE, "CI", &entries).unwrap(),
        FILE.replace("[CI]\nregion=iad\n", "[CI]\ntenancy=t\nregion=r\n")
    );
    assert_eq!(with_section(FILE, "NEW", &entries).unwrap(), format!("{FILE}\n[NEW]\ntenancy=t\nregion=r\n"));
    assert_eq!(with_section("", "NEW", &entries).unwrap(), "[NEW]\ntenancy=t\nregion=r\n");
    assert_eq!(with_section("[A]\nx=1", "NEW", &[]).unwrap(), "[A]\nx=1\n\n[NEW]\n");
}

#[test]
fn a_file_that_cannot_be_read_is_not_replaced() {
    assert_eq!(with_section("what", "NEW", &[]).unwrap_err().line, 1);
}

#[test]
fn debug_shows_no_values() {
    let ini = Ini::parse("[a]\npass_phrase=MARK\n").unwrap();
    let section = ini.section("a").unwrap();
    let shown = format!("{ini:?} {section:?} {:?}", section.get("pass_phrase"));
    assert!(!shown.contains("MARK"), "{shown}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_line_that_exists(text in "(\\PC|[\\n=\\[\\];#]){0,200}") {
        if let Err(error) = Ini::parse(&text) {
            prop_assert!(error.line >= 1 && error.line <= text.lines().count());
        }
    }

    #[test]
    fn a_section_that_was_put_in_reads_back_and_the_others_are_unchanged(
        text in "(\\[[a-c]\\]\\n|[a-z]{1,3}=[a-z]{0,3}\\n|#x\\n|\\n){0,12}",
        value in "[a-z0-9/.:]{1,20}",
    ) {
        if let Ok(before) = Ini::parse(&text) {
            let after = Ini::parse(&with_section(&text, "b", &[("key", &value)]).unwrap()).unwrap();
            prop_assert_eq!(after.section("b").unwrap().get("key").map(Entry::value), Some(value.as_str()));
            for name in before.names().filter(|name| *name != "b") {
                let values = |ini: &Ini| ini.section(name).unwrap().entries.iter().map(|e| (e.key.clone(), e.value.clone())).collect::<Vec<_>>();
                prop_assert_eq!(values(&before), values(&after));
            }
        }
    }
}
