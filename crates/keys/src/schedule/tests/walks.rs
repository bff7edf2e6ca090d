//! Many turns, one after the other: ticks at any distance, machines that sleep, clocks that are wrong.

use proptest::prelude::*;

use super::*;

/// The keys of a store, changed as the manager changes them.
#[derive(Default)]
struct Keys {
    all: Vec<KeyFacts>,
    made: usize,
    revision: u64,
}

impl Keys {
    fn step(&mut self, action: &Action, now: Timestamp, schedule: &Schedule) {
        match action {
            Action::Prepare { purpose, activate_at, retire } => {
                self.retire(retire, now);
                self.make(*purpose, Stage::Prepared, *activate_at, now, schedule);
            }
            Action::Create { purpose, retire } => {
                self.retire(retire, now);
                self.make(*purpose, Stage::Active, now, now, schedule);
            }
            Action::Activate { kid, retire } => {
                self.retire(retire, now);
                for key in self.all.iter_mut().filter(|key| key.kid == *kid) {
                    key.stage = Stage::Active;
                    key.activate_at = now;
                }
            }
            Action::Retire { kid } => self.retire(std::slice::from_ref(kid), now),
            Action::Forget { kid } => self.all.retain(|key| key.kid != *kid),
        }
    }

    fn retire(&mut self, kids: &[String], now: Timestamp) {
        for key in self.all.iter_mut().filter(|key| kids.contains(&key.kid)) {
            self.revision += 1;
            key.revision = self.revision;
            key.stage = Stage::Retired;
            key.retire_at = key.retire_at.min(now);
        }
    }

    fn make(&mut self, purpose: Purpose, stage: Stage, activate_at: Timestamp, now: Timestamp, schedule: &Schedule) {
        self.made += 1;
        self.revision += 1;
        let expires_at = now + schedule.lifetime;
        let retire_at = retires_at(now, expires_at);
        let kid = format!("{:04}", self.made);
        self.all.push(KeyFacts {
            kid,
            purpose,
            stage,
            created_at: now,
            activate_at,
            retire_at,
            expires_at,
            revoked_at: None,
            usable: true,
            revision: self.revision,
        });
    }

    /// Plans and acts until nothing is left to do, and looks at the rules after each step.
    fn settle(&mut self, now: Timestamp, schedule: &Schedule) -> Result<Vec<Action>, TestCaseError> {
        let mut taken = Vec::new();
        while let Some(action) = plan(&self.all, now, schedule).into_iter().next() {
            prop_assert!(taken.len() < 32, "it does not come to rest: {taken:?}");
            self.step(&action, now, schedule);
            taken.push(action);
            let published = self.all.iter().filter(|key| key.is_published()).count();
            prop_assert!(published <= schedule.max_published, "{published} are published");
            for purpose in &schedule.purposes {
                let signing =
                    |key: &&KeyFacts| key.purpose == *purpose && key.stage == Stage::Active && key.is_published();
                let known = self.all.iter().any(|key| key.purpose == *purpose);
                let signing = self.all.iter().filter(signing).count();
                prop_assert!(
                    signing == usize::from(known) || taken.len() < schedule.purposes.len(),
                    "{signing} of {purpose} sign"
                );
            }
        }
        Ok(taken)
    }

    fn active(&self, purpose: Purpose) -> &KeyFacts {
        self.all.iter().find(|key| key.purpose == purpose && key.stage == Stage::Active).unwrap()
    }
}

