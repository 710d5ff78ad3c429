//! The client's connection: which node, which cloud, which key.

use polyyne_protocol::client::{Client, Pin};
use polyyne_protocol::id::CloudId;

use super::arguments::ClientOptions;
use super::contexts::Contexts;
use super::failure::Failure;
use super::identity;
use super::screen::Screen;

/// Connects through the node that options, environment and contexts name.
///
/// The cloud is pinned: by `--cloud`, by an earlier answer of the user, or by asking now.
pub async fn connect(screen: &Screen, options: &ClientOptions) -> Result<Client, Failure> {
    let file = identity::config_folder()?.join("client.toml");
    let mut contexts = Contexts::load(&file)?;
    let chosen = contexts.complete(options)?;
    let node = chosen.node.ok_or_else(|| {
        Failure::usage("no node is named").remedy("--node http://127.0.0.1:4180, or VCP_NODE, or a context")
    })?;
    let key = identity::load(screen, chosen.identity.as_deref())?;
    let known = chosen.cloud.or_else(|| contexts.trusted.get(&node).copied());
    let client = Client::connect(&node, key, known.map_or(Pin::Nothing, Pin::Cloud)).await?;
    if known.is_none() {
        confirm(screen, &client)?;
        contexts.trust(&file, &node, client.cloud())?;
    }
    Ok(client)
}

/// Shows what the node says its cloud is, and goes on only if the user knows it.
fn confirm(screen: &Screen, client: &Client) -> Result<(), Failure> {
    let cloud = client.cloud();
    let view = client.view();
    let members: String = view.members().iter().map(|member| format!("\n  {}", member.peer.peer_id())).collect();
    let question = format!(
        "This node is a member of the cloud `{}`\n  {}\nwith the members:{members}\nIs that the cloud you mean?",
        view.name(),
        fingerprint(&cloud)
    );
    if screen.can_ask() {
        return match screen.ask(&question) {
            true => Ok(()),
            false => Err(Failure::usage("the cloud was not confirmed").remedy("--cloud ID")),
        };
    }
    Err(Failure::usage("the cloud is not named, and nobody is here to confirm it")
        .remedy(format!("--cloud {cloud}, if that is the cloud you mean (its members can tell you)")))
}

/// A cloud's id in groups, for comparing by eye.
fn fingerprint(cloud: &CloudId) -> String {
    let text = cloud.to_string();
    let groups: Vec<&str> = (0..text.len()).step_by(8).map(|at| &text[at..at + 8]).collect();
    groups.join(" ")
}
