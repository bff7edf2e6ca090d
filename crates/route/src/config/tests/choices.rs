//! One mistake in a nested choice is told once, and not again by what it stands in.

#![expect(dead_code, reason = "only the shape of these types counts")]

use carnet_core::{MapEnvironment, Mistake, SectionConfig};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Config, Registry};

/// How the house is lit.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct House {
    /// What burns at the door.
    door: Light,
    /// What burns in the rooms.
    #[serde(default)]
    rooms: Vec<Room>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Light {
    OilLamp(OilLamp),
    Candle(Candle),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OilLamp {
    /// How bright, in candela.
    brightness: u32,
    /// What is burnt.
    oil: String,
    #[serde(default)]
    wick: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Candle {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Room {
    name: String,
    light: Light,
}

impl SectionConfig for House {
    const NAME: &'static str = "house";
    const ABOUT: &'static str = "The house.";
    type Checked = ();

    fn check(self) -> Result<(), Vec<Mistake>> {
        Ok(())
    }
}

/// Field and message of every mistake, in the order of the file.
fn mistakes(text: &str) -> Vec<String> {
    let text = format!("version = 1\n[house]\n{text}\n");
    let registry = Registry::empty().with_section::<House>();
    match Config::parse(&text, None, &registry, &MapEnvironment::default()) {
        Ok(_) => Vec::new(),
        Err(error) => {
            error.problems().iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
        }
    }
}

#[test]
fn accepts_a_choice() {
    assert_eq!(mistakes("door = { oil-lamp = { brightness = 5, oil = \"olive\" } }"), [""; 0]);
    assert_eq!(mistakes("door = { candle = {} }\nrooms = [{ name = \"hall\", light = { candle = {} } }]"), [""; 0]);
}

#[test]
fn rejects_a_value_of_another_type_once() {
    for text in [
        "door = { oil-lamp = { brightness = \"5\", oil = \"olive\" } }",
        "[house.door.oil-lamp]\nbrightness = \"5\"\noil = \"olive\"",
        "door.oil-lamp.brightness = \"5\"\ndoor.oil-lamp.oil = \"olive\"",
    ] {
        assert_eq!(
            mistakes(text),
            ["house.door.oil-lamp.brightness: wanted a whole number from 0, found \"5\""],
            "{text}"
        );
    }
}

#[test]
fn rejects_a_missing_field_once() {
    let told = ["house.door.oil-lamp: `oil` is missing"];
    assert_eq!(mistakes("door = { oil-lamp = { brightness = 5 } }"), told);
    assert_eq!(mistakes("[house.door.oil-lamp]\nbrightness = 5"), told);
}

#[test]
fn rejects_a_misspelt_field_once() {
    assert_eq!(
        mistakes("door = { oil-lamp = { brightnes = 5, oil = \"olive\" } }"),
        ["house.door.oil-lamp.brightnes: unknown field `brightnes`"]
    );
}

#[test]
fn rejects_an_unknown_name_of_a_choice_once() {
    assert_eq!(
        mistakes("door = { oil-lam = { brightness = 5 } }"),
        ["house.door.oil-lam: `oil-lam` is not one of the values"]
    );
}

#[test]
fn rejects_an_empty_choice_once() {
    assert_eq!(mistakes("door = {}"), ["house.door: wanted exactly 1 element, found 0 elements"]);
}

#[test]
fn tells_all_mistakes_of_one_choice() {
    assert_eq!(
        mistakes("door = { oil-lamp = { brightness = \"5\", wick = 1, colour = 2 } }"),
        [
            "house.door.oil-lamp: `oil` is missing",
            "house.door.oil-lamp.brightness: wanted a whole number from 0, found \"5\"",
            "house.door.oil-lamp.wick: wanted a text, found 1",
            "house.door.oil-lamp.colour: unknown field `colour`",
        ]
    );
    assert_eq!(
        mistakes("door = { oil-lamp = {} }"),
        ["house.door.oil-lamp: `brightness` is missing", "house.door.oil-lamp: `oil` is missing"]
    );
}

#[test]
fn rejects_a_mistake_in_a_choice_of_an_element_once() {
    assert_eq!(
        mistakes("door = { candle = {} }\nrooms = [{ name = \"hall\", light = { oil-lamp = { oil = 1 } } }]"),
        [
            "house.rooms[0].light.oil-lamp: `brightness` is missing",
            "house.rooms[0].light.oil-lamp.oil: wanted a text, found 1",
        ]
    );
}

#[test]
fn what_is_missing_beside_a_mistake_is_told_as_well() {
    assert_eq!(
        mistakes("rooms = [{ light = { oil-lamp = { oil = \"olive\" } } }]"),
        [
            "house: `door` is missing",
            "house.rooms[0]: `name` is missing",
            "house.rooms[0].light.oil-lamp: `brightness` is missing",
        ]
    );
}
