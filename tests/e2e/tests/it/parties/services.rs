//! The services, each with its own library where that is small.

use super::{Command, Party, Sandbox, Value, both, json, node, output, python};
use crate::harness::json as answer;

#[test]
fn github_knows_the_token_of_octo_sts() {
    let party = Party::new("octo-sts", ", settings = { scope = \"carnet-sandbox/app\", identity = \"job\" }");
    let mut program = node("github_repositories.mjs");
    // Node's `fetch` knows no proxy.
    program.arg(Sandbox::shared().plain("oauth-octo-sts"));
    let said = answer(&mut party.run("GITHUB_TOKEN", &program));
    assert_eq!(said, json!({ "repositories": ["carnet-sandbox/app"], "own": 200, "neighbour": 404 }));
    party.proven("@octokit/request");
}

#[test]
fn infisicals_library_reads_a_secret() {
    let fields = ", subject_audience = \"https://app.infisical.com\", \
                  settings = { identity_id = \"c0ffee00-0000-4000-8000-0000000000a1\" }";
    let party = Party::new("infisical", fields);
    let mut program = python("infisical_secrets.py");
    program.args(["c0ffee00-0000-4000-8000-0000000000f0", "c0ffee00-0000-4000-8000-0000000000f1"]);
    let said = answer(&mut party.run("INFISICAL_TOKEN", &program));
    let neighbour = json!([403, "ProjectMembershipNotFound"]);
    assert_eq!(said, json!({ "secrets": { "WHO": "job of carnet-sandbox" }, "neighbour": neighbour }));
    party.proven("infisicalsdk");
}

/// The account and the service principal at Databricks.
const ACCOUNT: &str = "c0ffee00-0000-4000-8000-00000000da7a";
const PRINCIPAL: &str = "c0ffee00-0000-4000-8000-0000000000a1";

/// A program at this console or workspace, which finds the account, if it is one.
fn databricks(host: &str, account: bool) -> Command {
    let mut program = python("databricks_me.py");
    program.env("DATABRICKS_HOST", host);
    if account {
        program.env("DATABRICKS_ACCOUNT_ID", ACCOUNT);
    }
    program
}

#[test]
fn databricks_library_is_let_in() {
    let (workspace, console) = ("https://carnet.cloud.databricks.com", "https://accounts.cloud.databricks.com");
    let fields = |origin: &str, more: &str| {
        format!(
            ", origin = \"{origin}\", subject_audience = \"{ACCOUNT}\", settings = {{ client_id = \"{PRINCIPAL}\" {more} }}"
        )
    };
    let at_workspace = Party::new("databricks", fields(workspace, ""));
    let at_account = Party::new("databricks-account", fields(console, &format!(", account_id = \"{ACCOUNT}\"")));
    let me = |party: &Party, host, account| -> Value {
        answer(&mut party.run("DATABRICKS_TOKEN", &databricks(host, account)))
    };
    let (known, unknown) = (json!({ "me": "job of carnet-sandbox" }), json!({ "refused": "Unauthenticated" }));
    assert_eq!(me(&at_workspace, workspace, false), known);
    assert_eq!(me(&at_account, console, true), known);
    assert_eq!(me(&at_workspace, console, true), unknown);
    assert_eq!(me(&at_account, workspace, false), unknown);
    for party in [at_workspace, at_account] {
        party.proven("databricks-sdk");
    }
}

