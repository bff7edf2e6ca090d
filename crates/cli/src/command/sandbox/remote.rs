//! Commands that talk to a sandbox that is running, through its control API.

use std::path::{Path, PathBuf};

use carnet_core::{Context, Error, Files as _, Request, Secret, SystemFiles, file_text};
use carnet_route::EnvVars;
use serde_json::{Map, Value, json};
use url::Url;

use super::{CONTROL_FILE, address};
use crate::{
    args::SandboxCommand,
    output::{Terminal, Text},
    world,
};

/// The file in the sandbox's folder that holds the token of its control API.
const TOKEN_FILE: &str = "control-token";
/// Neither file is longer than a line.
const MAX_FILE: usize = 4096;

pub(super) async fn run(command: SandboxCommand, terminal: Terminal) -> Result<u8, Error> {
    match command {
        SandboxCommand::Env { at, proxy, job, audience } => {
            let remote = Remote::find(at)?;
            let flavour = if proxy { "proxy" } else { "direct" };
            let mut url = remote.url("/environment")?;
            url.query_pairs_mut().append_pair("flavour", flavour);
            for (name, value) in [("job", job), ("audience", audience)] {
                if let Some(value) = value {
                    url.query_pairs_mut().append_pair(name, &value);
                }
            }
            let mut variables = object(remote.send(Request::get(url)).await?)?;
            variables.insert("CARNET_SANDBOX".to_owned(), json!(remote.folder));
            environment(&variables, terminal)
        }
        SandboxCommand::Urls { at } => {
            let remote = Remote::find(at)?;
            let (urls, status) = (remote.get("/urls").await?, remote.get("/status").await?);
            addresses(&remote, &urls, &status, terminal)
        }
        SandboxCommand::Clock { by, at } => {
            let body = match by.as_str() {
                "reset" => json!({"reset": true}),
                by => json!({"advance": duration(by.trim_start_matches('+'))?}),
            };
            show("clock", &Remote::find(at)?.post("/clock", &body).await?, terminal)
        }
        SandboxCommand::Fault { kind, service, path, times, at } => {
            let remote = Remote::find(at)?;
            let answer = match kind.as_str() {
                "list" => remote.get("/faults").await?,
                "clear" => remote.send(Request::new(http::Method::DELETE, remote.url("/faults")?)).await?,
                kind => {
                    let fault = json!({"kind": kind, "service": service, "path": path, "times": times});
                    remote.post("/faults", &fault).await?
                }
            };
            show("faults", &answer, terminal)
        }
        SandboxCommand::Token { issuer, audience, claims, flaw, at } => {
            let claims = claims.iter().map(|claim| parse_claim(claim)).collect::<Result<Map<_, _>, _>>()?;
            let body = json!({"issuer": issuer, "audience": audience, "claims": claims, "flaw": flaw});
            let answer = Remote::find(at)?.post("/token", &body).await?;
            if terminal.is_json() {
                terminal.json(answer)?;
            } else {
                terminal.data(format!("{}\n", text_of(&answer, "token")).as_bytes())?;
            }
            Ok(0)
        }
        SandboxCommand::Run { .. } => Err(Error::internal("run a command in a sandbox that runs elsewhere")),
    }
}

/// A sandbox that is running.
struct Remote {
    context: Context,
    control: Url,
    token: Secret,
    folder: PathBuf,
}

impl Remote {
    fn find(at: Option<PathBuf>) -> Result<Self, Error> {
        let context = world::context();
        let folder = at.or_else(|| EnvVars::read(&*context.environment).sandbox).ok_or_else(|| {
            Error::configuration("find the sandbox: no folder was named").hint(
                "give `--at FOLDER`, or set CARNET_SANDBOX; `carnet sandbox` says its folder when it starts, and \
                       `carnet sandbox run` sets it for its command",
            )
        })?;
        let control = line(&folder.join(CONTROL_FILE))?;
        let control = control.expose().parse().map_err(|error: url::ParseError| {
            Error::configuration(format!("read the address in {}", folder.join(CONTROL_FILE).display())).because(error)
        })?;
        let token = line(&folder.join(TOKEN_FILE))?;
        Ok(Self { context, control, token, folder })
    }

    fn url(&self, path: &str) -> Result<Url, Error> {
        self.control
            .join(path)
            .map_err(|error| Error::configuration(format!("ask the sandbox for {path}")).because(error))
    }

