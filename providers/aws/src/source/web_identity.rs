//! The role of a token file ("Assume role credential provider", SDKs and tools guide; "IAM roles for service accounts", EKS
//! user guide).

use std::path::Path;

use carnet_core::{Context, Error, ExchangeConfig as _, Found, Mistake, Secret, Want};
use carnet_jose::SubjectToken;

use crate::exchange::Aws;

const FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const ROLE: &str = "AWS_ROLE_ARN";
const SESSION: &str = "AWS_ROLE_SESSION_NAME";
/// Largest token file that is read, in bytes. AWS takes tokens of 20,000 characters at most.
const MAX_TOKEN: usize = 32 * 1024;

pub(super) async fn find(context: &Context) -> Result<Found, Error> {
    let Some(file) = context.env(FILE) else { return Ok(Found::not_here(format!("{FILE} is not set"))) };
    let role_arn = context.env(ROLE).ok_or_else(|| {
        Error::configuration(format!("use the token of {FILE}: {ROLE} is not set")).hint("set both, or neither")
    })?;
    let missing = || Error::configuration(format!("read {file} ({FILE}): there is no such file, or no text in it"));
    let bytes = context.files.read(Path::new(&file), MAX_TOKEN)?.ok_or_else(missing)?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|error| missing().because(error))?;
    let token = SubjectToken::parse(Secret::new(text.trim_end()))?.into_credential();
    // What the variables cannot say is as it is by default, as in the SDKs.
    let exchange = Aws::of(role_arn, context.env(SESSION)).build().map_err(|mistakes| of_variables(&mistakes))?;
    let keys = exchange.exchange(context, &token, &Want::default()).await?;
    Ok(Found::credential(keys))
}

/// The mistake in terms of the variables that it came from.
fn of_variables(mistakes: &[Mistake]) -> Error {
    let Some(mistake) = mistakes.first() else { return Error::internal("check the variables of a web identity") };
    let variable = if mistake.field == "session_name" { SESSION } else { ROLE };
    let error = Error::configuration(format!("read {variable}: it {}", mistake.message));
    match &mistake.hint {
        Some(hint) => error.hint(hint.clone()),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::{ErrorKind, ScriptedHttp};
    use futures_util::FutureExt as _;

    use super::*;
    use crate::testing::{REGION, ROLE as ARN, form_of, session_answer, token_for, world};

    fn found(variables: &[(&str, &str)], http: ScriptedHttp) -> (Result<Found, Error>, crate::testing::World) {
        let world = world(http, variables);
        world.files.put("/t", format!("{}\n", token_for("sts.amazonaws.com").expose()));
        (find(&world.context).now_or_never().expect("nothing here waits"), world)
    }

    #[test]
    fn the_role_is_assumed_with_the_token_of_the_file() {
        let http = ScriptedHttp::default().answer(200, session_answer("AssumeRoleWithWebIdentity"));
        let (found, world) = found(&[REGION, (FILE, "/t"), (ROLE, ARN), (SESSION, "pod-1")], http);
        assert!(matches!(found.unwrap(), Found::Credential(_)));
        let form = form_of(&world.http.requests()[0]);
        let value = |name: &str| form.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
        assert_eq!((value("RoleArn"), value("RoleSessionName")), (Some(ARN), Some("pod-1")));
        assert_eq!(value("WebIdentityToken"), Some(token_for("sts.amazonaws.com").expose()));
    }

    #[test]
    fn without_the_file_it_is_not_here() {
        let (found, _) = found(&[REGION, (ROLE, ARN)], ScriptedHttp::default());
        assert!(matches!(found.unwrap(), Found::NotHere(_)));
    }

    #[test]
    fn rejects_variables_bent_one_by_one() {
        for bent in [
            &[REGION, (FILE, "/t")][..],
            &[REGION, (FILE, "/gone"), (ROLE, ARN)],
            &[REGION, (FILE, "/t"), (ROLE, "deploy")],
            &[REGION, (FILE, "/t"), (ROLE, ARN), (SESSION, "a b")],
        ] {
            let (found, world) = found(bent, ScriptedHttp::default());
            assert_eq!(found.unwrap_err().kind(), ErrorKind::Configuration, "{bent:?}");
            assert!(world.http.requests().is_empty());
        }
    }
}
