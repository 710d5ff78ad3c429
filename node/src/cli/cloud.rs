//! `vcp cloud`: forming virtual clouds and looking at them.

use std::time::Duration;

use polyyne_protocol::admin::{self, CLOUDS_PATH, Health, INVITATIONS_PATH, cloud_path, invitation_path};
use polyyne_protocol::id::{CloudId, RecordHash};
use polyyne_protocol::version::{Prime, SIGMA_DEFAULT};
use tokio::time::sleep;

use super::arguments::{Cloud, CloudForm, peer};
use super::failure::{Exit, Failure};
use super::operator::Operator;
use super::screen::Screen;

/// How often `--wait` looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub async fn run(screen: &Screen, wish: Cloud) -> Result<(), Failure> {
    match wish {
        Cloud::Form(wish) => form(screen, &wish).await,
        Cloud::Invitations(operator) => {
            let invitations: admin::Invitations = Operator::of(&operator)?.get(INVITATIONS_PATH).await?;
            screen.show(&invitations, |screen, found| found.invitations.iter().for_each(|one| invitation(screen, one)));
            if invitations.invitations.is_empty() && !screen.json {
                screen.note("no invitations");
            }
            Ok(())
        }
        Cloud::Accept { id, operator } => decide(screen, &Operator::of(&operator)?, &id, "accept").await,
        Cloud::Decline { id, operator } => decide(screen, &Operator::of(&operator)?, &id, "decline").await,
        Cloud::List(operator) => {
            let clouds: admin::Clouds = Operator::of(&operator)?.get(CLOUDS_PATH).await?;
            screen.show(&clouds, list);
            Ok(())
        }
        Cloud::Show { id, operator } => {
            let cloud: admin::Cloud = Operator::of(&operator)?.get(&cloud_path(&id, "")).await?;
            screen.show(&cloud, show);
            Ok(())
        }
        Cloud::History { id, operator } => {
            let history: admin::History = Operator::of(&operator)?.get(&cloud_path(&id, "history")).await?;
            screen.show(&history, records);
            Ok(())
        }
        Cloud::Rekey { id, burn_frozen, operator } => {
            let operator = Operator::of(&operator)?;
            let waiting = screen.spinner("all members make and sign a new MAC key");
            let rekey = admin::Rekey { burn_frozen };
            let proposed: admin::Proposed = operator.post(&cloud_path(&id, "rekey"), &rekey).await?;
            waiting.finish_and_clear();
            screen.show(&proposed, proposal);
            Ok(())
        }
    }
}

fn records(screen: &Screen, history: &admin::History) {
    let rows = history.records.iter().map(|record| {
        let signers = format!("{} members", record.signers.len());
        vec![record.epoch.to_string(), record.kind.clone(), record.text.clone(), signers, record.hash.to_string()]
    });
    screen.table(&["epoch", "record", "says", "signed by", "hash"], rows, "no records");
}

async fn form(screen: &Screen, wish: &CloudForm) -> Result<(), Failure> {
    for member in &wish.member {
        peer(member).map_err(|error| {
            Failure::usage(error).remedy("a multiaddr ending in /p2p/ID, or the ID that `vcp node id` prints there")
        })?;
    }
    let operator = Operator::of(&wish.operator)?;
    let waiting = screen.spinner("all members are asked to sign");
    let form = admin::Form {
        name: wish.name.clone(),
        members: wish.member.clone(),
        prime: wish.prime.map_or(Prime::DEFAULT, Prime),
        generator: wish.generator.map(Into::into),
        sigma: SIGMA_DEFAULT,
        stock: wish.target.iter().cloned().collect(),
        external: wish.external.iter().cloned().collect(),
    };
    let proposed: admin::Proposed = operator.post(CLOUDS_PATH, &form).await?;
    if wish.wait {
        waiting.set_message("the cloud becomes live");
        until_live(&operator, &proposed.cloud).await?;
    }
    waiting.finish_and_clear();
    screen.show(&proposed, proposal);
    Ok(())
}

