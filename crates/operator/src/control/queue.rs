//! What is to be looked at: each thing once, however often it changes, and never by two at a time. What fails comes again later, each time twice as late.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// A queue. There are at most as many things in it as there are objects, and each is as small as its name.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    told: Notify,
    first: Duration,
    longest: Duration,
}

#[derive(Debug)]
struct Inner<T> {
    ready: VecDeque<T>,
    /// What is in `ready`.
    queued: BTreeSet<T>,
    /// What somebody is looking at.
    running: BTreeSet<T>,
    /// What has changed while somebody was looking at it.
    again: BTreeSet<T>,
    later: BTreeMap<Instant, BTreeSet<T>>,
    /// Where in `later` each thing is: in one place at most.
    due: HashMap<T, Instant>,
    failures: HashMap<T, u32>,
}

impl<T: Clone + Ord + Hash> Queue<T> {
    /// One whose failures come again after `first`, and at last every `longest`.
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        let inner = Inner {
            ready: VecDeque::new(),
            queued: BTreeSet::new(),
            running: BTreeSet::new(),
            again: BTreeSet::new(),
            later: BTreeMap::new(),
            due: HashMap::new(),
            failures: HashMap::new(),
        };
        Self { inner: Mutex::new(inner), told: Notify::new(), first, longest }
    }

    /// To be looked at.
    pub(crate) fn add(&self, what: T) {
        self.inner().add(what);
        self.told.notify_one();
    }

    /// To be looked at after a while, in place of any other time that it was to wait for. Being looked at sooner ends the wait.
    pub(crate) fn add_after(&self, what: T, wait: Duration) {
        self.inner().put_off(what, wait);
        self.told.notify_one();
    }

    /// How many wait to be looked at now.
    pub(crate) fn len(&self) -> usize {
        self.inner().ready.len()
    }

    /// The next ones, at least one and at most `most`. Each must be given back with [`Self::done`] or [`Self::failed`]. May be dropped and called again.
    pub(crate) async fn next(&self, most: usize) -> Vec<T> {
        loop {
            let soonest = {
                let mut inner = self.inner();
                inner.ripen();
                let batch = inner.take(most);
                if !batch.is_empty() {
                    return batch;
                }
                inner.later.keys().next().copied()
            };
            match soonest {
                None => self.told.notified().await,
                Some(soonest) => tokio::select! {
                    () = self.told.notified() => {}
                    () = sleep_until(soonest) => {}
                },
            }
        }
    }

    /// It is as it should be.
    pub(crate) fn done(&self, what: &T) {
        let mut inner = self.inner();
        inner.failures.remove(what);
        inner.release(what);
        drop(inner);
        self.told.notify_one();
    }

    /// It is not as it should be, and comes again by itself. Tells when.
    pub(crate) fn failed(&self, what: &T) -> Duration {
        let mut inner = self.inner();
        let failures = inner.failures.entry(what.clone()).or_default();
        let wait = self.first.saturating_mul(1_u32 << (*failures).min(20)).min(self.longest);
        *failures = failures.saturating_add(1);
        inner.release(what);
        inner.put_off(what.clone(), wait);
        drop(inner);
        self.told.notify_one();
        wait
    }

    fn inner(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Ord + Hash> Inner<T> {
    fn add(&mut self, what: T) {
        if self.running.contains(&what) {
            self.again.insert(what);
        } else if self.queued.insert(what.clone()) {
            self.ready.push_back(what);
        }
    }

    fn take(&mut self, most: usize) -> Vec<T> {
        let count = self.ready.len().min(most);
        let batch: Vec<T> = self.ready.drain(..count).collect();
        for what in &batch {
            self.queued.remove(what);
            self.running.insert(what.clone());
            // Whoever looks now says when to look again.
            self.wait_no_more(what);
        }
        batch
    }

    fn put_off(&mut self, what: T, wait: Duration) {
        self.wait_no_more(&what);
        let at = Instant::now() + wait;
        self.due.insert(what.clone(), at);
        self.later.entry(at).or_default().insert(what);
    }

    fn wait_no_more(&mut self, what: &T) {
        let Some(at) = self.due.remove(what) else { return };
        if let Some(then) = self.later.get_mut(&at) {
            then.remove(what);
            if then.is_empty() {
                self.later.remove(&at);
            }
        }
    }

    fn release(&mut self, what: &T) {
        self.running.remove(what);
        if self.again.remove(what) {
            self.add(what.clone());
        }
    }

    /// Moves what was to wait until now.
    fn ripen(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.later.first_entry().filter(|entry| *entry.key() <= now) {
            for what in entry.remove() {
                self.due.remove(&what);
                self.add(what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue<u8> {
        Queue::new(Duration::from_secs(1), Duration::from_secs(10))
    }

    #[tokio::test]
    async fn each_thing_is_there_once() {
        let queue = queue();
        for what in [1, 2, 1, 1] {
            queue.add(what);
        }
        assert_eq!(queue.next(10).await, [1, 2]);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn what_changes_while_it_is_looked_at_is_looked_at_again_and_not_by_two() {
        let queue = queue();
        queue.add(1);
        assert_eq!(queue.next(10).await, [1]);
        queue.add(1);
        queue.add(2);
        assert_eq!(queue.next(10).await, [2]);
        queue.done(&1);
        assert_eq!(queue.next(10).await, [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_comes_again_later_and_later_until_it_is_well() {
        let queue = queue();
        queue.add(1);
        for seconds in [1, 2, 4, 8, 10, 10] {
            assert_eq!(queue.next(10).await, [1]);
            let begin = Instant::now();
            assert_eq!(queue.failed(&1).as_secs(), seconds);
            assert_eq!(queue.next(10).await, [1]);
            assert_eq!(begin.elapsed().as_secs(), seconds);
            // As if it had changed meanwhile: it does not count as a success.
            queue.add(1);
            queue.inner().release(&1);
        }
        assert_eq!(queue.next(10).await, [1]);
        queue.done(&1);
        queue.add(1);
        assert_eq!(queue.next(10).await, [1]);
        assert_eq!(queue.failed(&1), Duration::from_secs(1), "a success forgets the failures");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_the_meantime_does_not_wait() {
        let queue = queue();
        queue.add_after(1, Duration::from_mins(1));
        queue.add(2);
        assert_eq!(queue.next(10).await, [2]);
        assert_eq!(queue.next(10).await, [1]);
    }

    /// How many times are waited for, and by how many.
    fn waiting(queue: &Queue<u8>) -> (usize, usize) {
        let inner = queue.inner();
        (inner.later.len(), inner.due.len())
    }

    /// Looks at what is there as a controller with this pause does, until so much time has passed. Gives how often.
    async fn looks(queue: &Queue<u8>, pause: Duration, time: Duration) -> usize {
        let (end, mut count) = (Instant::now() + time, 0);
        while let Ok(batch) = tokio::time::timeout_at(end, queue.next(10)).await {
            for what in batch {
                count += 1;
                queue.done(&what);
                queue.add_after(what, pause);
            }
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn however_often_a_thing_changes_it_waits_for_one_time_only() {
        let (queue, pause) = (queue(), Duration::from_secs(10));
        for _ in 0..40 {
            queue.add(1);
            assert_eq!(looks(&queue, pause, Duration::from_millis(1)).await, 1);
        }
        assert_eq!(waiting(&queue), (1, 1));
        assert_eq!(looks(&queue, pause, Duration::from_secs(25)).await, 2);
        assert_eq!(waiting(&queue), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_failed_and_changes_meanwhile_does_not_come_for_its_failures_too() {
        let queue = queue();
        for _ in 0..40 {
            queue.add(1);
            assert_eq!(queue.next(10).await, [1]);
            queue.failed(&1);
        }
        assert_eq!(waiting(&queue), (1, 1));
        assert_eq!(looks(&queue, Duration::from_mins(1), Duration::from_secs(30)).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_time_takes_the_place_of_a_sooner_one() {
        let queue = queue();
        queue.add_after(1, Duration::from_secs(1));
        queue.add_after(1, Duration::from_secs(5));
        let begun = Instant::now();
        assert_eq!(queue.next(10).await, [1]);
        assert_eq!(begun.elapsed().as_secs(), 5);
        queue.done(&1);
        assert_eq!(waiting(&queue), (0, 0));
    }

    #[tokio::test]
    async fn a_batch_is_no_larger_than_wanted() {
        let queue = queue();
        (0..5).for_each(|what| queue.add(what));
        assert_eq!(queue.next(3).await, [0, 1, 2]);
        assert_eq!(queue.next(3).await, [3, 4]);
    }
}
