//! Distinguished names, both ways.

use x509_cert::{
    attr::AttributeTypeAndValue,
    der::{
        Encode,
        asn1::{Any, Ia5StringRef, ObjectIdentifier, PrintableStringRef, SetOfVec, Utf8StringRef},
    },
    name::{Name, RdnSequence, RelativeDistinguishedName},
};
use x509_parser::x509::X509Name;

use crate::X509Error;

/// The string type that an attribute is written in (RFC 5280, appendix A.1).
#[derive(Clone, Copy)]
enum Text {
    Ia5,
    Printable,
    Utf8,
}

/// Short names and object identifiers (RFC 4514, 3; RFC 4519, 2).
const ATTRIBUTES: [(&str, &str, Text); 12] = [
    ("CN", "2.5.4.3", Text::Utf8),
    ("SN", "2.5.4.4", Text::Utf8),
    ("SERIALNUMBER", "2.5.4.5", Text::Printable),
    ("C", "2.5.4.6", Text::Printable),
    ("L", "2.5.4.7", Text::Utf8),
    ("ST", "2.5.4.8", Text::Utf8),
    ("STREET", "2.5.4.9", Text::Utf8),
    ("O", "2.5.4.10", Text::Utf8),
    ("OU", "2.5.4.11", Text::Utf8),
    ("T", "2.5.4.12", Text::Utf8),
    ("DC", "0.9.2342.19200300.100.1.25", Text::Ia5),
    ("UID", "0.9.2342.19200300.100.1.1", Text::Utf8),
];

/// A name of one attribute per level, in this order; names may repeat.
pub(crate) fn name_of(attributes: &[(impl AsRef<str>, impl AsRef<str>)]) -> Result<Name, X509Error> {
    let levels = attributes.iter().map(|(short, value)| level(short.as_ref(), value.as_ref()));
    Ok(RdnSequence(levels.collect::<Result<_, _>>()?))
}

fn level(short: &str, value: &str) -> Result<RelativeDistinguishedName, X509Error> {
    let (_, oid, text) = ATTRIBUTES
        .into_iter()
        .find(|(known, ..)| *known == short)
        .ok_or_else(|| X509Error(format!("the subject attribute {short:?} is not known here")))?;
    let write = || {
        let value = match text {
            Text::Ia5 => Any::encode_from(&Ia5StringRef::new(value)?),
            Text::Printable => Any::encode_from(&PrintableStringRef::new(value)?),
            Text::Utf8 => Any::encode_from(&Utf8StringRef::new(value)?),
        }?;
        let oid = ObjectIdentifier::new(oid)?;
        let level = RelativeDistinguishedName(SetOfVec::try_from(vec![AttributeTypeAndValue { oid, value }])?);
        // Encoding once here finds out what is too long for DER.
        level.to_der().map(|_| level)
    };
    write().map_err(|_opaque: x509_cert::der::Error| {
        X509Error(format!("the subject attribute {short} cannot hold {value:?}"))
    })
}

/// All attributes of a name in order, as short name (or dotted object identifier) and text.
pub(crate) fn attributes_of(name: &X509Name<'_>) -> Vec<(String, String)> {
    let attributes = name.iter_attributes().map(|attribute| {
        let oid = attribute.attr_type().to_id_string();
        let short = ATTRIBUTES.iter().find(|(_, known, _)| *known == oid).map_or(oid.as_str(), |(short, ..)| short);
        let text = attribute.as_str().map_or_else(|_| other_text(attribute.attr_value()), str::to_owned);
        (short.to_owned(), text)
    });
    attributes.collect()
}

/// `BMPString` is UTF-16 (X.690, 8.23.9); what is no string at all is shown as RFC 4514, 2.4 has it.
fn other_text(value: &x509_parser::der_parser::asn1_rs::Any<'_>) -> String {
    const BMP_STRING: u32 = 30;
    if value.tag().0 == BMP_STRING && value.data.len().is_multiple_of(2) {
        let units = value.data.chunks_exact(2).map(|unit| unit.iter().fold(0, |sum, byte| sum << 8 | u16::from(*byte)));
        return char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    value.data.iter().fold("#".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
