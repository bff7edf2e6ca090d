//! Walks a header block byte by byte (RFC 7541, 5 and 6).

/// The name that is looked for, written out.
const NAME: &[u8] = b":authority";

/// The same, Huffman coded (RFC 7541, appendix B), padded with ones.
pub(super) const NAME_HUFFMAN: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

/// The index of `:authority` in the static table (RFC 7541, appendix A).
const NAME_INDEX: u32 = 1;

/// After so many bits of continuation an integer has more than four bytes behind its prefix; the HTTP/2 library refuses
/// it too.
const MOST_SHIFT: u32 = 28;

/// Where in a header block the walk is.
pub(super) struct Block(State);

/// The bytes are not HPACK.
pub(super) struct Malformed;

#[derive(Clone, Copy)]
enum State {
    /// Between two representations.
    Between,
    /// In the continuation of an integer.
    Integer { value: u32, shift: u32, then: Then },
    /// Before the length of a string.
    Length(Part),
    /// In a string that is passed over.
    Skip { left: u32, part: Part },
    /// In a name that may be the one looked for: `at` bytes of it are equal.
    Name { left: u32, at: usize, huffman: bool },
    /// In the value that is mended.
    Authority { left: u32, text: Authority },
}

/// What an integer is.
#[derive(Clone, Copy)]
enum Then {
    /// An index or a size after which the next representation begins.
    Between,
    /// The index of a literal's name.
    Name,
    /// The length of a string.
    String { part: Part, huffman: bool },
}

/// Which string of a literal.
#[derive(Clone, Copy)]
enum Part {
    Name,
    Value { authority: bool },
}

impl Block {
    pub(super) fn new() -> Self {
        Self(State::Between)
    }

    /// Whether the block may end here.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.0, State::Between)
    }

    /// Walks on, and mends the values of `:authority`.
    pub(super) fn walk(&mut self, mut bytes: &mut [u8]) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            let rest;
            (self.0, rest) = step(self.0, bytes)?;
            bytes = rest;
        }
        Ok(())
    }
}

/// One byte, or as much of a string as there is.
fn step(state: State, bytes: &mut [u8]) -> Result<(State, &mut [u8]), Malformed> {
    match state {
        State::Skip { left, part } => {
            let (_, rest, left) = take(bytes, left);
            Ok((if left == 0 { after(part, false) } else { State::Skip { left, part } }, rest))
        }
        State::Name { left, at, huffman } => {
            let (taken, rest, left) = take(bytes, left);
            let name = if huffman { NAME_HUFFMAN } else { NAME };
            let end = at.saturating_add(taken.len());
            let same = name.get(at..end) == Some(&*taken);
            let next = match (left, same) {
                (0, same) => after(Part::Name, same),
                (left, true) => State::Name { left, at: end, huffman },
                (left, false) => State::Skip { left, part: Part::Name },
            };
            Ok((next, rest))
        }
        State::Authority { left, mut text } => {
            let (taken, rest, left) = take(bytes, left);
            for byte in taken {
                *byte = text.mend(*byte);
            }
            let done = Part::Value { authority: true };
            Ok((if left == 0 { after(done, false) } else { State::Authority { left, text } }, rest))
        }
        State::Between | State::Integer { .. } | State::Length(_) => {
            let Some((byte, rest)) = bytes.split_first_mut() else { return Ok((state, &mut [])) };
            let next = match state {
                State::Integer { value, shift, then } => continue_integer(value, shift, then, *byte)?,
                State::Length(part) => integer(*byte, 7, Then::String { part, huffman: *byte & 0x80 != 0 }),
                _ => representation(*byte),
            };
            Ok((next, rest))
        }
    }
}

/// At most `left` bytes, the rest, and how many are missing.
fn take(bytes: &mut [u8], left: u32) -> (&mut [u8], &mut [u8], u32) {
    let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    let (taken, rest) = bytes.split_at_mut(most);
    let left = left.saturating_sub(u32::try_from(most).unwrap_or(u32::MAX));
    (taken, rest, left)
}

/// The first byte of a representation (RFC 7541, 6): its pattern and the prefix of an integer.
fn representation(byte: u8) -> State {
    match byte {
        0x80.. => integer(byte, 7, Then::Between),
        0x40..=0x7f => integer(byte, 6, Then::Name),
        0x20..=0x3f => integer(byte, 5, Then::Between),
        0x00..=0x1f => integer(byte, 4, Then::Name),
    }
}

/// The prefix of an integer, so many bits long (RFC 7541, 5.1).
fn integer(byte: u8, bits: u32, then: Then) -> State {
    let most = (1_u32 << bits).saturating_sub(1);
    let value = u32::from(byte) & most;
    if value == most { State::Integer { value, shift: 0, then } } else { complete(value, then) }
}

fn continue_integer(value: u32, shift: u32, then: Then, byte: u8) -> Result<State, Malformed> {
    if shift >= MOST_SHIFT {
        return Err(Malformed);
    }
    let value = value.saturating_add(u32::from(byte & 0x7f) << shift);
    let more = byte & 0x80 != 0;
    Ok(if more { State::Integer { value, shift: shift.saturating_add(7), then } } else { complete(value, then) })
}

/// What follows an integer.
fn complete(value: u32, then: Then) -> State {
    match then {
        Then::Between => State::Between,
        Then::Name if value == 0 => State::Length(Part::Name),
        Then::Name => State::Length(Part::Value { authority: value == NAME_INDEX }),
        Then::String { part, .. } if value == 0 => after(part, false),
        Then::String { part: Part::Name, huffman } => {
            let name = if huffman { NAME_HUFFMAN } else { NAME };
            if usize::try_from(value) == Ok(name.len()) {
                State::Name { left: value, at: 0, huffman }
            } else {
                State::Skip { left: value, part: Part::Name }
            }
        }
        Then::String { part: Part::Value { authority: true }, huffman: false } => {
            State::Authority { left: value, text: Authority::default() }
        }
        Then::String { part, .. } => State::Skip { left: value, part },
    }
}

/// What follows a string. A name is followed by its value.
fn after(part: Part, is_authority: bool) -> State {
    match part {
        Part::Name => State::Length(Part::Value { authority: is_authority }),
        Part::Value { .. } => State::Between,
    }
}

/// A value as far as it has come. It keeps what `host[:port]` may hold: letters, digits, `.`, `-`, `_` and `~`; one
/// colon; brackets around an IPv6 address, if the value begins with one.
#[derive(Clone, Copy, Default)]
struct Authority {
    begun: bool,
    in_brackets: bool,
    port: bool,
}

impl Authority {
    fn mend(&mut self, byte: u8) -> u8 {
        let first = !std::mem::replace(&mut self.begun, true);
        let kept = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => true,
            b'[' if first => {
                self.in_brackets = true;
                true
            }
            b']' => std::mem::replace(&mut self.in_brackets, false),
            b':' => self.in_brackets || !std::mem::replace(&mut self.port, true),
            _ => false,
        };
        if kept { byte } else { b'x' }
    }
}
