//! The parameters that the bounds of `docs/security` are computed from, as the table there has them.

const PAGE: &str = include_str!("../../docs/security/bounds.md");

/// The value of a row of the first table.
pub(crate) fn parameter(name: &str) -> u64 {
    let start = format!("| `{name}` | ");
    let row = PAGE.lines().find_map(|line| line.strip_prefix(&start)).expect("a row of the table");
    row.split(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}