/// Two nodes that take turns, one of them with a clock that is wrong, undo what the other does as long as that lasts.
#[test]
fn a_node_whose_clock_is_wrong_has_nothing_forgotten_that_signed_before() {
    let schedule = Schedule { max_published: 8, ..schedule(&[ES256, Purpose::X509]) };
    for wrong in [36, -36] {
        let mut keys = Keys::default();
        keys.settle(hours(0), &schedule).unwrap();
        let before: Vec<String> = keys.all.iter().map(|key| key.kid.clone()).collect();
        for turn in 0..100 {
            let now = if turn % 2 == 0 { hours(wrong) } else { at(turn) };
            // One that is late takes the time of the store back.
            let times = Times { now, believed: now.min(hours(0)) };
            while let Some(action) = crate::plan(&keys.all, times, &schedule).into_iter().next() {
                keys.step(&action, now, &schedule);
                assert!(keys.made < 1000, "it does not come to rest");
            }
        }
        assert!(keys.made > 20, "they contradict each other: {}", keys.made);
        for kid in before {
            assert!(keys.all.iter().any(|key| key.kid == kid), "{wrong} hours: {kid} is gone");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Ticks at any distance, for weeks: one key signs, it was published for long enough before, and it outlives every token
    /// that it may sign for another sixth of a lifetime, unless the machine slept.
    #[test]
    fn ticks_keep_one_key_that_consumers_know(steps in prop::collection::vec(1_i64..7200, 1..300)) {
        let schedule = schedule(&[ES256, RS256]);
        let mut keys = Keys::default();
        let mut now = 0;
        keys.settle(at(now), &schedule)?;
        let longest = schedule.lifetime / 6 - SignedDuration::from_secs(7200);
        for step in steps {
            now += step;
            let taken = keys.settle(at(now), &schedule)?;
            for action in &taken {
                prop_assert!(!matches!(action, Action::Create { .. }), "without gaps nothing is made in haste: {action:?}");
                if let Action::Activate { kid, .. } = action {
                    let key = keys.all.iter().find(|key| key.kid == *kid).unwrap();
                    prop_assert!(at(now).duration_since(key.created_at) >= schedule.propagation);
                }
            }
            for purpose in [ES256, RS256] {
                prop_assert!(keys.active(purpose).expires_at.duration_since(at(now)) >= longest);
                let of_purpose = keys.all.iter().filter(|key| key.purpose == purpose).count();
                prop_assert!(of_purpose <= crate::settings::PUBLISHED_PER_PURPOSE, "{of_purpose} are published");
            }
        }
    }

    /// Sleeping machines, clocks that were wrong, revoked and forced keys, in any order: it always comes to rest with one key
    /// that signs, and no more than the bound are published.
    #[test]
    fn whatever_happens_one_key_signs(
        events in prop::collection::vec((0_u8..8, -200_000_i64..400_000, 1_i64..7200), 1..60),
    ) {
        let schedule = Schedule { max_published: 8, ..schedule(&[ES256, Purpose::X509]) };
        let mut keys = Keys::default();
        let mut now = 0;
        for (event, jump, step) in events {
            match event {
                0 => now += jump,
                1 => {
                    for key in keys.all.iter_mut().filter(|key| key.stage == Stage::Active) {
                        key.revoked_at = Some(at(now));
                        key.stage = Stage::Retired;
                    }
                }
                2 if has_room(&keys.all, ES256, &schedule) => {
                    keys.make(ES256, Stage::Prepared, at(now) + schedule.propagation, at(now), &schedule);
                }
                3 => {
                    for key in keys.all.iter_mut().filter(|key| key.stage == Stage::Active) {
                        key.usable = false;
                    }
                }
                _ => now += step,
            }
            // What an event leaves is put right before anything else is looked at.
            while let Some(action) = plan(&keys.all, at(now), &schedule).into_iter().next() {
                keys.step(&action, at(now), &schedule);
                prop_assert!(keys.made < 1000, "it does not come to rest");
            }
            for purpose in [ES256, Purpose::X509] {
                let signing: Vec<&KeyFacts> = keys
                    .all
                    .iter()
                    .filter(|key| key.purpose == purpose && key.stage == Stage::Active && key.is_published())
                    .collect();
                prop_assert_eq!(signing.len(), 1, "{:?}", signing);
                prop_assert!(signing[0].can_sign(at(now)));
                let alike = keys.all.iter().filter(|key| key.purpose == purpose && key.is_published()).count();
                prop_assert!(alike <= schedule.max_published, "{alike} are published");
            }
        }
    }

    /// Nothing that was signed loses its key while it lives.
    #[test]
    fn a_key_stays_until_the_last_token_has_died(
        steps in prop::collection::vec((1_i64..3600, 1_i64..14_400), 1..200),
    ) {
        let schedule = schedule(&[ES256]);
        let mut keys = Keys::default();
        let (mut now, mut tokens) = (0, Vec::new());
        keys.settle(at(now), &schedule)?;
        for (step, life) in steps {
            now += step;
            keys.settle(at(now), &schedule)?;
            let active = keys.active(ES256);
            tokens.push((active.kid.clone(), (at(now) + SignedDuration::from_secs(life)).min(active.expires_at)));
            tokens.retain(|(_, expires_at)| at(now) < *expires_at);
            for (kid, _) in &tokens {
                prop_assert!(keys.all.iter().any(|key| key.kid == *kid), "{kid} is gone");
            }
        }
    }
}
