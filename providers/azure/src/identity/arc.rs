//! Azure Arc: the agent on the machine proves by a file that the caller may read its folder ("Authenticate against Azure
//! resources with Azure Arc-enabled servers").

use std::path::{Path, PathBuf};

use carnet_core::{Context, Error, Secret};
use http::{HeaderValue, StatusCode, header};

use super::{Asked, ENDPOINT, managed};
use crate::exchange::send;

/// The folder is fixed, whatever the agent says: else whoever answers at the endpoint could have any file sent to it.
const FOLDER: &str = "/var/opt/azcmagent/tokens";
/// Largest key file, in bytes.
const MAX_KEY: usize = 4096;
const VERSION: &str = "2020-06-01";
const WHO: &str = "the Azure Arc agent";

/// Asks the agent: first without proof, then with the content of the file that it names.
pub(super) async fn ask(context: &Context, resource: &str, client: Option<&str>) -> Result<Asked, Error> {
    let Some(address) = context.env(ENDPOINT) else { return Ok(Asked::NotHere(format!("{ENDPOINT} is not set"))) };
    let mut url = managed::endpoint(ENDPOINT, &address)?;
    url.query_pairs_mut().append_pair("api-version", VERSION);
    managed::select(&mut url, resource, client);
    let request = managed::metadata(managed::get(url, managed::timeout()));
    let first = send(context, request.clone(), &format!("ask {WHO} for a challenge")).await?;
    if first.status != StatusCode::UNAUTHORIZED {
        return Err(Error::refused(format!("ask {WHO} for a challenge: HTTP {}", first.status.as_u16()))
            .code(first.status.as_str())
            .hint("it should answer 401: check IDENTITY_ENDPOINT, and the agent with `azcmagent show`"));
    }
    let path = first.header("www-authenticate").and_then(key_file).ok_or_else(|| {
        Error::unreachable(format!("read the challenge of {WHO}: it names no key file"))
            .hint("this is not what the agent answers: check IDENTITY_ENDPOINT")
    })?;
    let key = read_key(context, &path)?;
    let mut value = HeaderValue::from_str(&format!("Basic {}", key.expose()))
        .map_err(|_unprintable| Error::configuration("read the agent's key file: a header cannot carry its content"))?;
    value.set_sensitive(true);
    let asked = managed::token(context, request.header(header::AUTHORIZATION, value), WHO, &[&key]).await?;
    match (&asked, client) {
        // Old agents answer for the system-assigned identity without a word.
        (Asked::Token(answer), Some(client)) if answer.client_id.as_deref() != Some(client) => {
            Err(Error::refused(format!("use the token of {WHO}: it does not say that it is for {client}"))
                .clause("client")
                .hint("update the agent, or leave `client_id` out"))
        }
        _ => Ok(asked),
    }
}

/// The file of `Basic realm=/var/opt/azcmagent/tokens/NAME.key`: the name alone is believed.
fn key_file(challenge: &str) -> Option<PathBuf> {
    let (scheme, path) = challenge.split_once('=')?;
    if path.contains('=') || !scheme.eq_ignore_ascii_case("basic realm") {
        return None;
    }
    let stem = Path::new(path.trim().trim_matches('"')).file_stem()?.to_str()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!stem.is_empty() && stem.chars().all(fits)).then(|| Path::new(FOLDER).join(format!("{stem}.key")))
}

fn read_key(context: &Context, path: &Path) -> Result<Secret, Error> {
    let shown = path.display();
    let no = |message: String| {
        Err(Error::configuration(message).hint("run as a member of the group `himds`, which may read the folder"))
    };
    // The folder belongs to the agent's own user, and only root may change where it is.
    match context.files.read(path, MAX_KEY)? {
        Some(bytes) => match std::str::from_utf8(bytes.expose()) {
            Ok(text) => Ok(Secret::new(text)),
            Err(_) => no(format!("read {shown}: it is not text")),
        },
        None => no(format!("read {shown}: it is not there")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_name_of_the_key_file_is_believed() {
        let expected = Some(PathBuf::from("/var/opt/azcmagent/tokens/a-1.key"));
        for challenge in ["Basic realm=/var/opt/azcmagent/tokens/a-1.key", "Basic realm=/etc/a-1.pem"] {
            assert_eq!(key_file(challenge), expected);
        }
    }

    #[test]
    fn rejects_challenges_bent_in_one_place() {
        for challenge in [
            "",
            "Basic realm=",
            "Bearer realm=/a.key",
            "Basic realm=/a=b.key",
            "Basic realm=/a b.key",
            "Basic realm=/..",
        ] {
            assert_eq!(key_file(challenge), None, "{challenge}");
        }
    }

    proptest! {
        #[test]
        fn no_challenge_leads_out_of_the_folder(
            challenge in "(Basic realm=|basic Realm=|Bearer realm=)?[\"./a-zA-Z0-9_= \\\\é-]{0,40}(\\.key)?",
        ) {
            if let Some(path) = key_file(&challenge) {
                prop_assert_eq!(path.parent(), Some(Path::new(FOLDER)));
                prop_assert_eq!(path.extension().and_then(std::ffi::OsStr::to_str), Some("key"));
            }
        }
    }
}
