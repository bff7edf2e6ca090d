//! Whole connections, made up frame by frame, in pieces of any size.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::mend_authorities;
use crate::server::PREFACE;

/// What C-core sends.
const PERCENT: &[u8] = b"tmp%2Fagent%2Fapi.sock";

/// Bytes as they are sent, and as they must come out.
#[derive(Clone, Debug, Default)]
struct Bytes {
    sent: Vec<u8>,
    wanted: Vec<u8>,
}

impl Bytes {
    fn same(bytes: &[u8]) -> Self {
        Self { sent: bytes.to_vec(), wanted: bytes.to_vec() }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.append(&Self::same(bytes));
    }

    fn append(&mut self, other: &Self) {
        self.sent.extend(&other.sent);
        self.wanted.extend(&other.wanted);
    }

    fn part(&self, from: usize, to: usize) -> Self {
        Self { sent: self.sent[from..to].to_vec(), wanted: self.wanted[from..to].to_vec() }
    }
}

/// An integer behind a pattern (RFC 7541, 5.1).
fn integer(pattern: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    if value < most {
        return vec![pattern | u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![pattern | u8::try_from(most).unwrap()];
    let mut rest = value - most;
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

fn string(huffman: bool, text: &[u8]) -> Vec<u8> {
    [integer(u8::from(huffman) << 7, 7, text.len()), text.to_vec()].concat()
}

/// The rule, said once more and another way: what cannot stand in `host[:port]` is an `x`.
fn harmless(value: &[u8]) -> Vec<u8> {
    let bracketed = value.first() == Some(&b'[');
    let closed = value.iter().position(|byte| *byte == b']').filter(|_| bracketed);
    let inside = |at: usize| bracketed && closed.is_none_or(|closed| at < closed);
    let colon = value.iter().enumerate().position(|(at, byte)| *byte == b':' && !inside(at));
    let keep = |at: usize, byte: u8| match byte {
        b'[' => at == 0,
        b']' => closed == Some(at),
        b':' => inside(at) || colon == Some(at),
        other => other.is_ascii_alphanumeric() || b".-_~".contains(&other),
    };
    value.iter().enumerate().map(|(at, byte)| if keep(at, *byte) { *byte } else { b'x' }).collect()
}

/// A literal's name.
#[derive(Clone, Debug)]
enum Name {
    Index(usize),
    Text(Vec<u8>),
    Huffman(Vec<u8>),
}

fn literal(pattern: u8, bits: u32, name: &Name, huffman: bool, value: &[u8]) -> Bytes {
    let mut bytes = Bytes::default();
    let authority = match name {
        Name::Index(index) => {
            bytes.push(&integer(pattern, bits, *index));
            *index == 1
        }
        Name::Text(text) => {
            bytes.push(&[vec![pattern], string(false, text)].concat());
            text == b":authority"
        }
        Name::Huffman(code) => {
            bytes.push(&[vec![pattern], string(true, code)].concat());
            code == super::block::NAME_HUFFMAN
        }
    };
    let wanted = if authority && !huffman { harmless(value) } else { value.to_vec() };
    bytes.append(&Bytes { sent: string(huffman, value), wanted: string(huffman, &wanted) });
    bytes
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        3 => Just(Name::Text(b":authority".to_vec())),
        1 => Just(Name::Huffman(super::block::NAME_HUFFMAN.to_vec())),
        1 => Just(Name::Text(b":Authority".to_vec())),
        1 => Just(Name::Text(b":authoritz".to_vec())),
        1 => Just(Name::Text(b":authority-".to_vec())),
        1 => Just(Name::Text(b":authorit".to_vec())),
        2 => vec(any::<u8>(), 0..300).prop_map(Name::Text),
        2 => vec(any::<u8>(), 0..20).prop_map(Name::Huffman),
        2 => Just(Name::Index(1)),
        3 => (2_usize..5000).prop_map(Name::Index),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(PERCENT.to_vec()),
        1 => Just(b"/tmp/agent/api.sock".to_vec()),
        1 => Just(b"localhost:8080".to_vec()),
        2 => "[a\\[\\]:.%/]{0,12}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..300),
    ]
}

fn representation() -> impl Strategy<Value = Bytes> {
    let kinds = prop_oneof![Just((0x40, 6)), Just((0x00, 4)), Just((0x10, 4))];
    prop_oneof![
        2 => (1_usize..100_000).prop_map(|index| Bytes::same(&integer(0x80, 7, index))),
        1 => (0_usize..100_000).prop_map(|size| Bytes::same(&integer(0x20, 5, size))),
        6 => (kinds, name(), any::<bool>(), value()).prop_map(|((pattern, bits), name, huffman, value)| {
            literal(pattern, bits, &name, huffman, &value)
        }),
    ]
}

fn frame(kind: u8, flags: u8, payload: &Bytes) -> Bytes {
    let length = u32::try_from(payload.sent.len()).unwrap().to_be_bytes();
    let mut bytes = Bytes::same(&[length[1], length[2], length[3], kind, flags, 0, 0, 0, 1]);
    bytes.append(payload);
    bytes
}

/// A header block in one HEADERS frame, with or without padding and priority, and as many CONTINUATION frames as cuts.
fn headers() -> impl Strategy<Value = Bytes> {
    let shape = (any::<Option<u8>>(), any::<bool>(), vec(any::<Index>(), 0..4));
    (vec(representation(), 0..12), shape).prop_map(|(all, (pad, priority, cuts))| {
        let mut block = Bytes::default();
        for one in &all {
            block.append(one);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(block.sent.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.insert(0, 0);
        cuts.push(block.sent.len());
        let mut frames = Bytes::default();
        for (number, ends) in cuts.windows(2).enumerate() {
            let last = if number + 2 == cuts.len() { 0x4 } else { 0 };
            let part = block.part(ends[0], ends[1]);
            if number > 0 {
                frames.append(&frame(0x9, last, &part));
                continue;
            }
            let mut payload = Bytes::same(&pad.map_or(Vec::new(), |pad| vec![pad]));
            payload.push(if priority { &[0x80, 0, 0, 1, 0x40] } else { &[] });
            payload.append(&part);
            payload.push(&vec![0x40; usize::from(pad.unwrap_or(0))]);
            let flags = last | if pad.is_some() { 0x8 } else { 0 } | if priority { 0x20 } else { 0 };
            frames.append(&frame(0x1, flags, &payload));
        }
        frames
    })
}

/// Any frame that has nothing to do with header blocks; its payload looks like one now and then.
fn other() -> impl Strategy<Value = Bytes> {
    let kinds = prop_oneof![Just(0_u8), 2_u8..9, 10_u8..=255];
    let payloads = prop_oneof![
        vec(any::<u8>(), 0..64).prop_map(|bytes| Bytes::same(&bytes)),
        Just(Bytes::same(&literal(0x40, 6, &Name::Index(1), false, PERCENT).sent)),
    ];
    (kinds, any::<u8>(), payloads).prop_map(|(kind, flags, payload)| frame(kind, flags, &payload))
}

fn connection() -> impl Strategy<Value = Bytes> {
    vec(prop_oneof![2 => headers(), 1 => other()], 0..8).prop_map(|frames| {
        let mut all = Bytes::same(PREFACE);
        for frame in &frames {
            all.append(frame);
        }
        all
    })
}

/// The bytes after they came in pieces of these sizes, over and over.
fn mended(bytes: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut pieces = Vec::new();
    let mut rest = bytes.as_mut_slice();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at_mut((*size).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    mend_authorities(pieces);
    bytes
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

proptest! {
    #[test]
    fn nothing_but_authorities_changes_however_it_is_cut(all in connection(), sizes in vec(1_usize..40, 1..8)) {
        prop_assert_eq!(shown(&mended(&all.sent, &sizes)), shown(&all.wanted));
    }

    #[test]
    fn any_bytes_come_out_alike_however_they_are_cut(bytes: Vec<u8>, sizes in vec(1_usize..9, 1..8)) {
        let all = [PREFACE.as_slice(), &bytes].concat();
        prop_assert_eq!(shown(&mended(&all, &sizes)), shown(&mended(&all, &[usize::MAX])));
    }

    #[test]
    fn a_connection_that_is_not_http2_is_left_alone(
        mut all in connection(),
        at in 0_usize..24,
        sizes in vec(1_usize..40, 1..8),
    ) {
        all.sent[at] ^= 1;
        prop_assert_eq!(shown(&mended(&all.sent, &sizes)), shown(&all.sent));
    }
}

fn after_preface(frames: &[Bytes]) -> Vec<u8> {
    let mut all = Bytes::same(PREFACE);
    for frame in frames {
        all.append(frame);
    }
    mended(&all.sent, &[usize::MAX])[PREFACE.len()..].to_vec()
}

fn authority(value: &[u8]) -> Bytes {
    literal(0x40, 6, &Name::Text(b":authority".to_vec()), false, value)
}

#[test]
fn values_become_what_a_host_may_look_like() {
    for (value, expected) in [
        ("tmp%2Fagent%2Fapi.sock", "tmpx2Fagentx2Fapi.sock"),
        ("/tmp/agent.sock", "xtmpxagent.sock"),
        ("unix:///tmp/agent.sock", "unix:xxxtmpxagent.sock"),
        ("user@host", "userxhost"),
        ("a:b:c", "a:bxc"),
        ("a[b]", "axbx"),
        ("localhost:8080", "localhost:8080"),
        ("[::1]:8080", "[::1]:8080"),
        ("[::1]:80:80", "[::1]:80x80"),
        ("my_host.example-1", "my_host.example-1"),
        ("", ""),
    ] {
        let sent = frame(0x1, 0x4, &authority(value.as_bytes()));
        let came = after_preface(&[sent]);
        assert_eq!(shown(&came[came.len() - value.len()..]), expected, "{value}");
        if !value.is_empty() {
            assert!(expected.parse::<http::uri::Authority>().is_ok(), "{expected}: the library takes it");
        }
    }
}

#[test]
fn a_padding_longer_than_its_frame_ends_the_looking() {
    let broken = frame(0x1, 0x8, &Bytes::same(&[9, 0, 0]));
    let later = frame(0x1, 0x4, &authority(PERCENT));
    assert!(after_preface(&[broken, later]).ends_with(PERCENT));
}

#[test]
fn a_frame_in_the_middle_of_a_header_block_ends_the_looking() {
    let begun = frame(0x1, 0, &Bytes::same(&[0x82]));
    let later = frame(0x1, 0x4, &authority(PERCENT));
    for between in [frame(0, 0, &Bytes::default()), later.clone()] {
        assert!(after_preface(&[begun.clone(), between, later.clone()]).ends_with(PERCENT));
    }
}

#[test]
fn a_continuation_of_nothing_ends_the_looking() {
    let stray = frame(0x9, 0x4, &Bytes::same(&[0x82]));
    assert!(after_preface(&[stray, frame(0x1, 0x4, &authority(PERCENT))]).ends_with(PERCENT));
}

#[test]
fn a_header_block_that_ends_in_the_middle_ends_the_looking() {
    let cut = frame(0x1, 0x4, &Bytes::same(&[0x40]));
    assert!(after_preface(&[cut, frame(0x1, 0x4, &authority(PERCENT))]).ends_with(PERCENT));
}

#[test]
fn an_integer_without_end_ends_the_looking() {
    let endless = frame(0x1, 0x4, &Bytes::same(&[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]));
    assert!(after_preface(&[endless, frame(0x1, 0x4, &authority(PERCENT))]).ends_with(PERCENT));
}

#[test]
fn the_state_is_small() {
    assert!(size_of::<super::Frames>() <= 96, "{} bytes", size_of::<super::Frames>());
}
