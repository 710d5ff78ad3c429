//! `vcp doctor`: what is wrong and how to mend it.

use polyyne_protocol::admin::{DOCTOR_PATH, Diagnosis, Finding, Severity};

use super::arguments::OperatorOptions;
use super::failure::Failure;
use super::node;
use super::operator::Operator;
use super::screen::Screen;
use crate::config::Config;

pub async fn run(screen: &Screen, options: OperatorOptions) -> Result<(), Failure> {
    let mut findings = files(&options)?;
    match Operator::of(&options)?.get::<Diagnosis>(DOCTOR_PATH).await {
        Ok(diagnosis) => findings.extend(diagnosis.findings),
        Err(failure) => findings.push(problem("the node", &failure)),
    }
    let diagnosis = Diagnosis { findings };
    screen.show(&diagnosis, show);
    match diagnosis.worst() {
        Severity::Problem => Err(Failure::failed("there are problems")),
        Severity::Good | Severity::Warning => Ok(()),
    }
}

/// What can be looked at without a running node.
fn files(options: &OperatorOptions) -> Result<Vec<Finding>, Failure> {
    let layout = node::layout(options)?;
    let mut findings = Vec::new();
    findings.push(match layout.open() {
        Ok(data) => good("the data directory", format!("{} is whole", data.layout().dir().display())),
        Err(crate::data_dir::DataDirError::InUse { .. }) => {
            good("the data directory", format!("{} belongs to a running node", layout.dir().display()))
        }
        Err(error) => problem("the data directory", &error.into()),
    });
    findings.push(match Config::load(&layout.config()) {
        Ok(_) => good("the settings", format!("{} is understood", layout.config().display())),
        Err(error) => problem("the settings", &error.into()),
    });
    Ok(findings)
}

fn good(subject: &str, text: String) -> Finding {
    Finding { severity: Severity::Good, subject: subject.into(), text, remedy: String::new() }
}

fn problem(subject: &str, failure: &Failure) -> Finding {
    Finding {
        severity: Severity::Problem,
        subject: subject.into(),
        text: failure.what.clone(),
        remedy: failure.remedy.clone().unwrap_or_default(),
    }
}

fn show(screen: &Screen, diagnosis: &Diagnosis) {
    for finding in &diagnosis.findings {
        let mark = match finding.severity {
            Severity::Good => "ok      ",
            Severity::Warning => "warning ",
            Severity::Problem => "PROBLEM ",
        };
        screen.line(format!("{mark} {}: {}", finding.subject, finding.text));
        if !finding.remedy.is_empty() {
            screen.line(format!("          next: {}", finding.remedy));
        }
    }
}
