//! The votes of a room as files: verdicts of coders without a name, a row each, and how far they
//! agree.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use serde::Serialize;

use super::answers::{Answer, folded};
use super::ballots::Asked;
use super::question::Kind;
use crate::files;
use crate::stats::agreement::many::{Ratings, Scale, krippendorff_alpha, percent_agreement};
use crate::stats::undefined::Number;

/// A vote as a row of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `phone-3`: a number in the order in which the phones came.
    pub coder: String,
    pub item: String,
    pub kind: &'static str,
    pub question: String,

    /// What was answered: `left`, `right`, `tie`, an option, a step, a text.
    pub value: String,

    /// Of a pair: whether this coder saw the two sides the other way round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sides_swapped: Option<bool>,
}

/// Every vote, question by question.
pub fn rows(asked: &[Asked]) -> Vec<Row> {
    let of = |asked: &Asked| -> Vec<Row> {
        let is_pair = matches!(asked.question.kind, Kind::Pair { .. });
        let row = |vote: &super::ballots::Vote| Row {
            coder: format!("phone-{}", vote.phone),
            item: asked.question.id.clone(),
            kind: asked.question.kind.name(),
            question: asked.question.text.clone(),
            value: vote.answer.label(&asked.question),
            sides_swapped: is_pair.then_some(vote.is_swapped),
        };
        asked.votes.iter().map(row).collect()
    };
    asked.iter().flat_map(of).collect()
}

/// How far the coders agree about questions of one kind.
#[derive(Clone, Debug)]
pub struct Agreement {
    pub kind: &'static str,
    pub items: usize,
    pub coders: usize,
    pub votes: usize,

    /// The share of pairs of votes on an item that are the same.
    pub percent: Number,

    /// Krippendorff's alpha: ordinal for scales, else nominal.
    pub alpha: Number,
}

/// Of pairs, of scales with the same steps, and of choices among the same options; free text has no
/// categories.
pub fn agreement(asked: &[Asked]) -> Vec<Agreement> {
    let mut groups: BTreeMap<String, Vec<&Asked>> = BTreeMap::new();
    for asked in asked.iter().filter(|asked| !asked.votes.is_empty()) {
        let key = match &asked.question.kind {
            Kind::Pair { .. } => "1".to_owned(),
            Kind::Scale { low, high, .. } => format!("2 {low} {high}"),
            Kind::Choice { options, .. } => format!("3 {}", options.join("\u{0}")),
            Kind::Words => continue,
        };
        groups.entry(key).or_default().push(asked);
    }
    groups.into_values().map(|group| agreement_of(&group)).collect()
}

fn agreement_of(group: &[&Asked]) -> Agreement {
    let coders: BTreeSet<u32> =
        group.iter().flat_map(|asked| asked.votes.iter().map(|vote| vote.phone)).collect();
    let coders: Vec<u32> = coders.into_iter().collect();
    let mut categories: BTreeMap<String, usize> = BTreeMap::new();
    let low = group.iter().find_map(|asked| match asked.question.kind {
        Kind::Scale { low, .. } => Some(low),
        _ => None,
    });
    let mut category = |asked: &Asked, answer: &Answer| {
        if let (Answer::Step(step), Some(low)) = (answer, low) {
            return (step - low) as usize; // the steps are in their order
        }
        let next = categories.len();
        *categories.entry(folded(&answer.label(&asked.question))).or_insert(next)
    };
    let units: Vec<Vec<Option<usize>>> = group
        .iter()
        .map(|asked| {
            let mut unit = vec![None; coders.len()];
            for vote in &asked.votes {
                if let Ok(at) = coders.binary_search(&vote.phone) {
                    unit[at] = Some(category(asked, &vote.answer));
                }
            }
            unit
        })
        .collect();
    let most = units.iter().flatten().flatten().max().map_or(0, |most| most + 1);
    let ratings = Ratings { units, categories: most };
    let scale = if low.is_some() { Scale::Ordinal } else { Scale::Nominal };
    Agreement {
        kind: group[0].question.kind.name(),
        items: group.len(),
        coders: coders.len(),
        votes: group.iter().map(|asked| asked.votes.len()).sum(),
        percent: percent_agreement(&ratings),
        alpha: krippendorff_alpha(&ratings, scale),
    }
}

