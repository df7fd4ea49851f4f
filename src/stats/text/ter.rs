//! The translation edit rate (Snover et al. 2006): insertions, deletions, substitutions, and
//! shifts of runs of words, searched as sacreBLEU 2.6 does after Tercom.

use std::cmp::Reverse;

use super::words::{Numbering, split};

/// The longest run that is shifted, how far its match may lie, and how many places are tried.
const LONGEST_SHIFT: usize = 10;
const FARTHEST_SHIFT: usize = 50;
const MOST_CANDIDATES: usize = 1000;

/// Edits are searched this far from the diagonal.
const BEAM: usize = 25;

/// A cell outside of the beam.
const NEVER: u32 = u32::MAX / 2;

/// Edits against the best reference, and how long the references are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Edits {
    pub edits: usize,

    /// The mean over the references, in words.
    pub reference_length: f64,
}

/// Words in lower case, between white space. `None` without a reference.
pub fn edits(hypothesis: &str, references: &[String]) -> Option<Edits> {
    let mut numbering = Numbering::default();
    let mut read = |text: &str| -> Vec<u32> {
        split(&text.to_lowercase()).map(|word| numbering.number(word)).collect()
    };
    let hypothesis = read(hypothesis);
    let references: Vec<Vec<u32>> = references.iter().map(|text| read(text)).collect();
    let fewest = references.iter().map(|reference| edits_to(&hypothesis, reference)).min()?;
    let words: usize = references.iter().map(Vec::len).sum();
    Some(Edits { edits: fewest, reference_length: words as f64 / references.len() as f64 })
}

impl Edits {
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            edits: self.edits + other.edits,
            reference_length: self.reference_length + other.reference_length,
        }
    }

    /// 100 × edits / words of the reference; for an empty one 100 if there are edits, else 0.
    pub fn rate(&self) -> f64 {
        if self.reference_length > 0.0 {
            100.0 * (self.edits as f64 / self.reference_length)
        } else if self.edits > 0 {
            100.0
        } else {
            0.0
        }
    }
}

fn edits_to(hypothesis: &[u32], reference: &[u32]) -> usize {
    if reference.is_empty() {
        return hypothesis.len();
    }
    let mut table = EditTable::new(reference, hypothesis.len());
    let mut words = hypothesis.to_vec();
    let mut shifts = 0;
    let mut candidates = 0;
    table.fill(&words, 0);
    loop {
        let better = best_shift(&words, reference, &table, &mut candidates);
        if candidates >= MOST_CANDIDATES {
            break;
        }
        let Some(shifted) = better else { break };
        shifts += 1;
        words = shifted;
        table.fill(&words, 0);
    }
    shifts + table.distance() as usize
}

/// What the last edit of a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Keep,
    Substitute,

    /// A word of the hypothesis that the reference lacks.
    Delete,

    /// A word of the reference that the hypothesis lacks.
    Insert,
}

/// Edit distances of the beginnings of a hypothesis (rows) and of the reference (columns).
#[derive(Clone)]
struct EditTable<'a> {
    reference: &'a [u32],
    rows: usize,
    cells: Vec<(u32, Edit)>,
}

impl<'a> EditTable<'a> {
    fn new(reference: &'a [u32], words: usize) -> Self {
        let width = reference.len() + 1;
        let mut cells = vec![(NEVER, Edit::Insert); (words + 1) * width];
        for (j, cell) in cells.iter_mut().take(width).enumerate() {
            cell.0 = j as u32;
        }
        Self { reference, rows: words, cells }
    }

    fn width(&self) -> usize {
        self.reference.len() + 1
    }

    /// Fills the rows after the first `known` words, which are the same as at the last call.
    fn fill(&mut self, words: &[u32], known: usize) {
        let width = self.width();
        let ratio = self.reference.len() as f64 / words.len().max(1) as f64;
        let beam = if (BEAM as f64) < ratio / 2.0 {
            (ratio / 2.0 + BEAM as f64).ceil() as usize
        } else {
            BEAM
        };
        for i in known + 1..=words.len() {
            let diagonal = (i as f64 * ratio).floor() as usize;
            let first = diagonal.saturating_sub(beam);
            let end = if i == words.len() { width } else { width.min(diagonal + beam) };
            let (above, row) = self.cells[(i - 1) * width..(i + 1) * width].split_at_mut(width);
            row.fill((NEVER, Edit::Insert));
            for j in first..end {
                if j == 0 {
                    row[0] = (above[0].0 + 1, Edit::Delete);
                    continue;
                }
                let same = words[i - 1] == self.reference[j - 1];
                let mut best = if same {
                    (above[j - 1].0, Edit::Keep)
                } else {
                    (above[j - 1].0 + 1, Edit::Substitute)
                };
                // Of equals: no edit or a substitution, then a deletion, then an insertion.
                if above[j].0 + 1 < best.0 {
                    best = (above[j].0 + 1, Edit::Delete);
                }
                if row[j - 1].0 + 1 < best.0 {
                    best = (row[j - 1].0 + 1, Edit::Insert);
                }
                if best.0 < NEVER {
                    row[j] = best;
                }
            }
        }
    }

