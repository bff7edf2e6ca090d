//! What stands sealed in a store was perhaps written by others: it is opened or refused, and what nobody has sealed is never opened.
#![no_main]

use std::{
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context as Waiting, Poll, Waker},
};

use carnet_core::{Context, MemoryFiles, SecretBytes, test_context};
use carnet_keys::{KeyFile, Purpose, Sealer};
use libfuzzer_sys::fuzz_target;

static SEALER: LazyLock<KeyFile> = LazyLock::new(|| {
    let files = Arc::new(MemoryFiles::default());
    files.put("/seal.key", vec![7; 32]);
    let context = Context { files, ..test_context() };
    KeyFile::new(&context, "/seal.key", false).expect("the file is there")
});

/// The key is at hand, so nothing is waited for.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Waiting::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("opening waits for somebody"),
    }
}

fuzz_target!(|bytes: &[u8]| {
    assert!(now(SEALER.open(bytes, b"row")).is_err());
    let sealed = now(SEALER.seal(&SecretBytes::new(bytes), b"row")).expect("everything can be sealed");
    assert_eq!(now(SEALER.open(&sealed, b"row")).expect("and opened").expose(), bytes);
    assert!(now(SEALER.open(&sealed, b"other")).is_err());
    // One bent byte, chosen by the input.
    if let Some((place, by)) = bytes.first().zip(bytes.get(1).filter(|by| **by != 0)) {
        let mut bent = sealed.clone();
        let place = usize::from(*place) % bent.len();
        bent[place] ^= by;
        assert!(now(SEALER.open(&bent, b"row")).is_err());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(purpose) = text.parse::<Purpose>() {
        assert_eq!(purpose.to_string(), text);
    }
});
