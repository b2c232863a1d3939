//! The configuration: defaults ← `openrun.toml` ← `OPENRUN_*` ← flags.
//!
//! [`settings`] declares every key. Every error is collected and reported at once; after loading, the rest of the program
//! holds a [`Config`] whose values are within their bounds and possible together.

mod check;
mod declare;
mod error;
mod key;
mod kinds;
mod layers;
mod public_url;
mod reader;
mod redact;
mod role;
mod settings;
mod sources;
mod store_url;

use std::{collections::BTreeMap, path::Path};

pub use self::{
    check::{check, warnings},
    error::{ConfigError, ConfigErrors},
    public_url::PublicUrl,
    redact::redact,
    role::Role,
    settings::{Config, Sandbox},
    sources::{FILE_NAME, Sources},
};
use self::{declare::Section, layers::Layers, reader::Reader};

/// The `OPENRUN_*` variables of this process, with a replacement character where one is no UTF-8. Nothing else in the program looks at the environment.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with("OPENRUN_"))
        .collect()
}

/// Where a drill makes this process die, if anywhere (`stores/src/failpoint.rs`). It is no setting: it stands in no
/// file and is not printed.
pub fn fail_point() -> Option<String> {
    environment().remove("OPENRUN_FAIL_POINT")
}

/// Why the demo must not start, if there is a reason: it is for a first look and must not run beside a real configuration.
pub fn demo_obstacle(sources: &Sources) -> Option<ConfigError> {
    let remedy = "use `openrun serve` to run it, or start the demo elsewhere";
    if let Some(file) = &sources.file {
        return Some(ConfigError::new(
            "--config",
            format!("names {}, and the demo takes no configuration; {remedy}", file.display()),
        ));
    }
    if Path::new(FILE_NAME).exists() {
        return Some(ConfigError::new(
            FILE_NAME,
            format!("is here, and the demo does not start beside a configuration; {remedy}"),
        ));
    }
    let names_a_store = |name: &&String| {
        let name = name.strip_suffix("_FILE").unwrap_or(name);
        name.ends_with("_URL") && !layers::is_for_scripts(name)
    };
    let variable = sources.environment.keys().find(names_a_store)?;
    Some(ConfigError::new(variable, format!("is set, and the demo does not start beside a configuration; {remedy}")))
}

impl Config {
    /// Reads all layers and refuses what is out of bounds or impossible together.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let (layers, mut errors) = Layers::gather(Self::keys(), sources);
        let mut reader = Reader::new(&layers);
        let config = Self::read(&mut reader);
        errors.append(&mut reader.errors);
        let Some(mut config) = config else {
            errors.push(ConfigError::new("a default", "is wrong, which is a fault of this build"));
            return Err(ConfigErrors(errors));
        };
        config.roles =
            if sources.roles.is_empty() { Role::ALL.into() } else { sources.roles.iter().copied().collect() };
        // A key whose value is wrong has its default here, which the operator did not choose.
        errors.extend(check(&config).into_iter().filter(|error| !reader.rejected.contains(&error.about)));
        if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
    }

    pub fn runs(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether no other process is needed for a whole installation.
    pub fn runs_every_role(&self) -> bool {
        Role::ALL.iter().all(|role| self.runs(*role))
    }

    /// Whether the keys file may be made by the first start: no other process needs the same file.
    pub fn owns_its_keys(&self) -> bool {
        self.database_url.starts_with("sqlite:") && self.keys_file == self.data_dir.join("keys.json")
    }

    /// The configuration as a file that reads back, with secrets hidden.
    pub fn to_toml(&self) -> String {
        Section::to_toml(self)
    }
}

#[cfg(test)]
mod tests;
