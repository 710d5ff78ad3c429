//! Forming clouds, answering invitations and making new MAC keys, as the operator's door asks for it.

use super::Vcp;
use super::stock::{default_stock, refuse_rules};
use crate::core::unknown_cloud;
use crate::federation::membership::{CloudStatus, Invitation as Open, MembershipError};
use crate::klyshko;
use polyyne_engine::field::PrimeField;
use polyyne_engine::generator::Protocol;
use polyyne_engine::mascot;
use polyyne_protocol::admin::{Form, Invitation, MemberLine, Proposed, SignerLine};
use polyyne_protocol::assurance::Acceptance;
use polyyne_protocol::certificate::MemberSignature;
use polyyne_protocol::id::{CloudId, PeerKey, RecordHash};
use polyyne_protocol::membership::{Member, Membership, Record};
use polyyne_protocol::proposal::Stance;
use polyyne_protocol::request::{Refusal, RefusalCode};
use polyyne_protocol::version::{Generator, ParametersError, SecurityParameters};
use polyyne_protocol::view::CurrentMacKey;
use std::time::Duration;

/// How long members are waited for.
const MEMBER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a proposal is watched before its state is told: members with a policy sign at once.
const PROPOSAL_PATIENCE: Duration = Duration::from_millis(500);

impl Vcp {
    pub(super) async fn propose(&self, form: Form) -> Result<Proposed, Refusal> {
        let mut others = Vec::with_capacity(form.members.len());
        for text in &form.members {
            others.push(self.peer_to_be_member(text).await?);
        }
        let (protocol, parameters) = parameters(&form)?;
        let bits = mascot::dabits_fit(&protocol.mascot(), &field(&form)?, 1 + others.len());
        refuse_rules(&form, &bits)?;
        let acceptance = Acceptance::of_external(form.external);
        let stock = if form.stock.is_empty() { default_stock(bits.is_ok()) } else { form.stock };
        let proposed = self.shared.federation.propose(&form.name, &others, parameters, stock, acceptance).await;
        self.watched(proposed.map_err(refused)?).await
    }

    /// The connected peer that an operator named by id or address.
    async fn peer_to_be_member(&self, text: &str) -> Result<PeerKey, Refusal> {
        let addressed = crate::federation::peers_file::peer_address(text).ok();
        let named = addressed.as_ref().map(|(key, _)| *key).or_else(|| PeerKey::from_peer_id(text).ok());
        let named = named.ok_or_else(|| {
            Refusal::new(
                RefusalCode::Malformed,
                format!("{text:?} is neither a peer id nor an address that ends in /p2p/ID"),
                "`vcp node id` on the other side prints its id.",
            )
        })?;
        if named == self.key() {
            let cause = "this node is a member of what it proposes";
            return Err(Refusal::new(RefusalCode::Malformed, cause, "--member lists the others."));
        }
        if let Some((_, address)) = addressed {
            let dialled = self.shared.core.network.dial(address).await;
            dialled.map_err(|error| Refusal::new(RefusalCode::MemberUnreachable, error.to_string(), ""))?;
        }
        if !self.shared.core.network.connected(named, MEMBER_PATIENCE).await {
            return Err(Refusal::new(
                RefusalCode::MemberUnreachable,
                format!("{} is not connected", named.peer_id()),
                "Give its address: --member MULTIADDR ending in /p2p/ID.",
            ));
        }
        Ok(named)
    }

    fn open_proposal(&self, record: RecordHash) -> Option<Open> {
        self.shared.federation.invitations().into_iter().find(|open| open.id == record)
    }

    /// How far a proposal is, after a while in which members may have signed.
    async fn watched(&self, record: RecordHash) -> Result<Proposed, Refusal> {
        let signed = |status: &CloudStatus| status.view.head() == record;
        drop(self.shared.federation.wait(PROPOSAL_PATIENCE, signed).await);
        let open = self.open_proposal(record);
        self.proposal_state(record, open)
    }

    fn proposal_state(&self, record: RecordHash, open: Option<Open>) -> Result<Proposed, Refusal> {
        let told = |of: &Record, complete, signers| Proposed {
            cloud: of.cloud(),
            record,
            epoch: of.head().epoch,
            attempt: of.head().attempt,
            complete,
            signers,
        };
        if let Some(open) = open {
            return Ok(told(&open.record, false, signers(&open)));
        }
        for status in self.shared.federation.clouds() {
            let records = self.shared.federation.records(status.view.cloud()).unwrap_or_default();
            if let Some(signed) = records.iter().find(|signed| signed.record.hash() == record) {
                let signers = signed.signatures.iter().map(signer).collect();
                return Ok(told(&signed.record, true, signers));
            }
        }
        Err(Refusal::new(
            RefusalCode::NotAllowed,
            format!("the proposal {record} is over: somebody declined it"),
            "Talk to the other operators, then propose again.",
        ))
    }

    /// Asks the members for a new MAC key and says how far it is.
    pub(super) async fn propose_key(&self, cloud: CloudId) -> Result<Proposed, Refusal> {
        let before = self.shared.core.clouds.status(cloud).ok_or_else(|| unknown_cloud(cloud))?.view;
        self.shared.federation.rekey(cloud).await.map_err(refused)?;
        let newer = |status: &CloudStatus| status.view.cloud() == cloud && status.view.epoch() > before.epoch();
        match self.shared.federation.wait(MEMBER_PATIENCE, newer).await {
            Some(status) => self.proposal_state(status.view.head(), None),
            None => Err(Refusal::new(
                RefusalCode::MemberUnreachable,
                "not all members have signed the new MAC key yet",
                "All must be connected and hold the old key for burned; it is made as soon as they do.",
            )),
        }
    }

