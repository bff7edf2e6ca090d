use proptest::prelude::*;

use super::*;

const ES256: Purpose = Purpose::Jwt(carnet_jose::Algorithm::Es256);
const RS256: Purpose = Purpose::Jwt(carnet_jose::Algorithm::Rs256);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_262_400 + seconds).unwrap()
}

fn hours(hours: i64) -> Timestamp {
    at(hours * 3600)
}

fn schedule(purposes: &[Purpose]) -> Schedule {
    Schedule {
        purposes: purposes.to_vec(),
        lifetime: SignedDuration::from_hours(24),
        propagation: SignedDuration::from_mins(25),
        max_published: 10,
    }
}

/// A key made at this hour, as the manager makes one.
fn key(kid: &str, stage: Stage, hour: i64) -> KeyFacts {
    KeyFacts {
        kid: kid.to_owned(),
        purpose: ES256,
        stage,
        created_at: hours(hour),
        activate_at: hours(hour + if stage == Stage::Prepared { 8 } else { 0 }),
        retire_at: hours(hour + 20),
        expires_at: hours(hour + 24),
        revoked_at: None,
        usable: true,
    }
}

fn planned(keys: &[KeyFacts], now: Timestamp) -> Vec<Action> {
    plan(keys, now, &schedule(&[ES256]))
}

fn activate(kid: &str, retire: &[&str]) -> Vec<Action> {
    vec![Action::Activate { kid: kid.to_owned(), retire: retire.iter().map(|kid| (*kid).to_owned()).collect() }]
}

#[test]
fn the_first_key_signs_at_once() {
    assert_eq!(planned(&[], hours(0)), [Action::Create { purpose: ES256, retire: vec![] }]);
}

#[test]
fn a_young_key_is_left_alone() {
    let keys = [key("a", Stage::Active, 0)];
    assert_eq!(planned(&keys, at(12 * 3600 - 1)), []);
}

#[test]
fn the_next_is_prepared_at_half_for_when_a_sixth_is_left() {
    let keys = [key("a", Stage::Active, 0)];
    assert_eq!(planned(&keys, hours(12)), [Action::Prepare { purpose: ES256, activate_at: hours(20), retire: vec![] }]);
    assert_eq!(
        planned(&keys, at(23 * 3600 + 3000)),
        [Action::Prepare { purpose: ES256, activate_at: at(23 * 3600 + 3000 + 25 * 60), retire: vec![] }],
        "late, it waits for consumers all the same"
    );
}

#[test]
fn the_next_signs_when_it_is_time() {
    let keys = [key("a", Stage::Active, 0), key("b", Stage::Prepared, 12)];
    assert_eq!(planned(&keys, at(20 * 3600 - 1)), []);
    assert_eq!(planned(&keys, hours(20)), activate("b", &["a"]));
}

#[test]
fn the_next_does_not_sign_before_consumers_know_it() {
    let next = KeyFacts { activate_at: hours(12), ..key("b", Stage::Prepared, 12) };
    let keys = [key("a", Stage::Active, 0), next];
    assert_eq!(planned(&keys, at(12 * 3600 + 25 * 60 - 1)), []);
    assert_eq!(planned(&keys, at(12 * 3600 + 25 * 60)), activate("b", &["a"]));
}

#[test]
fn a_key_is_forgotten_when_all_that_it_signed_has_died() {
    let keys = [key("a", Stage::Retired, 0), key("b", Stage::Active, 12)];
    let end = 24 * 3600 + 300;
    assert_eq!(planned(&keys[..1], at(end - 1)).len(), 1, "only a new one is made");
    assert!(planned(&keys, hours(23)).is_empty());
    assert!(planned(&keys, at(end)).contains(&Action::Forget { kid: "a".to_owned() }));
}

#[test]
fn a_machine_that_slept_over_the_hand_over_goes_on_with_the_next() {
    let keys = [key("a", Stage::Active, 0), key("b", Stage::Prepared, 12)];
    assert_eq!(planned(&keys, hours(30)), activate("b", &["a"]));
}

#[test]
fn a_machine_that_slept_for_days_makes_a_new_key() {
    let keys = [key("a", Stage::Active, 0), key("b", Stage::Prepared, 12)];
    let retire = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(planned(&keys, hours(24 * 7)), [Action::Create { purpose: ES256, retire }]);
}

#[test]
fn a_token_key_from_the_future_signs_on_until_another_is_known() {
    let keys = [key("a", Stage::Active, 100)];
    let next = Action::Prepare { purpose: ES256, activate_at: at(25 * 60), retire: vec![] };
    assert_eq!(planned(&keys, hours(0)), [next]);
    let next = KeyFacts { activate_at: at(25 * 60), ..key("b", Stage::Prepared, 0) };
    let keys = [keys[0].clone(), next];
    assert_eq!(planned(&keys, hours(0)), []);
    assert_eq!(planned(&keys, at(25 * 60)), activate("b", &["a"]));
}

