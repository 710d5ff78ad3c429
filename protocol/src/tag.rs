//! Tags of secrets, and the filter and sort expressions over them, with Carbyne's grammar.
//!
//! A filter is conditions joined by `,`, all of which hold: `key:value` (equal), `key<value`, `key>value` (numbers).
//! Keys and values are percent-encoded, so that a value may hold any character. A sort expression is `key` or
//! `key:desc`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::limits;
use crate::secret::SecretDescription;

/// Keys that members set themselves.
pub const RESERVED_KEYS: [&str; 2] = ["owner", "creation-date"];

/// The value of a tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagValue {
    Text(String),
    Long(i64),
}

impl fmt::Display for TagValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TagValue::Text(text) => f.write_str(text),
            TagValue::Long(number) => number.fmt(f),
        }
    }
}

/// A key and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub key: String,
    pub value: TagValue,
}

/// What is wrong with tags, a filter or a sort expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    #[error("a tag is written key=value")]
    Form,
    #[error("a tag's key has 1 to {} letters, digits, or any of `-._`", limits::TAG_KEY_MAX)]
    Key,
    #[error("the key {0} is reserved")]
    Reserved(String),
    #[error("a tag's text has at most {} characters", limits::TAG_VALUE_MAX)]
    Value,
    #[error("the key {0} stands there twice")]
    Doubled(String),
    #[error("at most {} tags", limits::TAGS_MAX)]
    Count,
    #[error(
        "a filter is conditions key:value, key<number or key>number joined by commas, at most {}",
        limits::FILTER_CONDITIONS_MAX
    )]
    Filter,
    #[error("a sort expression is key, key:asc or key:desc")]
    Sort,
}

impl Tag {
    /// A tag.
    ///
    /// # Errors
    /// [`TagError`].
    pub fn new(key: &str, value: TagValue) -> Result<Self, TagError> {
        let tag = Self { key: key.to_owned(), value };
        tag.check()?;
        Ok(tag)
    }

    fn check(&self) -> Result<(), TagError> {
        check_key(&self.key)?;
        if RESERVED_KEYS.contains(&self.key.as_str()) {
            return Err(TagError::Reserved(self.key.clone()));
        }
        match &self.value {
            TagValue::Text(text) if text.chars().count() > limits::TAG_VALUE_MAX => Err(TagError::Value),
            _ => Ok(()),
        }
    }
}

fn check_key(key: &str) -> Result<(), TagError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let bounded = (1..=limits::TAG_KEY_MAX).contains(&key.len());
    if bounded && key.chars().all(allowed) { Ok(()) } else { Err(TagError::Key) }
}

/// A tag from `key=value`: a whole number becomes a long, anything else a text.
impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let (key, value) = text.split_once('=').ok_or(TagError::Form)?;
        let value = value.parse().map_or_else(|_| TagValue::Text(value.to_owned()), TagValue::Long);
        Tag::new(key, value)
    }
}

/// Tags in the order of their distinct keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Tags(Vec<Tag>);

impl Tags {
    /// Tags in any order.
    ///
    /// # Errors
    /// [`TagError`].
    pub fn new(mut tags: Vec<Tag>) -> Result<Self, TagError> {
        tags.sort_by(|a, b| a.key.cmp(&b.key));
        Self::sorted(tags)
    }

