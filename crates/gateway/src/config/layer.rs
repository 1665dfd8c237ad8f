//! What one source sets, as the `config` crate takes it.

use std::collections::BTreeMap;
use std::fmt;

use config::{Map, Source, ValueKind};

use super::error::{Place, Problem};
use super::layered::Layered;

/// The values of one source, each with its place. Every one is known, well formed and within its bounds.
#[derive(Clone, Default)]
pub(super) struct Layer {
    /// By dotted key.
    values: BTreeMap<String, (Place, ValueKind)>,
}

impl Layer {
    /// Takes a value; a later one of the same source wins. `Err` when it is not known, or not good.
    pub(super) fn set(&mut self, section: &str, key: &str, value: ValueKind, place: Place) -> Result<(), Problem> {
        // Onto a configuration that is thrown away: a bad value is a problem at its place even where a later layer
        // overrides it, and once the layers are merged it cannot be seen any more.
        Layered::default().assign(section, key, &value, place.clone())?;
        self.values.insert(format!("{section}.{key}"), (place, value));
        Ok(())
    }

    /// The places of all values, by the text that [`config::Value::origin`] carries through the merge.
    pub(super) fn places(&self) -> impl Iterator<Item = (String, Place)> + '_ {
        self.values.values().map(|(place, _)| (place.to_string(), place.clone()))
    }
}

/// Names the keys and never the values: secrets stand among them, and `config` asks for `Debug`.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, config::Value>, config::ConfigError> {
        let value = |(place, value): &(Place, ValueKind)| config::Value::new(Some(&place.to_string()), value.clone());
        Ok(self.values.iter().map(|(path, entry)| (path.clone(), value(entry))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_names_the_keys_and_no_values() {
        let mut layer = Layer::default();
        let place = Place::Env("FANFARE__PUBLISH__KEY".into());
        layer.set("publish", "key", "hunter2-hunter2-hunter2".into(), place).expect("a good key");
        assert_eq!(format!("{layer:?}"), r#"{"publish.key"}"#);
    }
}
