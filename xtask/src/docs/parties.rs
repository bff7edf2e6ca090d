//! `reference/relying-parties.md`: the services that the exchange `relying-party` knows, from its catalogue's files.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context as _;
use serde::Deserialize;

use super::{NOTICE, markdown::cell, names};

/// Where the catalogue is.
const CATALOGUE: &str = "providers/oauth/catalogue";

/// What the page shows of an entry. The strict reader is the client's own; its tests read every file.
#[derive(Deserialize)]
struct Party {
    name: String,
    title: String,
    about: String,
    request: Request,
    audience: Audience,
    claims: Claims,
    lifetime: Lifetime,
    answer: Answer,
    refusal: Refusal,
}

#[derive(Deserialize)]
struct Request {
    dialect: String,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    origin: Option<String>,
    #[serde(default)]
    path: String,
    #[serde(default)]
    setting: Vec<Setting>,
    #[serde(flatten)]
    evidence: Evidence,
}

#[derive(Deserialize)]
struct Setting {
    name: String,
    about: String,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    default: Option<String>,
}

#[derive(Deserialize)]
struct Audience {
    rule: String,
    #[serde(default)]
    default: Option<String>,
    #[serde(flatten)]
    evidence: Evidence,
}

#[derive(Deserialize)]
struct Claims {
    needed: Vec<String>,
    #[serde(default)]
    algorithms: Vec<String>,
    #[serde(flatten)]
    evidence: Evidence,
}

#[derive(Deserialize)]
struct Lifetime {
    #[serde(default)]
    seconds: Option<i64>,
    #[serde(default)]
    longest: Option<i64>,
    #[serde(default)]
    ends_with_token: bool,
    #[serde(flatten)]
    evidence: Evidence,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(flatten)]
    evidence: Evidence,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    rule: Vec<Rule>,
    #[serde(flatten)]
    evidence: Evidence,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    says: Option<String>,
    clause: String,
    fix: String,
    #[serde(flatten)]
    evidence: Evidence,
}

#[derive(Deserialize)]
struct Evidence {
    #[serde(default)]
    source: Vec<String>,
    #[serde(default)]
    unconfirmed: Vec<String>,
}

/// The page.
pub(super) fn page(root: &Path) -> anyhow::Result<String> {
    let mut page = format!(
        "# Relying parties\n\n{NOTICE}\nThe services that the exchange `relying-party` knows by name. How it is configured \
         stands on the page of [OAuth token exchange](../providers/oauth.md).\n"
    );
    for party in catalogue(root)? {
        section(&party, &mut page)?;
    }
    Ok(page)
}

/// Name and title of every party.
pub(super) fn titles(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    Ok(catalogue(root)?.into_iter().map(|party| (party.name, party.title)).collect())
}

fn catalogue(root: &Path) -> anyhow::Result<Vec<Party>> {
    let folder = root.join(CATALOGUE);
    let files = names(&folder)?.into_iter().filter(|name| Path::new(name).extension() == Some("toml".as_ref()));
    let read = |name: String| {
        let text = fs::read_to_string(folder.join(&name)).with_context(|| format!("read {name}"))?;
        toml::from_str(&text).with_context(|| format!("read {name}"))
    };
    files.map(read).collect()
}

fn section(party: &Party, page: &mut String) -> anyhow::Result<()> {
    let Party { name, title, about, request, .. } = party;
    write!(page, "\n## {title}\n\n`{name}`: {about}.\n\n| | |\n| --- | --- |\n")?;
    let method = request.method.as_deref().unwrap_or("post").to_uppercase();
    let origin = request.origin.as_deref().unwrap_or("https://YOURS");
    let shown = match &request.encoding {
        Some(encoding) => format!("{}, {encoding}", request.dialect),
        None => request.dialect.clone(),
    };
    match request.dialect.as_str() {
        "presented" => writeln!(page, "| asked | nothing: the service takes the token itself |")?,
        _ => writeln!(page, "| asked | `{method} {origin}{}` ({shown}) |", request.path)?,
    }
    let audience = match (party.audience.rule.as_str(), &party.audience.default) {
        ("fixed", Some(audience)) => format!("`{audience}`, no other"),
        (_, Some(audience)) => format!("`{audience}` unless `subject_audience` says another"),
        (_, None) => "what its side of the trust says: `subject_audience`".to_owned(),
    };
    writeln!(page, "| audience of the token shown | {audience} |")?;
    let algorithms = &party.claims.algorithms;
    let signed =
        if algorithms.is_empty() { String::new() } else { format!("; signed with {}", algorithms.join(" or ")) };
    writeln!(page, "| claims that it must have | {}{signed} |", code(&party.claims.needed))?;
    writeln!(page, "| what is given lives | {} |", life(&party.lifetime))?;
    settings(&request.setting, page)?;
    refusals(&party.refusal.rule, page)?;
    evidence(party, page)
}

