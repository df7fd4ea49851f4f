//! Estimates from labels in words: corrected ones beside others, regressions, values on a scale.

use super::corrected::Correction;
use super::figure::{with_ends, with_interval};
use super::scale_scores::ScaleScores;
use crate::evaluate::task::code::RegressionModel;
use crate::words::table::Table;

/// Human-only, naive and corrected estimates side by side.
pub fn corrected(correction: &Correction) -> String {
    let mut out = "\n## Corrected estimates\n\n".to_owned();
    if let Some(because) = &correction.because {
        out.push_str(&format!("None: {because}.\n"));
        return out;
    }
    out.push_str(&format!(
        "{} of {} rows have a label by people. {} “Model alone” takes the model's labels as if they \
         were right, and its interval says nothing of its mistakes. PPI++ and DSL take the model's \
         labels of all rows, and correct them by the mistakes that it made where people labelled. In \
         brackets: 95 % intervals.\n\n",
        correction.human_labels,
        correction.rows,
        if correction.from_column {
            "They were drawn with the probabilities of the table."
        } else {
            "These estimates hold if they were drawn at random, every row as likely: the table says \
             nothing else."
        }
    ));
    let columns = ["share of", "people alone", "model alone", "PPI++", "DSL"];
    let mut table = Table::default().words(columns);
    for share in correction.shares.iter().chain(&correction.mean) {
        let [human, model, ppi, dsl] =
            [&share.human_only, &share.model_only, &share.ppi, &share.dsl].map(with_ends);
        table.row(&[&share.label, &human, &model, &ppi, &dsl]);
    }
    out.push_str(&table.after(""));
    let mut table = Table::default().words(["difference", "people alone", "model alone", "DSL"]);
    for difference in &correction.differences {
        let name = format!("{}: {} less {}", difference.label, difference.group, difference.less);
        let [human, model, dsl] =
            [&difference.human_only, &difference.model_only, &difference.dsl].map(with_ends);
        table.row(&[&name, &human, &model, &dsl]);
    }
    out.push_str(&table.after("\n"));
    if let Some(because) = &correction.no_regression {
        out.push_str(&format!("\nNo regression: {because}.\n"));
    }
    for regression in &correction.regressions {
        out.push_str(&format!(
            "\n### {} on columns of the table\n\n{} of {} rows, {}.\n\n",
            regression.outcome,
            regression.rows,
            correction.rows,
            model_words(regression.model)
        ));
        let table = Table::default().words(["term", "people alone", "model alone", "DSL"]);
        let mut table = table.numbers(["p (DSL)"]);
        for term in &regression.terms {
            let [human, model, dsl] =
                [&term.human_only.value, &term.model_only.value, &term.dsl.value].map(with_ends);
            let p = term.dsl.p.map_or_else(|| "none".to_owned(), p_words);
            table.row(&[&term.name, &human, &model, &dsl, &p]);
        }
        out.push_str(&table.after(""));
    }
    out
}

fn model_words(model: RegressionModel) -> &'static str {
    match model {
        RegressionModel::Linear => "least squares with robust standard errors",
        RegressionModel::Logit => "logistic regression with robust standard errors",
    }
}

/// `0.043`; of a small one that it is small.
fn p_words(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// For a methods section. `None`: nothing was regressed.
pub fn regression_sentence(correction: &Correction) -> Option<String> {
    let regression = correction.regressions.first()?;
    let of = match correction.mean {
        Some(_) => "The values of the labels were",
        None => "Whether a row has a label was",
    };
    let names: Vec<&str> = regression.terms.iter().skip(1).map(|term| term.name.as_str()).collect();
    Some(format!(
        "{of} regressed on {} ({}), with people's labels alone, the model's alone, and both (DSL).",
        names.join(", "),
        model_words(regression.model)
    ))
}

/// Labels on a scale.
pub fn on_scale(scores: &ScaleScores) -> String {
    let mut out = format!(
        "\n## On the scale\n\nThe labels stand on an {} scale of {}. The expected value of a row is the mean of \
         these numbers by their probabilities; over all rows its mean is {}, that of the likeliest labels {}.\n",
        scores.scale.words(),
        list(&scores.scale.values),
        with_interval(&scores.expected),
        with_interval(&scores.likeliest)
    );
    let table = Table::default().words(["group"]).numbers(["rows"]);
    let mut table = table.words(["mean expected value"]);
    for (group, rows, mean) in &scores.by_group {
        table.row(&[group, rows, &with_ends(mean)]);
    }
    out.push_str(&table.after("\n"));
    let measures =
        ["kappa (quadratic weights)", "Spearman", "model less person", "mean absolute error"];
    let mut table = Table::default().words(["against"]).numbers(["rows"]).words(measures);
    for person in &scores.people {
        let kappa = person.quadratic_kappa.as_ref().map(with_ends).unwrap_or_default();
        let [spearman, bias, error] =
            [&person.spearman, &person.bias, &person.mean_absolute_error].map(with_ends);
        table.row(&[&person.who, &person.items, &kappa, &spearman, &bias, &error]);
    }
    out.push_str(&table.after("\n"));
    out
}

fn list(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<String>>().join(", ")
}

/// For a methods section.
pub fn scale_sentence(scores: &ScaleScores) -> String {
    let mut said = format!(
        "The labels stand on an {} scale ({}); the mean expected value is {}.",
        scores.scale.words(),
        list(&scores.scale.values),
        with_interval(&scores.expected)
    );
    if let Some(person) = scores.people.last() {
        let kappa = person.quadratic_kappa.as_ref();
        let kappa = kappa
            .map(|kappa| format!("kappa with quadratic weights is {}, ", with_interval(kappa)));
        said.push_str(&format!(
            " Against {} {}Spearman's correlation of the expected values is {}, and their mean absolute error {}.",
            person.who,
            kappa.unwrap_or_default(),
            with_interval(&person.spearman),
            with_interval(&person.mean_absolute_error)
        ));
    }
    said
}
