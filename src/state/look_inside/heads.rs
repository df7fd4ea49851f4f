//! The attention of a layer, with small pictures of its heads.

use crate::explore::attention::{AttentionView, HeadScores};

/// Longer texts are cut: a map of more than this has no room on a screen, and takes heads · time²
/// numbers.
pub const MOST_TOKENS: usize = 512;

/// A small picture has at most this many points a side.
const THUMB_SIDE: usize = 64;

/// From this share on a head is called by what it looks at.
const LABEL_SHARE: f64 = 0.3;

/// A layer's heads. Made where it was computed: pictures of many heads take longer than a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Heads {
    pub view: AttentionView,

    /// Of each head, as it is and without the first token.
    pub thumbs: Vec<[Thumb; 2]>,
}

/// A head in small: the largest weight of each square.
#[derive(Clone, Debug, PartialEq)]
pub struct Thumb {
    pub side: usize,
    pub weights: Vec<f32>,
}

impl Heads {
    pub fn new(view: AttentionView) -> Self {
        let thumb = |head: usize| {
            let whole = Thumb::of(view.head(head), view.time);
            [whole, Thumb::of(&view.head_without_first(head), view.time)]
        };
        let thumbs = (0..view.heads).map(thumb).collect();
        Self { view, thumbs }
    }

    /// What a head mostly does, and how much of it: `first token`, 0.71.
    pub fn label(&self, head: usize) -> Option<(&'static str, f64)> {
        let HeadScores { previous, same, first } = *self.view.scores.get(head)?;
        let named = [("token before", previous), ("same token", same), ("first token", first)];
        let known = named.into_iter().filter_map(|(name, share)| Some((name, share?)));
        let best = known.max_by(|one, other| one.1.total_cmp(&other.1))?;
        (best.1 >= LABEL_SHARE).then_some(best)
    }
}

impl Thumb {
    fn of(weights: &[f32], time: usize) -> Self {
        let stride = time.div_ceil(THUMB_SIDE).max(1);
        let side = time.div_ceil(stride);
        let mut pooled = vec![0.0_f32; side * side];
        for (row, line) in weights.chunks_exact(time.max(1)).enumerate() {
            for (column, weight) in line[..=row].iter().enumerate() {
                let cell = &mut pooled[row / stride * side + column / stride];
                *cell = cell.max(*weight);
            }
        }
        Self { side, weights: pooled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_picture_keeps_the_largest_weight_of_each_square() {
        let time = 130;
        let mut weights = vec![0.0; time * time];
        weights[100 * time + 7] = 0.9;
        let thumb = Thumb::of(&weights, time);
        assert_eq!(thumb.side, 44, "squares of three tokens");
        assert_eq!(thumb.weights[33 * 44 + 2], 0.9);
        assert_eq!(thumb.weights.iter().filter(|weight| **weight > 0.0).count(), 1);
    }

    #[test]
    fn a_head_is_called_by_what_it_mostly_does() {
        let scores = |previous, first| HeadScores { previous, same: None, first };
        let view = AttentionView {
            layer: 0,
            heads: 3,
            time: 1,
            weights: vec![1.0; 3],
            scores: vec![
                scores(Some(0.62), Some(0.2)),
                scores(Some(0.1), Some(0.71)),
                scores(Some(0.1), Some(0.2)),
            ],
        };
        let heads = Heads::new(view);
        assert_eq!(heads.label(0), Some(("token before", 0.62)));
        assert_eq!(heads.label(1), Some(("first token", 0.71)));
        assert_eq!(heads.label(2), None);
    }
}
