//! Words that name a group of texts: class-based TF-IDF (Grootendorst 2022, `BERTopic`).

use std::collections::{BTreeMap, BTreeSet};

/// A word, and its weight in a group.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Word {
    pub word: String,
    pub weight: f64,
}

/// English words that say nothing of a topic. What most texts of any language have in common is
/// found by counting.
const EMPTY: &str = "a about above after again against all also am an and any are as at be because \
    been before being below between both but by can cannot could did do does doing down during each \
    even every few for from further get got had has have having he her here hers herself him himself \
    his how i if in into is it its itself just like many may me might more most much must my myself \
    no nor not now of off on once one only or other our ours out over own same shall she should so \
    some such than that the their theirs them themselves then there these they this those through to \
    too under until up upon us very was we were what when where which while who whom whose why will \
    with would you your yours yourself don doesn didn isn aren wasn weren won wouldn shouldn couldn \
    ve ll re";

/// A word that more than this share of all texts has says nothing…
const MOST_SHARE: f64 = 0.5;

/// … where there are texts enough to tell.
const TELLS_FROM: usize = 20;

/// Letters and digits that stand together, in lower case, two at least and not all digits.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let parts = text.split(|character: char| !character.is_alphanumeric());
    parts.filter_map(|part| {
        let is_word =
            part.chars().nth(1).is_some() && part.chars().any(|letter| !letter.is_numeric());
        is_word.then(|| part.to_lowercase())
    })
}

/// The weightiest words of each group, the weightiest first: tf · ln(1 + A / f), tf the share of the
/// group's words, f how often all groups have the word, A the mean number of words in a group.
///
/// `groups`: of each text, below `count`; a text without one is left out.
pub fn topic_words(
    texts: &[&str],
    groups: &[Option<usize>],
    count: usize,
    most: usize,
) -> Vec<Vec<Word>> {
    let empty: BTreeSet<&str> = EMPTY.split_whitespace().collect();
    let mut of_groups: Vec<BTreeMap<String, u64>> = vec![BTreeMap::new(); count];
    let mut texts_with: BTreeMap<String, usize> = BTreeMap::new();
    let grouped = texts.iter().zip(groups).filter_map(|(text, group)| Some((text, (*group)?)));
    let mut text_count = 0;
    for (text, group) in grouped {
        text_count += 1;
        let mut seen = BTreeSet::new();
        for word in words(text).filter(|word| !empty.contains(word.as_str())) {
            *of_groups[group].entry(word.clone()).or_default() += 1;
            seen.insert(word);
        }
        for word in seen {
            *texts_with.entry(word).or_default() += 1;
        }
    }
    if text_count >= TELLS_FROM {
        let is_told = |word: &String| {
            texts_with.get(word).is_none_or(|with| *with as f64 <= MOST_SHARE * text_count as f64)
        };
        of_groups.iter_mut().for_each(|words| words.retain(|word, _| is_told(word)));
    }
    let mut in_all: BTreeMap<&str, u64> = BTreeMap::new();
    for (word, times) in of_groups.iter().flatten() {
        *in_all.entry(word).or_default() += times;
    }
    let totals: Vec<u64> = of_groups.iter().map(|words| words.values().sum()).collect();
    let mean = totals.iter().sum::<u64>() as f64 / count.max(1) as f64;
    let named = of_groups.iter().zip(&totals).map(|(words, total)| {
        let mut weighed: Vec<Word> = words
            .iter()
            .map(|(word, times)| Word {
                word: word.clone(),
                weight: *times as f64 / *total as f64
                    * (1.0 + mean / in_all[word.as_str()] as f64).ln(),
            })
            .collect();
        weighed.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.word.cmp(&b.word)));
        weighed.truncate(most);
        weighed
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by hand: "tax" twice and "schools" once in group 0, two words in group 1, so that
    /// A is 2.5; the weight of "tax" is 2/3 · ln(1 + 2.5/2).
    #[test]
    fn words_weigh_as_class_based_tf_idf_says() {
        let texts = ["The tax, the TAX and schools 2024", "a school opens", "rivers flood"];
        let groups = [Some(0), None, Some(1)];
        let found = topic_words(&texts, &groups, 2, 5);
        let weights: Vec<(&str, f64)> =
            found[0].iter().map(|word| (word.word.as_str(), word.weight)).collect();
        assert_eq!(weights[0].0, "tax");
        assert!((weights[0].1 - 2.0 / 3.0 * (1.0 + 2.5 / 2.0_f64).ln()).abs() < 1e-12);
        assert_eq!(weights[1].0, "schools");
        assert_eq!(found[1].len(), 2);
    }

    #[test]
    fn a_word_of_most_texts_names_no_group() {
        let texts: Vec<String> = (0..20)
            .map(|at| format!("Gesetz {}", if at % 2 == 0 { "Steuer" } else { "Schule" }))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let groups: Vec<Option<usize>> = (0..20).map(|at| Some(at % 2)).collect();
        let found = topic_words(&texts, &groups, 2, 5);
        assert_eq!(found[0].len(), 1);
        assert_eq!(found[0][0].word, "steuer");
        assert!(topic_words(&[], &[], 2, 5).iter().all(Vec::is_empty));
    }
}
