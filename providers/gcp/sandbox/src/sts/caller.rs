//! Who has signed a request, by the word of AWS.

use carnet_core::{HttpSend, Request, chain, safe_text};
use carnet_gcp::trust::CallerIdentity;
use http::StatusCode;

/// Sends a signed request on. A redirect is an answer like any other that is not the one wanted.
///
/// # Errors
/// Why there is no identity, for the operator.
pub(super) async fn ask(http: &dyn HttpSend, request: Request) -> Result<CallerIdentity, String> {
    let response = http.send(request).await.map_err(|error| chain(&error).join(": "))?;
    let body = response.body.expose();
    if response.status == StatusCode::OK {
        return parse_caller_identity(body);
    }
    let text = std::str::from_utf8(body).unwrap_or_default();
    let said: Vec<String> = ["Code", "Message"].iter().filter_map(|name| element(text, name)).collect();
    Err(safe_text(&format!("AWS STS answered {}: {}", response.status.as_u16(), said.join(": "))))
}

/// Reads the answer to `GetCallerIdentity`: XML, each of its members once.
///
/// # Errors
/// What is not there.
pub fn parse_caller_identity(body: &[u8]) -> Result<CallerIdentity, String> {
    let text = std::str::from_utf8(body).map_err(|_quotes_it| "the answer of AWS STS is not a text".to_owned())?;
    let member = |name: &str| {
        inner(text, "GetCallerIdentityResult")
            .and_then(|result| element(result, name))
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("the answer of AWS STS does not have one {name}"))
    };
    Ok(CallerIdentity { arn: member("Arn")?, user_id: member("UserId")?, account: member("Account")? })
}

/// The text of an element that is there once and has nothing but text in it.
fn element(text: &str, name: &str) -> Option<String> {
    let mut value = inner(text, name)?;
    let mut read = String::with_capacity(value.len());
    while let Some((before, rest)) = value.split_once('&') {
        let (entity, rest) = rest.split_once(';')?;
        read.push_str(before);
        // The five that need no declaration (XML 1.0, 4.6).
        read.push(match entity {
            "amp" => '&',
            "apos" => '\'',
            "gt" => '>',
            "lt" => '<',
            "quot" => '"',
            _ => return None,
        });
        value = rest;
    }
    read.push_str(value);
    (!inner(text, name)?.contains('<')).then_some(read)
}

/// What stands between the tags of an element that is there once and has no attributes.
fn inner<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, rest) = rest.split_once(&format!("</{name}>"))?;
    (!rest.contains(&format!("<{name}>"))).then_some(inside)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">
 <GetCallerIdentityResult>
  <Arn>arn:aws:sts::210987654321:assumed-role/builder/a&amp;b</Arn>
  <UserId>AROAEXAMPLE:a&amp;b</UserId>
  <Account>210987654321</Account>
 </GetCallerIdentityResult>
 <ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>
</GetCallerIdentityResponse>";

    #[test]
    fn reads_who_it_is() {
        let caller = parse_caller_identity(ANSWER.as_bytes()).unwrap();
        assert_eq!(caller.arn, "arn:aws:sts::210987654321:assumed-role/builder/a&b");
        assert_eq!((caller.user_id.as_str(), caller.account.as_str()), ("AROAEXAMPLE:a&b", "210987654321"));
    }

    #[test]
    fn rejects_answers_without_or_with_two_of_a_member() {
        for (from, to) in [
            ("<Arn>", "<Other>"),
            ("</UserId>", ""),
            ("<Account>210987654321</Account>", "<Account></Account>"),
            ("<Account>210987654321</Account>", "<Account>1</Account><Account>2</Account>"),
            ("<Account>210987654321", "<Account><b>2</b>"),
            ("a&amp;b</Arn>", "&evil;</Arn>"),
            ("a&amp;b</Arn>", "&</Arn>"),
            ("<GetCallerIdentityResult>", "<Error>"),
        ] {
            let answer = ANSWER.replacen(from, to, 1);
            assert_ne!(answer, ANSWER);
            assert!(parse_caller_identity(answer.as_bytes()).unwrap_err().contains("does not have one"), "{answer}");
        }
        assert!(parse_caller_identity(&[0xff]).unwrap_err().contains("not a text"));
    }

    proptest! {
        #[test]
        fn any_answer_is_read(body in prop::collection::vec(any::<u8>(), 0..200), text in "[<>/&;A-Za-z]{0,80}") {
            prop_assert!(parse_caller_identity(&body).is_err());
            drop(parse_caller_identity(ANSWER.replace("210987654321", &text).as_bytes()));
        }
    }
}
