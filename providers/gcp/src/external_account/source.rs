//! `credential_source` of a credential file.

use std::path::PathBuf;

use carnet_core::{Mistake, safe_text};
use serde_json::{Map, Value};
use url::Url;

use super::Reader;
use crate::config::EXECUTABLE_TIMEOUT;

/// Where the AWS source may ask: Amazon's metadata service, by its two addresses.
const AWS_METADATA: [&str; 2] = ["169.254.169.254", "[fd00:ec2::254]"];

/// Where the subject token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// A signed request to AWS, with the AWS credentials found here.
    Aws,
    /// A client certificate.
    Certificate,
    /// A program that is run.
    Executable {
        /// Program and arguments.
        command: String,
        /// The file in which it keeps its answer.
        output_file: Option<PathBuf>,
    },
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// The member that holds the token, if it is JSON.
        field: Option<String>,
    },
    /// A URL.
    Url {
        /// The URL.
        url: Url,
        /// The names of the headers that are sent. Their values are not kept.
        headers: Vec<String>,
        /// The member that holds the token, if the answer is JSON.
        field: Option<String>,
    },
}

pub(super) fn read(reader: &mut Reader<'_>, subject_token_type: Option<&str>) -> Option<CredentialSource> {
    let source = match reader.file.get("credential_source") {
        Some(Value::Object(source)) => source,
        None | Some(Value::Null) => {
            reader.mistakes.push(
                Mistake::new("credential_source", "is missing")
                    .hint("a source that is program code has no form in a file; use `file`, `url` or `executable`"),
            );
            return None;
        }
        Some(_) => {
            reader.mistakes.push(Mistake::new("credential_source", "is not an object"));
            return None;
        }
    };
    let has = |name: &str| source.get(name).is_some_and(|value| !value.is_null());
    let is_aws = has("environment_id") || subject_token_type.is_some_and(|kind| kind.ends_with("aws4_request"));
    let given: Vec<&str> = ["file", "url", "executable", "certificate"].into_iter().filter(|name| has(name)).collect();
    match (is_aws, given.as_slice()) {
        (true, [] | ["url"]) => {
            aws(reader, source);
            Some(CredentialSource::Aws)
        }
        (true, _) => {
            reader.mistakes.push(
                Mistake::new("credential_source.environment_id", "belongs to the AWS source alone").hint("remove it"),
            );
            None
        }
        (false, ["file"]) => file(reader, source),
        (false, ["url"]) => url(reader, source),
        (false, ["executable"]) => executable(reader, source),
        (false, ["certificate"]) => Some(CredentialSource::Certificate),
        (false, []) => {
            reader.mistakes.push(
                Mistake::new("credential_source", "names no source")
                    .hint("give `file`, `url`, `executable` or `certificate`"),
            );
            None
        }
        (false, many) => {
            let message = format!("names several sources: {}", many.join(", "));
            reader.mistakes.push(Mistake::new("credential_source", message).hint("keep one"));
            None
        }
    }
}

fn member<'a>(reader: &mut Reader<'_>, source: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let text = source.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if text.is_none() {
        reader.mistakes.push(Mistake::new(format!("credential_source.{name}"), "is not a text, or is empty"));
    }
    text
}

/// A mistake was noted.
struct Malformed;

/// The member that holds the token; `None` for text.
fn format(reader: &mut Reader<'_>, source: &Map<String, Value>) -> Result<Option<String>, Malformed> {
    let Some(format) = source.get("format").filter(|format| !format.is_null()) else { return Ok(None) };
    let mistake = match format.get("type").and_then(Value::as_str) {
        None | Some("text") => return Ok(None),
        Some("json") => match format.get("subject_token_field_name").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => return Ok(Some(name.to_owned())),
            _ => Mistake::new("credential_source.format.subject_token_field_name", "is missing"),
        },
        Some(_) => Mistake::new("credential_source.format.type", "is neither `text` nor `json`"),
    };
    reader.mistakes.push(mistake);
    Err(Malformed)
}

