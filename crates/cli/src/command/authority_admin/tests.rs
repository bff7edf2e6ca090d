//! The arguments, what is told when nobody answers, and every command once.

mod running;

use carnet_core::ErrorKind;
use carnet_store::{AuditRecord, Commit, Committed, Options, Outcome};
use clap::{CommandFactory as _, Parser};

use super::*;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    global: crate::args::Global,
    #[command(subcommand)]
    command: AdminCommand,
}

fn parse(line: &str) -> Result<AdminCommand, clap::Error> {
    let words = std::iter::once("carnet").chain(line.split(' '));
    Cli::try_parse_from(words).map(|cli| {
        assert_eq!(cli.global.output, crate::args::Output::Text);
        cli.command
    })
}

fn run_line(line: &str) -> Result<u8, Error> {
    run(parse(line).unwrap(), Terminal::for_programs())
}

#[test]
fn the_arguments_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn where_the_authority_is_may_stand_before_and_behind_the_command() {
    for line in [
        "entry --socket /run/a.sock list",
        "entry list --socket /run/a.sock",
        "key rotate jwt:ES256 --now --socket /run/a.sock",
        "rule put -f rules.toml --dry-run",
        "audit export --after 7 --action token.exchange",
        "audit list -n 5 --outcome refused --rule jobs --follow",
        "token list --state used-up --subject alice --rule jobs --limit 5",
        "token revoke --subject alice --rule jobs --dry-run",
        "store clock",
        "store believe-clock --reopen",
        "entry create --spiffe-id spiffe://example.org/a --parent-id spiffe://example.org/b --selector unix:uid:1 --admin",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[test]
fn rejects_arguments_that_do_not_go_together() {
    for line in [
        "entry list --socket /run/a.sock --url https://a.example",
        "entry list --svid a.pem --svid-key b.pem",
        "entry list --url https://a.example --svid a.pem",
        "entry create -f a.toml --spiffe-id spiffe://example.org/a",
        "key rewrap",
        "entry delete",
        "join-token delete",
        "token revoke",
        "token revoke jti --rule jobs",
        "token revoke jti --dry-run",
        "token list --state live",
        "audit list --outcome good",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn says_whose_tokens_can_be_revoked() {
    let usage = parse("token revoke").unwrap_err().to_string();
    assert!(usage.contains("--subject <SUBJECT>") && usage.contains("--rule <RULE>"), "{usage}");
}

#[test]
fn says_what_an_entry_needs() {
    let usage = parse("entry create").unwrap_err().to_string();
    assert!(usage.contains("--spiffe-id <ID>") && usage.contains("--file <FILE>"), "{usage}");
}

#[test]
fn rejects_a_number_of_rows_where_all_are_followed() {
    let error = run_line("audit list --follow --after 7 -n 5").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("-n"), "{error}");
}

#[test]
fn tells_where_no_authority_answers() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    let error = run_line(&format!("info --socket {}", socket.display())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("none.sock"), "{error}");
    assert!(error.hints().iter().any(|hint| hint.contains("--socket")), "{:?}", error.hints());
}

#[test]
fn rejects_an_authority_without_tls() {
    let error = run_line("info --url http://authority.example").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[test]
fn verifies_a_store_whose_authority_does_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carnet.db");
    let address = format!("sqlite:{}", path.display());
    let error = run_line(&format!("audit verify --store {address}")).unwrap_err();
    assert!(error.to_string().contains("no such file"), "{error}");
    let head = world::block_on(async {
        let store = carnet_store::open(&address, Options::default()).await?;
        let audit = AuditRecord::new(jiff::Timestamp::UNIX_EPOCH, "test", Outcome::Allowed);
        let done = store.commit(Commit { ops: Vec::new(), audit, refused: None }).await?;
        assert!(matches!(done, Committed::Done { .. }));
        let head = store.audit_head().await?;
        store.close().await;
        Ok(head)
    })
    .unwrap();
    assert_eq!(run_line(&format!("audit verify --store {address}")).unwrap(), 0);
    let noted = format!("{}:{}", head.seq, carnet_core::hex(&head.hash));
    assert_eq!(run_line(&format!("audit verify --store {address} --noted {noted}")).unwrap(), 0);
    let other = format!("{}:{}", head.seq, "00".repeat(32));
    assert_eq!(run_line(&format!("audit verify --store {address} --noted {other}")).unwrap(), 8);
    assert_eq!(run_line(&format!("audit export --store {address}")).unwrap(), 0);
}

#[test]
fn a_file_holds_one_document_or_several_in_either_form() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, text: &str| {
        let path = folder.path().join(name);
        carnet_core::replace_files(&[carnet_core::NewFile::new(&path, text)]).unwrap();
        file::documents(&path, "rule").map(|documents| documents.len())
    };
    assert_eq!(read("a.toml", "[[rule]]\nname = \"a\"\n[[rule]]\nname = \"b\"\n").unwrap(), 2);
    assert_eq!(read("b.toml", "name = \"a\"\n").unwrap(), 1);
    assert_eq!(read("c.json", r#"{"rule": [{"name": "a"}]}"#).unwrap(), 1);
    assert_eq!(read("d.json", r#"[{"name": "a"}, {"name": "b"}]"#).unwrap(), 2);
    assert!(read("e.toml", "[[rule]]\nname = \"a\"\n[[issuer]]\nissuer = \"b\"\n").is_err());
    assert!(read("f.toml", "name = \n").is_err());
}
