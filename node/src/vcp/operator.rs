//! What the operator's door sees of a node.

use super::Vcp;
use crate::backup;
use crate::castor::{Account, Stock as KindStock};
use crate::core::clouds::{CloudStatus, scope_of};
use crate::core::{DeskRef, unknown_cloud};
use crate::desk::internal;
use crate::federation::PeerStatus;
use crate::freshness::Seal;
use crate::http::doors::OperatorApi;
use crate::journal::KeyState as StoredKey;
use crate::klyshko::rules::{kinds, told};
use crate::klyshko::{Klyshko, Phase as Making};
use polyyne_protocol::admin::*;
use polyyne_protocol::id::{CloudId, PeerKey, RecordHash};
use polyyne_protocol::log::SignedRecord;
use polyyne_protocol::membership::Record;
use polyyne_protocol::request::{Refusal, RefusalCode};
use polyyne_protocol::stock::StockRule;
use polyyne_protocol::version::WIRE_MAJOR;

impl Vcp {
    fn cloud_status(&self, cloud: CloudId) -> Result<CloudStatus, Refusal> {
        self.shared.core.clouds.status(cloud).ok_or_else(|| unknown_cloud(cloud))
    }

    fn live_desk(&self, cloud: CloudId) -> Result<DeskRef, Refusal> {
        self.shared.core.clouds.serving(cloud)
    }

    fn line(&self, cloud: CloudId, status: &CloudStatus) -> CloudLine {
        let connected =
            |member: &PeerKey| *member == self.key() || self.peer_status(*member).is_some_and(|peer| peer.connected);
        let members_connected = status.view.members().iter().filter(|member| connected(&member.peer)).count();
        let health = match (status, &status.key_state) {
            (CloudStatus { halted: true, .. }, _) => Health::Halted,
            (_, Some(StoredKey::Compromised { .. })) => Health::Compromised,
            (CloudStatus { seal: Some(Seal::Quarantined(_)), .. }, _) => Health::Quarantined,
            (CloudStatus { seal: Some(Seal::Asking(_)), .. }, _) => Health::Sealed,
            (_, None) => Health::Keying,
            (_, Some(StoredKey::Frozen { .. })) => Health::Frozen,
            (CloudStatus { desk: None, .. }, _) => Health::Keying,
            _ if members_connected < status.view.n() => Health::Degraded,
            _ => Health::Live,
        };
        CloudLine {
            id: cloud,
            name: status.view.name().to_owned(),
            epoch: status.view.epoch(),
            members: status.view.n(),
            members_connected,
            health,
        }
    }

    fn peer_status(&self, peer: PeerKey) -> Option<PeerStatus> {
        self.shared.core.network.peer(peer)
    }

    fn member_lines(&self, status: &CloudStatus) -> Vec<MemberLine> {
        let line = |member: &polyyne_protocol::membership::Member| {
            let seen = self.peer_status(member.peer);
            let own = member.peer == self.key();
            MemberLine {
                index: member.index,
                peer: member.peer,
                peer_id: member.peer.peer_id(),
                seal: member.seal,
                addresses: member.addresses.clone(),
                own,
                connected: own || seen.as_ref().is_some_and(|peer| peer.connected),
                ping_us: seen.and_then(|peer| peer.rtt).map(|rtt| rtt.as_micros() as u64),
                complaint: None,
            }
        };
        status.view.members().iter().map(line).collect()
    }

    fn key_lines(&self, cloud: CloudId, status: &CloudStatus) -> (Option<KeyLine>, Vec<KeyLine>) {
        let journal = &self.shared.core.clouds.stores().journal;
        let line = |key: polyyne_protocol::view::CurrentMacKey| {
            let record = journal.key_record(scope_of(cloud, key.id)).unwrap_or_default();
            let (state, reason) = match record.state {
                StoredKey::Active => (KeyState::Good, None),
                StoredKey::Frozen { check } => (KeyState::Frozen, Some(format!("MAC check {check} is unfinished"))),
                StoredKey::Compromised { evidence } => {
                    (KeyState::Compromised, Some(String::from_utf8_lossy(&evidence).into_owned()))
                }
            };
            KeyLine { id: key.id, epoch: key.epoch, state, checks: record.last_check, reason }
        };
        let now = status.view.mac_key().cloned().map(line);
        let before = self.keys_before(cloud).into_iter().map(line).collect();
        (now, before)
    }

