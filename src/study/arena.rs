//! What a study of pairs says of the models behind its answers: comparisons to be rated, of every coder. Which
//! models they are is known where the study was made; a package for a colleague is blind.

use serde_json::{Value as Json, json};

use super::folder::Folder;
use super::item::Role;
use super::value::Value;
use super::variable::{BOTH_BAD, FIRST, SECOND, TIE};
use crate::data::battles::{Battles, Winner};
use crate::words::counted;

/// First looks at what was to be judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparisons {
    /// What stood at the left first.
    pub battles: Battles,

    /// Of each battle, the item that it is about: several coders judge one.
    pub pairs: Vec<usize>,

    /// Coders with a battle.
    pub coders: usize,

    /// Verdicts on pairs whose models are not known.
    pub unknown: usize,

    /// Battles of which nobody knows what stood at the left, as codes of a table.
    pub without_side: usize,
}

/// The comparisons of a study; else why there are none, in a sentence.
pub fn comparisons(folder: &Folder) -> Result<Comparisons, String> {
    let Some(better) = folder.study.codebook.better() else {
        return Err(
            "It is a study of texts: an arena rates models whose answers were compared in pairs"
                .to_owned(),
        );
    };
    let mut found = Comparisons::default();
    for log in &folder.logs {
        let before = found.pairs.len();
        for verdict in log.counting().filter(|verdict| verdict.pass == 1) {
            if folder.items[verdict.item].role != Role::Coding {
                continue;
            }
            let Some(value) = verdict.value(better) else { continue };
            let Some([Some(first), Some(second)]) = folder.origins.get(&verdict.item) else {
                found.unknown += 1;
                continue;
            };
            let is_swapped = verdict.left == Some(1);
            let (left, right) = if is_swapped { (second, first) } else { (first, second) };
            let Value::Words(words) = value else {
                found.battles.undecided += 1;
                continue;
            };
            let winner = match words.as_str() {
                FIRST if is_swapped => Winner::Second,
                FIRST => Winner::First,
                SECOND if is_swapped => Winner::First,
                SECOND => Winner::Second,
                TIE => Winner::Tie,
                BOTH_BAD => Winner::BothBad,
                _ => continue,
            };
            found.battles.push(left.clone(), right.clone(), winner);
            if found.battles.battles.len() > found.pairs.len() {
                found.pairs.push(verdict.item);
                found.without_side += usize::from(verdict.left.is_none());
            }
        }
        found.coders += usize::from(found.pairs.len() > before);
    }
    if !found.pairs.is_empty() {
        return Ok(found);
    }
    Err(if found.unknown > 0 {
        "This study does not know which models gave its answers: the file that it was made of does not name \
         them, or it came as a package for a colleague, which is blind. Rate it where it was made"
            .to_owned()
    } else if found.battles.one_model > 0 {
        "Both answers of every pair that was judged come from one model".to_owned()
    } else {
        "No coder has judged answers of two models yet".to_owned()
    })
}

impl Comparisons {
    /// Items with a battle.
    fn pair_count(&self) -> usize {
        let mut pairs = self.pairs.clone();
        pairs.sort_unstable();
        pairs.dedup();
        pairs.len()
    }

    /// What is counted, and what is not, a sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let (verdicts, pairs) = (self.pairs.len(), self.pair_count());
        let mut said = vec![format!(
            "{} of {} on {}",
            counted(verdicts, "verdict", "verdicts"),
            counted(self.coders, "coder", "coders"),
            counted(pairs, "pair", "pairs")
        )];
        if verdicts > pairs {
            said.push(
                "Where several coders judged a pair, each verdict counts, and the intervals are over resampled \
                 pairs"
                    .to_owned(),
            );
        }
        if self.without_side > 0 {
            let verdicts = counted(self.without_side, "verdict does", "verdicts do");
            said.push(format!(
                "{verdicts} not say what stood at the left: for the side, the first answer of the file counts as left"
            ));
        }
        let left_out = [
            (self.battles.undecided, "“don't know”"),
            (self.unknown, "on answers whose models are not known"),
            (self.battles.one_model, "on two answers of one model"),
        ];
        for (count, what) in left_out.into_iter().filter(|(count, _)| *count > 0) {
            let verdicts = counted(count, "verdict is", "verdicts are");
            said.push(format!("{verdicts} left out: {what}"));
        }
        said
    }

    pub fn json(&self, name: &str) -> Json {
        json!({
            "name": name,
            "coders": self.coders,
            "pairs": self.pair_count(),
            "verdicts": self.pairs.len(),
            "dont_know": self.battles.undecided,
            "models_not_known": self.unknown,
            "of_one_model": self.battles.one_model,
            "side_not_known": self.without_side,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::pairs::tests::{judge, made};

    #[test]
    fn the_verdicts_of_every_coder_are_comparisons_of_the_models_as_they_stood_on_the_screen() {
        let (_parent, mut folder) = made(8, 0.5);
        // m1 gave the first answer of each pair, m2 the second; second looks do not count.
        judge(&mut folder, "Ada", |item, pass, _| {
            Some(if pass == 2 { SECOND } else { [FIRST, FIRST, SECOND, TIE][item % 4] })
        });
        judge(&mut folder, "Ben", |item, pass, _| {
            (item < 4 && pass == 1).then_some([FIRST, SECOND, BOTH_BAD, TIE][item % 4])
        });
        let found = comparisons(&folder).unwrap();
        assert_eq!((found.coders, found.pairs.len(), found.pair_count()), (2, 12, 8));
        let by = |winner| found.battles.battles.iter().filter(|it| it.winner == winner).count();
        assert_eq!((by(Winner::Tie), by(Winner::BothBad)), (3, 1));
        let won = |name: &str| {
            let is_won = |it: &&crate::data::battles::Battle| match it.winner {
                Winner::First => it.first == name,
                Winner::Second => it.second == name,
                _ => false,
            };
            found.battles.battles.iter().filter(is_won).count()
        };
        assert_eq!((won("m1"), won("m2")), (5, 3));
        // Sides are counterbalanced: of Ada's eight pairs four have m1 on the left.
        let left = found.battles.battles[..8].iter().filter(|it| it.first == "m1").count();
        assert_eq!(left, 4);
        let said = found.sentences();
        assert_eq!(said[0], "12 verdicts of 2 coders on 8 pairs");
        assert!(said[1].contains("intervals are over resampled pairs"));
        assert_eq!(found.json("Helpful")["verdicts"], 12);
    }

    #[test]
    fn a_study_that_cannot_be_rated_says_why() {
        let (_parent, mut folder) = made(3, 0.0);
        assert!(comparisons(&folder).unwrap_err().starts_with("No coder has judged"));
        judge(&mut folder, "Ada", |_, _, _| Some(FIRST));
        folder.origins.clear(); // as in a package for a colleague
        assert!(comparisons(&folder).unwrap_err().contains("which is blind"));
        let (_parent, texts) = crate::study::folder::tests::made(2);
        assert!(comparisons(&texts).unwrap_err().contains("a study of texts"));
    }
}
