//! An evaluation and its report in words: for the screen, for a file, for a methods section.

use std::fmt::Display;
use std::iter;

use super::Report;
use crate::encoder::EncoderIdentity;
use crate::evaluate::measures::alt_test::AltTest;
use crate::evaluate::measures::enough;
use crate::evaluate::measures::estimates::{
    corrected, on_scale, regression_sentence, scale_sentence,
};
use crate::evaluate::measures::field_scores::{FieldScores, InWindows};
use crate::evaluate::measures::figure::{ends, interval, number, percent, with_interval};
use crate::evaluate::measures::judge_scores::JudgeScores;
use crate::evaluate::measures::several_scores::SeveralScores;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::scored::{ALIKE, how_scored};
use crate::evaluate::results::server_way::ServerWay;
use crate::evaluate::task::manner::Way;
use crate::evaluate::task::{Kind, Scoring};
use crate::words::table::Table;

/// The report as Markdown.
pub fn markdown(evaluation: &Evaluation, report: &Report) -> String {
    let mut out = format!("# {}\n\n{}\n\n", title(evaluation), paragraph(evaluation, report));
    // The options of a survey are others in every item.
    let shares = if report.survey.is_some() { &[] } else { report.shares.as_slice() };
    let mut table =
        Table::default().words(["label"]).numbers(["rows", "share"]).words(["95 % interval"]);
    for label in shares {
        let (share, ends) = (number(&label.share.value), ends(&label.share));
        table.row(&[&label.label, &label.count, &share, &ends]);
    }
    out.push_str(&table.after("## Answers\n\n"));
    for against in &report.people {
        out.push_str(&format!(
            "\n## Against {}\n\n{} rows; accuracy {}, Cohen's kappa {}, macro F1 {}.\n\n",
            against.who,
            against.items,
            with_interval(&against.accuracy),
            with_interval(&against.kappa),
            with_interval(&against.macro_f1)
        ));
        let numbers = ["theirs", "model's", "precision", "recall", "F1"];
        let mut table = Table::default().words(["label"]).numbers(numbers);
        for label in &against.labels {
            let (precision, recall) = (number(&label.precision.value), number(&label.recall.value));
            let f1 = format!("{:.3}", label.f1);
            table.row(&[&label.label, &label.theirs, &label.models, &precision, &recall, &f1]);
        }
        out.push_str(&table.after(""));
        let names: Vec<&str> = against.labels.iter().map(|label| label.label.as_str()).collect();
        let mut table = Table::default().words(["theirs \\ model's"]).numbers(&names);
        for (name, row) in names.iter().zip(&against.confusion) {
            let counts = row.iter().map(|count| count as &dyn Display);
            table.row(&iter::once(name as &dyn Display).chain(counts).collect::<Vec<_>>());
        }
        out.push_str(&table.after("\n"));
    }
    if let Some(scores) = &report.several {
        out.push_str(&scores.markdown());
    }
    if let Some(scores) = &report.scale {
        out.push_str(&on_scale(scores));
    }
    if let Some(test) = &report.alternative_annotator
        && !test.people.is_empty()
    {
        out.push_str(&alternative_annotator(test));
    }
    if let Some(calibration) = &report.calibration {
        let mut table =
            Table::default().numbers(["stated probability", "share that is right", "rows"]);
        for (stated, right, rows) in &calibration.bins {
            table.row(&[&format!("{stated:.3}"), &format!("{right:.3}"), rows]);
        }
        out.push_str(&table.after("\n## Calibration\n\n"));
    }
    if let Some(against) = report.people.last() {
        out.push_str(&enough::markdown(&against.who, &report.enough));
    }
    if let Some(accepted) = &report.accepted {
        let sentence = accepted.sentence();
        out.push_str(&format!("\n## Labels that nobody checks\n\n{sentence}\n"));
    }
    if let Some(correction) = &report.correction {
        out.push_str(&corrected(correction));
    }
    if let Some(FieldScores { fields, quotes, windows, .. }) = &report.fields {
        out.push_str("## Fields\n");
        let table = Table::default().words(["field"]).numbers(["rows"]);
        let mut table = table.words(["exact", "F1 of words", "within tolerance"]);
        for field in fields {
            let (exact, f1) = (with_interval(&field.exact), with_interval(&field.token_f1));
            let within = field.within.as_ref().map(with_interval).unwrap_or_default();
            table.row(&[&field.field, &field.items, &exact, &f1, &within]);
        }
        out.push_str(&table.after("\n"));
        let mut table = Table::default().words(["quote", "words that are in the text"]);
        for (name, share) in quotes {
            table.row(&[name, &with_interval(share)]);
        }
        out.push_str(&table.after("\n"));
        if let Some(windows) = windows {
            out.push_str(&windows.markdown());
        }
    }
    if let Some(texts) = &report.texts {
        let mut table = Table::default().words(["measure", "value"]);
        for (name, value) in &texts.measures {
            table.row(&[name, &with_interval(value)]);
        }
        out.push_str(&table.after("## Against the references\n\n"));
    }
    if let Some(scores) = &report.perplexity {
        out.push_str(&scores.markdown());
    }
    if let Some(survey) = &report.survey {
        out.push_str(&survey.markdown());
    }
    if let Some(exam) = &report.exam {
        let mut table =
            Table::default().words(["subject"]).numbers(["right"]).words(["95 % interval"]);
        for (subject, share) in &exam.by_subject {
            table.row(&[subject, &number(&share.value), &ends(share)]);
        }
        out.push_str(&table.after("\n## By subject\n\n"));
    }
    out
}

