//! Finds the header blocks in what an HTTP/2 client sends (RFC 9113, 4 and 6).

use super::block::Block;
use crate::server::PREFACE;

/// Length of what stands before each frame: 24 bits of length, type, flags, stream (RFC 9113, 4.1).
const HEAD: usize = 9;

const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;

const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Bytes of the stream dependency and weight that `PRIORITY` announces (RFC 9113, 6.2).
const PRIORITY_BYTES: usize = 5;

/// Walks one direction of a connection, in whatever pieces it comes.
pub(super) struct Frames {
    place: Place,
    head: [u8; HEAD],
    block: Block,
    /// A header block has begun and its last frame has not come.
    open: bool,
}

#[derive(Clone, Copy)]
enum Place {
    /// So many bytes of the preface have been seen.
    Preface(usize),
    /// So many bytes of the next frame's head have been seen.
    Head(usize),
    /// Before the length of the padding; the payload has `left` more bytes with it, of which `skip` follow it and come
    /// before the fragment.
    PadLength { left: usize, skip: usize, last: bool },
    /// Before the fragment of a header block.
    Before { skip: usize, fragment: usize, pad: usize, last: bool },
    /// In the fragment.
    Fragment { left: usize, pad: usize, last: bool },
    /// In what is of no interest; the next frame's head comes after it.
    Rest(usize),
    /// This is not HTTP/2. Nothing is looked at any more.
    Foreign,
}

/// The bytes break a rule of HTTP/2; whoever speaks it will end the connection.
struct Foreign;

impl Frames {
    pub(super) fn new() -> Self {
        Self { place: Place::Preface(0), head: [0; HEAD], block: Block::new(), open: false }
    }

    /// Looks at the next bytes and mends them in place.
    pub(super) fn mend(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let Ok(taken) = self.step(bytes) else {
                self.place = Place::Foreign;
                return;
            };
            bytes = std::mem::take(&mut bytes).get_mut(taken..).unwrap_or_default();
        }
    }

    /// Takes some of the bytes, which are not empty, and says how many. Zero only when the place has changed.
    fn step(&mut self, bytes: &mut [u8]) -> Result<usize, Foreign> {
        match self.place {
            Place::Foreign => Ok(bytes.len()),
            Place::Preface(seen) => {
                let expected = PREFACE.get(seen..).unwrap_or_default();
                let taken = expected.len().min(bytes.len());
                if expected.get(..taken) != bytes.get(..taken) {
                    return Err(Foreign);
                }
                let seen = seen.saturating_add(taken);
                self.place = if seen == PREFACE.len() { Place::Head(0) } else { Place::Preface(seen) };
                Ok(taken)
            }
            Place::Head(seen) => {
                let room = self.head.get_mut(seen..).unwrap_or_default();
                let taken = room.len().min(bytes.len());
                for (room, byte) in room.iter_mut().zip(&*bytes) {
                    *room = *byte;
                }
                let seen = seen.saturating_add(taken);
                self.place = if seen == HEAD { self.payload()? } else { Place::Head(seen) };
                Ok(taken)
            }
            Place::PadLength { left, skip, last } => {
                let pad = bytes.first().copied().map_or(0, usize::from);
                let around = skip.saturating_add(pad).saturating_add(1);
                let fragment = left.checked_sub(around).ok_or(Foreign)?;
                self.place = Place::Before { skip, fragment, pad, last };
                Ok(1)
            }
            Place::Before { skip, fragment, pad, last } => {
                let taken = skip.min(bytes.len());
                self.place = match skip.saturating_sub(taken) {
                    0 => Place::Fragment { left: fragment, pad, last },
                    skip => Place::Before { skip, fragment, pad, last },
                };
                Ok(taken)
            }
            Place::Fragment { left, pad, last } => {
                let taken = left.min(bytes.len());
                self.block.walk(bytes.get_mut(..taken).unwrap_or_default()).map_err(|_malformed| Foreign)?;
                let left = left.saturating_sub(taken);
                self.place =
                    if left == 0 { self.end_fragment(pad, last)? } else { Place::Fragment { left, pad, last } };
                Ok(taken)
            }
            Place::Rest(left) => {
                let taken = left.min(bytes.len());
                self.place = rest(left.saturating_sub(taken));
                Ok(taken)
            }
        }
    }

    /// Where the payload of the frame begins whose head is known.
    fn payload(&mut self) -> Result<Place, Foreign> {
        let [l0, l1, l2, kind, flags, ..] = self.head;
        let left = usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2);
        let last = flags & END_HEADERS != 0;
        match (kind, self.open) {
            (HEADERS, false) => {
                self.block = Block::new();
                self.open = true;
                let skip = if flags & PRIORITY == 0 { 0 } else { PRIORITY_BYTES };
                if flags & PADDED != 0 {
                    // A frame without room for the length has no byte that could be read as one.
                    return if left == 0 { Err(Foreign) } else { Ok(Place::PadLength { left, skip, last }) };
                }
                let fragment = left.checked_sub(skip).ok_or(Foreign)?;
                Ok(Place::Before { skip, fragment, pad: 0, last })
            }
            (CONTINUATION, true) => Ok(Place::Before { skip: 0, fragment: left, pad: 0, last }),
            // Nothing may come between the frames of a header block, and none may go on that did not begin
            // (RFC 9113, 4.3 and 6.10).
            (CONTINUATION, false) | (_, true) => Err(Foreign),
            (_, false) => Ok(rest(left)),
        }
    }

    fn end_fragment(&mut self, pad: usize, last: bool) -> Result<Place, Foreign> {
        if last {
            self.open = false;
            if !self.block.is_whole() {
                return Err(Foreign);
            }
        }
        Ok(rest(pad))
    }
}

/// What is left of a payload; nothing means that the next frame begins.
fn rest(left: usize) -> Place {
    if left == 0 { Place::Head(0) } else { Place::Rest(left) }
}
