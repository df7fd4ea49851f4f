//! Agreement as a text: numbers with their intervals in tables, as a methods section has them.

use std::fmt::{Display, Write as _};

use super::agreement::{Agreement, CoderSummary, Estimate, Share};
use super::variable::Kind;
use crate::words::counted;
use crate::words::table::Table;

/// `.743 [.612, .861]`, or why there is no number.
pub fn number(estimate: &Estimate) -> String {
    match (estimate.value, estimate.low, estimate.high) {
        (Some(value), Some(low), Some(high)) => {
            format!("{} [{}, {}]", short(value), short(low), short(high))
        }
        (Some(value), ..) => short(value),
        (None, ..) if estimate.reason.is_empty() => "–".to_owned(),
        (None, ..) => format!("none: {}", estimate.reason),
    }
}

/// `.743`, `1.000`, `−.120`
pub fn short(value: f64) -> String {
    let text = format!("{:.3}", value.abs());
    let text = text.strip_prefix('0').unwrap_or(&text);
    let sign = if value < 0.0 && text != ".000" { "−" } else { "" };
    format!("{sign}{text}")
}

/// What alpha says by Krippendorff's own rule.
pub fn verdict(alpha: &Estimate) -> &'static str {
    match alpha.value {
        None => "",
        Some(value) if value >= 0.8 => "Reliable (Krippendorff: alpha is .800 or more)",
        Some(value) if value >= 0.667 => {
            "For tentative conclusions only (Krippendorff: alpha is between .667 and .800)"
        }
        Some(_) => "Not reliable (Krippendorff: alpha is below .667)",
    }
}

fn share(share: Share) -> String {
    if share.all == 0 { "–".to_owned() } else { format!("{} of {}", share.right, share.all) }
}