    fn sorted(tags: Vec<Tag>) -> Result<Self, TagError> {
        if tags.len() > limits::TAGS_MAX {
            return Err(TagError::Count);
        }
        tags.iter().try_for_each(Tag::check)?;
        match tags.windows(2).find(|pair| pair[0].key >= pair[1].key) {
            Some(pair) => Err(TagError::Doubled(pair[1].key.clone())),
            None => Ok(Self(tags)),
        }
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&TagValue> {
        self.0.binary_search_by(|tag| tag.key.as_str().cmp(key)).ok().map(|at| &self.0[at].value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter()
    }

    /// These tags with others set over them and some keys taken away.
    ///
    /// # Errors
    /// [`TagError::Count`].
    pub fn changed(&self, set: &Tags, remove: &[String]) -> Result<Self, TagError> {
        let kept = self.0.iter().filter(|tag| set.get(&tag.key).is_none() && !remove.contains(&tag.key));
        Self::new(kept.chain(&set.0).cloned().collect())
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::sorted(Vec::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Equal(String),
    Less(i64),
    Greater(i64),
}

/// Conditions that all must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter(Vec<(String, Condition)>);

impl Filter {
    /// Whether a secret's tags fulfil it. A number compares with a number only.
    pub fn admits(&self, secret: &SecretDescription) -> bool {
        self.0.iter().all(|(key, condition)| match (condition, secret.tag(key)) {
            (_, None) => false,
            (Condition::Equal(text), Some(value)) => value.to_string() == *text,
            (Condition::Less(bound), Some(TagValue::Long(number))) => number < *bound,
            (Condition::Greater(bound), Some(TagValue::Long(number))) => number > *bound,
            (_, Some(TagValue::Text(_))) => false,
        })
    }
}

impl FromStr for Filter {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        if text.len() > limits::FILTER_TEXT_MAX || text.split(',').count() > limits::FILTER_CONDITIONS_MAX {
            return Err(TagError::Filter);
        }
        text.split(',').map(parse_condition).collect::<Result<_, _>>().map(Self)
    }
}

fn parse_condition(text: &str) -> Result<(String, Condition), TagError> {
    let at = text.find([':', '<', '>']).ok_or(TagError::Filter)?;
    let key = percent_decoded(&text[..at])?;
    check_key(&key)?;
    let value = percent_decoded(&text[at + 1..])?;
    let number = || value.parse().map_err(|_| TagError::Filter);
    let condition = match text.as_bytes()[at] {
        b'<' => Condition::Less(number()?),
        b'>' => Condition::Greater(number()?),
        _ => Condition::Equal(value),
    };
    Ok((key, condition))
}

fn percent_decoded(text: &str) -> Result<String, TagError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>().ok_or(TagError::Filter)?;
        let mut decoded = [0];
        hex::decode_to_slice(digits, &mut decoded).map_err(|_| TagError::Filter)?;
        bytes.extend_from_slice(&decoded);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| TagError::Filter)
}

/// An order of secrets by one tag: numbers before texts, secrets without the tag last, ties by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    key: String,
    descending: bool,
}

impl Sort {
    /// The order of two secrets.
    pub fn compare(&self, a: &SecretDescription, b: &SecretDescription) -> Ordering {
        let by_tag = match (a.tag(&self.key), b.tag(&self.key)) {
            (Some(a), Some(b)) => {
                let order = rank(&a).cmp(&rank(&b)).then_with(|| a.cmp(&b));
                if self.descending { order.reverse() } else { order }
            }
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        by_tag.then_with(|| a.id.cmp(&b.id))
    }
}

fn rank(value: &TagValue) -> u8 {
    match value {
        TagValue::Long(_) => 0,
        TagValue::Text(_) => 1,
    }
}

impl FromStr for Sort {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let (key, descending) = match text.split_once(':') {
            None => (text, false),
            Some((key, direction)) if direction.eq_ignore_ascii_case("asc") => (key, false),
            Some((key, direction)) if direction.eq_ignore_ascii_case("desc") => (key, true),
            Some(_) => return Err(TagError::Sort),
        };
        check_key(key).map_err(|_| TagError::Sort)?;
        Ok(Self { key: key.to_owned(), descending })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::canonical;
    use crate::id::{ClientKey, SecretId};
    use crate::secret::{Policy, SecretKind};

    fn secret(id: u8, tags: &[&str]) -> SecretDescription {
        let tags = tags.iter().map(|text| text.parse().expect("a tag")).collect();
        SecretDescription {
            id: SecretId([id; 16]),
            owner: ClientKey([3; 32]),
            kind: SecretKind::Integers,
            words: 1,
            tags: Tags::new(tags).expect("tags"),
            policy: Policy::default(),
            created: 1_700_000_000,
            expires: None,
        }
    }

    fn admits(filter: &str, tags: &[&str]) -> bool {
        filter.parse::<Filter>().expect("a filter").admits(&secret(1, tags))
    }

