//! `vcp castor`: the stock of tuples.

use polyyne_protocol::admin::{Stock, StockAudit, Telemetry, cloud_path};

use super::arguments::Castor;
use super::failure::Failure;
use super::operator::one_cloud;
use super::screen::Screen;

pub async fn run(screen: &Screen, wish: Castor) -> Result<(), Failure> {
    match wish {
        Castor::Stock(cloud) => {
            let (operator, cloud) = one_cloud(&cloud).await?;
            let stock: Stock = operator.get(&cloud_path(&cloud, "stock")).await?;
            screen.show(&stock, table);
            Ok(())
        }
        Castor::Telemetry { interval, cloud } => {
            let (operator, cloud) = one_cloud(&cloud).await?;
            let path = format!("{}?interval={interval}", cloud_path(&cloud, "telemetry"));
            let told: Telemetry = operator.get(&path).await?;
            screen.show(&told, rates);
            Ok(())
        }
        Castor::Audit(cloud) => {
            let (operator, cloud) = one_cloud(&cloud).await?;
            let audit: StockAudit = operator.get(&cloud_path(&cloud, "audit")).await?;
            screen.show(&audit, accounts);
            if audit.balanced {
                return Ok(());
            }
            Err(Failure::failed("the account of some kind does not balance")
                .remedy("stop this node, keep its data directory, and tell the other members"))
        }
    }
}

fn rates(screen: &Screen, told: &Telemetry) {
    let rate = |per_1000_s: u64| format!("{}.{}/s", per_1000_s / 1000, per_1000_s % 1000 / 100);
    let rows = told.lines.iter().map(|line| {
        vec![
            line.kind.clone(),
            line.available.to_string(),
            line.reserved.to_string(),
            line.target.to_string(),
            rate(line.generated_per_1000_s),
            rate(line.consumed_per_1000_s),
            rate(line.wasted_per_1000_s),
            line.skipped.to_string(),
            line.burned.to_string(),
            line.to_target_s.map(|seconds| format!("{seconds} s")).unwrap_or_default(),
        ]
    });
    let heading =
        ["kind", "available", "reserved", "target", "made", "consumed", "wasted", "skipped", "burned", "to target"];
    screen.table(&heading, rows, "no tuples yet");
    screen.note(format!("rates are those of the last {} s", told.covered_s));
}

fn accounts(screen: &Screen, audit: &StockAudit) {
    let rows = audit.lines.iter().map(|line| {
        let balances = if line.balances() { "yes" } else { "NO" };
        let numbers = [line.generated, line.consumed, line.journalled, line.wasted, line.available];
        let numbers = numbers.iter().map(u64::to_string);
        std::iter::once(line.kind.clone()).chain(numbers).chain([balances.to_owned()]).collect()
    });
    screen.table(&["kind", "generated", "consumed", "journal", "wasted", "left", "balances"], rows, "no tuples yet");
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