#[test]
fn an_authority_from_the_future_is_replaced_at_once() {
    let authority = KeyFacts { purpose: Purpose::X509, ..key("a", Stage::Active, 100) };
    let create = Action::Create { purpose: Purpose::X509, retire: vec!["a".to_owned()] };
    assert_eq!(plan(&[authority], hours(0), &schedule(&[Purpose::X509])), [create]);
}

#[test]
fn a_clock_that_is_a_little_late_changes_nothing() {
    let keys = [key("a", Stage::Active, 0), key("b", Stage::Prepared, 12)];
    assert_eq!(planned(&keys[..1], at(-299)), []);
    assert_eq!(planned(&keys, at(12 * 3600 - 299)), []);
}

#[test]
fn a_next_key_from_the_future_does_not_wait_for_the_future() {
    let keys = [key("a", Stage::Active, 0), key("b", Stage::Prepared, 100)];
    assert_eq!(planned(&keys, hours(1)), [Action::Retire { kid: "b".to_owned() }]);
}

#[test]
fn a_revoked_key_is_replaced_by_the_next_or_by_a_new_one() {
    let revoked = KeyFacts { revoked_at: Some(hours(1)), ..key("a", Stage::Retired, 0) };
    assert_eq!(planned(std::slice::from_ref(&revoked), hours(1)), [Action::Create { purpose: ES256, retire: vec![] }]);
    assert_eq!(planned(&[revoked, key("b", Stage::Prepared, 0)], hours(1)), activate("b", &[]));
}

#[test]
fn a_key_of_another_backend_is_replaced_and_stays_published() {
    let keys = [KeyFacts { usable: false, ..key("a", Stage::Active, 0) }];
    assert_eq!(planned(&keys, hours(1)), [Action::Create { purpose: ES256, retire: vec!["a".to_owned()] }]);
}

#[test]
fn of_two_that_sign_the_younger_one_stays() {
    let keys = [key("a", Stage::Active, 0), key("b", Stage::Active, 1)];
    assert_eq!(planned(&keys, hours(2)), [Action::Retire { kid: "a".to_owned() }]);
}

#[test]
fn an_algorithm_that_is_configured_no_more_retires() {
    let other = KeyFacts { purpose: RS256, ..key("b", Stage::Active, 0) };
    assert_eq!(planned(&[key("a", Stage::Active, 0), other], hours(1)), [Action::Retire { kid: "b".to_owned() }]);
}

#[test]
fn the_oldest_that_retired_goes_when_there_are_too_many() {
    let keys = [key("a", Stage::Retired, 1), key("b", Stage::Retired, 2), key("c", Stage::Active, 3)];
    let narrow = Schedule { max_published: 2, ..schedule(&[ES256]) };
    assert_eq!(plan(&keys, hours(4), &narrow), [Action::Forget { kid: "a".to_owned() }]);
}

#[test]
fn a_forced_key_leaves_room_for_the_schedule() {
    let narrow = Schedule { max_published: 4, ..schedule(&[ES256]) };
    let keys: Vec<KeyFacts> = (0..3).map(|hour| key(&hour.to_string(), Stage::Retired, hour)).collect();
    assert!(has_room(&keys[..2], ES256, &narrow));
    assert!(!has_room(&keys, ES256, &narrow));
    assert!(has_room(&keys, Purpose::X509, &schedule(&[ES256, Purpose::X509])), "authorities are counted apart");
}

