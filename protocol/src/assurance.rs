//! What is known of how tuples were made. Every chunk carries it, signed by all members; the cloud's record says what
//! they accept.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::limits;

/// Whom one has to trust for tuples, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Whoever dealt them. No node accepts this.
    Dealer,
    /// A program that the members' operators chose, each for its own node. That the tuples are what they are called is
    /// checked; that nobody else knows them is not.
    External,
    /// Oneself: all other members may cheat together.
    Malicious,
}

/// The label of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Assurance {
    pub level: Level,
    /// The protocol, or the program's name.
    pub generator: String,
    /// So many members may cheat together; without meaning for external programs.
    pub corruptions: u16,
    /// Computational security, bits.
    pub kappa: u16,
    /// Statistical security, bits.
    pub sigma: u16,
    /// The hash of the parameters.
    pub parameters: Digest,
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Level::Dealer => f.write_str("dealer"),
            Level::External => write!(f, "external:{}", self.generator),
            Level::Malicious => f.write_str("malicious"),
        }
    }
}

/// What members accept, part of the cloud's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The weakest level.
    pub weakest: Level,
    /// Which external program makes a kind; all others are made by the members' own protocols.
    pub external: BTreeMap<String, String>,
}

impl Default for Acceptance {
    fn default() -> Self {
        Self { weakest: Level::Malicious, external: BTreeMap::new() }
    }
}

impl Acceptance {
    /// Accepts what these programs make of these kinds.
    pub fn of_external(external: BTreeMap<String, String>) -> Self {
        let weakest = if external.is_empty() { Level::Malicious } else { Level::External };
        Self { weakest, external }
    }

    /// Whether a record may have it.
    pub fn is_sound(&self) -> bool {
        let named = |text: &str| {
            (1..=limits::KIND_NAME_MAX).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
        };
        let externals = self.external.len() <= limits::TARGETS_MAX
            && self.external.iter().all(|(kind, name)| named(kind) && named(name));
        let expected = if self.external.is_empty() { self.weakest } else { self.weakest.min(Level::External) };
        externals && self.weakest != Level::Dealer && self.weakest == expected
    }

    /// Whether tuples of this kind with this label may be stored.
    pub fn admits(&self, kind: &str, label: &Assurance) -> bool {
        let external = self.external.get(kind);
        match label.level {
            Level::Dealer => false,
            Level::External => self.weakest <= Level::External && external == Some(&label.generator),
            Level::Malicious => external.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(level: Level, generator: &str) -> Assurance {
        let parameters = Digest([0; 32]);
        Assurance { level, generator: generator.into(), corruptions: 2, kappa: 128, sigma: 64, parameters }
    }

    #[test]
    fn what_the_record_does_not_name_is_not_accepted() {
        let strict = Acceptance::default();
        let open = Acceptance::of_external(BTreeMap::from([("triple".to_owned(), "crg".to_owned())]));
        assert!(strict.is_sound() && open.is_sound());
        for (kind, label, in_strict, in_open) in [
            ("triple", label(Level::Malicious, "mascot"), true, false),
            ("bit", label(Level::Malicious, "mascot"), true, true),
            ("triple", label(Level::External, "crg"), false, true),
            ("triple", label(Level::External, "other"), false, false),
            ("bit", label(Level::External, "crg"), false, false),
            ("triple", label(Level::Dealer, "crg"), false, false),
            ("bit", label(Level::Dealer, "dealer"), false, false),
        ] {
            assert_eq!(
                (strict.admits(kind, &label), open.admits(kind, &label)),
                (in_strict, in_open),
                "{kind} {label}"
            );
        }
    }

    #[test]
    fn no_record_accepts_a_dealer_or_an_external_program_below_its_level() {
        let external = BTreeMap::from([("triple".to_owned(), "crg".to_owned())]);
        for unsound in [
            Acceptance { weakest: Level::Dealer, external: BTreeMap::new() },
            Acceptance { weakest: Level::Dealer, external: external.clone() },
            Acceptance { weakest: Level::Malicious, external },
            Acceptance::of_external(BTreeMap::from([("triple".to_owned(), "a/b".to_owned())])),
            Acceptance::of_external(BTreeMap::from([(String::new(), "crg".to_owned())])),
        ] {
            assert!(!unsound.is_sound(), "{unsound:?}");
        }
    }

    #[test]
    fn labels_read_as_operators_expect_them() {
        let shown = [Level::Malicious, Level::External, Level::Dealer].map(|level| label(level, "crg").to_string());
        assert_eq!(shown, ["malicious", "external:crg", "dealer"]);
    }
}
