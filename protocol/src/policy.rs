//! All that is public about a secret, and what may be done with it.
//!
//! Every member evaluates the policy for itself, on requests that it has authenticated itself: one honest member is
//! enough to keep a secret from somebody who may not have it. The owner may do everything except what
//! [`Policy::programs`] and [`Policy::runs_max`] forbid to all.

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::id::{ClientKey, Digest, ProgramHash, SecretId};
use crate::limits;
use crate::secret::SecretKind;
use crate::tag::{TagValue, Tags};

/// All that is public about a secret from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretDescription {
    pub id: SecretId,
    pub owner: ClientKey,
    pub kind: SecretKind,
    pub words: u32,
    pub tags: Tags,
    pub policy: Policy,
    /// Seconds since 1970, by the client's clock in the request that made it: equal at all members.
    pub created: u64,
    /// Seconds since 1970.
    pub expires: Option<u64>,
}

impl SecretDescription {
    /// The digest that an upload binds.
    pub fn digest(&self) -> Digest {
        canonical::hash("secret-description", self)
    }

    /// Whether it has ended at `now`, seconds since 1970.
    pub fn has_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// # Errors
    /// [`PolicyRefusal::Read`].
    pub fn may_read(&self, client: &ClientKey) -> Result<(), PolicyRefusal> {
        self.admit(client, &self.policy.readers, PolicyRefusal::Read)
    }

    /// # Errors
    /// [`PolicyRefusal::Delete`].
    pub fn may_delete(&self, client: &ClientKey) -> Result<(), PolicyRefusal> {
        self.admit(client, &self.policy.deleters, PolicyRefusal::Delete)
    }

    /// # Errors
    /// [`PolicyRefusal::Tag`].
    pub fn may_tag(&self, client: &ClientKey) -> Result<(), PolicyRefusal> {
        self.admit(client, &Audience::Owner, PolicyRefusal::Tag)
    }

    /// Whether the client may give it to a program, after so many runs.
    ///
    /// # Errors
    /// [`PolicyRefusal`].
    pub fn may_run(&self, client: &ClientKey, program: &ProgramHash, runs: u64) -> Result<(), PolicyRefusal> {
        self.admit(client, &self.policy.runners, PolicyRefusal::Run)?;
        if self.policy.programs.as_ref().is_some_and(|programs| !programs.contains(program)) {
            return Err(PolicyRefusal::Program);
        }
        if self.policy.runs_max.is_some_and(|max| runs >= max) {
            return Err(PolicyRefusal::RunsUsed);
        }
        Ok(())
    }

    /// Whether a client may know that it is there: whoever may do anything with it.
    pub fn may_see(&self, client: &ClientKey) -> bool {
        let Policy { readers, deleters, runners, .. } = &self.policy;
        *client == self.owner || [readers, deleters, runners].iter().any(|audience| audience.admits(client))
    }

    fn admit(&self, client: &ClientKey, audience: &Audience, refusal: PolicyRefusal) -> Result<(), PolicyRefusal> {
        if *client == self.owner || audience.admits(client) { Ok(()) } else { Err(refusal) }
    }

    /// A tag by its key, the reserved ones included: `owner`, and `creation-date` in milliseconds since 1970.
    pub fn tag(&self, key: &str) -> Option<TagValue> {
        match key {
            "owner" => Some(TagValue::Text(self.owner.to_string())),
            "creation-date" => Some(TagValue::Long(i64::try_from(self.created).ok()?.checked_mul(1000)?)),
            _ => self.tags.get(key).cloned(),
        }
    }
}

/// Who, besides the owner, may do something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Nobody else.
    #[default]
    Owner,
    /// These clients.
    Only(Vec<ClientKey>),
    /// Every client.
    Anyone,
}

impl Audience {
    fn admits(&self, client: &ClientKey) -> bool {
        match self {
            Audience::Owner => false,
            Audience::Only(clients) => clients.contains(client),
            Audience::Anyone => true,
        }
    }

    fn bounded(&self) -> bool {
        !matches!(self, Audience::Only(clients) if clients.len() > limits::POLICY_LIST_MAX)
    }
}

