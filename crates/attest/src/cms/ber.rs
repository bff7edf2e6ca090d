//! Reading BER (X.690, 8), because what signs documents on AWS writes indefinite lengths.

/// Deepest nesting that is looked at. A certificate in a signed document is at about 12.
const MAX_DEPTH: usize = 32;
/// Most elements.
const MAX_ELEMENTS: usize = 20_000;

/// One element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// The identifier octet. Tags above 30 are not read.
    pub(super) tag: u8,
    pub(super) content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    Elements(Vec<Element>),
}

const CONSTRUCTED: u8 = 0x20;
const OCTET_STRING: u8 = 0x04;

struct Reader<'a> {
    rest: &'a [u8],
    elements: usize,
}

/// The one element that `bytes` are, and nothing behind it.
pub(super) fn parse(bytes: &[u8]) -> Option<Element> {
    let mut reader = Reader { rest: bytes, elements: 0 };
    let element = reader.element(0)?;
    reader.rest.is_empty().then_some(element)
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn element(&mut self, depth: usize) -> Option<Element> {
        self.elements += 1;
        let tag = self.byte()?;
        if depth > MAX_DEPTH || self.elements > MAX_ELEMENTS || tag & 0x1f == 0x1f {
            return None;
        }
        let constructed = tag & CONSTRUCTED != 0;
        let content = match self.length()? {
            None if constructed => Content::Elements(self.until_end(depth)?),
            None => return None,
            Some(length) => {
                let (content, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                if constructed {
                    let mut inner = Reader { rest: content, elements: self.elements };
                    let mut elements = Vec::new();
                    while !inner.rest.is_empty() {
                        elements.push(inner.element(depth + 1)?);
                    }
                    self.elements = inner.elements;
                    Content::Elements(elements)
                } else {
                    Content::Bytes(content.to_vec())
                }
            }
        };
        Some(joined(Element { tag, content }))
    }

    /// `None` inside for the indefinite form.
    #[expect(clippy::option_option, reason = "malformed, indefinite, and a length")]
    fn length(&mut self) -> Option<Option<usize>> {
        match self.byte()? {
            0x80 => Some(None),
            short @ 0..0x80 => Some(Some(usize::from(short))),
            long => {
                let count = usize::from(long & 0x7f);
                if count > 4 {
                    return None;
                }
                (0..count).try_fold(0usize, |length, _| Some(length << 8 | usize::from(self.byte()?))).map(Some)
            }
        }
    }

    fn until_end(&mut self, depth: usize) -> Option<Vec<Element>> {
        let mut elements = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix(&[0, 0]) {
                self.rest = rest;
                return Some(elements);
            }
            elements.push(self.element(depth + 1)?);
        }
    }
}

/// A string in pieces as one string (X.690, 8.7.3).
fn joined(element: Element) -> Element {
    match element {
        Element { tag, content: Content::Elements(pieces) } if tag == OCTET_STRING | CONSTRUCTED => {
            let mut all = Vec::new();
            for piece in &pieces {
                match piece {
                    Element { tag: OCTET_STRING, content: Content::Bytes(bytes) } => all.extend_from_slice(bytes),
                    _ => return Element { tag, content: Content::Elements(pieces) },
                }
            }
            Element { tag: OCTET_STRING, content: Content::Bytes(all) }
        }
        other => other,
    }
}

impl Element {
    /// What is in it, when it is constructed and has this tag.
    pub(super) fn elements(&self, tag: u8) -> Option<&[Self]> {
        match &self.content {
            Content::Elements(elements) if self.tag == tag => Some(elements),
            _ => None,
        }
    }

    /// What is in it, when it is primitive and has this tag.
    pub(super) fn bytes(&self, tag: u8) -> Option<&[u8]> {
        match &self.content {
            Content::Bytes(bytes) if self.tag == tag => Some(bytes),
            _ => None,
        }
    }

    /// In DER, with this tag instead of its own.
    pub(super) fn der_as(&self, tag: u8) -> Vec<u8> {
        let content = match &self.content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Elements(elements) => elements.iter().flat_map(Self::der).collect(),
        };
        let mut der = vec![tag];
        match u8::try_from(content.len()) {
            Ok(short) if short < 0x80 => der.push(short),
            _ => {
                let length = content.len().to_be_bytes();
                let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
                der.push(0x80 | u8::try_from(significant.len()).unwrap_or(0x7f));
                der.extend(significant);
            }
        }
        der.extend(content);
        der
    }

    pub(super) fn der(&self) -> Vec<u8> {
        self.der_as(self.tag)
    }
}
