//! What a secret row says beside its shares: the client's description, and the MAC key under which
//! the shares are.

use crate::seat::Seat;
use polyyne_protocol::canonical::{self, DecodeError};
use polyyne_protocol::id::{ClientKey, Digest, MacKeyId};
use polyyne_protocol::secret::SecretDescription;
use polyyne_protocol::tag::{Tag, TagValue, Tags};
use serde::{Deserialize, Serialize};

const BYTES_MAX: usize = 256 << 10;

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub description: SecretDescription,
    pub mac_key: MacKeyId,
}

impl Terms {
    pub fn new(description: SecretDescription, seat: &Seat) -> Self {
        Self { description, mac_key: MacKeyId(seat.scope.mac_key.0) }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    /// # Errors
    /// If a row is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        canonical::decode(bytes, BYTES_MAX)
    }
}

/// What stays of a deleted secret: on whose order it went, and who else is told that it has gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub client: ClientKey,
    /// The digest of the signed request.
    pub asked: Digest,
    pub description: SecretDescription,
}

impl Order {
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    /// # Errors
    /// If a row is damaged, or of an earlier release.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        canonical::decode(bytes, BYTES_MAX)
    }
}

/// Tags as the store keeps them: the type's letter before the value.
pub fn stored_tags(tags: &Tags) -> super::store::Tags {
    let stored = |tag: &Tag| {
        let value = match &tag.value {
            TagValue::Text(text) => format!("s{text}"),
            TagValue::Long(number) => format!("l{number}"),
        };
        (tag.key.clone(), value)
    };
    tags.iter().map(stored).collect()
}

/// The inverse of [`stored_tags`].
pub fn typed_tags(stored: &super::store::Tags) -> Option<Tags> {
    let typed = |(key, value): (&String, &String)| {
        let value = match value.split_at_checked(1)? {
            ("s", text) => TagValue::Text(text.to_owned()),
            ("l", number) => TagValue::Long(number.parse().ok()?),
            _ => return None,
        };
        Tag::new(key, value).ok()
    };
    Tags::new(stored.iter().map(typed).collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_keep_their_types() {
        let tags = vec![
            Tag::new("a", TagValue::Long(-5)).unwrap(),
            Tag::new("b", TagValue::Text("l5".into())).unwrap(),
            Tag::new("c", TagValue::Text(String::new())).unwrap(),
        ];
        let tags = Tags::new(tags).unwrap();
        assert_eq!(typed_tags(&stored_tags(&tags)), Some(tags));
    }
}
