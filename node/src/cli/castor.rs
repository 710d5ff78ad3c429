//! `vcp castor`: the stock of tuples.

use polyyne_protocol::admin::{Stock, cloud_path};

use super::arguments::Castor;
use super::failure::Failure;
use super::operator::one_cloud;
use super::screen::Screen;

pub async fn run(screen: &Screen, wish: Castor) -> Result<(), Failure> {
    let Castor::Stock(cloud) = wish;
    let (operator, cloud) = one_cloud(&cloud).await?;
    let stock: Stock = operator.get(&cloud_path(&cloud, "stock")).await?;
    screen.show(&stock, table);
    Ok(())
}

/// One line for each kind.
pub fn table(screen: &Screen, stock: &Stock) {
    let rows = stock.lines.iter().map(|line| {
        vec![
            line.kind.clone(),
            line.available.to_string(),
            line.reserved.to_string(),
            line.target.to_string(),
            format!("{}/s", line.per_1000_s / 1000),
            line.to_target_s.map(|seconds| format!("{seconds} s")).unwrap_or_default(),
            line.consumed.to_string(),
            line.wasted.to_string(),
        ]
    });
    let heading = ["kind", "available", "reserved", "target", "rate", "to target", "consumed", "wasted"];
    screen.table(&heading, rows, "no tuples yet");
}