fn alternative_annotator(test: &AltTest) -> String {
    let mut out = "\n## Alternative annotator test\n\n".to_owned();
    out.push_str(&format!(
        "Can the model stand in for a person? It can where it agrees with the other people as often as \
         that person does, up to a margin (epsilon) of {}. Winning rate {}, mean advantage probability {}: {}.\n\n",
        test.epsilon,
        test.winning_rate.map_or_else(|| "none".to_owned(), |rate| format!("{rate:.2}")),
        test.advantage_probability.map_or_else(|| "none".to_owned(), |rate| format!("{rate:.3}")),
        match test.passed {
            Some(true) => "passed (the winning rate is 0.5 or more)",
            Some(false) => "not passed (the winning rate is below 0.5)",
            None => "not said, for it needs three people with 30 rows each",
        }
    ));
    let numbers = ["rows", "model as good", "person as good", "p (adjusted)"];
    let mut table = Table::default().words(["person"]).numbers(numbers).words(["stands in"]);
    for person in &test.people {
        let [model, human, p] = [person.model_advantage, person.human_advantage, person.p_adjusted]
            .map(|number| format!("{number:.3}"));
        let stands_in = if person.replaceable { "yes" } else { "no" };
        table.row(&[&person.who, &person.items, &model, &human, &p, &stands_in]);
    }
    out.push_str(&table.after(""));
    out
}

/// What the passages of documents were chosen by.
fn ranked_by(encoder: Option<&EncoderIdentity>) -> String {
    let Some(encoder) = encoder else { return "BM25 (k1 1.2, b 0.75)".to_owned() };
    let origin = match (&encoder.model.repo, &encoder.model.commit) {
        (Some(repo), Some(commit)) => format!("{repo}, commit {commit}"),
        (Some(repo), None) => repo.clone(),
        _ => encoder.name().to_owned(),
    };
    let read = match encoder.most_tokens {
        Some(most) => format!(", of at most {most} tokens"),
        None => String::new(),
    };
    let prompt = |what: &str, prompt: &str| match prompt {
        "" => String::new(),
        prompt => format!("; before a {what} stands “{}”", prompt.trim_end()),
    };
    format!(
        "the cosine of the vectors of question and passage, which the encoder “{origin}” made (SHA-256 \
         of the weights {}, of tokenizer and settings {}; a vector is {}{read}{}{})",
        encoder.model.sha256,
        encoder.settings_sha256,
        encoder.pooling,
        prompt("question", &encoder.question_prompt),
        prompt("passage", &encoder.text_prompt)
    )
}

fn title(evaluation: &Evaluation) -> String {
    if evaluation.task.name.is_empty() {
        "Evaluation".to_owned()
    } else {
        evaluation.task.name.clone()
    }
}

const PAIR: &str = "The model is an encoder-decoder: its encoder read the prompt, without a chat template, and \
                    its decoder the answers; what stands before every answer was given.";

/// How a loaded model wrote its answers.
fn how_written(kind: Kind<'_>, seed: u64) -> String {
    let most = kind.room();
    match kind {
        Kind::Write(write) if write.num_beams > 1 => format!(
            "Nothing was drawn at random: an answer is the best of a search with {} beams (length penalty \
             {}), of {most} tokens at most.",
            write.num_beams, write.length_penalty
        ),
        Kind::Write(write) if write.temperature > 0.0 => format!(
            "Answers were drawn at temperature {} (top-p {}) with seed {seed} plus the row's number, of \
             {most} tokens at most.",
            write.temperature, write.top_p
        ),
        _ => format!(
            "Nothing was drawn at random: an answer is the likeliest token after token, of {most} tokens at \
             most."
        ),
    }
}

