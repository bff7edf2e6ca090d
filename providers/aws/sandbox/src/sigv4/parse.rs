//! Where a signature stands in a request: the header `Authorization`, or the query of a presigned URL.

use jiff::{SignedDuration, Timestamp};

use super::{Fault, HMAC, Kind};
use crate::call::Call;

/// Longest life of a presigned URL: seven days.
const LONGEST_LIFE: i64 = 604_800;

/// What a request says about its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// For instance `AWS4-HMAC-SHA256`.
    pub algorithm: String,
    /// The id of the key, or the serial number of a certificate.
    pub key_id: String,
    /// `YYYYMMDD` of the scope.
    pub date: String,
    /// The region of the scope.
    pub region: String,
    /// The service of the scope.
    pub service: String,
    /// Names of headers in lower case, in the order in which they stand.
    pub signed_headers: Vec<String>,
    /// In hexadecimal.
    pub signature: String,
    /// `X-Amz-Date`.
    pub time: Timestamp,
    /// `X-Amz-Date` as it stands.
    pub date_time: String,
    /// Life of a presigned URL.
    pub presigned: Option<SignedDuration>,
}

impl Authorization {
    /// Reads the value of the header `Authorization`; `date_time` is that of `X-Amz-Date`.
    ///
    /// # Errors
    /// What is missing or malformed, in the words of AWS as far as they are known.
    pub fn parse(value: &str, date_time: &str) -> Result<Self, String> {
        let (algorithm, rest) = value.trim().split_once(' ').unwrap_or((value, ""));
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let Some((name, value)) = part.trim().split_once('=') else {
                return Err(format!(
                    "Invalid key=value pair (missing equal-sign) in Authorization header: '{}'.",
                    carnet_core::safe_text(part)
                ));
            };
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err("Authorization header has an unknown parameter.".to_owned()),
            };
            if place.replace(value.trim()).is_some() {
                return Err(format!("Authorization header has '{name}' twice."));
            }
        }
        let missing = |name: &str| format!("Authorization header requires '{name}' parameter.");
        Self::build(
            algorithm,
            credential.ok_or_else(|| missing("Credential"))?,
            signed_headers.ok_or_else(|| missing("SignedHeaders"))?,
            signature.ok_or_else(|| missing("Signature"))?,
            date_time,
        )
    }

    fn build(
        algorithm: &str,
        credential: &str,
        signed_headers: &str,
        signature: &str,
        date_time: &str,
    ) -> Result<Self, String> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [key_id, date, region, service, "aws4_request"] = parts.as_slice() else {
            return Err("Credential must have exactly 5 slash-delimited elements, e.g. \
                        keyid/date/region/service/term."
                .to_owned());
        };
        let time = parse_time(date_time).ok_or(
            "Authorization header requires existence of a 'X-Amz-Date' header of the form YYYYMMDD'T'HHMMSS'Z'.",
        )?;
        let signed_headers: Vec<String> = signed_headers.split(';').map(str::to_owned).collect();
        if signed_headers.iter().any(|name| name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase())) {
            return Err("SignedHeaders must be names in lower case, joined by semicolons.".to_owned());
        }
        if signature.is_empty() || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("Signature is not hexadecimal.".to_owned());
        }
        Ok(Self {
            algorithm: algorithm.to_owned(),
            key_id: (*key_id).to_owned(),
            date: (*date).to_owned(),
            region: (*region).to_owned(),
            service: (*service).to_owned(),
            signed_headers,
            signature: signature.to_owned(),
            time,
            date_time: date_time.to_owned(),
            presigned: None,
        })
    }

    /// Finds it in a request.
    pub(crate) fn find(call: &Call) -> Result<Self, Fault> {
        let incomplete = |text: String| Fault::new(Kind::Incomplete, text, "form", "", "a whole signature");
        if let Some(value) = call.header("authorization") {
            let date_time = call.header("x-amz-date").unwrap_or_default();
            return Self::parse(value, date_time).map_err(incomplete);
        }
        if call.parameter("X-Amz-Algorithm").is_none() {
            let text = "Request is missing Authentication Token";
            return Err(Fault::new(Kind::Missing, text, "signature", "none", "a signed request"));
        }
        let text = |name: &str| call.parameter(name).unwrap_or_default();
        let mut found = Self::build(
            &text("X-Amz-Algorithm"),
            &text("X-Amz-Credential"),
            &text("X-Amz-SignedHeaders"),
            &text("X-Amz-Signature"),
            &text("X-Amz-Date"),
        )
        .map_err(incomplete)?;
        // Only S3 insists on it; elsewhere a presigned request counts for the usual time.
        let life = match call.parameter("X-Amz-Expires") {
            None => Some(900),
            Some(text) => text.parse().ok().filter(|seconds| (0..=LONGEST_LIFE).contains(seconds)),
        };
        let life = life.ok_or_else(|| incomplete("X-Amz-Expires must be 0 to 604800 seconds.".to_owned()))?;
        found.presigned = Some(SignedDuration::from_secs(life));
        Ok(found)
    }

    /// `DATE/REGION/SERVICE/aws4_request`.
    pub(crate) fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }

    /// The text that is signed.
    pub(crate) fn string_to_sign(&self, canonical_request: &str) -> String {
        let digest = super::digest(canonical_request.as_bytes());
        format!("{}\n{}\n{}\n{digest}", self.algorithm, self.date_time, self.scope())
    }

    /// Whether it is made with a shared secret.
    pub(crate) fn is_hmac(&self) -> bool {
        self.algorithm == HMAC
    }
}

/// `YYYYMMDD'T'HHMMSS'Z'`.
fn parse_time(text: &str) -> Option<Timestamp> {
    let digits = |from: usize, to: usize| text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
    if text.len() != 16 || text.get(8..9) != Some("T") || text.get(15..) != Some("Z") {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(4, 6)?, digits(6, 8)?);
    let (hour, minute, second) = (digits(9, 11)?, digits(11, 13)?, digits(13, 15)?);
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
}
