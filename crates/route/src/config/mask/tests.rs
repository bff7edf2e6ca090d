//! What is hidden, and what stays.

use proptest::prelude::*;

use super::*;

#[test]
fn values_of_secret_fields_are_hidden() {
    for (text, shown) in [
        (r#"client_secret = "hunter2", url = "x""#, r#"client_secret = "*******", url = "x""#),
        ("--to x client-secret=hunter2", "--to x client-secret=*******"),
        ("password = \"a\\\"b\"\nnext = 1", "password = \"**\"*\"\nnext = 1"),
        ("token = '''a\nb'''\nc = 1", "token = '''*\n*'''\nc = 1"),
        ("token = \"\"\"a\\\"\"\"b\"\"\"\nc = 1", "token = \"\"\"**\"\"\"*\"\"\"\nc = 1"),
        ("secret = \"cut", "secret = \"***"),
        ("secret = \"pässword\"", "secret = \"*********\""),
        ("pin = 'x'\nuser_pin = 'x'\nsecret_id = 'x'", "pin = '*'\nuser_pin = '*'\nsecret_id = '*'"),
        ("pwd = 'x'\npasswd = 'x'\ndb.sig = 'x'", "pwd = '*'\npasswd = '*'\ndb.sig = '*'"),
    ] {
        assert_eq!(mask(text), shown);
    }
}

#[test]
fn any_sign_between_name_and_value_will_do() {
    for (text, shown) in [
        ("client_secret: \"HUNTER2\"", "client_secret: \"*******\""),
        ("client_secret \"HUNTER2\"", "client_secret \"*******\""),
        ("client_secret HUNTER2", "client_secret *******"),
        ("client_secret\"HUNTER2\"", "client_secret\"*******\""),
        ("'client_secret' : 'HUNTER2'", "'client_secret' : '*******'"),
        ("client_secret := HUNTER2", "client_secret := *******"),
        ("client_secret =\n  \"HUNTER2\"\nx = 1", "client_secret =\n  \"*******\"\nx = 1"),
        ("client_secret, \"HUNTER2\"", "client_secret, \"*******\""),
        ("client_secret =\nHUNTER2\nx = 1", "client_secret =\n*******\nx = 1"),
        ("client_secret\n= 'HUNTER2'\nx = 1", "client_secret\n= '*******'\nx = 1"),
        ("`client_secret` = 'HUNTER2'\nx = 1", "`client_secret` = '*******'\nx = 1"),
        ("client_secret\n'HUNTER2'\nx = 1", "client_secret\n'*******'\nx = 1"),
        ("client_secret('HUNTER2')\nx = 1", "client_secret('*******')\nx = 1"),
        ("client_secret = )HUNTER2\nx = 1", "client_secret = ********\nx = 1"),
        ("client_secret = # no\n'HUNTER2'\nx = 1", "client_secret = * **\n'*******'\nx = 1"),
        ("client_secret = {HUN}TER2\nx = 1", "client_secret = {***}****\nx = 1"),
        ("client_secret = \"HUN\"TER2\"\nx = 1", "client_secret = \"***\"****\"\nx = 1"),
        (
            "{oauth={token_url=\"https://x/\", client_secret: \"HUNTER2\"}}",
            "{oauth={token_url=\"https://x/\", client_secret: \"*******\"}}",
        ),
    ] {
        assert_eq!(mask(text), shown);
    }
}

#[test]
fn all_in_a_table_or_a_list_of_a_secret_is_hidden() {
    for (text, shown) in [
        ("client_secret = {a=\"HUNTER2\"}, b = \"x\"", "client_secret = {a=\"*******\"}, b = \"x\""),
        (
            "client_secret = [\n  'HUNTER2', \"${A}\",\n]\nb = 'x'",
            "client_secret = [\n  '*******', \"${A}\",\n]\nb = 'x'",
        ),
        ("client_secret = {a={b=[\"HUNTER2\"]}}\nb = 'x'", "client_secret = {a={b=[\"*******\"]}}\nb = 'x'"),
        ("client_secret = [HUNTER2==]", "client_secret = [*******==]"),
        ("\"client_secret\".value = 'HUNTER2'", "\"client_secret\".value = '*******'"),
        ("\"headers\".X-Mine = 'HUNTER2'", "\"headers\".X-Mine = '*******'"),
        ("[\"headers\".b]\nX = 'HUNTER2'", "[\"headers\".b]\nX = '*******'"),
        ("client_secret.value = 'HUNTER2'", "client_secret.value = '*******'"),
        ("client_secret.x.y.z = 'HUNTER2'", "client_secret.x.y.z = '*******'"),
        ("[a.client_secret.x.y]\nb = 'HUNTER2'", "[a.client_secret.x.y]\nb = '*******'"),
        (
            "headers = {\"X-Mine\" = \"HUNTER2\", b='x'}\nc = 'x'",
            "headers = {\"X-Mine\" = \"*******\", b='*'}\nc = 'x'",
        ),
        (
            "[source.url.headers]\nX-Mine = \"HUNTER2\"\n[a]\nb = 'x'",
            "[source.url.headers]\nX-Mine = \"*******\"\n[a]\nb = 'x'",
        ),
        (
            "[a.client_secret]\nb = 'HUNTER2'\n[route.token]\nb = 'x'",
            "[a.client_secret]\nb = '*******'\n[route.token]\nb = 'x'",
        ),
        (
            "[route.'a.b'.client_secret]\na = 'HUNTER2'\n[x]\nroute.'a.b'.client_secret = 'HUNTER2'",
            "[route.'a.b'.client_secret]\na = '*******'\n[x]\nroute.'a.b'.client_secret = '*******'",
        ),
        (
            "[route.\"a.b\".source.url.headers]\nX = 'HUNTER2'\n[x.'route.a'.headers]\nX = 'HUNTER2'",
            "[route.\"a.b\".source.url.headers]\nX = '*******'\n[x.'route.a'.headers]\nX = '*******'",
        ),
        ("# '''\n[headers]\nX = 'HUNTER2'\n[a]\nb = 'x'", "# '''\n[headers]\nX = '*******'\n[a]\nb = 'x'"),
    ] {
        assert_eq!(mask(text), shown);
    }
}

#[test]
fn secrets_in_strings_are_hidden() {
    for (text, shown) in [
        ("run = [\"--password\",\"HUNTER2\", \"x\"]", "run = [\"--password\",\"*******\", \"x\"]"),
        ("run = [\"--password=HUNTER2\", \"x\"]", "run = [\"--password=*******\", \"x\"]"),
        ("run = 'login --password HUNTER2'\nx = 'x'", "run = 'login --password *******'\nx = 'x'"),
        ("url = \"https://a/?v=1&sig=HUNTER2\"\nx = 'x'", "url = \"https://a/?v=1&sig=*******\"\nx = 'x'"),
        ("body = '{\"client_secret\":\"HUNTER2\"}'\nx = 'x'", "body = '{\"client_secret\":\"*******\"}'\nx = 'x'"),
        ("body = '{\"secret\":{\"a\":\"HUNTER2\"'\nx = 'x'", "body = '{\"secret\":{\"*\":\"*******\"'\nx = 'x'"),
        ("run = 'curl -H \"Cookie: HUNTER2\"'\nx = 'x'", "run = 'curl -H \"Cookie: *******\"'\nx = 'x'"),
    ] {
        assert_eq!(mask(text).replace('*', ""), shown.replace('*', ""), "{text}");
        assert_eq!(mask(text).len(), text.len());
        assert!(!mask(text).contains("HUNTER2"), "{text}");
    }
}

#[test]
fn references_and_places_stay() {
    for text in [
        "client_secret = \"${SECRET}\"\ntoken_file = \"/run/token\"\n",
        "client_auth = \"client_secret_basic\" # how\nclient_id = \"x\"\n",
        "client_auth = \"client_secret_basic\", client_id = \"x\"\n",
        "[route.no-secret]\nto = \"x\"\n[authority.tokens]\nissuer = 'https://token.example.org/a'\n",
        "route.no-secret.to = 'x'\nsigner = 'x'\nsignature_algorithm = 'x'\n",
        "[route.a.oci-signature]\nurl = 'x'\n[b]\noci-signature = { url = 'x' }\n\"tokens\".issuer = 'x'\nX-Pwd-Mode = 'q'\n",
        "authority = { tokens = { issuer = 'x' } }\nauthority.tokens.issuer = 'x'\naccess_token_seconds = 1\n",
        "attest = { join-token = { file = 'x' }, token_review = { url = 'x' } }\nclient_secret_env = 'NAME'\n",
        "path = '/run/secrets/token'\n[next]\n# a token\n'next' = ['x']\n[authority.tokens]\na = 'x'\n",
        "--from file path=token --to x client_secret_file=client-secret region=x",
        "pin_file = 'x'\nspin = 'x'\nroute.token.source.file.path = 'x'\nsecret_id_file = 'x'\n",
        "issuers = ['https://token.a.b.example.org', 'https://b.example.org']\nx.tokens.y.issuer = 'x'\n",
        "# don't\nregio = \"eu\"\n",
        "[route.\"prod.token-sync.eu\"]\nsource = 'x'\n[route.\"prod.token-sync.eu\".source.file]\npath = 'x'\n",
        "[[route.'prod.token-sync.eu'.through]]\ngcp.audience = 'x'\nroute.'prod.token-sync.eu'.source.file.path = 'x'\n",
        "[route.'prod.token']\nsource = 'x'\nroute.\"prod.token-sync.eu\".source = { file = { path = 'x' } }\n",
    ] {
        assert_eq!(mask(text), text);
    }
}

#[test]
fn a_long_text_of_brackets_and_quotes_is_read_once() {
    // Read anew after each, this would take hours; and a call for each would need more stack than there is.
    for piece in [
        "secret={",
        "\"'",
        "'''",
        "token\"",
        "[\n",
        "a='",
        "secret = \"\n",
        "\\\"",
        "\"a\",",
        "[headers]\n{",
        "token ",
        "=",
        "[headers]\n[x]\n\\\"\"\"x\n",
    ] {
        let text = piece.repeat(60_000);
        assert_eq!(mask(&text).len(), text.len(), "{piece}");
    }
}

proptest! {
    #[test]
    fn the_length_never_changes(text in "(.{0,9}|secret|[\"'{}\\[\\]=:,\n\\\\ ]{1,3}){0,20}", key in "(secret|token|x) ?= ?['\"]{0,3}") {
        let text = format!("{key}{text}");
        let masked = mask(&text);
        prop_assert_eq!(masked.len(), text.len());
        prop_assert_eq!(masked.lines().count(), text.lines().count());
    }

    #[test]
    fn no_value_of_a_secret_is_shown(before in "[a-z =\\[{\n]{0,12}", sign in "( ?[=:] ?| )", quote in "[\"']?", after in "[a-z}\n]{0,9}") {
        let text = format!("{before}\nclient_secret{sign}{quote}HUNTER2{quote}{after}");
        prop_assert!(!mask(&text).contains("HUNTER2"));
    }
}