/// What was done and what came out, as a methods section says it.
pub fn paragraph(evaluation: &Evaluation, report: &Report) -> String {
    let task = &evaluation.task;
    let model = &evaluation.model;
    let origin = match (&model.repo, &model.commit) {
        _ if model.server.is_some() => model.words(),
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
        Ok(Kind::Rate(_)) => ("rated", 0),
        Ok(Kind::Extract(_)) => ("read for fields", 0),
        Ok(Kind::Write(_)) => ("answered with a text", 0),
        Ok(Kind::Ask(_)) => ("answered as questions about documents", 0),
        Ok(Kind::Survey(_)) => ("answered as items of a survey", 0),
        Ok(Kind::Perplexity(_)) => ("scored as texts", 0),
        _ => ("judged", 2),
    };
    let weights = match &model.server {
        None => format!("SHA-256 of the weights {}, kept {}", model.sha256, evaluation.weights),
        Some(_) => {
            "a server that tells only the model's name: no hash of its weights is known".to_owned()
        }
    };
    let mut said = vec![format!(
        "{} rows of {data} (SHA-256 {}) were {verb} by {origin}{adapter} ({weights}) with Tuning Fork \
         {} on {}.",
        report.rows,
        evaluation.data_sha256,
        evaluation.program,
        evaluation.started.get(..10).unwrap_or(&evaluation.started)
    )];
    if let (Ok(Kind::Code(_)), Some(hash)) = (task.kind(), &evaluation.codebook_sha256) {
        said.push(format!("The codebook has {count} labels (SHA-256 {hash})."));
    }
    if let Some(examples) = &task.examples {
        let from = match (&examples.data, &evaluation.examples_sha256) {
            (Some(data), Some(hash)) => {
                let name = data.file_name().unwrap_or(data.as_os_str()).to_string_lossy();
                format!("from {name} (SHA-256 {hash})")
            }
            _ => "from the same table, whose rows were then not asked about".to_owned(),
        };
        said.push(format!(
            "{} examples with their right answers, drawn {from} with seed {}, stood before every question.",
            examples.count, task.seed
        ));
    }
    if let Ok(Kind::Ask(ask)) = task.kind() {
        said.push(format!(
            "Of a document the model read at most {} passages of {} words, those that fit the \
             question best by {}, in their order; shorter documents it read whole.",
            ask.passages,
            ask.passage_words,
            ranked_by(evaluation.encoder.as_ref())
        ));
    }
    said.extend(evaluation.way.map(|way| way.sentence().to_owned()));
    if evaluation.encoder_decoder {
        said.push(PAIR.to_owned());
    }
    if let Ok(kind @ (Kind::Extract(_) | Kind::Write(_) | Kind::Ask(_))) = task.kind() {
        said.push(match &model.server {
            None => how_written(kind, task.seed),
            Some(_) => format!("An answer has {} tokens at most.", kind.room()),
        });
        said.extend(written(report, model.server.is_some()));
        return said.join(" ");
    }
    if let (Ok(Kind::Survey(survey)), Some(scores)) = (task.kind(), &report.survey) {
        said.extend(scores.sentences(survey, task.orders, task.seed));
        if survey.ways.contains(&Way::Texts) && task.score == Scoring::Sum && scores.begin_alike() {
            said.push(ALIKE.to_owned());
        }
        return said.join(" ");
    }
    if let (Ok(Kind::Perplexity(settings)), Some(scores)) = (task.kind(), &report.perplexity) {
        said.extend(scores.sentences(settings, report.cut));
        if report.problems > 0 {
            said.push(could_not_be_asked(report.problems));
        }
        return said.join(" ");
    }
    said.extend(how_scored(evaluation));
    if let Some(orders) = &report.orders {
        let how_many = match task.kind() {
            Ok(Kind::Judge(_)) => "Both orders of the answers were asked and averaged".to_owned(),
            _ if evaluation.way.is_some_and(ServerWay::is_approximate) => {
                format!("{} orders of the options were asked (seed {})", task.orders, task.seed)
            }
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
        said.push(could_not_be_asked(report.problems));
    }
    if report.cut > 0 {
        said.push(shortened(report.cut));
    }
    if let Some(agreement) = &report.agreement {
        said.push(format!(
            "{} people had labelled the rows; they agreed in {} of pairs (Krippendorff's alpha{} {}, {}), and \
             with the model as one more coder alpha is {} ({}).",
            evaluation.coders.len(),
            percent(&agreement.percent.value),
            evaluation.scale.as_ref().map(|scale| format!(", {},", scale.words())).unwrap_or_default(),
            number(&agreement.alpha.value),
            interval(&agreement.alpha),
            number(&agreement.alpha_with_model.value),
            interval(&agreement.alpha_with_model)
        ));
    }
    if let Some(against) = report.people.last() {
        said.push(format!(
            "Against {} the model is right in {} of {} rows ({}), with a macro F1 of {} ({}) and Cohen's kappa \
             of {} ({}).",
            against.who,
            percent(&against.accuracy.value),
            against.items,
            interval(&against.accuracy),
            number(&against.macro_f1.value),
            interval(&against.macro_f1),
            number(&against.kappa.value),
            interval(&against.kappa)
        ));
    }
    said.extend(report.judge.as_ref().map(JudgeScores::sentence));
    said.extend(report.several.iter().flat_map(SeveralScores::sentences));
    if let Some(scores) = &report.scale {
        said.push(scale_sentence(scores));
    }
    let has_sets = report.several.as_ref().is_some_and(|several| !several.sets.is_empty());
    if report.agreement.is_some() || !report.people.is_empty() || has_sets {
        said.push(
            "Intervals of shares are Wilson's, those of kappa, F1 and alpha percentiles over 1,000 draws of \
             rows."
                .to_owned(),
        );
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
    if let Some(accepted) = &report.accepted {
        said.push(accepted.sentence());
    }
    if let Some(correction) = &report.correction {
        said.push(match &correction.because {
            Some(because) => format!("Shares were not corrected: {because}."),
            None => format!(
                "Shares in all {} rows were estimated from the {} labels of people alone, from the \
                 model's alone, and from both (PPI++, DSL{}).",
                correction.rows,
                correction.human_labels,
                if correction.from_column {
                    ", with the probabilities of having been drawn"
                } else {
                    ", as if every row had been as likely to be drawn"
                }
            ),
        });
        said.extend(regression_sentence(correction));
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

/// Of fields and of texts.
fn written(report: &Report, is_at_server: bool) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(FieldScores { fields, quotes, ended_early, windows }) = &report.fields {
        said.push(if is_at_server {
            "The server was asked for a JSON object of a schema; an answer that does not fit it counts \
             as a row that could not be asked."
                .to_owned()
        } else {
            "The answers were held to a JSON schema: at every token only those were allowed that \
             keep the answer in its form (llguidance)."
                .to_owned()
        });
        for field in fields {
            said.push(format!(
                "“{}” is exactly as read by hand in {} of {} rows ({}), with a mean F1 of the words \
                 of {}.",
                field.field,
                percent(&field.exact.value),
                field.items,
                interval(&field.exact),
                number(&field.token_f1.value)
            ));
        }
        said.extend(windows.as_ref().map(InWindows::sentence));
        for (name, share) in quotes {
            said.push(format!(
                "The words given as {name} are in the text in {} of the rows that have them ({}).",
                percent(&share.value),
                interval(share)
            ));
        }
        if *ended_early > 0 {
            said.push(format!(
                "{ended_early} answers came to this length and were brought to an end in their form."
            ));
        }
    }
    if let Some(texts) = &report.texts {
        if texts.ended_early > 0 {
            said.push(match texts.ended_early {
                1 => "1 text came to this length and was cut.".to_owned(),
                count => format!("{count} texts came to this length and were cut."),
            });
        }
        let values: Vec<String> = texts
            .measures
            .iter()
            .map(|(name, value)| format!("{name} {}", with_interval(value)))
            .collect();
        if !values.is_empty() {
            said.push(format!(
                "Against the references of {} rows: {}. ROUGE is the F1 with Porter's stems, BLEU and \
                 chrF are sacreBLEU's over all rows; of several references each measure takes the \
                 best, and intervals are of 1,000 draws of rows.",
                texts.items,
                values.join(", ")
            ));
        }
    }
    if report.problems > 0 {
        said.push(could_not_be_asked(report.problems));
    }
    if report.cut > 0 {
        said.push(shortened(report.cut));
    }
    said
}

fn could_not_be_asked(rows: usize) -> String {
    match rows {
        1 => "1 row could not be asked.".to_owned(),
        rows => format!("{rows} rows could not be asked."),
    }
}

fn shortened(texts: usize) -> String {
    match texts {
        1 => "1 text was shortened at its end to fit.".to_owned(),
        texts => format!("{texts} texts were shortened at their end to fit."),
    }
}