/// curl with the token at this address: the status, and what came.
fn curl(party: &Party, arguments: &str, url: &str) -> (String, Value) {
    let script =
        format!("curl -sS --write-out '\\n%{{http_code}}\\n' -H \"authorization: Bearer $TOKEN\" {arguments} {url}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    let said = output(&mut party.run("TOKEN", &shell));
    assert!(said.status.success(), "{}", both(&said));
    let text = String::from_utf8(said.stdout).expect("text");
    let (body, status) = text.trim_end().rsplit_once('\n').expect("a status");
    (status.to_owned(), serde_json::from_str(body).expect("JSON"))
}

/// The library is one of Go; what it asks is asked by curl.
#[test]
fn curl_sees_the_project_at_hcp() {
    let project = "c0ffee00-0000-4000-8000-0000000000cc";
    let provider = format!("iam/project/{project}/service-principal/sandbox/workload-identity-provider/job");
    let party = Party::new("hcp", format!(", settings = {{ provider = \"{provider}\" }}"));
    let host = "https://api.cloud.hashicorp.com";
    let (status, body) = curl(&party, "", &format!("{host}/iam/2019-12-10/caller-identity"));
    assert_eq!((status.as_str(), &body["principal"]["service"]["project_id"]), ("200", &json!(project)), "{body}");
    let at = |id: &str| curl(&party, "", &format!("{host}/resource-manager/2019-12-10/projects/{id}"));
    let (own, _) = at(project);
    let (neighbour, body) = at("c0ffee00-0000-4000-8000-0000000000cd");
    assert_eq!((own.as_str(), neighbour.as_str(), &body["code"]), ("200", "403", &json!(7)), "{body}");
    party.proven("curl");
}

/// The drivers take the token itself; the SQL API takes what carnet makes of it, and has no library that is small.
#[test]
fn curl_asks_snowflake_who_it_is() {
    let party = Party::new("snowflake", "");
    let url = "https://carnet.snowflakecomputing.com/api/v2/statements";
    let statement = "--json '{\"statement\":\"select current_user()\"}'";
    let header = "--header 'X-Snowflake-Authorization-Token-Type: WORKLOAD_IDENTITY_FEDERATION'";
    let (status, body) = curl(&party, &format!("{header} {statement}"), url);
    assert_eq!((status.as_str(), &body["data"][0][0]), ("200", &json!("JOB")), "{body}");
    let (status, _) = curl(&party, statement, url);
    assert_eq!(status, "401", "the header tells what the token is");
    party.proven("curl");
}

/// The vendors' own clients; OpenRouter's manual names that of OpenAI. Node's `fetch` knows no proxy.
#[test]
fn the_vendors_clients_of_models_know_whose_the_key_is() {
    let organization = "c0ffee00-0000-4000-8000-00000000c1a0";
    let claude = format!(
        "federation_rule_id = \"fdrl_job\", organization_id = \"{organization}\", service_account_id = \"svac_job\""
    );
    let openai = "identity_provider_id = \"idp_job\", service_account_id = \"sa_job\"";
    let openrouter = format!("federation_policy_id = \"{PRINCIPAL}\"");
    for (name, audience, settings, vendor, path, principal, client) in [
        (
            "claude",
            "https://api.anthropic.com",
            &*claude,
            "anthropic",
            ["", "/v1/models"],
            "svac_job",
            "@anthropic-ai/sdk",
        ),
        ("openai", "https://api.openai.com/v1", openai, "openai", ["/v1", "/models"], "sa_job", "openai"),
        (
            "openrouter",
            "https://openrouter.ai",
            &*openrouter,
            "openai",
            ["/api/v1", "/key"],
            "job of carnet-sandbox",
            "openai",
        ),
    ] {
        let party = Party::new(name, format!(", subject_audience = \"{audience}\", settings = {{ {settings} }}"));
        let [base, path] = path;
        let mut program = node("party_key.mjs");
        program.arg(vendor).arg(format!("{}{base}", Sandbox::shared().plain(&format!("oauth-{name}")))).arg(path);
        let said = answer(&mut party.run("KEY", &program));
        assert_eq!(said, json!({ "principal": principal, "refused": 401 }), "{name}");
        party.proven(client);
    }
}

/// Its own client is one of Go.
#[test]
fn curl_sees_the_tailnet() {
    let fields = ", subject_audience = \"api.tailscale.com/kjobCNTRL\", settings = { client_id = \"kjobCNTRL\" }";
    let party = Party::new("tailscale", fields);
    let devices = "https://api.tailscale.com/api/v2/tailnet/-/devices";
    let (status, body) = curl(&party, "", devices);
    assert_eq!((status.as_str(), &body["principal"]), ("200", &json!("tag:job")), "{body}");
    let settings = "settings = { identity_provider_id = \"idp_job\", service_account_id = \"sa_job\" }";
    let neighbour = Party::new("openai", format!(", subject_audience = \"https://api.openai.com/v1\", {settings}"));
    let (status, body) = curl(&neighbour, "", devices);
    assert_eq!(status, "401", "{body}");
    party.proven("curl");
}