    async fn get(&self, path: &str) -> Result<Value, Error> {
        self.send(Request::get(self.url(path)?)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.send(Request::post_json(self.url(path)?, body)).await
    }

    async fn send(&self, request: Request) -> Result<Value, Error> {
        let path = request.url.path().to_owned();
        let response = self.context.http.send(request.bearer(&self.token)?).await.map_err(|error| {
            Error::from(error).hint("is the sandbox still running? its folder is left over when it was killed")
        })?;
        let answer: Value = response.json("what the sandbox answered")?;
        if response.status.is_success() {
            return Ok(answer);
        }
        Err(refusal(&path, &answer))
    }
}

/// What the sandbox says it does not do, and what it says is to be done.
fn refusal(path: &str, answer: &Value) -> Error {
    let said = answer.get("error").and_then(Value::as_str).unwrap_or("no reason given");
    let error = Error::configuration(format!("ask the sandbox for {path}: {said}"));
    let hints: Vec<&str> =
        answer.get("hints").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if hints.is_empty() {
        let command = match path {
            "/environment" => "env",
            "/faults" => "fault",
            other => other.trim_start_matches('/'),
        };
        return error.hint(format!("`carnet sandbox {command} --help` shows what it takes"));
    }
    hints.into_iter().fold(error, Error::hint)
}

fn line(path: &Path) -> Result<Secret, Error> {
    let content = SystemFiles.read(path, MAX_FILE)?.ok_or_else(|| {
        Error::configuration(format!("read {}: there is no such file", path.display()))
            .hint("the folder must be that of a sandbox that is running")
    })?;
    Ok(Secret::new(file_text(path, content.expose())?.trim()))
}

fn parse_claim(claim: &str) -> Result<(String, Value), Error> {
    let (name, value) = claim.split_once('=').ok_or_else(|| {
        Error::configuration(format!("read the claim `{claim}`"))
            .hint("write NAME=VALUE, for instance repository=me/app")
    })?;
    let value = serde_json::from_str(value).unwrap_or_else(|_not_json| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

fn object(value: Value) -> Result<Map<String, Value>, Error> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(Error::internal("read the sandbox's answer: it is not an object")),
    }
}

/// Every service with its two addresses, then what is no service: the proxy for real host names, and the control API.
fn addresses(remote: &Remote, urls: &Value, status: &Value, terminal: Terminal) -> Result<u8, Error> {
    let control = remote.control.origin().ascii_serialization();
    let proxy = text_of(status, "proxy").trim_end_matches('/');
    if terminal.is_json() {
        terminal.json(json!({"urls": urls, "proxy": proxy, "control": control, "folder": remote.folder}))?;
        return Ok(0);
    }
    let mut text = Text::default();
    for (name, service) in urls.as_object().into_iter().flatten() {
        address(&mut text, name, text_of(service, "plain"), text_of(service, "tls"));
    }
    text.push("\n");
    address(&mut text, "proxy", proxy, "");
    address(&mut text, "control", &control, "");
    address(&mut text, "files", &remote.folder.to_string_lossy(), "");
    terminal.text(text)?;
    Ok(0)
}

fn text_of<'a>(object: &'a Value, member: &str) -> &'a str {
    object.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn environment(variables: &Map<String, Value>, terminal: Terminal) -> Result<u8, Error> {
    if terminal.is_json() {
        terminal.json(json!({"environment": variables}))?;
        return Ok(0);
    }
    let mut text = String::new();
    for (name, value) in variables {
        // Within single quotes a shell reads everything as it is, but the quote itself.
        let quoted = value.as_str().unwrap_or_default().replace('\'', "'\\''");
        text.push_str(&format!("export {name}='{quoted}'\n"));
    }
    terminal.data(text.as_bytes())?;
    Ok(0)
}

fn show(what: &str, answer: &Value, terminal: Terminal) -> Result<u8, Error> {
    if terminal.is_json() {
        let document = match answer {
            Value::Object(members) if members.contains_key(what) => answer.clone(),
            _ => json!({what: answer}),
        };
        terminal.json(document)?;
        return Ok(0);
    }
    let mut text = serde_json::to_string_pretty(answer).unwrap_or_default();
    text.push('\n');
    terminal.text(text)?;
    Ok(0)
}

/// By how much a clock is moved, in the words that the sandbox takes.
fn duration(by: &str) -> Result<&str, Error> {
    let read = by.parse::<jiff::SignedDuration>().map(|_| by);
    read.map_err(|_quoting| {
        Error::configuration(format!("move the clock by `{}`: this is no duration", carnet_core::safe_text(by)))
            .hint("write for instance +10m, -1h, 1h30m, or reset")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sandbox_says_is_to_be_done_is_passed_on() {
        let answer = json!({"error": "which is no service", "hints": ["services are gcp-sts, oci-domain"]});
        let error = refusal("/faults", &answer);
        assert_eq!(error.to_string(), "ask the sandbox for /faults: which is no service");
        assert_eq!(error.hints(), ["services are gcp-sts, oci-domain"]);
    }

    #[test]
    fn a_refusal_without_hints_leads_to_the_help_of_its_own_command() {
        for (path, command) in [("/faults", "fault"), ("/environment", "env"), ("/token", "token"), ("/clock", "clock")]
        {
            let error = refusal(path, &json!({"error": "no"}));
            assert_eq!(error.hints(), [format!("`carnet sandbox {command} --help` shows what it takes")]);
        }
    }
}
