//! Which key gives which label: digits first, then letters that do nothing else.

/// "Don't know", of every question that allows it.
pub const DONT_KNOW: char = '0';

/// Keys with another meaning while coding: undo, flag, reason, the list; don't know is a digit.
const TAKEN: [char; 4] = ['u', 'f', 'r', 'l'];

/// The keys of so many labels, in order. A label that is a digit has itself.
pub fn keys_of(labels: &[String]) -> Vec<Option<char>> {
    let own = |label: &String| {
        let mut letters = label.chars();
        letters.next().filter(|first| letters.next().is_none() && ('1'..='9').contains(first))
    };
    if labels.iter().all(|label| own(label).is_some()) {
        return labels.iter().map(own).collect();
    }
    let letters = ('a'..='z').filter(|letter| !TAKEN.contains(letter));
    let mut keys = ('1'..='9').chain(letters);
    labels.iter().map(|_| keys.next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_get_digits_then_letters_and_a_scale_its_own_points() {
        let labels = |count: usize| (0..count).map(|at| format!("label {at}")).collect::<Vec<_>>();
        assert_eq!(keys_of(&labels(2)), [Some('1'), Some('2')]);
        let many = keys_of(&labels(40));
        assert_eq!((many[8], many[9], many[14]), (Some('9'), Some('a'), Some('g')));
        assert!(!many.contains(&Some('u')) && many[39].is_none());
        let scale: Vec<String> = (3..=7).map(|point| point.to_string()).collect();
        assert_eq!(keys_of(&scale)[0], Some('3'));
        let ten: Vec<String> = (1..=10).map(|point| point.to_string()).collect();
        assert_eq!(keys_of(&ten)[9], Some('a'));
    }
}
