//! Keys that are made before somebody asks. An RSA key is a search of 15 to 190 ms, and there are eleven of them.
//!
//! The sandbox's files wait for three: the one of the issuers whose tokens are in files, the OCI administrator's and the OCI
//! function's, whose private halves are in files. The others are the outbound issuer of AWS, Entra, GitHub, GitLab, Google and
//! one service account of it, the OCI identity domain, and the certificate of the OCI instance.

use std::{
    collections::VecDeque,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use carnet_sandbox_kit::KeyMaker;

use crate::inner::Inner;

/// Most searches at once. There are no more whose end anybody waits for.
const MOST_THREADS: usize = 3;

/// How far behind everything else on this machine the keys stand for which nobody waits yet (nice(1)).
#[cfg(target_os = "linux")]
const LATER: i32 = 10;

/// Makes the keys that the files need, as many at once as there are processors, and then the others, one by one and only
/// when the processor has nothing better to do. On threads and not as tasks of the runtime, which would wait for them at its
/// end. They touch only keys.
pub(crate) fn warm(inner: &Arc<Inner>) {
    let issuers = Arc::clone(&inner.world.issuers);
    let mut first: VecDeque<KeyMaker> = VecDeque::from([Box::new(move || drop(issuers.get())) as KeyMaker]);
    first.extend(inner.emulators.iter().flat_map(|(_, emulator)| emulator.file_keys()));
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let first = Arc::new(Mutex::new(first));
    for number in 0..threads {
        let (inner, first) = (Arc::clone(inner), Arc::clone(&first));
        drop(thread::Builder::new().name("sandbox-warm".to_owned()).spawn(move || {
            while let Some(make) = next(&first) {
                if inner.shutdown.is_cancelled() {
                    return;
                }
                make();
            }
            if number == 0 {
                make_the_others(&inner);
            }
        }));
    }
}

fn next(first: &Mutex<VecDeque<KeyMaker>>) -> Option<KeyMaker> {
    first.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn make_the_others(inner: &Inner) {
    // Of this thread alone: elsewhere than on Linux it would be that of the process.
    #[cfg(target_os = "linux")]
    let _as_it_was = rustix::process::setpriority_process(None, LATER);
    for (_, emulator) in &inner.emulators {
        if inner.shutdown.is_cancelled() {
            return;
        }
        emulator.warm();
    }
}
