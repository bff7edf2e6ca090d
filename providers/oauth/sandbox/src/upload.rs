//! What registries are sent: a form with a file, and a crate.

use serde_json::Value;

use crate::index::Release;

/// A member of a form with files (RFC 7578), if it is there once and text. `kind` is the content type.
pub(crate) fn form_field(kind: &str, body: &[u8], name: &str) -> Option<String> {
    let (media, parameters) = kind.split_once(';')?;
    if !media.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    let delimiter = format!("--{}", boundary.trim_matches('"'));
    let wanted = format!("name=\"{name}\"");
    let mut found = parts(body, delimiter.as_bytes()).filter_map(|part| {
        let at = find(part, b"\r\n\r\n")?;
        let (head, content) = part.split_at_checked(at)?;
        let head = std::str::from_utf8(head).ok()?;
        head.split([';', '\r', '\n']).any(|word| word.trim() == wanted).then_some(content)
    });
    let content = found.next().filter(|_| found.next().is_none())?;
    let text = std::str::from_utf8(content).ok()?;
    Some(text.strip_prefix("\r\n\r\n")?.strip_suffix("\r\n")?.to_owned())
}

/// What stands between the delimiters.
fn parts<'b>(body: &'b [u8], delimiter: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
    let mut rest = find(body, delimiter).and_then(|at| body.get(at.saturating_add(delimiter.len())..));
    std::iter::from_fn(move || {
        let (part, after) = rest?.split_at_checked(find(rest?, delimiter)?)?;
        rest = after.get(delimiter.len()..);
        Some(part)
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// What is published: metadata as JSON and the file, each after its length in four bytes, little-endian ("Web API: Publish").
pub(crate) fn crate_upload(body: &[u8]) -> Option<Release> {
    let (metadata, rest) = with_length(body)?;
    let (file, rest) = with_length(rest)?;
    let metadata: Value = serde_json::from_slice(metadata).ok().filter(|_| rest.is_empty())?;
    let text = |name: &str| metadata.get(name)?.as_str().filter(|text| !text.is_empty());
    Some(Release::new(text("name")?, text("vers")?, file))
}

fn with_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIND: &str = "multipart/form-data; boundary=b";
    const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nmine\r\n--b\r\n\
                        content-disposition: form-data; name=\"content\"; filename=\"name\"\r\n\r\n\0\r\n--b--\r\n";

    fn name(kind: &str, form: &str) -> Option<String> {
        form_field(kind, form.as_bytes(), "name")
    }

    #[test]
    fn a_member_of_a_form_is_found() {
        assert_eq!(name(KIND, FORM), Some("mine".to_owned()));
        assert_eq!(name("Multipart/Form-Data; charset=x; boundary=\"b\"", FORM), Some("mine".to_owned()));
    }

    #[test]
    fn rejects_what_is_no_form_with_one_such_member() {
        let twice = FORM.replace("\"content\"", "\"name\"");
        let none = FORM.replace("\"name\"", "\"other\"");
        for (kind, form) in [
            ("application/json", FORM),
            ("multipart/form-data", FORM),
            ("multipart/form-data; boundary=c", FORM),
            (KIND, twice.as_str()),
            (KIND, none.as_str()),
            (KIND, ""),
            (KIND, "--b\r\nname=\"name\"\r\n\r\nmine\r\n"),
            (KIND, "--b\r\nname=\"name\"\r\nmine\r\n--b--"),
        ] {
            assert_eq!(name(kind, form), None, "{kind}: {form}");
        }
    }

    fn upload(metadata: &str) -> Vec<u8> {
        let length = |text: &str| u32::try_from(text.len()).unwrap().to_le_bytes();
        [&length(metadata), metadata.as_bytes(), &length("file"), b"file"].concat()
    }

    #[test]
    fn a_crate_is_read() {
        let release = crate_upload(&upload(r#"{"name":"mine","vers":"0.2.0"}"#)).unwrap();
        assert_eq!((release.name.as_str(), release.version.as_str()), ("mine", "0.2.0"));
        // `printf file | sha256sum`
        let sum = "3b9c358f36f0a31b6ad3e14f309c7cf198ac9246e8316f9ce543d5b19ac02b80";
        assert_eq!(serde_json::from_str::<Value>(&release.line).unwrap()["cksum"], sum);
    }

    #[test]
    fn rejects_what_is_no_crate() {
        let good = upload(r#"{"name":"mine","vers":"0.2.0"}"#);
        let cut = good.split_last().unwrap().1.to_vec();
        let more = [good.as_slice(), b"x"].concat();
        for body in
            [Vec::new(), cut, more, upload("[]"), upload(r#"{"name":"mine"}"#), upload(r#"{"name":"","vers":"1"}"#)]
        {
            assert!(crate_upload(&body).is_none(), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_not(
            kind in "multipart/form-data; boundary=.{0,3}",
            body in prop::collection::vec(prop::sample::select(b"--b\r\n\"name=;x".to_vec()), 0..64),
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = form_field(&kind, &body, "name");
            let _ = crate_upload(&bytes);
        }
    }
}