/// Waits until the members have signed and made their MAC key.
pub async fn until_live(operator: &Operator, cloud: &CloudId) -> Result<admin::Cloud, Failure> {
    loop {
        match operator.get::<admin::Cloud>(&cloud_path(cloud, "")).await {
            Ok(found) => match found.line.health {
                Health::Live => return Ok(found),
                Health::Halted | Health::Compromised | Health::Quarantined => {
                    return Err(Failure::aborted(format!("the cloud is {}", health(found.line.health)))
                        .remedy(format!("vcp cloud show {cloud}")));
                }
                Health::Forming | Health::Keying | Health::Sealed | Health::Degraded | Health::Frozen => {}
            },
            // not there yet while signatures are missing
            Err(failure) if failure.exit == Exit::Refused => {}
            Err(failure) => return Err(failure),
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn decide(screen: &Screen, operator: &Operator, id: &str, verb: &str) -> Result<(), Failure> {
    let invitations: admin::Invitations = operator.get(INVITATIONS_PATH).await?;
    let named: Vec<RecordHash> = invitations
        .invitations
        .iter()
        .filter(|one| one.record.to_string().starts_with(id) || one.cloud.to_string() == id)
        .map(|one| one.record)
        .collect();
    let [record] = named.as_slice() else {
        let what = if named.is_empty() { "no invitation is" } else { "several invitations are" };
        return Err(Failure::usage(format!("{what} called {id}")).remedy("vcp cloud invitations"));
    };
    let proposed: admin::Proposed = operator.post(&invitation_path(record, verb), &()).await?;
    screen.show(&proposed, proposal);
    Ok(())
}

fn list(screen: &Screen, clouds: &admin::Clouds) {
    let rows = clouds.clouds.iter().map(|cloud| {
        vec![
            cloud.id.to_string(),
            cloud.name.clone(),
            cloud.epoch.to_string(),
            format!("{}/{}", cloud.members_connected, cloud.members),
            health(cloud.health).into(),
        ]
    });
    screen.table(&["cloud", "name", "epoch", "members there", "state"], rows, "no clouds");
}

/// A state in a word.
pub fn health(health: Health) -> &'static str {
    match health {
        Health::Forming => "forming",
        Health::Keying => "making its MAC key",
        Health::Sealed => "sealed until all members have found this node's store fresh",
        Health::Quarantined => "quarantined: this node's store is an old or a second copy",
        Health::Live => "live",
        Health::Degraded => "a member is missing",
        Health::Frozen => "frozen: a MAC check is unfinished",
        Health::Compromised => "compromised: its MAC key is burned",
        Health::Halted => "halted",
    }
}

fn key_state(state: admin::KeyState) -> &'static str {
    match state {
        admin::KeyState::Good => "good",
        admin::KeyState::Frozen => "frozen",
        admin::KeyState::Compromised => "burned",
    }
}

fn show(screen: &Screen, cloud: &admin::Cloud) {
    let parameters = &cloud.parameters;
    screen.facts(&[
        ("cloud", cloud.line.id.to_string()),
        ("name", cloud.line.name.clone()),
        ("state", health(cloud.line.health).into()),
        ("epoch", cloud.line.epoch.to_string()),
        ("prime", parameters.prime.to_string()),
        ("security", format!("{} bits computational, {} bits statistical", parameters.kappa, parameters.sigma)),
        ("generator", parameters.generator.to_string()),
        ("secrets", cloud.secrets.to_string()),
        ("executions", format!("{} done, {} failed", cloud.executions_done, cloud.executions_failed)),
    ]);
    members(screen, &cloud.members);
    let keys = cloud.mac_key.iter().chain(&cloud.keys_before);
    let rows = keys.map(|key| {
        let reason = key.reason.clone().unwrap_or_default();
        vec![key.id.to_string(), key.epoch.to_string(), key_state(key.state).into(), key.checks.to_string(), reason]
    });
    screen.line("");
    screen.table(&["MAC key", "epoch", "state", "checks", ""], rows, "no MAC key yet");
}

fn members(screen: &Screen, members: &[admin::MemberLine]) {
    let rows = members.iter().map(|member| {
        let there = match (member.own, member.connected) {
            (true, _) => "this node",
            (false, true) => "connected",
            (false, false) => "not reached",
        };
        let complaint = member.complaint.clone().unwrap_or_default();
        vec![member.index.to_string(), member.peer_id.clone(), there.into(), complaint]
    });
    screen.line("");
    screen.table(&["party", "member", "", ""], rows, "no members");
}

fn invitation(screen: &Screen, invitation: &admin::Invitation) {
    screen.facts(&[
        ("invitation", invitation.record.to_string()),
        ("cloud", format!("{} {}", invitation.cloud, invitation.name)),
        ("from", invitation.from.peer_id()),
        ("prime", invitation.parameters.prime.to_string()),
        ("security", format!("{} bits statistical", invitation.parameters.sigma)),
        ("generator", invitation.parameters.generator.to_string()),
    ]);
    members(screen, &invitation.members);
    invitation.warnings.iter().for_each(|warning| screen.line(format!("warning: {warning}")));
    screen.line(format!("accept with: vcp cloud accept {}\n", invitation.record.short()));
}

fn proposal(screen: &Screen, proposed: &admin::Proposed) {
    screen.line(proposed.cloud);
    if proposed.complete {
        return screen.note("signed by all members");
    }
    let rows = proposed.signers.iter().map(|signer| {
        let stance = match (signer.signed, &signer.stance) {
            (true, _) => "signed".to_owned(),
            (false, Some(stance)) => format!("{stance:?}").to_lowercase(),
            (false, None) => "has not answered".into(),
        };
        vec![signer.peer_id.clone(), stance]
    });
    screen.table(&["member", ""], rows, "nobody has to sign");
}
