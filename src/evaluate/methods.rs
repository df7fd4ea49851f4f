//! An evaluation and its report in words: for the screen, for a file, for a methods section.

use super::report::{Figure, Report, WithInterval};
use super::results::Evaluation;
use super::task::{AnswerForm, Kind, Scoring};

/// The report as Markdown.
pub fn markdown(evaluation: &Evaluation, report: &Report) -> String {
    let mut out = format!("# {}\n\n{}\n\n", title(evaluation), paragraph(evaluation, report));
    out.push_str(
        "## Answers\n\n| label | rows | share | 95 % interval |\n| --- | ---: | ---: | --- |\n",
    );
    for label in &report.shares {
        out.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            label.label,
            label.count,
            number(&label.share.value),
            interval(&label.share)
        ));
    }
    for against in &report.people {
        out.push_str(&format!(
            "\n## Against {}\n\n{} rows; accuracy {} ({}), Cohen's kappa {}, macro F1 {}.\n\n",
            against.who,
            against.items,
            number(&against.accuracy.value),
            interval(&against.accuracy),
            number(&against.kappa),
            number(&against.macro_f1)
        ));
        out.push_str("| label | theirs | model's | precision | recall | F1 |\n");
        out.push_str("| --- | ---: | ---: | ---: | ---: | ---: |\n");
        for label in &against.labels {
            out.push_str(&format!(
                "| {} | {} | {} | {} | {} | {:.3} |\n",
                label.label,
                label.theirs,
                label.models,
                number(&label.precision.value),
                number(&label.recall.value),
                label.f1
            ));
        }
        let names: Vec<&str> = against.labels.iter().map(|label| label.label.as_str()).collect();
        out.push_str(&format!("\n| theirs \\ model's | {} |\n", names.join(" | ")));
        out.push_str(&format!("| --- |{}\n", " ---: |".repeat(names.len())));
        for (name, row) in names.iter().zip(&against.confusion) {
            let cells: Vec<String> = row.iter().map(f64::to_string).collect();
            out.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
        }
    }
    if !report.corrected.is_empty() {
        out.push_str("\n## Shares in all rows\n\n| label | people alone | model alone | corrected (PPI++) |\n");
        out.push_str("| --- | --- | --- | --- |\n");
        for label in &report.corrected {
            let cell =
                |value: &WithInterval| format!("{} ({})", number(&value.value), interval(value));
            out.push_str(&format!(
                "| {} | {} | {} | {} |\n",
                label.label,
                cell(&label.human_only),
                cell(&label.model_only),
                cell(&label.ppi)
            ));
        }
    }
    if let Some(exam) = &report.exam {
        out.push_str(
            "\n## By subject\n\n| subject | right | 95 % interval |\n| --- | ---: | --- |\n",
        );
        for (subject, share) in &exam.by_subject {
            out.push_str(&format!(
                "| {subject} | {} | {} |\n",
                number(&share.value),
                interval(share)
            ));
        }
    }
    out
}

fn title(evaluation: &Evaluation) -> String {
    if evaluation.task.name.is_empty() {
        "Evaluation".to_owned()
    } else {
        evaluation.task.name.clone()
    }
}

