//! The name that was meant where one stands that nobody knows: in a file, or on the command line.

/// The known name that is most like `name`. `None`: in each more than a third of the letters are other ones.
pub fn meant<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().filter_map(|other| Some((likeness(name, other)?, other)));
    let best = near.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, other)| other)
}

/// How many letters have to be changed until two names are the same, whatever their case.
///
/// Typed, left out, replaced, or exchanged with a neighbour: Damerau and Levenshtein's distance. The last part of
/// `other` alone may be meant: `r` of `lora.r`, `model` of `owner/model`.
pub fn letters_apart(one: &str, other: &str) -> usize {
    let apart = |(one, other): &(String, String)| strsim::damerau_levenshtein(one, other);
    pairs(one, other).iter().map(apart).min().unwrap_or_default()
}

/// Jaro and Winkler's likeness of two names that are near, by which those that begin alike are more alike: `lora_rank`
/// is nearer to `lora_r` than to `local_rank`.
fn likeness(one: &str, other: &str) -> Option<f64> {
    let near = |(one, other): &(String, String)| {
        let letters = one.chars().count().max(other.chars().count());
        let is_near = strsim::damerau_levenshtein(one, other) * 3 <= letters;
        is_near.then(|| strsim::jaro_winkler(one, other))
    };
    pairs(one, other).iter().filter_map(near).max_by(f64::total_cmp)
}

/// The names, and what was written with the last part of the other one, in small letters.
fn pairs(one: &str, other: &str) -> [(String, String); 2] {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let last = other.rsplit(['.', '/']).next().unwrap_or_default().to_owned();
    [(one.clone(), other), (one, last)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_from_another_word() {
        let known = ["learning_rate", "lora.r", "beta", "chat", "low"];
        for (name, right) in [
            ("learning_rat", Some("learning_rate")),
            ("Learning_Rate", Some("learning_rate")),
            ("chta", Some("chat")),
            ("lo", Some("low")),
            ("r", Some("lora.r")),
            ("bteas", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(meant(name, known), right, "{name}");
        }
        assert_eq!(meant("anything", []), None);
    }

    #[test]
    fn of_two_that_are_near_the_one_that_begins_alike_is_meant() {
        assert_eq!(meant("step", ["steps_", "steps"]), Some("steps"));
        assert_eq!(meant("lora_rank", ["local_rank", "lora_r"]), Some("lora_r"));
        assert_eq!(meant("quite-other.gguf", ["abstracts.csv", "abstracts.gguf"]), None);
        assert_eq!(letters_apart("qwem", "elsewhere/qwen"), 1);
    }
}
