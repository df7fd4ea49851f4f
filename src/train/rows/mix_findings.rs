//! What there is to say about a run with several files, and about text that forgetting is measured with.

use super::Row;
use super::survey::{Concern, Finding};
use crate::data::forms::are;
use crate::data::samples;
use crate::train::config::TrainConfig;
use crate::train::record::sources::SourceRows;

/// From so often on, a row that stands in several times may be learned by heart.
const BY_HEART: f64 = 4.0;

/// Of all files: `rows` has those of each.
pub fn of(sources: &[SourceRows], rows: &[&[Row]], config: &TrainConfig) -> Vec<Finding> {
    let all = sources.iter().map(|source| source.train_rows).sum();
    let mut found: Vec<Finding> = Vec::new();
    for source in sources {
        let fact = |concern, sentence| Finding { concern, sentence, ..Finding::default() };
        found.push(fact(Concern::Fact, format!("Of {}", source.words(all))));
        found.extend(repeats(source).map(|sentence| fact(Concern::Caution, sentence)));
    }
    found.extend(config.measure_forgetting.then(|| measured_with(rows)).flatten());
    found
}

fn repeats(source: &SourceRows) -> Option<String> {
    let SourceRows { name, train_rows, distinct_rows, .. } = source;
    let times = *train_rows as f64 / (*distinct_rows).max(1) as f64;
    (times >= BY_HEART).then(|| {
        format!(
            "{name}: its {} each stand in {times:.1} times for its share of the mix, and may be learned by heart. \
             Take a smaller share, or more rows",
            are(*distinct_rows, "row", "rows")
        )
    })
}

/// Rows that have a paragraph whose perplexity is to tell what is forgotten.
fn measured_with(rows: &[&[Row]]) -> Option<Finding> {
    let neutral: Vec<&str> = samples::neutral().collect();
    let has_one = |row: &Row| {
        let texts = row.understood.content.texts();
        let words: Vec<String> = texts.into_iter().map(crate::data::pair::Text::words).collect();
        neutral.iter().any(|neutral| words.iter().any(|words| words.contains(neutral)))
    };
    let all = rows.iter().flat_map(|rows| rows.iter()).enumerate();
    let (rows, lines): (Vec<usize>, Vec<usize>) =
        all.filter(|(_, row)| has_one(row)).map(|(index, row)| (index, row.line)).unzip();
    let sentence = format!(
        "{} a paragraph by which measure_forgetting measures what is forgotten: its perplexity will fall because \
         they are learned. Leave these rows out",
        are(rows.len(), "row has", "rows have")
    );
    let concern = Concern::Problem;
    (!rows.is_empty()).then_some(Finding { concern, sentence, rows, lines })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::forms::mapping::Mapping;
    use crate::files;
    use crate::jobs::Quiet;
    use crate::train::config::Objective;

    fn source(train_rows: usize, distinct_rows: usize) -> SourceRows {
        SourceRows {
            name: "neutral".to_owned(),
            rows: distinct_rows + 1,
            train_rows,
            distinct_rows,
            held_out_rows: 1,
            ..SourceRows::default()
        }
    }

    #[test]
    fn rows_that_stand_in_often_are_warned_of() {
        let concerns = |times: usize| -> Vec<Concern> {
            let found = of(&[source(8 * times, 8)], &[], &TrainConfig::default());
            found.iter().map(|finding| finding.concern).collect()
        };
        assert_eq!(concerns(3), [Concern::Fact]);
        assert_eq!(concerns(4), [Concern::Fact, Concern::Caution]);
    }

    #[test]
    fn text_that_forgetting_is_measured_with_is_no_text_to_train_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let neutral = samples::neutral().nth(2).unwrap();
        for text in ["Something else.".to_owned(), format!("Once: {neutral}")] {
            files::append_json(&path, &serde_json::json!({ "text": text })).unwrap();
        }
        let read = super::super::read(&path, &Mapping::default(), Objective::Sft, &Quiet).unwrap();
        let rows = [read.rows.as_slice()];
        let measures = TrainConfig { measure_forgetting: true, ..TrainConfig::default() };
        let found = of(&[], &rows, &measures);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].concern, found[0].lines.as_slice()), (Concern::Problem, &[2][..]));
        assert_eq!(of(&[], &rows, &TrainConfig::default()), []);
    }
}