    pub(super) fn open_invitations(&self) -> Vec<Invitation> {
        let open = self.shared.federation.invitations();
        open.iter().filter_map(|open| self.invitation(open)).collect()
    }

    fn invitation(&self, open: &Open) -> Option<Invitation> {
        let Record::Membership(membership) = &open.record else { return None };
        let own = |member: &Member| member.peer == self.key();
        let seen = |member: &Member| self.shared.core.network.peer(member.peer);
        let line = |member: &Member| MemberLine {
            index: member.index,
            peer: member.peer,
            peer_id: member.peer.peer_id(),
            seal: member.seal,
            addresses: member.addresses.clone(),
            own: own(member),
            connected: own(member) || seen(member).is_some_and(|peer| peer.connected),
            ping_us: None,
            complaint: None,
        };
        Some(Invitation {
            record: open.id,
            cloud: open.record.cloud(),
            epoch: membership.head.epoch,
            name: membership.name.clone(),
            from: open.from,
            members: membership.members.iter().map(line).collect(),
            parameters: membership.parameters.clone(),
            signers: signers(open),
            warnings: warnings(membership),
        })
    }

    pub(super) async fn decide(&self, record: RecordHash, accept: bool) -> Result<Proposed, Refusal> {
        let open = self.open_proposal(record);
        if accept {
            self.shared.federation.accept(record).await.map_err(refused)?;
            return self.watched(record).await;
        }
        self.shared.federation.decline(record).await.map_err(refused)?;
        let after = self.open_proposal(record);
        self.proposal_state(record, after.or(open))
    }

    /// The MAC keys that a cloud had before its present one, oldest first.
    pub(super) fn keys_before(&self, cloud: CloudId) -> Vec<CurrentMacKey> {
        let current = self.shared.core.clouds.status(cloud).and_then(|status| status.view.mac_key().map(|key| key.id));
        self.shared.federation.keys(cloud).into_iter().filter(|key| Some(key.id) != current).collect()
    }
}

/// What the members of a new cloud would agree on, with the hash of the generator's own parameters.
fn parameters(form: &Form) -> Result<(Protocol, SecurityParameters), Refusal> {
    let (field, sigma) = (field(form)?, u32::from(form.sigma));
    let protocol = match form.generator {
        None => Protocol::for_prime(&field, sigma),
        Some(generator) => Protocol::named(generator.name(), &field, sigma)
            .ok_or_else(|| malformed(ParametersError::Generator(generator).to_string()))?,
    };
    let generator = match protocol {
        Protocol::Mascot(_) => Generator::Mascot,
        Protocol::LowGear(_) => Generator::Lowgear,
    };
    let own = klyshko::parameters_hash(&protocol);
    let parameters = SecurityParameters { sigma: form.sigma, ..SecurityParameters::new(form.prime, generator, own) };
    Ok((protocol, parameters))
}

fn field(form: &Form) -> Result<PrimeField, Refusal> {
    PrimeField::new(form.prime.0).map_err(|error| malformed(error.to_string()))
}

fn malformed(cause: String) -> Refusal {
    Refusal::new(RefusalCode::Malformed, cause, "")
}

fn signers(open: &Open) -> Vec<SignerLine> {
    let line = |(peer, stance): &(PeerKey, Option<Stance>)| SignerLine {
        peer: *peer,
        peer_id: peer.peer_id(),
        stance: *stance,
        signed: !open.unsigned.contains(peer),
    };
    open.stances.iter().map(line).collect()
}

fn signer(signature: &MemberSignature) -> SignerLine {
    let peer = signature.peer;
    SignerLine { peer, peer_id: peer.peer_id(), stance: None, signed: true }
}

fn warnings(membership: &Membership) -> Vec<String> {
    let sigma = membership.parameters.sigma;
    let weaker = sigma < polyyne_protocol::version::SIGMA_DEFAULT;
    let weaker = weaker.then(|| format!("statistical security of {sigma} bits is below the default"));
    let external = membership.acceptance.external.iter();
    let external = external.map(|(kind, name)| {
        format!("tuples of kind {kind} come from the external generator {name}, which gets your share of the MAC key")
    });
    weaker.into_iter().chain(external).collect()
}

fn refused(error: MembershipError) -> Refusal {
    let (code, remedy) = match &error {
        MembershipError::NoCloud(_) => (RefusalCode::UnknownCloud, "`vcp cloud list` shows this node's clouds."),
        MembershipError::NoInvitation(_) => {
            (RefusalCode::NotAllowed, "`vcp cloud invitations` shows those that are open.")
        }
        MembershipError::Member(_) | MembershipError::NoProposer => {
            (RefusalCode::MemberUnreachable, "Try again when it is back.")
        }
        MembershipError::Halted(_) => (RefusalCode::CloudHalted, ""),
        MembershipError::TooMany => (RefusalCode::Busy, ""),
        MembershipError::Log(_) | MembershipError::Proposal(_) => (RefusalCode::NotAllowed, ""),
        MembershipError::Store(_) => (RefusalCode::Internal, ""),
    };
    Refusal::new(code, error.to_string(), remedy)
}
