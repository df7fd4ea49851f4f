//! The audit trail of an evaluation, in the six categories of Lincoln and Guba (1985, after Halpern), as
//! quallmer writes it: what a reader needs to follow how the numbers came about.

use super::Report;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::folder::{EVALUATION, RESULTS, TABLE};
use crate::evaluate::results::scored::how_scored;
use crate::evaluate::task::Kind;

/// As Markdown, the last part of a report.
pub fn markdown(evaluation: &Evaluation, report: &Report) -> String {
    let task = &evaluation.task;
    let data = task.data.file_name().unwrap_or(task.data.as_os_str()).to_string_lossy();
    let mut out = String::from("\n## Audit trail\n");
    let mut part = |title: &str, sentences: &[String]| {
        out.push_str(&format!("\n### {title}\n\n"));
        for sentence in sentences.iter().filter(|sentence| !sentence.is_empty()) {
            out.push_str(&format!("{sentence}\n\n"));
        }
    };
    let coders = match evaluation.coders.as_slice() {
        [] => "No labels by people are in it.".to_owned(),
        names => format!("Columns with what people said: {}.", names.join(", ")),
    };
    part(
        "1. Raw data",
        &[
            format!(
                "{data}, SHA-256 {}. {} rows were asked about{}. {coders}",
                evaluation.data_sha256,
                evaluation.rows,
                split(evaluation)
            ),
            format!(
                "Every answer as it came, with its probabilities, is in {RESULTS}: a line a row."
            ),
        ],
    );
    let intervals = if report.perplexity.is_some() {
        "Intervals are Student's over texts, as the first paragraph says"
    } else {
        "Intervals of shares are Wilson's; those of kappa, F1, alpha and means are percentiles over 1,000 draws of \
         rows (seed 0)"
    };
    part(
        "2. Data reduction and analysis",
        &[format!(
            "{TABLE} is the table with the answers beside it. The numbers above were computed from {RESULTS}; \
             {} rows could not be asked and {} texts were shortened. {intervals}.",
            report.problems, report.cut
        )],
    );
    part(
        "3. Reconstruction",
        &[format!(
            "`tuning-fork reproduce {EVALUATION}` asks the same of the same model about the same table, and \
             says what differs. `tuning-fork configurations` lists every configuration that was tried with \
             this table."
        )],
    );
    part("4. Process", &[process(evaluation), how_scored(evaluation).unwrap_or_default()]);
    let codebook = evaluation.codebook_sha256.as_ref();
    let asked = match task.kind() {
        Ok(Kind::Code(_)) => format!(
            "The labels and what they mean are those of the codebook (SHA-256 {}), a copy of which lies \
             beside this report: {}.",
            codebook.map_or("unknown", String::as_str),
            evaluation.labels.clone().unwrap_or_default().join(", ")
        ),
        _ => "What was asked for is in the settings below and in task.toml.".to_owned(),
    };
    part("5. Intentions", &[asked]);
    part(
        "6. Instruments",
        &[
            "The prompt, with the names of its parts in braces:".to_owned(),
            quoted(&evaluation.prompt),
            "All settings:".to_owned(),
            quoted(&task.to_toml().unwrap_or_default()),
        ],
    );
    out
}

fn split(evaluation: &Evaluation) -> String {
    match evaluation.task.split {
        Some(split) => format!(
            " ({}; {:.0} % of the table are kept for the test, drawn with seed {})",
            split.part.words(),
            split.test * 100.0,
            split.seed
        ),
        None => String::new(),
    }
}

fn process(evaluation: &Evaluation) -> String {
    let model = &evaluation.model;
    let weights = match &model.server {
        None => format!("SHA-256 of its weights {}", model.sha256),
        Some(_) => "no hash of its weights is known".to_owned(),
    };
    let adapter = match &evaluation.adapter_sha256 {
        Some(hash) => format!(", with an adapter (SHA-256 {hash})"),
        None => String::new(),
    };
    let machine = match &evaluation.machine {
        Some(machine) => format!(" on {machine}"),
        None => String::new(),
    };
    format!(
        "Begun on {} with Tuning Fork {}{machine}. Model: {} ({weights}, kept {}){adapter}.",
        evaluation.started,
        evaluation.program,
        model.words(),
        evaluation.weights
    )
}

/// As a block of its own, whatever is in it.
fn quoted(text: &str) -> String {
    let longest = text.lines().map(|line| line.chars().take_while(|it| *it == '`').count()).max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    format!("{fence}\n{}\n{fence}", text.trim_end())
}