    #[test]
    fn all_conditions_must_hold() {
        let tags = ["year=2024", "name=carbon chain"];
        assert!(admits("", &tags));
        assert!(admits("year:2024", &tags));
        assert!(admits("year>2023,year<2025,name:carbon%20chain", &tags));
        assert!(!admits("year>2024", &tags));
        assert!(!admits("year:2024,name:other", &tags));
        assert!(!admits("absent:1", &tags));
        assert!(!admits("name>5", &tags));
    }

    #[test]
    fn reserved_tags_can_be_asked_for_and_not_set() {
        assert!(admits("creation-date>1699999999999,creation-date<1700000000001", &[]));
        assert!(admits(&format!("owner:{}", ClientKey([3; 32])), &[]));
        for key in RESERVED_KEYS {
            let refused = Tag::new(key, TagValue::Long(1));
            assert_eq!(refused, Err(TagError::Reserved(key.into())));
        }
    }

    #[test]
    fn malformed_filters_and_sorts_are_refused() {
        for text in ["x", "x:%", "x:%2", "x:%zz", "x<a", ":1", "a b:1", "x:%ff", ",", "x:1,"] {
            assert!(text.parse::<Filter>().is_err(), "{text:?}");
        }
        assert_eq!(vec!["x:1"; 17].join(",").parse::<Filter>(), Err(TagError::Filter));
        for text in ["", "a b", "x:up", ":desc"] {
            assert_eq!(text.parse::<Sort>(), Err(TagError::Sort), "{text:?}");
        }
    }

    #[test]
    fn tags_are_bounded_distinct_and_sorted() {
        let tag = |key: &str| Tag { key: key.into(), value: TagValue::Long(1) };
        let tags = Tags::new(vec![tag("b"), tag("a")]).expect("tags");
        assert_eq!(tags.iter().map(|t| t.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(Tags::new(vec![tag("a"), tag("a")]), Err(TagError::Doubled("a".into())));
        assert_eq!(Tags::new((0..65).map(|i| tag(&i.to_string())).collect()), Err(TagError::Count));
        assert_eq!("a".parse::<Tag>(), Err(TagError::Form));
        assert_eq!("a/b=1".parse::<Tag>(), Err(TagError::Key));
        assert_eq!(format!("a={}", "x".repeat(257)).parse::<Tag>(), Err(TagError::Value));
        // on the wire their order is the canonical one, and their bounds hold too
        let unsorted = canonical::encode(&vec![tag("b"), tag("a")]);
        assert!(canonical::decode::<Tags>(&unsorted, 256).is_err());
        let reserved = canonical::encode(&vec![tag("owner")]);
        assert!(canonical::decode::<Tags>(&reserved, 256).is_err());
    }

    #[test]
    fn changes_set_and_take_away() {
        let before = secret(1, &["a=1", "b=2"]).tags;
        let set = secret(1, &["b=3", "c=4"]).tags;
        let after = before.changed(&set, &["a".into()]).expect("tags");
        assert_eq!(after, secret(1, &["b=3", "c=4"]).tags);
    }

    #[test]
    fn numbers_sort_as_numbers_and_missing_tags_come_last() {
        let mut secrets = [secret(1, &["k=10"]), secret(2, &[]), secret(3, &["k=9"]), secret(4, &["k=x"])];
        let ids = |secrets: &[SecretDescription]| secrets.iter().map(|s| s.id.0[0]).collect::<Vec<_>>();
        let up: Sort = "k".parse().expect("a sort");
        secrets.sort_by(|a, b| up.compare(a, b));
        assert_eq!(ids(&secrets), [3, 1, 4, 2]);
        let down: Sort = "k:DESC".parse().expect("a sort");
        secrets.sort_by(|a, b| down.compare(a, b));
        assert_eq!(ids(&secrets), [4, 1, 3, 2]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_filter_or_refused(text in ".{0,60}") {
            if let Ok(filter) = text.parse::<Filter>() {
                filter.admits(&secret(1, &["a=1"]));
            }
        }
    }
}