/// Writes the rows: JSON Lines, or CSV where the name ends so.
pub fn write(asked: &[Asked], path: &Path) -> io::Result<usize> {
    let rows = rows(asked);
    let is_csv = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let text = if is_csv { csv_of(&rows)? } else { json_lines_of(&rows)? };
    files::write_atomic(path, text.as_bytes())?;
    Ok(rows.len())
}

fn json_lines_of(rows: &[Row]) -> io::Result<String> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    Ok(text)
}

fn csv_of(rows: &[Row]) -> io::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["coder", "item", "kind", "question", "value", "sides_swapped"])?;
    for Row { coder, item, kind, question, value, sides_swapped } in rows {
        // A stranger's text: a spreadsheet must not compute it.
        let is_formula = *kind != "scale" && value.starts_with(['=', '+', '-', '@']);
        let value = if is_formula { format!("'{value}") } else { value.clone() };
        let swapped = sides_swapped.map(|swapped| swapped.to_string()).unwrap_or_default();
        writer.write_record([coder, item, *kind, question, &value, &swapped])?;
    }
    let bytes = writer.into_inner().map_err(|err| err.into_error())?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::room::answers::Side;
    use crate::room::ballots::{Device, Room};
    use crate::room::question::Question;

    fn device(number: usize) -> Device {
        Device::parse(&format!("{number:032x}")).unwrap()
    }

    fn voted() -> Room {
        let (room, now) = (Room::new("Test"), Instant::now());
        let votes = [[Side::Left, Side::Left, Side::Tie], [Side::Right, Side::Right, Side::Right]];
        for (at, sides) in votes.iter().enumerate() {
            let kind = Kind::Pair { left: "a".to_owned(), right: "b".to_owned() };
            room.ask(Question::new(&format!("p{at}"), "Which?", kind)).unwrap();
            for (number, side) in sides.iter().enumerate() {
                // As this phone sees it; phones are numbered from 1.
                let is_swapped = (at + number + 1) % 2 == 1;
                let side = if is_swapped { side.swapped() } else { *side };
                room.vote(device(number), &format!("p{at}"), Answer::Side(side), now);
            }
        }
        room.ask(Question::new("w", "Why?", Kind::Words)).unwrap();
        room.vote(device(7), "w", Answer::Words("=1+1".to_owned()), now);
        room
    }

    #[test]
    fn votes_are_rows_of_coders_without_a_name() {
        let asked = voted().asked();
        let rows = rows(&asked);
        assert_eq!(rows.len(), 7);
        assert_eq!((rows[0].coder.as_str(), rows[0].value.as_str()), ("phone-1", "left"));
        assert_eq!(rows[0].sides_swapped, Some(true));
        let csv = csv_of(&rows).unwrap();
        assert_eq!(csv.lines().nth(1), Some("phone-1,p0,pair,Which?,left,true"));
        assert_eq!(csv.lines().last(), Some("phone-4,w,words,Why?,'=1+1,"));
        let lines = json_lines_of(&rows).unwrap();
        let last =
            r#"{"coder":"phone-4","item":"w","kind":"words","question":"Why?","value":"=1+1"}"#;
        assert_eq!(lines.lines().last(), Some(last));
    }

    #[test]
    fn the_room_agrees_as_krippendorff_counts_it() {
        let agreement = agreement(&voted().asked());
        assert_eq!(agreement.len(), 1, "free text has no categories");
        let of = &agreement[0];
        assert_eq!((of.items, of.coders, of.votes), (2, 3, 6));
        // By hand: 2 of 6 ordered pairs agree in the first item, 6 of 6 in the second.
        assert!((of.percent.clone().unwrap() - 2.0 / 3.0).abs() < 1e-12);
        // Krippendorff: D_o = 4 · (1/2) / 6 = 1/3, D_e = (36 - 4 - 1 - 9) / 30 = 22/30.
        assert!((of.alpha.clone().unwrap() - (1.0 - (1.0 / 3.0) / (22.0 / 30.0))).abs() < 1e-12);
    }

    #[test]
    fn a_file_is_csv_where_its_name_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let asked = voted().asked();
        for (name, first) in [("votes.csv", "coder,item"), ("votes.jsonl", "{\"coder\"")] {
            let path = folder.path().join(name);
            assert_eq!(write(&asked, &path).unwrap(), 7);
            assert!(std::fs::read_to_string(&path).unwrap().starts_with(first));
        }
    }
}