/// All of it as Markdown.
pub fn markdown(found: &Agreement) -> String {
    let mut text = String::new();
    let mut line = |said: &str| writeln!(text, "{said}").expect("a text can be written");
    let Agreement { study, items, resamples, seed, coders, variables } = found;
    line(&format!("# Agreement: {study}\n"));
    line(&format!(
        "{} by {}. Intervals: 95 %, percentiles of {resamples} resamples of the items (seed {seed}).\n",
        counted(*items, "item", "items"),
        counted(coders.len(), "coder", "coders"),
    ));
    if coders.len() == 1 {
        line(
            "One person has coded so far, and agreement needs two: give a colleague a package, and \
             merge the codes that come back.\n",
        );
    }
    let columns =
        ["coder", "items", "median seconds", "hours", "flagged", "training right", "checks right"];
    let mut table = Table::default().words(columns);
    for coder in coders {
        let seconds =
            coder.median_seconds.map_or_else(|| "–".to_owned(), |secs| format!("{secs:.1}"));
        // Codes of a file may have no times: then it is not known how long they took.
        let hours =
            coder.median_seconds.map_or_else(|| "–".to_owned(), |_| format!("{:.2}", coder.hours));
        let (training, checks) = (share(coder.training), share(coder.checks));
        let CoderSummary { coder, coded, flagged, .. } = coder;
        table.row(&[coder, coded, &seconds, &hours, flagged, &training, &checks]);
    }
    line(table.after("").trim_end());
    if coders.iter().any(|coder| coder.left.is_some()) {
        let mut table =
            Table::default().words(["coder", "left was better", "of", "share on the left"]);
        for coder in coders {
            let Some(left) = &coder.left else { continue };
            table.row(&[&coder.coder, &left.left, &left.decided, &number(&left.share)]);
        }
        line(table.after("\n").trim_end());
        line(
            "\nEach coder had the first answer on the left in half of the pairs: a share whose \
             interval (Wilson, 95 %) leaves out .500 says that the side decided.",
        );
    }
    for one in variables {
        line(&format!("\n## {} ({})\n", one.variable, one.kind.name()));
        line(&format!(
            "{} with codes of two coders or more, {} coded by all; {} “don't know”, left out. \
             {} about which coders disagree, {} of them settled.\n",
            counted(one.pairable, "item", "items"),
            one.complete,
            one.dont_know,
            counted(one.disagreements, "item", "items"),
            one.settled
        ));
        if one.kind != Kind::Spans {
            line(&format!("- Percent agreement: {}", number(&one.percent)));
            line(&format!("- Krippendorff's alpha ({}): {}", one.scale, number(&one.alpha)));
            // It takes items that all have coded, which may be few of those that the others count.
            let of_few = if one.fleiss.value.is_some() && one.complete < one.pairable {
                format!(", of the {} that all coded", counted(one.complete, "item", "items"))
            } else {
                String::new()
            };
            line(&format!("- Fleiss' kappa{of_few}: {}", number(&one.fleiss)));
            let said = verdict(&one.alpha);
            if !said.is_empty() {
                line(&format!("- {said}"));
            }
        }
        if let Some(pull) = one.suggestion {
            line(&format!(
                "- The code is the model's suggestion: {} where it was seen, {} where it was withheld",
                share(pull.seen),
                share(pull.withheld)
            ));
        }
        let mut table = Table::default().words(["label", "codes", "percent", "alpha"]);
        for label in &one.labels {
            let (percent, alpha) = (number(&label.percent), number(&label.alpha));
            table.row(&[&label.label, &label.codes, &percent, &alpha]);
        }
        if !one.labels.is_empty() {
            line(table.after("\n").trim_end());
        }
        if !one.pairs.is_empty() {
            let last: &[&str] = match one.kind {
                Kind::Spans => &["F1 of characters"],
                Kind::Scale => &["kappa", "weighted kappa (quadratic)"],
                _ => &["Cohen's kappa"],
            };
            let mut table = Table::default().words(["coders", "items", "percent"]).words(last);
            for pair in &one.pairs {
                let names = format!("{} and {}", pair.first, pair.second);
                let (percent, like) = (
                    number(&pair.percent),
                    number(pair.characters_f1.as_ref().unwrap_or(&pair.kappa)),
                );
                let weighted = pair.weighted_kappa.as_ref().map(number);
                let mut cells: Vec<&dyn Display> = vec![&names, &pair.items, &percent, &like];
                cells.extend(weighted.iter().map(|weighted| weighted as &dyn Display));
                table.row(&cells);
            }
            line(table.after("\n").trim_end());
        }
        if !one.again.is_empty() {
            let of_pairs = one.kind == Kind::Better;
            let columns = ["coder, first and second look", "items", "percent", "kappa"];
            let more = of_pairs.then_some("same side both times");
            let mut table = Table::default().words(columns).words(more);
            for again in &one.again {
                let (percent, kappa) = (number(&again.percent), number(&again.kappa));
                let mut cells: Vec<&dyn Display> =
                    vec![&again.coder, &again.items, &percent, &kappa];
                cells.extend(again.same_side.iter().map(|count| count as &dyn Display));
                table.row(&cells);
            }
            line(table.after("\n").trim_end());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::agreement::agreement;
    use crate::study::folder::tests::{code, made};

    #[test]
    fn numbers_are_written_as_papers_write_them() {
        for (value, words) in
            [(0.743_21, ".743"), (1.0, "1.000"), (-0.12, "−.120"), (-0.0001, ".000")]
        {
            assert_eq!(short(value), words);
        }
        let none = Estimate { reason: "no items".to_owned(), ..Estimate::default() };
        assert_eq!(number(&none), "none: no items");
    }

    #[test]
    fn one_coder_is_told_so_and_fleiss_says_of_how_many_items_it_is() {
        let (_parent, mut folder) = made(4);
        code(&mut folder, "Ada", &["good", "bad", "bad", "good"]);
        let told = "One person has coded so far, and agreement needs two";
        assert!(markdown(&agreement(&folder, 0)).contains(told));
        code(&mut folder, "Ben", &["good", "bad", "good"]);
        code(&mut folder, "Cem", &["bad", "bad"]);
        let text = markdown(&agreement(&folder, 0));
        assert!(!text.contains(told));
        assert!(text.contains("- Fleiss' kappa, of the 2 items that all coded: "), "{text}");
    }

    #[test]
    fn the_report_says_what_alpha_means_and_names_every_pair() {
        let (_parent, mut folder) = made(4);
        code(&mut folder, "Ada", &["good", "bad", "bad", "good"]);
        code(&mut folder, "Ben", &["good", "bad", "good", "good"]);
        let text = markdown(&agreement(&folder, 0));
        for words in [
            "4 items by 2 coders",
            "Ada and Ben | 4 | .750",
            "Krippendorff's alpha (nominal)",
            "Not reliable",
        ] {
            assert!(text.contains(words), "{text}");
        }
    }
}
