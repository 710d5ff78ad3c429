//! What the cloud's record says about each kind.

use crate::castor::{Stock, TupleKind};
use polyyne_protocol::stock::StockRule;
use polyyne_protocol::view::CloudView;

/// The rule of a kind: its own, that of its family, or none.
pub fn rule_of(view: &CloudView, kind: TupleKind) -> StockRule {
    let own = view.stock().get(&kind.name());
    own.or_else(|| view.stock().get(&kind.family())).copied().unwrap_or(StockRule::ON_DEMAND)
}

/// Whether the record has a rule for this very kind.
pub fn is_named(view: &CloudView, kind: TupleKind) -> bool {
    view.stock().contains_key(&kind.name())
}

/// All kinds of the cloud: those of every one, and those with a parameter that the record names.
pub fn kinds(view: &CloudView) -> Vec<TupleKind> {
    let named = view.stock().keys().filter_map(|name| TupleKind::with_parameter(name));
    TupleKind::in_cloud(view.n()).into_iter().chain(named).collect()
}

/// The rules of all kinds of the cloud.
pub fn rules(view: &CloudView) -> Vec<(TupleKind, StockRule)> {
    kinds(view).into_iter().map(|kind| (kind, rule_of(view, kind))).collect()
}

/// What is told about the stock: every kind, but masks only where they are kept or were ever made.
pub fn told(view: &CloudView, stock: &[Stock]) -> Vec<(StockRule, Stock)> {
    let of = |kind: TupleKind| stock.iter().find(|own| own.kind == kind).copied().unwrap_or(Stock::none(kind));
    let all = rules(view).into_iter().map(|(kind, rule)| (rule, of(kind)));
    all.filter(|(rule, stock)| stock.kind.owner().is_none() || rule.target > 0 || stock.generated > 0).collect()
}
