//! Porter's stemmer (1980) as NLTK's default mode has it, which `rouge-score` uses.
//!
//! Other than in Porter's paper: words of one or two letters and a short list stay as they are,
//! and some endings differ; each place says so.

/// Words with a stem of their own: (stem, words).
const IRREGULAR: &[(&str, &[&str])] = &[
    ("sky", &["sky", "skies"]),
    ("die", &["dying"]),
    ("lie", &["lying"]),
    ("tie", &["tying"]),
    ("news", &["news"]),
    ("inning", &["inning", "innings"]),
    ("outing", &["outing", "outings"]),
    ("canning", &["canning", "cannings"]),
    ("howe", &["howe"]),
    ("proceed", &["proceed"]),
    ("exceed", &["exceed"]),
    ("succeed", &["succeed"]),
];

/// An ending, and what takes its place.
type Ending = (&'static str, &'static str);

/// Where what stands before has a measure above 0.
const STEP_2: &[Ending] = &[
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"), // Porter: abli -> able
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"), // not in Porter
];

const STEP_3: &[Ending] = &[
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

/// Dropped where what stands before has a measure above 1.
const STEP_4: &[&str] = &[
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou",
    "ism", "ate", "iti", "ous", "ive", "ize",
];

/// The stem of a word, in lower case.
pub fn stem(word: &str) -> String {
    let lower = word.to_lowercase();
    if let Some((stem, _)) = IRREGULAR.iter().find(|(_, words)| words.contains(&lower.as_str())) {
        return (*stem).to_owned();
    }
    if word.chars().count() <= 2 {
        return lower;
    }
    let mut word: Vec<char> = lower.chars().collect();
    plural(&mut word);
    past_and_present(&mut word);
    final_y(&mut word);
    step_2(&mut word);
    replace_first(&mut word, STEP_3);
    step_4(&mut word);
    final_e(&mut word);
    if ends(&word, "ll") && measure(&word[..word.len() - 1]) > 1 {
        word.pop();
    }
    word.into_iter().collect()
}

fn ends(word: &[char], ending: &str) -> bool {
    word.len() >= ending.len() && word.iter().rev().copied().eq_prefix(ending)
}

/// Compares from the end on.
trait EqPrefix {
    fn eq_prefix(self, ending: &str) -> bool;
}

impl<I: Iterator<Item = char>> EqPrefix for I {
    fn eq_prefix(mut self, ending: &str) -> bool {
        ending.chars().rev().all(|c| self.next() == Some(c))
    }
}

/// What stands before an ending.
fn before<'a>(word: &'a [char], ending: &str) -> &'a [char] {
    &word[..word.len() - ending.len()]
}

fn replace(word: &mut Vec<char>, ending: &str, with: &str) {
    word.truncate(word.len() - ending.len());
    word.extend(with.chars());
}

/// For each letter whether it is a consonant; a y is one unless it follows one.
fn consonants(word: &[char]) -> Vec<bool> {
    let mut flags: Vec<bool> = Vec::with_capacity(word.len());
    for c in word {
        flags.push(match c {
            'a' | 'e' | 'i' | 'o' | 'u' => false,
            'y' => !flags.last().copied().unwrap_or(false),
            _ => true,
        });
    }
    flags
}

/// How often a vowel is followed by a consonant: m in \[C\](VC)^m\[V\].
fn measure(stem: &[char]) -> usize {
    consonants(stem).windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

fn ends_in_double_consonant(word: &[char]) -> bool {
    let [.., last_but_one, last] = word else { return false };
    last_but_one == last && consonants(word).last() == Some(&true)
}

/// *o: consonant, vowel, consonant other than w, x, y; here also a vowel and a consonant alone.
fn ends_in_short_syllable(word: &[char]) -> bool {
    let flags = consonants(word);
    match flags.as_slice() {
        [false, true] => true,
        [.., true, false, true] => !word.last().is_some_and(|c| matches!(c, 'w' | 'x' | 'y')),
        _ => false,
    }
}

/// Step 1a.
fn plural(word: &mut Vec<char>) {
    if ends(word, "ies") && word.len() == 4 {
        replace(word, "ies", "ie"); // not in Porter
    } else if ends(word, "sses") {
        replace(word, "sses", "ss");
    } else if ends(word, "ies") {
        replace(word, "ies", "i");
    } else if ends(word, "s") && !ends(word, "ss") {
        replace(word, "s", "");
    }
}

/// Step 1b.
fn past_and_present(word: &mut Vec<char>) {
    if ends(word, "ied") {
        // Not in Porter.
        let with = if word.len() == 4 { "ie" } else { "i" };
        return replace(word, "ied", with);
    }
    if ends(word, "eed") {
        if measure(before(word, "eed")) > 0 {
            replace(word, "eed", "ee");
        }
        return;
    }
    let has_vowel = |stem: &[char]| consonants(stem).contains(&false);
    let dropped = ["ed", "ing"]
        .into_iter()
        .find(|ending| ends(word, ending) && has_vowel(before(word, ending)));
    let Some(ending) = dropped else { return };
    replace(word, ending, "");
    if ends(word, "at") || ends(word, "bl") || ends(word, "iz") {
        word.push('e');
    } else if ends_in_double_consonant(word) {
        if !word.last().is_some_and(|c| matches!(c, 'l' | 's' | 'z')) {
            word.pop();
        }
    } else if measure(word) == 1 && ends_in_short_syllable(word) {
        word.push('e');
    }
}

/// Step 1c. Porter asks for a vowel before; here a consonant, with something before that.
fn final_y(word: &mut Vec<char>) {
    if ends(word, "y") {
        let stem = before(word, "y");
        if stem.len() > 1 && consonants(stem).last() == Some(&true) {
            replace(word, "y", "i");
        }
    }
}

/// The first ending that fits decides, also where what stands before it is too short.
fn replace_first(word: &mut Vec<char>, endings: &[Ending]) -> bool {
    let Some((ending, with)) = endings.iter().find(|(ending, _)| ends(word, ending)) else {
        return false;
    };
    if measure(before(word, ending)) > 0 {
        replace(word, ending, with);
    }
    true
}

fn step_2(word: &mut Vec<char>) {
    // Not in Porter: -alli goes first, and what is left through this step again.
    while ends(word, "alli") && measure(before(word, "alli")) > 0 {
        replace(word, "alli", "al");
    }
    // Not in Porter: the l of -logi counts as part of what stands before.
    if !replace_first(word, STEP_2) && ends(word, "logi") && measure(before(word, "ogi")) > 0 {
        replace(word, "logi", "log");
    }
}

fn step_4(word: &mut Vec<char>) {
    let Some(ending) = STEP_4.iter().find(|ending| ends(word, ending)) else { return };
    let stem = before(word, ending);
    let fits = *ending != "ion" || matches!(stem.last(), Some('s' | 't'));
    if fits && measure(stem) > 1 {
        replace(word, ending, "");
    }
}

/// Step 5a.
fn final_e(word: &mut Vec<char>) {
    if ends(word, "e") {
        let stem = before(word, "e");
        let long = measure(stem);
        if long > 1 || (long == 1 && !ends_in_short_syllable(stem)) {
            word.pop();
        }
    }
}