    fn distance(&self) -> u32 {
        self.cells[self.rows * self.width() + self.reference.len()].0
    }

    fn alignment(&self) -> Alignment {
        let mut trace = Vec::new();
        let (mut i, mut j) = (self.rows, self.reference.len());
        while i > 0 || j > 0 {
            let edit = match (i, j) {
                (0, _) => Edit::Insert,
                (_, 0) => Edit::Delete,
                _ => self.cells[i * self.width() + j].1,
            };
            trace.push(edit);
            match edit {
                Edit::Keep | Edit::Substitute => {
                    i -= 1;
                    j -= 1;
                }
                Edit::Delete => i -= 1,
                Edit::Insert => j -= 1,
            }
        }
        let mut alignment = Alignment::default();
        for edit in trace.into_iter().rev() {
            match edit {
                Edit::Keep | Edit::Substitute => {
                    alignment.wrong_in_hypothesis.push(edit == Edit::Substitute);
                    alignment.wrong_in_reference.push(edit == Edit::Substitute);
                    alignment.words_up_to.push(alignment.wrong_in_hypothesis.len());
                }
                Edit::Delete => alignment.wrong_in_hypothesis.push(true),
                Edit::Insert => {
                    alignment.wrong_in_reference.push(true);
                    alignment.words_up_to.push(alignment.wrong_in_hypothesis.len());
                }
            }
        }
        alignment
    }
}

/// Which words of the two lie beside each other.
#[derive(Debug, Default)]
struct Alignment {
    wrong_in_hypothesis: Vec<bool>,
    wrong_in_reference: Vec<bool>,

    /// For each word of the reference, how many words of the hypothesis come up to it and with it.
    words_up_to: Vec<usize>,
}

/// Edits saved, length, start, target: the larger, the better.
type Rank = (i64, usize, Reverse<usize>, Reverse<usize>);

/// The shift that saves most edits; then the longest, the earliest, to the earliest place. `None`
/// where none saves any.
fn best_shift(
    words: &[u32],
    reference: &[u32],
    table: &EditTable<'_>,
    candidates: &mut usize,
) -> Option<Vec<u32>> {
    let before = i64::from(table.distance());
    let alignment = table.alignment();
    let mut trial = table.clone();
    // How many rows of the trial are those of `words`.
    let mut intact = words.len();
    let mut best: Option<(Rank, Vec<u32>)> = None;
    'starts: for start in 0..words.len() {
        let near = start.saturating_sub(FARTHEST_SHIFT)..=start + FARTHEST_SHIFT;
        for place in near.take_while(|place| *place < reference.len()) {
            let same = words[start..].iter().zip(&reference[place..]).take(LONGEST_SHIFT);
            let longest = same.take_while(|(word, other)| word == other).count();
            for length in 1..=longest {
                let any = |wrong: &[bool], from: usize| wrong[from..from + length].contains(&true);
                // The words after which the run would stand now.
                let here = alignment.words_up_to[place];
                let within = start < here && here <= start + length;
                if within
                    || !any(&alignment.wrong_in_hypothesis, start)
                    || !any(&alignment.wrong_in_reference, place)
                {
                    continue;
                }
                let mut tried = None;
                for offset in 0..=length {
                    let target = match (place + offset).checked_sub(1) {
                        None => 0,
                        Some(position) => match alignment.words_up_to.get(position) {
                            Some(up_to) => *up_to,
                            None => break,
                        },
                    };
                    if tried == Some(target) {
                        continue;
                    }
                    tried = Some(target);
                    let shifted = shift(words, start, length, target);
                    let common = shifted.iter().zip(words).take_while(|(a, b)| a == b).count();
                    trial.fill(&shifted, common.min(intact));
                    intact = common;
                    *candidates += 1;
                    let saved = before - i64::from(trial.distance());
                    let rank = (saved, length, Reverse(start), Reverse(target));
                    if best.as_ref().is_none_or(|(most, _)| rank > *most) {
                        best = Some((rank, shifted));
                    }
                }
                if *candidates >= MOST_CANDIDATES {
                    break 'starts;
                }
            }
        }
    }
    best.filter(|((saved, ..), _)| *saved > 0).map(|(_, shifted)| shifted)
}

/// Moves the run to before `target`, or, where that lies within it, as many words further.
fn shift(words: &[u32], start: usize, length: usize, target: usize) -> Vec<u32> {
    let run = &words[start..start + length];
    let parts: [&[u32]; 4] = if target < start {
        [&words[..target], run, &words[target..start], &words[start + length..]]
    } else if target > start + length {
        [&words[..start], &words[start + length..target], run, &words[target..]]
    } else {
        let end = (length + target).min(words.len());
        [&words[..start], &words[(start + length).min(end)..end], run, &words[end..]]
    };
    parts.concat()
}
