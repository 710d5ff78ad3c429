//! Where a command writes: results to standard output, everything else to standard error.
//!
//! With `--json` standard output is one JSON value. Progress shows as a bar where standard error is a terminal. A reader
//! that goes away (`| head`) ends the writing, not the program.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// How a command shows what it does.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    pub json: bool,
}

impl Screen {
    /// One line of result.
    pub fn line(&self, text: impl Display) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// Result text as it is, without a line end of ours.
    pub fn raw(&self, bytes: &[u8]) {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
    }

    /// A remark beside the result.
    pub fn note(&self, text: impl Display) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// `value` as JSON if that was asked for, else what `human` writes.
    pub fn show<T: Serialize>(&self, value: &T, human: impl FnOnce(&Self, &T)) {
        if !self.json {
            return human(self, value);
        }
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.line(text),
            Err(error) => self.note(format!("error: the result cannot be written as JSON: {error}")),
        }
    }

    /// A table with one heading line; says `none` instead when there are no rows.
    pub fn table<R: IntoIterator<Item = Vec<String>>>(&self, heading: &[&str], rows: R, none: &str) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(heading);
        table.add_rows(rows);
        if table.is_empty() {
            return self.note(none);
        }
        for line in table.lines() {
            // the style pads every column on both sides
            self.line(line.strip_prefix(' ').unwrap_or(&line).trim_end());
        }
    }

    /// Name and value per line, aligned; further lines of a value stand under the first.
    pub fn facts(&self, facts: &[(&str, String)]) {
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in facts {
            let mut lines = value.lines();
            self.line(format!("{name:width$}  {}", lines.next().unwrap_or_default()));
            lines.for_each(|line| self.line(format!("{:width$}  {line}", "")));
        }
    }

    /// Something that takes a time that is not known.
    pub fn spinner(&self, doing: impl Into<String>) -> ProgressBar {
        let bar = ProgressBar::new_spinner().with_message(doing.into());
        bar.set_style(style("{spinner} {msg} {elapsed}"));
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    /// Something with a known end.
    pub fn bar(&self, doing: impl Into<String>, len: u64) -> ProgressBar {
        let bar = ProgressBar::new(len).with_message(doing.into());
        bar.set_style(style("{msg} {bar:30} {human_pos}/{human_len} {elapsed}"));
        bar
    }

    /// Whether a person can answer a question here.
    pub fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks for a yes; anything else is a no.
    pub fn ask(&self, question: &str) -> bool {
        let _ = write!(std::io::stderr().lock(), "{question} [y/N] ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of ours")
}
