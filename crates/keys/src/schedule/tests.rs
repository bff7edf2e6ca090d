mod walks;

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
        revision: u64::try_from(hour).unwrap_or(0),
    }
}

/// With a store that believes the clock.
fn plan(keys: &[KeyFacts], now: Timestamp, schedule: &Schedule) -> Vec<Action> {
    super::plan(keys, Times { now, believed: now }, schedule)
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
    let end = 25 * 3600 + 300;
    assert_eq!(planned(&keys[..1], at(end - 1)).len(), 1, "only a new one is made");
    assert!(planned(&keys, hours(23)).is_empty());
    assert!(planned(&keys, at(end)).contains(&Action::Forget { kid: "a".to_owned() }));
}

#[test]
fn a_clock_that_is_ahead_of_the_store_has_nothing_forgotten() {
    let revoked = KeyFacts { revoked_at: Some(hours(1)), ..key("b", Stage::Retired, 0) };
    let keys = [key("a", Stage::Retired, 0), revoked, key("c", Stage::Active, 60)];
    let end = 25 * 3600 + 300;
    for believed in [Timestamp::MIN, hours(0), at(end - 1)] {
        assert_eq!(super::plan(&keys, Times { now: hours(60), believed }, &schedule(&[ES256])), []);
    }
    let both = ["a", "b"].map(|kid| Action::Forget { kid: kid.to_owned() });
    assert_eq!(super::plan(&keys, Times { now: hours(60), believed: at(end) }, &schedule(&[ES256])), both);
}

#[test]
fn the_store_is_not_believed_where_it_is_ahead_of_the_own_clock() {
    let store = |believed| StoreClock { believed, forgotten: Timestamp::UNIX_EPOCH };
    assert_eq!(Times::new(hours(1), &store(Some(hours(2)))).believed, hours(1));
    assert_eq!(Times::new(hours(1), &store(Some(hours(0)))).believed, hours(0));
    assert_eq!(Times::new(hours(1), &store(None)).believed, Timestamp::MIN);
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
fn of_too_many_first_the_oldest_whose_time_is_over_goes_and_then_the_one_that_retired_last() {
    let keys = [
        key("a", Stage::Retired, 1),
        key("b", Stage::Retired, 2),
        key("c", Stage::Retired, 3),
        key("d", Stage::Active, 14),
    ];
    let gone = |max_published: usize, times: Times| {
        let narrow = Schedule { max_published, ..schedule(&[ES256]) };
        let actions = super::plan(&keys, times, &narrow);
        let kid = |action: Action| if let Action::Forget { kid } = action { kid } else { panic!("{action:?}") };
        actions.into_iter().map(kid).collect::<Vec<_>>()
    };
    let right = |now| Times { now, believed: now };
    assert_eq!(gone(3, right(at(25 * 3600))), ["a"]);
    assert_eq!(gone(2, right(at(25 * 3600))), ["a", "c"]);
    // Over by the own clock only.
    assert_eq!(gone(2, Times { now: at(25 * 3600), believed: hours(4) }), ["c", "b"]);
}

#[test]
fn a_forced_key_leaves_room_for_the_schedule() {
    let narrow = Schedule { max_published: 4, ..schedule(&[ES256]) };
    let keys: Vec<KeyFacts> = (0..3).map(|hour| key(&hour.to_string(), Stage::Retired, hour)).collect();
    assert!(has_room(&keys[..2], ES256, &narrow));
    assert!(!has_room(&keys, ES256, &narrow));
    assert!(has_room(&keys, Purpose::X509, &schedule(&[ES256, Purpose::X509])), "authorities are counted apart");
}