/// The keys of a store, changed as the manager changes them.
struct Keys {
    keys: Vec<KeyFacts>,
    made: usize,
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
                for key in self.keys.iter_mut().filter(|key| key.kid == *kid) {
                    key.stage = Stage::Active;
                    key.activate_at = now;
                }
            }
            Action::Retire { kid } => self.retire(std::slice::from_ref(kid), now),
            Action::Forget { kid } => self.keys.retain(|key| key.kid != *kid),
        }
    }

    fn retire(&mut self, kids: &[String], now: Timestamp) {
        for key in self.keys.iter_mut().filter(|key| kids.contains(&key.kid)) {
            key.stage = Stage::Retired;
            key.retire_at = key.retire_at.min(now);
        }
    }

    fn make(&mut self, purpose: Purpose, stage: Stage, activate_at: Timestamp, now: Timestamp, schedule: &Schedule) {
        self.made += 1;
        let expires_at = now + schedule.lifetime;
        let retire_at = retires_at(now, expires_at);
        let kid = format!("{:04}", self.made);
        self.keys.push(KeyFacts {
            kid,
            purpose,
            stage,
            created_at: now,
            activate_at,
            retire_at,
            expires_at,
            revoked_at: None,
            usable: true,
        });
    }

    /// Plans and acts until nothing is left to do, and looks at the rules after each step.
    fn settle(&mut self, now: Timestamp, schedule: &Schedule) -> Result<Vec<Action>, TestCaseError> {
        let mut taken = Vec::new();
        while let Some(action) = plan(&self.keys, now, schedule).into_iter().next() {
            prop_assert!(taken.len() < 32, "it does not come to rest: {taken:?}");
            self.step(&action, now, schedule);
            taken.push(action);
            let published = self.keys.iter().filter(|key| key.is_published()).count();
            prop_assert!(published <= schedule.max_published, "{published} are published");
            for purpose in &schedule.purposes {
                let signing =
                    |key: &&KeyFacts| key.purpose == *purpose && key.stage == Stage::Active && key.is_published();
                let known = self.keys.iter().any(|key| key.purpose == *purpose);
                let signing = self.keys.iter().filter(signing).count();
                prop_assert!(
                    signing == usize::from(known) || taken.len() < schedule.purposes.len(),
                    "{signing} of {purpose} sign"
                );
            }
        }
        Ok(taken)
    }

    fn active(&self, purpose: Purpose) -> &KeyFacts {
        self.keys.iter().find(|key| key.purpose == purpose && key.stage == Stage::Active).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Ticks at any distance, for weeks: one key signs, it was published for long enough before, and it outlives every token
    /// that it may sign for another sixth of a lifetime, unless the machine slept.
    #[test]
    fn ticks_keep_one_key_that_consumers_know(steps in prop::collection::vec(1_i64..7200, 1..300)) {
        let schedule = schedule(&[ES256, RS256]);
        let mut keys = Keys { keys: Vec::new(), made: 0 };
        let mut now = 0;
        keys.settle(at(now), &schedule)?;
        let longest = schedule.lifetime / 6 - SignedDuration::from_secs(7200);
        for step in steps {
            now += step;
            let taken = keys.settle(at(now), &schedule)?;
            for action in &taken {
                prop_assert!(!matches!(action, Action::Create { .. }), "without gaps nothing is made in haste: {action:?}");
                if let Action::Activate { kid, .. } = action {
                    let key = keys.keys.iter().find(|key| key.kid == *kid).unwrap();
                    prop_assert!(at(now).duration_since(key.created_at) >= schedule.propagation);
                }
            }
            for purpose in [ES256, RS256] {
                prop_assert!(keys.active(purpose).expires_at.duration_since(at(now)) >= longest);
                let of_purpose = keys.keys.iter().filter(|key| key.purpose == purpose).count();
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
        let mut keys = Keys { keys: Vec::new(), made: 0 };
        let mut now = 0;
        for (event, jump, step) in events {
            match event {
                0 => now += jump,
                1 => {
                    for key in keys.keys.iter_mut().filter(|key| key.stage == Stage::Active) {
                        key.revoked_at = Some(at(now));
                        key.stage = Stage::Retired;
                    }
                }
                2 if has_room(&keys.keys, ES256, &schedule) => {
                    keys.make(ES256, Stage::Prepared, at(now) + schedule.propagation, at(now), &schedule);
                }
                3 => {
                    for key in keys.keys.iter_mut().filter(|key| key.stage == Stage::Active) {
                        key.usable = false;
                    }
                }
                _ => now += step,
            }
            // What an event leaves is put right before anything else is looked at.
            while let Some(action) = plan(&keys.keys, at(now), &schedule).into_iter().next() {
                keys.step(&action, at(now), &schedule);
                prop_assert!(keys.made < 1000, "it does not come to rest");
            }
            for purpose in [ES256, Purpose::X509] {
                let signing: Vec<&KeyFacts> = keys
                    .keys
                    .iter()
                    .filter(|key| key.purpose == purpose && key.stage == Stage::Active && key.is_published())
                    .collect();
                prop_assert_eq!(signing.len(), 1, "{:?}", signing);
                prop_assert!(signing[0].can_sign(at(now)));
                let alike = keys.keys.iter().filter(|key| key.purpose == purpose && key.is_published()).count();
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
        let mut keys = Keys { keys: Vec::new(), made: 0 };
        let (mut now, mut tokens) = (0, Vec::new());
        keys.settle(at(now), &schedule)?;
        for (step, life) in steps {
            now += step;
            keys.settle(at(now), &schedule)?;
            let active = keys.active(ES256);
            tokens.push((active.kid.clone(), (at(now) + SignedDuration::from_secs(life)).min(active.expires_at)));
            tokens.retain(|(_, expires_at)| at(now) < *expires_at);
            for (kid, _) in &tokens {
                prop_assert!(keys.keys.iter().any(|key| key.kid == *kid), "{kid} is gone");
            }
        }
    }
}