    fn stock_lines(&self, desk: &DeskRef) -> Stock {
        let line = |(rule, own): (StockRule, KindStock)| {
            let per_1000_s = desk.klyshko.rate_per_1000_s(own.kind);
            StockLine {
                kind: own.kind.name(),
                available: own.available,
                reserved: own.staged,
                generated: own.generated,
                consumed: own.taken,
                wasted: own.skipped + own.burned,
                target: rule.target,
                threshold: rule.threshold,
                priority: rule.priority,
                concurrency: rule.concurrency,
                per_1000_s,
                to_target_s: (rule.target.saturating_sub(own.available) * 1000).checked_div(per_1000_s),
            }
        };
        let told = told(&desk.seat.view, &desk.seat.castor.stock(desk.seat.scope));
        Stock { lines: told.into_iter().map(line).collect() }
    }

    fn generation_of(&self, desk: &DeskRef) -> Result<Generation, Refusal> {
        let trouble = desk.klyshko.trouble();
        let (state, kind, batch_size) = match desk.klyshko.phase() {
            Making::Paused if trouble.is_some() => (GenerationState::Failed, None, None),
            Making::Paused => (GenerationState::Paused, None, None),
            Making::Meeting => (GenerationState::Waiting, None, None),
            Making::SettingUp => (GenerationState::SettingUp, None, None),
            Making::Idle => (GenerationState::Idle, None, None),
            Making::Yielding => (GenerationState::Yielding, None, None),
            Making::Generating { kind, count } => (GenerationState::Generating, Some(kind), Some(count as u64)),
        };
        Ok(Generation {
            state,
            generator: desk.seat.view.parameters().generator,
            paused_by: desk.klyshko.paused_by(),
            stalled_by: desk.klyshko.stalled_by(),
            batches: desk.klyshko.batches(),
            kind,
            batch_size,
            reason: trouble,
            stock: self.stock_lines(desk),
        })
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut find = |severity, subject: &str, text: String, remedy: &str| {
            findings.push(Finding { severity, subject: subject.to_owned(), text, remedy: remedy.to_owned() });
        };
        let peers = self.shared.core.network.peers();
        let connected = peers.iter().filter(|peer| peer.connected).count();
        if connected == 0 {
            find(
                Severity::Warning,
                "network",
                "no peer is connected".to_owned(),
                "Give peers with --peer or a peers file, and check the firewall.",
            );
        } else {
            find(Severity::Good, "network", format!("{connected} peers are connected"), "");
        }
        for id in self.shared.core.clouds.ids() {
            let Some(status) = self.shared.core.clouds.status(id) else { continue };
            let line = self.line(id, &status);
            let subject = format!("cloud {}", line.name);
            match line.health {
                Health::Live => find(Severity::Good, &subject, "all members are connected".to_owned(), ""),
                Health::Degraded => {
                    let missing = self.member_lines(&status).into_iter().filter(|member| !member.connected);
                    let names: Vec<String> = missing.map(|member| member.peer_id).collect();
                    find(
                        Severity::Problem,
                        &subject,
                        format!("not connected: {}", names.join(", ")),
                        "Nothing runs without all members: ask their operators.",
                    );
                }
                Health::Compromised => find(
                    Severity::Problem,
                    &subject,
                    "its MAC key is burned: a check under it failed".to_owned(),
                    "Make a new one with `vcp cloud rekey`; secrets under the old key stay frozen.",
                ),
                Health::Frozen => find(
                    Severity::Warning,
                    &subject,
                    match status.given_up_by {
                        Some(peer) => format!(
                            "its MAC key is frozen by an unfinished check, which member {} says it has given up",
                            peer.peer_id()
                        ),
                        None => "its MAC key is frozen by an unfinished check".to_owned(),
                    },
                    "It ends by itself when all members are back; if one lost its store in the middle of that check, \
                     `vcp cloud rekey --burn-frozen` gives the key up.",
                ),
                Health::Halted => find(
                    Severity::Problem,
                    &subject,
                    "it has two complete records for one epoch".to_owned(),
                    "Some member equivocated; `vcp cloud history` has the evidence.",
                ),
                Health::Sealed => find(
                    Severity::Warning,
                    &subject,
                    match status.seal {
                        Some(Seal::Asking(Some(peer))) => {
                            format!("this node was started and has not heard from {}", peer.peer_id())
                        }
                        _ => "this node was started and asks the members what they know of its store".to_owned(),
                    },
                    "Nothing runs without all members: ask their operators.",
                ),
                Health::Quarantined => find(Severity::Problem, &subject, quarantine(&status), QUARANTINE_REMEDY),
                Health::Forming | Health::Keying => find(
                    Severity::Warning,
                    &subject,
                    "it has no MAC key yet".to_owned(),
                    "All members must be connected.",
                ),
            }
            if let Some(klyshko) = status.desk.map(|desk| desk.klyshko.clone()).filter(Klyshko::is_paused) {
                match klyshko.trouble() {
                    Some(trouble) => {
                        find(Severity::Problem, &subject, trouble, "Look at the log, then `vcp klyshko resume`.");
                    }
                    None => find(
                        Severity::Warning,
                        &subject,
                        "generation is paused here".to_owned(),
                        "`vcp klyshko resume` ends the pause.",
                    ),
                }
            }
        }
        findings
    }
}

