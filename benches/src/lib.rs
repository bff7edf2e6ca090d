//! Ratios against the limit measured in the same run: what the benchmarks measure by.

mod agent;

pub use agent::Agent;
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds that all threads of this process have spent on a processor, exact also for what is shorter than a tick.
fn processor_time() -> i64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

/// Processor time of one of `count` that `work` does, in microseconds.
#[expect(clippy::cast_precision_loss, reason = "some milliseconds, some dozens")]
pub fn microseconds(count: usize, mut work: impl FnMut()) -> f64 {
    let before = processor_time();
    work();
    processor_time().saturating_sub(before) as f64 / 1000.0 / count as f64
}

/// The sample in the middle, 0 of none.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}