/// What was done and what came out, as a methods section says it.
pub fn paragraph(evaluation: &Evaluation, report: &Report) -> String {
    let task = &evaluation.task;
    let model = &evaluation.model;
    let origin = match (&model.repo, &model.commit) {
        (Some(repo), Some(commit)) => format!("{repo}, commit {commit}"),
        (Some(repo), None) => repo.clone(),
        _ => model.name.clone(),
    };
    let adapter = match &evaluation.adapter_sha256 {
        Some(hash) => format!(" with an adapter (SHA-256 {hash})"),
        None => String::new(),
    };
    let data = task.data.file_name().unwrap_or(task.data.as_os_str()).to_string_lossy();
    let (verb, count) = match task.kind() {
        Ok(Kind::Code(_)) => ("labelled", evaluation.labels.as_ref().map_or(0, Vec::len)),
        Ok(Kind::Exam(_)) => ("answered as exam questions", 0),
        _ => ("judged", 2),
    };
    let mut said = vec![format!(
        "{} rows of {data} (SHA-256 {}) were {verb} by {origin}{adapter} (SHA-256 of the weights {}, \
         kept {}) with Tuning Fork {} on {}.",
        report.rows,
        evaluation.data_sha256,
        model.sha256,
        evaluation.weights,
        evaluation.program,
        evaluation.started.get(..10).unwrap_or(&evaluation.started)
    )];
    if let (Ok(Kind::Code(_)), Some(hash)) = (task.kind(), &evaluation.codebook_sha256) {
        said.push(format!("The codebook has {count} labels (SHA-256 {hash})."));
    }
    let scored = match (task.answer, task.kind()) {
        (AnswerForm::Letter, _)
        | (_, Ok(Kind::Judge(_)))
        | (AnswerForm::Usual, Ok(Kind::Exam(_))) => "the letter of an option",
        _ => "the whole text of an option",
    };
    let scoring = match task.score {
        Scoring::Sum => "",
        Scoring::Mean => ", as the mean over its tokens",
        Scoring::Prior => ", less its log-probability without the text",
    };
    said.push(format!(
        "Nothing was sampled: an answer is the option with the highest probability, computed from the \
         log-probability of {scored}{scoring} after the prompt, and made to add up to one over the options."
    ));
    if let Some(orders) = &report.orders {
        let how_many = match task.kind() {
            Ok(Kind::Judge(_)) => "Both orders of the answers were asked and averaged".to_owned(),
            _ => format!(
                "Probabilities were averaged over {} orders of the options (seed {})",
                task.orders, task.seed
            ),
        };
        said.push(format!(
            "{how_many}; the order changed the answer in {} of the rows ({}).",
            percent(&orders.changed.value),
            interval(&orders.changed)
        ));
    }
    if report.problems > 0 {
        said.push(format!("{} rows could not be asked.", report.problems));
    }
    if report.cut > 0 {
        said.push(format!("{} texts were shortened at their end to fit.", report.cut));
    }
    if let Some(agreement) = &report.agreement {
        said.push(format!(
            "{} people had labelled the rows; they agreed in {} of pairs (Krippendorff's alpha {}), and \
             with the model as one more coder alpha is {}.",
            evaluation.coders.len(),
            percent(&agreement.percent),
            number(&agreement.alpha),
            number(&agreement.alpha_with_model)
        ));
    }
    if let Some(against) = report.people.last() {
        said.push(format!(
            "Against {} the model is right in {} of {} rows ({}), with a macro F1 of {} and Cohen's kappa of {}.",
            against.who,
            percent(&against.accuracy.value),
            against.items,
            interval(&against.accuracy),
            number(&against.macro_f1),
            number(&against.kappa)
        ));
    }
    if let Some(calibration) = &report.calibration {
        said.push(format!(
            "The expected calibration error is {} (ten bins).",
            number(&calibration.ece)
        ));
    }
    if let Some(test) = &report.alternative_annotator {
        said.push(match (test.passed, test.winning_rate) {
            (Some(passed), Some(rate)) => format!(
                "The alternative annotator test (epsilon {}) is {}: winning rate {rate:.2}.",
                test.epsilon,
                if passed { "passed" } else { "not passed" }
            ),
            _ => "The alternative annotator test needs three people with 30 rows each and was not \
                  made."
                .to_owned(),
        });
    }
    if let Some(exam) = &report.exam {
        said.push(format!(
            "{} of {} questions were answered rightly ({}; {:.0} % by chance), with a mean average \
             precision at 3 of {}.",
            percent(&exam.accuracy.value),
            exam.items,
            interval(&exam.accuracy),
            exam.chance * 100.0,
            number(&exam.map_at_3)
        ));
    }
    said.join(" ")
}

fn number(figure: &Figure) -> String {
    match (&figure.value, &figure.because) {
        (Some(value), _) => format!("{value:.3}"),
        (None, Some(because)) => format!("none ({because})"),
        (None, None) => "none".to_owned(),
    }
}

fn percent(figure: &Figure) -> String {
    match figure.value {
        Some(value) => format!("{:.1} %", value * 100.0),
        None => number(figure),
    }
}

/// `95 % interval 0.42 to 0.61`, or nothing to say.
fn interval(value: &WithInterval) -> String {
    match (value.low, value.high) {
        (Some(low), Some(high)) => format!("95 % interval {low:.3} to {high:.3}"),
        _ => "no interval".to_owned(),
    }
}
