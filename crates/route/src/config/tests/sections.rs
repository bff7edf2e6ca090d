//! Sections of services at the top of the file.

use carnet_core::{MapEnvironment, Mistake, SectionConfig};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Config, ConfigError, Registry};

/// How the lamp burns.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lamp {
    /// How bright, in candela.
    brightness: u32,
}

impl SectionConfig for Lamp {
    const NAME: &'static str = "lamp";
    const ABOUT: &'static str = "The lamp over the door.";
    type Checked = u32;

    fn check(self) -> Result<u32, Vec<Mistake>> {
        match self.brightness {
            0 => Err(vec![Mistake::new("brightness", "a lamp that does not burn").hint("take 1")]),
            brightness => Ok(brightness),
        }
    }
}

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, None, &Registry::empty().with_section::<Lamp>(), &MapEnvironment::default())
}

#[test]
fn a_section_is_checked_and_handed_over() {
    let config = read("version = 1\n[lamp]\nbrightness = 7\n").unwrap();
    assert_eq!(config.section::<Lamp>().as_deref(), Some(&7));
    let shown: Vec<String> =
        config.settings().iter().map(|setting| format!("{} = {}", setting.field, setting.value)).collect();
    assert_eq!(shown, ["version = 1", "lamp.brightness = 7"]);
    assert!(read("version = 1").unwrap().section::<Lamp>().is_none());
}

#[test]
fn what_is_wrong_in_a_section_is_told_with_its_place() {
    for (text, wanted) in [
        ("version = 1\n[lamp]\nbrightness = 0\n", "brightness: a lamp that does not burn"),
        ("version = 1\n[lamp]\nbrightness = 1\ncolour = 2\n", "colour"),
        ("version = 1\n[lamp]\n", "`brightness` is missing"),
        ("version = 1\n[lmap]\nbrightness = 1\n", "did you mean `lamp`?"),
    ] {
        let shown = read(text).unwrap_err().render(false, 120);
        assert!(shown.contains(wanted), "{text}: {shown}");
    }
}

#[test]
fn the_schema_describes_the_sections() {
    let schema = crate::config::schema(&Registry::empty().with_section::<Lamp>()).to_value();
    let lamp = &schema["properties"]["lamp"];
    assert_eq!(lamp["description"], "The lamp over the door.");
    assert_eq!(lamp["$ref"], "#/$defs/Lamp");
    assert_eq!(schema["$defs"]["Lamp"]["properties"]["brightness"]["description"], "How bright, in candela.");
}
