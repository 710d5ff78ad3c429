//! The operator's end of the node's unix socket.

use std::path::PathBuf;
use std::time::Duration;

use polyyne_protocol::admin::{self, CLOUDS_PATH};
use polyyne_protocol::id::CloudId;
use polyyne_protocol::limits::ADMIN_BODY_MAX;
use polyyne_protocol::request::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::arguments::{OneCloud, OperatorOptions};
use super::failure::{Context as _, Failure};
use super::node;
use crate::data_dir::Layout;

/// Longest answer: a log for people.
const ANSWER_MAX: usize = 16 * ADMIN_BODY_MAX;
/// How long forming a cloud may take: all members are asked.
const PATIENCE: Duration = Duration::from_secs(180);

/// A connection to the node that owns a data directory.
pub struct Operator {
    http: reqwest::Client,
    socket: PathBuf,
}

impl Operator {
    /// The node of these options.
    pub fn of(options: &OperatorOptions) -> Result<Self, Failure> {
        let layout = node::layout(options)?;
        if !layout.identity().exists() {
            // says how to make one
            layout.peer_key()?;
        }
        Self::at(&layout)
    }

    /// The node of this data directory.
    pub fn at(layout: &Layout) -> Result<Self, Failure> {
        let socket = layout.socket();
        let http = reqwest::Client::builder()
            .no_proxy()
            .unix_socket(socket.clone())
            .timeout(PATIENCE)
            .build()
            .or_failed("cannot make a connection")?;
        Ok(Self { http, socket })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(self.http.get(url(path))).await
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.send(self.http.post(url(path)).json(body)).await
    }

    /// The named cloud, or the only one.
    pub async fn cloud(&self, named: Option<CloudId>) -> Result<CloudId, Failure> {
        if let Some(cloud) = named {
            return Ok(cloud);
        }
        let clouds: admin::Clouds = self.get(CLOUDS_PATH).await?;
        match clouds.clouds.as_slice() {
            [only] => Ok(only.id),
            [] => Err(Failure::usage("this node is a member of no cloud")
                .remedy("vcp cloud form --name NAME --member PEER, or vcp cloud invitations")),
            several => {
                let list: String = several.iter().map(|cloud| format!("\n  {} {}", cloud.id, cloud.name)).collect();
                Err(Failure::usage(format!("this node is a member of several clouds:{list}")).remedy("--cloud ID"))
            }
        }
    }

    async fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failure> {
        let mut response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(Failure::failed("the node's answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&body).or_failed("the node's answer cannot be read (another version?)");
        }
        Err(match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) => refusal.into(),
            Err(_) => Failure::failed(format!("the node answered with status {status}")),
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let dir = self.socket.parent().unwrap_or(&self.socket).display();
        let what = match error.is_timeout() {
            true => format!("the node in {dir} did not answer in time"),
            false => format!("no node is running in {dir}"),
        };
        Failure::unreachable(what).remedy(format!("vcp node start --data-dir {dir}"))
    }
}

/// The node and the cloud that a command is about.
pub async fn one_cloud(wish: &OneCloud) -> Result<(Operator, CloudId), Failure> {
    let operator = Operator::of(&wish.operator)?;
    let cloud = operator.cloud(wish.cloud).await?;
    Ok((operator, cloud))
}

/// The socket does not look at the host.
fn url(path: &str) -> String {
    format!("http://vcp{path}")
}
