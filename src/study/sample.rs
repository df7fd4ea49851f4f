//! The sample: 60 abstracts with the codes of three people, to look at agreement and to code oneself.

use std::path::Path;

use super::design::StudyError;
use super::folder::{self, Folder};
use super::forms::{said, tables};
use super::item::Columns;
use super::make::{Plans, make};
use super::variable::Variables;
use crate::data::samples;

const CODERS: [&str; 3] = ["coder_1", "coder_2", "coder_3"];

/// Makes it in a project. `now`: RFC 3339 in UTC.
pub fn make_sample(project: &Path, now: &str) -> Result<Folder, StudyError> {
    let (rows, codebook) = samples::abstracts();
    let coders = CODERS.map(str::to_owned);
    let guideline = "Read the whole abstract before you choose. Code what the paper does, not what \
                     it is about. If two labels fit, take the one that the last sentence is about, \
                     and flag the item.";
    let plans = Plans {
        name: "Sample abstracts".to_owned(),
        columns: Columns {
            id: "id".to_owned(),
            text: "abstract".to_owned(),
            left_out: coders.to_vec(),
            ..Columns::default()
        },
        codebook: Variables {
            guideline: guideline.to_owned(),
            ..Variables::of_codebook(&codebook)
        },
        seed: 1,
        again: 0.1,
        break_after: Some(45),
        ..Plans::default()
    };
    let place = folder::new_folder(project, &plans.name);
    let mut made = make(&place, plans, rows.clone(), ("abstracts.csv", ""), now)?;
    let codes = tables::of_columns(&rows, &made, "id", &coders);
    said::take_in(&mut made, &codes)?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::agreement::agreement;

    #[test]
    fn the_sample_has_three_coders_who_nearly_agree() {
        let project = tempfile::tempdir().unwrap();
        let folder = make_sample(project.path(), "2026-11-28T18:00:00.000Z").unwrap();
        let found = agreement(&folder, 0);
        assert_eq!((found.items, found.coders.len()), (60, 3));
        let alpha = found.variables[0].alpha.value.unwrap();
        assert!((0.667..1.0).contains(&alpha), "{alpha}");
        assert!(found.variables[0].disagreements > 3);
        assert!(folder.items.iter().all(|item| !item.more.contains_key("coder_1")));
    }
}
