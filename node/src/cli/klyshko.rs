//! `vcp klyshko`: how tuples are made.

use polyyne_protocol::admin::{self, GenerationState, cloud_path};

use super::arguments::Klyshko;
use super::castor;
use super::failure::Failure;
use super::operator::one_cloud;
use super::screen::Screen;

pub async fn run(screen: &Screen, wish: Klyshko) -> Result<(), Failure> {
    let generation: admin::Generation = match &wish {
        Klyshko::Status(cloud) => {
            let (operator, cloud) = one_cloud(cloud).await?;
            operator.get(&cloud_path(&cloud, "generation")).await?
        }
        Klyshko::Generate { kind, count, cloud } => {
            let (operator, cloud) = one_cloud(cloud).await?;
            let wish = admin::Generate { kind: kind.clone(), count: *count };
            operator.post(&cloud_path(&cloud, "generation/generate"), &wish).await?
        }
        Klyshko::Pause(cloud) => {
            let (operator, cloud) = one_cloud(cloud).await?;
            operator.post(&cloud_path(&cloud, "generation/pause"), &()).await?
        }
        Klyshko::Resume(cloud) => {
            let (operator, cloud) = one_cloud(cloud).await?;
            operator.post(&cloud_path(&cloud, "generation/resume"), &()).await?
        }
    };
    screen.show(&generation, show);
    Ok(())
}

fn show(screen: &Screen, generation: &admin::Generation) {
    let mut facts = vec![
        ("state", state(generation.state).to_owned()),
        ("generator", generation.generator.to_string()),
        ("batches", generation.batches.to_string()),
    ];
    if let (Some(kind), Some(size)) = (&generation.kind, generation.batch_size) {
        facts.push(("making", format!("{size} × {kind}")));
    }
    if let Some(reason) = &generation.reason {
        facts.push(("because", reason.clone()));
    }
    if let Some(peer) = generation.stalled_by {
        facts.push(("waits for", peer.peer_id()));
    }
    if !generation.paused_by.is_empty() {
        let members: Vec<String> = generation.paused_by.iter().map(|peer| peer.peer_id()).collect();
        facts.push(("paused by", members.join(", ")));
    }
    screen.facts(&facts);
    screen.line("");
    castor::table(screen, &generation.stock);
}

fn state(state: GenerationState) -> &'static str {
    match state {
        GenerationState::Waiting => "waiting",
        GenerationState::SettingUp => "setting up",
        GenerationState::Generating => "generating",
        GenerationState::Idle => "idle: all targets are met",
        GenerationState::Yielding => "giving way to executions",
        GenerationState::Paused => "paused",
        GenerationState::Failed => "failed",
    }
}