/// What may be done with a secret; evaluated at every member, each for itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// Who may fetch the value.
    pub readers: Audience,
    /// Who may delete it.
    pub deleters: Audience,
    /// Who may give it to a program.
    pub runners: Audience,
    /// To which programs it may be given; absent: to any. Holds for the owner too.
    pub programs: Option<Vec<ProgramHash>>,
    /// How many executions may use it; absent: any number. Attempts count.
    pub runs_max: Option<u64>,
}

/// What a policy refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    #[error("this client may not fetch the secret")]
    Read,
    #[error("this client may not delete the secret")]
    Delete,
    #[error("this client may not change the tags of the secret")]
    Tag,
    #[error("this client may not use the secret in programs")]
    Run,
    #[error("the secret may not be used by this program")]
    Program,
    #[error("the secret has been used as often as its owner allows")]
    RunsUsed,
}

/// A policy with more entries than a member keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a policy names at most {} clients or programs in each list", limits::POLICY_LIST_MAX)]
pub struct PolicyTooLong;

impl Policy {
    /// The owner's, to be used by anyone in these programs and no others.
    pub fn for_programs(programs: Vec<ProgramHash>) -> Self {
        Self { runners: Audience::Anyone, programs: Some(programs), ..Self::default() }
    }

    /// Refuses lists that are too long.
    ///
    /// # Errors
    /// [`PolicyTooLong`].
    pub fn check(&self) -> Result<(), PolicyTooLong> {
        let programs = self.programs.as_ref().is_none_or(|list| list.len() <= limits::POLICY_LIST_MAX);
        let clients = [&self.readers, &self.deleters, &self.runners].iter().all(|audience| audience.bounded());
        if programs && clients { Ok(()) } else { Err(PolicyTooLong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(policy: Policy) -> SecretDescription {
        SecretDescription {
            id: SecretId([1; 16]),
            owner: ClientKey([1; 32]),
            kind: SecretKind::Integers,
            words: 1,
            tags: Tags::default(),
            policy,
            created: 1_000,
            expires: Some(2_000),
        }
    }

    #[test]
    fn the_default_policy_is_the_owner_alone() {
        let secret = description(Policy::default());
        let (owner, other, program) = (ClientKey([1; 32]), ClientKey([2; 32]), ProgramHash([0; 32]));
        assert_eq!(secret.may_read(&owner), Ok(()));
        assert_eq!(secret.may_run(&owner, &program, 99), Ok(()));
        assert_eq!(secret.may_read(&other), Err(PolicyRefusal::Read));
        assert_eq!(secret.may_delete(&other), Err(PolicyRefusal::Delete));
        assert_eq!(secret.may_tag(&other), Err(PolicyRefusal::Tag));
        assert_eq!(secret.may_run(&other, &program, 0), Err(PolicyRefusal::Run));
        assert!(secret.may_see(&owner) && !secret.may_see(&other));
    }

    #[test]
    fn a_secret_for_one_program_runs_in_that_program_only() {
        let (good, bad) = (ProgramHash([1; 32]), ProgramHash([2; 32]));
        let mut policy = Policy::for_programs(vec![good]);
        policy.runs_max = Some(2);
        let secret = description(policy);
        for client in [ClientKey([1; 32]), ClientKey([2; 32])] {
            assert_eq!(secret.may_run(&client, &good, 1), Ok(()));
            assert_eq!(secret.may_run(&client, &bad, 0), Err(PolicyRefusal::Program));
            assert_eq!(secret.may_run(&client, &good, 2), Err(PolicyRefusal::RunsUsed));
        }
        assert_eq!(secret.may_read(&ClientKey([2; 32])), Err(PolicyRefusal::Read));
    }

    #[test]
    fn a_secret_ends_at_its_expiry() {
        let secret = description(Policy::default());
        assert!(!secret.has_expired(1_999) && secret.has_expired(2_000));
    }

    #[test]
    fn a_long_policy_is_refused() {
        let programs = vec![ProgramHash([0; 32]); limits::POLICY_LIST_MAX + 1];
        assert_eq!(Policy::for_programs(programs).check(), Err(PolicyTooLong));
        let readers = Audience::Only(vec![ClientKey([0; 32]); limits::POLICY_LIST_MAX + 1]);
        assert_eq!(Policy { readers, ..Policy::default() }.check(), Err(PolicyTooLong));
    }
}