fn life(lifetime: &Lifetime) -> String {
    let mut parts = Vec::new();
    match (lifetime.seconds, lifetime.longest) {
        (Some(seconds), Some(longest)) if seconds == longest => parts.push(format!("{seconds} s")),
        (seconds, longest) => {
            parts.push("as the answer says".to_owned());
            parts.extend(seconds.map(|seconds| format!("{seconds} s if it does not")));
            parts.extend(longest.map(|longest| format!("{longest} s at most")));
        }
    }
    if lifetime.ends_with_token {
        parts.push("not beyond the token shown".to_owned());
    }
    parts.join(", ")
}

fn settings(settings: &[Setting], page: &mut String) -> anyhow::Result<()> {
    if settings.is_empty() {
        return Ok(());
    }
    page.push_str("\n| setting | what it is |\n| --- | --- |\n");
    for Setting { name, about, required, default } in settings {
        let more = match (required, default) {
            (_, Some(default)) => format!("; by default `{default}`"),
            (true, None) => "; needed".to_owned(),
            (false, None) => String::new(),
        };
        writeln!(page, "| `{name}` | {}{more} |", cell(about))?;
    }
    Ok(())
}

fn refusals(rules: &[Rule], page: &mut String) -> anyhow::Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    page.push_str("\n| when it answers | clause | what to do |\n| --- | --- | --- |\n");
    for Rule { status, code, says, clause, fix, .. } in rules {
        let status = status.map(|status| format!("HTTP {status}"));
        let code = code.as_ref().map(|code| format!("`{code}`"));
        let says = says.as_ref().map(|says| format!("“{says}”"));
        let seen: Vec<String> = [status, code, says].into_iter().flatten().collect();
        writeln!(page, "| {} | `{clause}` | {} |", cell(&seen.join(", ")), cell(fix))?;
    }
    Ok(())
}

/// Where it was read, each page once, and what nobody could confirm.
fn evidence(party: &Party, page: &mut String) -> anyhow::Result<()> {
    let sections = [
        &party.request.evidence,
        &party.audience.evidence,
        &party.claims.evidence,
        &party.lifetime.evidence,
        &party.answer.evidence,
        &party.refusal.evidence,
    ];
    let all = sections.into_iter().chain(party.refusal.rule.iter().map(|rule| &rule.evidence));
    let (mut sources, mut unconfirmed): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for Evidence { source, unconfirmed: doubts } in all {
        sources.extend(source.iter().map(String::as_str));
        unconfirmed.extend(doubts.iter().map(String::as_str));
    }
    sources.sort_unstable();
    sources.dedup();
    if !sources.is_empty() {
        page.push_str("\nRead at:\n\n");
        for source in sources {
            writeln!(page, "- <{source}>")?;
        }
    }
    if !unconfirmed.is_empty() {
        page.push_str("\nUNCONFIRMED:\n\n");
        for doubt in unconfirmed {
            writeln!(page, "- {doubt}")?;
        }
    }
    Ok(())
}

fn code(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"
name = "example"
title = "Example"
about = "a token"
[request]
dialect = "login"
encoding = "json"
origin = "https://api.example"
path = "/login"
source = ["https://docs.example"]
[[request.setting]]
name = "client_id"
about = "the client | its id"
required = true
[audience]
rule = "fixed"
default = "api.example"
source = ["https://docs.example"]
[claims]
needed = ["iss", "sub"]
algorithms = ["ES256"]
[lifetime]
seconds = 60
longest = 60
ends_with_token = true
[answer]
token = "/token"
[refusal]
[[refusal.rule]]
status = 401
says = "no"
kind = "refused"
clause = "client"
fix = "check it"
unconfirmed = ["the words"]
"#;

    #[test]
    fn an_entry_becomes_a_section() {
        let mut page = String::new();
        section(&toml::from_str(ENTRY).unwrap(), &mut page).unwrap();
        for line in [
            "## Example",
            "| asked | `POST https://api.example/login` (login, json) |",
            "| audience of the token shown | `api.example`, no other |",
            "| claims that it must have | `iss`, `sub`; signed with ES256 |",
            "| what is given lives | 60 s, not beyond the token shown |",
            "| `client_id` | the client \\| its id; needed |",
            "| HTTP 401, “no” | `client` | check it |",
            "- the words",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert_eq!(page.matches("<https://docs.example>").count(), 1);
    }
}