fn file(reader: &mut Reader<'_>, source: &Map<String, Value>) -> Option<CredentialSource> {
    let path = member(reader, source, "file").map(PathBuf::from);
    let field = format(reader, source);
    if path.as_ref().is_some_and(|path| !path.is_absolute()) {
        reader.warn(
            "credential_source.file",
            "the path depends on the folder the program runs in",
            "write an absolute path",
        );
    }
    Some(CredentialSource::File { path: path?, field: field.ok()? })
}

fn url(reader: &mut Reader<'_>, source: &Map<String, Value>) -> Option<CredentialSource> {
    let text = member(reader, source, "url");
    let field = format(reader, source);
    let url = parse_url(reader, "credential_source.url", text?);
    let headers = match source.get("headers") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(headers)) => headers.keys().map(|name| safe_text(name)).collect(),
        Some(_) => {
            reader.mistakes.push(Mistake::new("credential_source.headers", "is not an object"));
            Vec::new()
        }
    };
    if headers.iter().any(|name| name.eq_ignore_ascii_case("authorization")) {
        reader.warn(
            "credential_source.headers",
            "the file holds an Authorization header, so it is a credential itself",
            "keep it readable to its owner only, and short-lived",
        );
    }
    Some(CredentialSource::Url { url: url?, headers, field: field.ok()? })
}

fn parse_url(reader: &mut Reader<'_>, name: &str, text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if url.is_none() {
        reader.mistakes.push(Mistake::new(name, "is not an http or https URL"));
    }
    url
}

fn executable(reader: &mut Reader<'_>, source: &Map<String, Value>) -> Option<CredentialSource> {
    let Some(executable) = source.get("executable").and_then(Value::as_object) else {
        reader.mistakes.push(Mistake::new("credential_source.executable", "is not an object"));
        return None;
    };
    let command = executable.get("command").and_then(Value::as_str).filter(|command| !command.trim().is_empty());
    if command.is_none() {
        reader.mistakes.push(Mistake::new("credential_source.executable.command", "is missing"));
    }
    if let Some(timeout) = executable.get("timeout_millis").filter(|timeout| !timeout.is_null())
        && !timeout.as_i64().is_some_and(|millis| EXECUTABLE_TIMEOUT.contains(&millis))
    {
        let range = format!("is not a number from {} to {}", EXECUTABLE_TIMEOUT.start(), EXECUTABLE_TIMEOUT.end());
        reader.mistakes.push(Mistake::new("credential_source.executable.timeout_millis", range));
    }
    reader.warn(
        "credential_source.executable",
        "whoever loads the file runs the program it names (only with GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1)",
        "use it only if you know the program",
    );
    if command.is_some_and(|command| !command.starts_with(['/', '"', '\''])) {
        reader.warn("credential_source.executable", "the program is looked up in PATH", "write its absolute path");
    }
    let output_file = executable.get("output_file").and_then(Value::as_str).map(PathBuf::from);
    Some(CredentialSource::Executable { command: command?.to_owned(), output_file })
}

fn aws(reader: &mut Reader<'_>, source: &Map<String, Value>) {
    match source.get("environment_id").and_then(Value::as_str) {
        Some("aws1") => {}
        Some(id) if id.starts_with("aws") => {
            reader.mistakes.push(Mistake::new("credential_source.environment_id", "is of a version other than `aws1`"));
        }
        _ => reader.mistakes.push(Mistake::new("credential_source.environment_id", "is not `aws1`")),
    }
    for name in ["url", "region_url", "imdsv2_session_token_url"] {
        let Some(text) = source.get(name).and_then(Value::as_str) else { continue };
        let Some(url) = parse_url(reader, &format!("credential_source.{name}"), text) else { continue };
        if !url.host_str().is_some_and(|host| AWS_METADATA.contains(&host)) {
            reader.warn(
                "credential_source",
                format!("`{name}` does not lead to Amazon's metadata service"),
                "expect 169.254.169.254 or [fd00:ec2::254]",
            );
        }
    }
    if member(reader, source, "regional_cred_verification_url").is_some_and(|url| !url.starts_with("https://sts.")) {
        reader.warn(
            "credential_source",
            "`regional_cred_verification_url` does not lead to Amazon's token service",
            "expect https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        );
    }
}