const QUARANTINE_REMEDY: &str = "Make sure that no other copy of this node runs; then `vcp node renew` gives this store up: \
    its tuples are thrown away at all members and made anew, and secrets stored since the copy was made are missing here.";

fn quarantine(status: &CloudStatus) -> String {
    let by = match status.seal {
        Some(Seal::Quarantined(peer)) => peer.peer_id(),
        _ => "a member".to_owned(),
    };
    format!(
        "this node's data directory is an old copy, or runs a second time: {by} showed a newer state of its store, signed by \
         this node. Nothing of it is used"
    )
}

fn history_line(signed: &SignedRecord) -> HistoryLine {
    let head = signed.record.head();
    let (kind, text) = match &signed.record {
        Record::Membership(record) => ("membership", format!("{}, {} members", record.name, record.members.len())),
        Record::MacKey(record) => ("mac_key", format!("MAC key {}", record.key)),
    };
    HistoryLine {
        epoch: head.epoch,
        attempt: head.attempt,
        hash: signed.record.hash(),
        kind: kind.to_owned(),
        text,
        signers: signed.signatures.iter().map(|signature| signature.peer).collect(),
    }
}

impl OperatorApi for Vcp {
    async fn status(&self) -> Result<Status, Refusal> {
        let shared = &self.shared;
        let http = *shared.http.borrow();
        Ok(Status {
            peer: self.key(),
            peer_id: self.key().peer_id(),
            seal: shared.core.identity.seal.public(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            wire: WIRE_MAJOR,
            schema: crate::config::SCHEMA_VERSION,
            phase: if *shared.stopping.borrow() { Phase::Stopping } else { Phase::Serving },
            uptime_s: shared.started.elapsed().as_secs(),
            addresses: shared
                .core
                .network
                .listen_addrs()
                .into_iter()
                .map(|address| format!("{address}/p2p/{}", self.key().peer_id()))
                .collect(),
            data: shared.core.links.local_addr().to_string(),
            http: http.map_or_else(String::new, |address| format!("http://{address}")),
            peers_connected: shared.core.network.peers().iter().filter(|peer| peer.connected).count(),
            clouds: shared.core.clouds.ids().len(),
            invitations: shared.federation.invitations().len(),
            executions_running: shared
                .core
                .clouds
                .ids()
                .into_iter()
                .filter_map(|id| shared.core.clouds.desk(id))
                .map(|desk| desk.ephemeral.running())
                .sum(),
        })
    }

    async fn peers(&self) -> Result<Peers, Refusal> {
        let members: Vec<PeerKey> = self
            .shared
            .core
            .clouds
            .ids()
            .into_iter()
            .filter_map(|id| self.shared.core.clouds.status(id))
            .flat_map(|status| status.view.members().iter().map(|member| member.peer).collect::<Vec<_>>())
            .collect();
        let line = |peer: PeerStatus| Peer {
            peer: peer.key,
            peer_id: peer.key.peer_id(),
            connected: peer.connected,
            addresses: peer.addresses.iter().map(ToString::to_string).collect(),
            source: if members.contains(&peer.key) { PeerSource::Member } else { PeerSource::Discovered },
            ping_us: peer.rtt.map(|rtt| rtt.as_micros() as u64),
            version: (!peer.agent.is_empty()).then_some(peer.agent),
        };
        Ok(Peers { peers: self.shared.core.network.peers().into_iter().map(line).collect() })
    }

    async fn clouds(&self) -> Result<Clouds, Refusal> {
        let clouds = &self.shared.core.clouds;
        let line = |id| clouds.status(id).map(|status| self.line(id, &status));
        Ok(Clouds { clouds: clouds.ids().into_iter().filter_map(line).collect() })
    }

    async fn cloud(&self, cloud: CloudId) -> Result<Cloud, Refusal> {
        let status = self.cloud_status(cloud)?;
        let (mac_key, keys_before) = self.key_lines(cloud, &status);
        let row = crate::store::CloudId(cloud.0);
        let stores = self.shared.core.clouds.stores();
        let secrets = stores.secrets.list(row, None, usize::MAX, |_| true).map_err(internal)?.len() as u64;
        let (done, failed) = status.desk.as_ref().map_or((0, 0), |desk| desk.ephemeral.counts());
        Ok(Cloud {
            line: self.line(cloud, &status),
            head: status.view.head(),
            members: self.member_lines(&status),
            parameters: status.view.parameters().clone(),
            mac_key,
            keys_before,
            secrets,
            executions_done: done,
            executions_failed: failed,
        })
    }

    async fn form(&self, form: Form) -> Result<Proposed, Refusal> {
        self.propose(form).await
    }

    async fn rekey(&self, cloud: CloudId, rekey: Rekey) -> Result<Proposed, Refusal> {
        let status = self.cloud_status(cloud)?;
        let scope = status.view.mac_key().map(|key| scope_of(cloud, key.id));
        match (&status.key_state, scope) {
            (Some(StoredKey::Frozen { .. }), Some(scope)) if rekey.burn_frozen => {
                self.shared.core.clouds.burn(scope).await
            }
            (Some(StoredKey::Frozen { .. }), _) => {
                return Err(Refusal::new(
                    RefusalCode::KeyFrozen,
                    "the MAC key is frozen, not burned",
                    "It ends by itself when all members are back; --burn-frozen gives it up, and with it the secrets under it.",
                ));
            }
            (Some(StoredKey::Active), _) => {
                return Err(Refusal::new(
                    RefusalCode::NotAllowed,
                    "the MAC key of the cloud is good",
                    "A new one is made only in place of a burned one: secrets under the old key would freeze.",
                ));
            }
            _ => {}
        }
        self.propose_key(cloud).await
    }

    async fn invitations(&self) -> Result<Invitations, Refusal> {
        Ok(Invitations { invitations: self.open_invitations() })
    }

    async fn accept(&self, record: RecordHash) -> Result<Proposed, Refusal> {
        self.decide(record, true).await
    }

    async fn decline(&self, record: RecordHash) -> Result<Proposed, Refusal> {
        self.decide(record, false).await
    }

    async fn generation(&self, cloud: CloudId) -> Result<Generation, Refusal> {
        self.generation_of(&self.live_desk(cloud)?)
    }

    async fn generate(&self, cloud: CloudId, wish: Generate) -> Result<Generation, Refusal> {
        let desk = self.live_desk(cloud)?;
        let kinds = kinds(&desk.seat.view);
        let kind = kinds.iter().copied().find(|kind| kind.name() == wish.kind).ok_or_else(|| {
            let names: Vec<String> = kinds.iter().map(|kind| kind.name()).collect();
            Refusal::new(
                RefusalCode::Malformed,
                format!("there is no kind of tuples {:?}", wish.kind),
                format!("The kinds are {}.", names.join(", ")),
            )
        })?;
        let available = desk.seat.castor.available(desk.seat.scope, kind);
        desk.klyshko.want(kind, available.saturating_add(wish.count));
        self.generation_of(&desk)
    }

    async fn pause(&self, cloud: CloudId) -> Result<Generation, Refusal> {
        let desk = self.live_desk(cloud)?;
        desk.klyshko.pause().await.map_err(internal)?;
        self.generation_of(&desk)
    }

    async fn resume(&self, cloud: CloudId) -> Result<Generation, Refusal> {
        let desk = self.live_desk(cloud)?;
        desk.klyshko.resume().await.map_err(internal)?;
        self.generation_of(&desk)
    }

    async fn stock(&self, cloud: CloudId) -> Result<Stock, Refusal> {
        Ok(self.stock_lines(&self.live_desk(cloud)?))
    }

    async fn telemetry(&self, cloud: CloudId, interval_s: u64) -> Result<Telemetry, Refusal> {
        self.told_telemetry(cloud, interval_s)
    }

    async fn audit(&self, cloud: CloudId) -> Result<StockAudit, Refusal> {
        let desk = self.live_desk(cloud)?;
        let accounts = self.shared.core.clouds.stores().castor.audit(desk.seat.scope).map_err(internal)?;
        let line = |account: &Account| AuditLine {
            kind: account.kind.name(),
            generated: account.generated,
            available: account.left,
            // Made, and not yet counted as generated: it waits for signatures.
            reserved: 0,
            consumed: account.taken,
            journalled: account.journalled,
            wasted: account.skipped + account.burned,
        };
        let balanced = accounts.iter().all(Account::balances);
        Ok(StockAudit { lines: accounts.iter().map(line).collect(), balanced })
    }

    async fn history(&self, cloud: CloudId) -> Result<History, Refusal> {
        let records = self.shared.federation.records(cloud).ok_or_else(|| unknown_cloud(cloud))?;
        Ok(History { records: records.iter().map(history_line).collect() })
    }

    async fn doctor(&self) -> Result<Diagnosis, Refusal> {
        Ok(Diagnosis { findings: self.findings() })
    }

    async fn back_up(&self, wish: BackUp) -> Result<BackedUp, Refusal> {
        let (layout, state) = (self.shared.core.layout().clone(), self.shared.core.state.clone());
        let written = tokio::task::spawn_blocking(move || backup::write(&layout, &state, &wish.to, &wish.key));
        match written.await.map_err(internal)? {
            Ok(written) => Ok(BackedUp { rows: written.rows, bytes: written.bytes }),
            Err(error) => Err(Refusal::new(RefusalCode::NotAllowed, error.to_string(), "")),
        }
    }

    async fn renew(&self) -> Result<Renewed, Refusal> {
        let clouds = self.shared.core.clouds.renew().await.map_err(internal)?;
        if clouds.is_empty() {
            return Err(Refusal::new(
                RefusalCode::NotAllowed,
                "no store of this node is in quarantine",
                "A store is given up only where it is an old or a second copy.",
            ));
        }
        Ok(Renewed { clouds })
    }

    async fn shutdown(&self) -> Result<Status, Refusal> {
        self.shared.stopping.send_replace(true);
        OperatorApi::status(self).await
    }
}
