//! What a new cloud keeps in stock.

use crate::castor::TupleKind;
use crate::klyshko::external::carbyne_name;
use polyyne_engine::error::Error as EngineError;
use polyyne_protocol::admin::Form;
use polyyne_protocol::limits::MEMBERS_MAX;
use polyyne_protocol::request::{Refusal, RefusalCode};
use polyyne_protocol::stock::StockRule;
use std::collections::{BTreeMap, BTreeSet};

/// Tuples of each kind that a cloud keeps where its proposer says nothing.
const TARGETS: [(&str, u64); 5] =
    [("triple", 8_192), ("square", 1_024), ("inverse", 1_024), ("bit", 8_192), ("random", 2_048)];
/// And where its prime is large enough for bits over both fields: a hundred comparisons of 64-bit integers by edaBits.
const BIT_TARGETS: [(&str, u64); 4] = [("and-triple", 12_288), ("dabit", 128), ("edabit-41", 128), ("edabit-64", 128)];
/// Of these, what executions take most comes first, as far as that is not known yet.
const FIRST: [&str; 2] = ["triple", "bit"];

/// A rule for a kind that nobody makes is a slip of the pen. `dabits_fit` says whether the prime is large enough for
/// bits over both fields.
pub(super) fn refuse_rules(form: &Form, dabits_fit: &Result<(), EngineError>) -> Result<(), Refusal> {
    let families: BTreeSet<String> = TupleKind::in_cloud(MEMBERS_MAX).iter().map(|kind| kind.family()).collect();
    let external = |name: &&String| TupleKind::named(name).and_then(carbyne_name).is_some();
    let malformed = |cause, remedy: String| Err(Refusal::new(RefusalCode::Malformed, cause, remedy));
    if let Some(name) = form.external.keys().find(|name| !external(name)) {
        let cause = format!("external generators do not make tuples of kind {name:?}");
        return malformed(cause, "They make triple, square, inverse, bit and random.".into());
    }
    for name in form.stock.keys() {
        let kind = TupleKind::named(name);
        if kind.is_none() && !families.contains(name) {
            let known = Vec::from_iter(&families).into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return malformed(
                format!("there is no kind of tuples {name:?}"),
                format!(
                    "The kinds are {known}, edabit-BITS of 1 to 127 bits, and matrix-ROWSxINNERxCOLUMNS: sides of 1 to \
                     16, 20, 24, 28, 32, 48, 50, 64, 100 or 128, and at most 2^17 multiplications."
                ),
            );
        }
        if let (Some(true), Err(error)) = (kind.map(TupleKind::is_of_dabits), dabits_fit) {
            return malformed(
                format!("tuples of kind {name:?} cannot be made: {error}"),
                "Choose a larger prime.".into(),
            );
        }
    }
    Ok(())
}

/// The rules where the proposer says nothing.
pub(super) fn default_stock(dabits_fit: bool) -> BTreeMap<String, StockRule> {
    let rule = |kind: &str, target| StockRule {
        priority: if FIRST.contains(&kind) { 4 } else { 1 },
        ..StockRule::keep(target)
    };
    let bits = if dabits_fit { &BIT_TARGETS[..] } else { &[] };
    TARGETS.iter().chain(bits).map(|&(kind, target)| (kind.to_owned(), rule(kind, target))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polyyne_protocol::version::Prime;

    fn form(kind: &str) -> Form {
        Form {
            name: "ours".into(),
            members: Vec::new(),
            prime: Prime::DEFAULT,
            sigma: 64,
            generator: None,
            stock: BTreeMap::from([(kind.to_owned(), StockRule::keep(100))]),
            external: BTreeMap::new(),
        }
    }

    #[test]
    fn what_a_cloud_keeps_by_default_it_can_make() {
        for fit in [true, false] {
            let stock = default_stock(fit);
            let known = |name: &String| refuse_rules(&form(name), &Ok(())).is_ok();
            assert!(stock.keys().all(known) && stock.values().all(StockRule::is_sound), "{stock:?}");
            let of_dabits = stock.keys().filter_map(|name| TupleKind::with_parameter(name));
            assert_eq!(of_dabits.count() > 0, fit);
        }
    }

    #[test]
    fn rules_for_kinds_that_nobody_makes_are_refused() {
        for name in ["triples", "edabit-0", "edabit-128", "edabit", "mask-99", "matrix-17x1x1", "matrix-2x2"] {
            assert!(refuse_rules(&form(name), &Ok(())).is_err(), "{name}");
        }
        let small = || Err(EngineError::PrimeTooSmall { bits: 80 });
        for (name, fits) in [
            ("edabit-64", false),
            ("dabit", false),
            ("matrix-2x3x4", true),
            ("triple", true),
            ("mask", true),
            ("mask-1", true),
        ] {
            assert!(refuse_rules(&form(name), &Ok(())).is_ok(), "{name}");
            assert_eq!(refuse_rules(&form(name), &small()).is_ok(), fits, "{name}");
        }
    }
}
