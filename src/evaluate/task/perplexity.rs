//! How likely a model finds texts: what `[perplexity]` of a task says, how long texts are read, and what
//! is known of a text afterwards.

use serde::{Deserialize, Serialize};

/// Texts are scored: nothing is asked, and nothing is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Perplexity {
    /// The column of the texts.
    pub text: String,

    /// The column with what stands before each text: it is read, and not scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,

    /// What stands before a text is a message of the user in the model's chat template, and the text the
    /// beginning of the answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub chat: bool,

    /// So many tokens are read at once; 0: the model's whole context.
    #[serde(skip_serializing_if = "crate::files::is_zero")]
    pub window: usize,

    /// A longer text is read in windows, each of which begins so many tokens after the last one; 0: half a
    /// window.
    #[serde(skip_serializing_if = "crate::files::is_zero")]
    pub stride: usize,

    /// A longer text is cut at its end instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,

    /// A column whose groups are reported apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The end of every prompt of such a task: what stands before it is read and not scored.
pub const TEXT: &str = "{text}";

impl Perplexity {
    /// What keeps it from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let Self { window, stride, .. } = self;
        if *window == 1 {
            return Some(
                "`window` of [perplexity] is 1: a token is scored after another one, so that 2 are the \
                 least; 0 is the model's whole context"
                    .to_owned(),
            );
        }
        (*window > 0 && stride >= window).then(|| {
            format!(
                "`stride` of [perplexity] is {stride} and its `window` {window}: windows have to overlap, so \
                 that every token is scored after others; a stride of half a window is usual"
            )
        })
    }

    /// How far a window begins after the last one, of windows of so many tokens.
    pub fn stride_of(&self, window: usize) -> usize {
        let stride = if self.stride == 0 { window / 2 } else { self.stride };
        stride.clamp(1, window.saturating_sub(1).max(1))
    }
}

/// What is known of a text that was scored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Likelihood {
    /// Its tokens that were scored.
    pub tokens: usize,

    /// Tokens before them that were read and not scored, those of a chat template among them.
    pub before: usize,

    /// The sum over its tokens, a natural log.
    pub logprob: f64,

    /// Of what was scored, in UTF-8.
    pub bytes: usize,
    pub characters: usize,

    /// In so many windows it was read.
    pub windows: usize,

    /// Tokens of a window; 0: whoever scored it does not say.
    #[serde(skip_serializing_if = "crate::files::is_zero")]
    pub window: usize,
}

impl Likelihood {
    /// The log-probability of a token, on average.
    pub fn mean(&self) -> f64 {
        self.logprob / self.tokens as f64
    }

    pub fn perplexity(&self) -> f64 {
        (-self.mean()).exp()
    }

    pub fn bits(&self) -> f64 {
        -self.logprob / std::f64::consts::LN_2
    }

    /// `None`: nothing that was scored has a byte.
    pub fn bits_per_byte(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.bits() / self.bytes as f64)
    }

    pub fn bits_per_character(&self) -> Option<f64> {
        (self.characters > 0).then(|| self.bits() / self.characters as f64)
    }
}

/// Tokens that are read together, and the first of them that is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub begin: usize,
    pub end: usize,
    pub first: usize,
}

/// In which windows `count` tokens are read, of which those from `first` (at least 1) on are scored: each
/// once, in the first window that reaches it. Of a later window only what is new is scored.
///
/// As the documentation of transformers has it (“Perplexity of fixed-length models”), but for one thing:
/// there a token less counts in every window, here each token counts.
pub fn spans(count: usize, first: usize, window: usize, stride: usize) -> Vec<Span> {
    let mut found = Vec::new();
    let (mut begin, mut scored) = (0, first);
    loop {
        let end = count.min(begin + window);
        if end > scored {
            found.push(Span { begin, end, first: scored });
            scored = end;
        }
        if end >= count {
            return found;
        }
        begin += stride;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_scored_once_after_as_many_others_as_the_windows_allow() {
        let of = |count, first, window, stride| -> Vec<(usize, usize, usize)> {
            let spans = spans(count, first, window, stride).into_iter();
            spans.map(|span| (span.begin, span.end, span.first)).collect()
        };
        assert_eq!(of(5, 1, 8, 4), [(0, 5, 1)]);
        assert_eq!(of(8, 1, 8, 4), [(0, 8, 1)]);
        assert_eq!(of(18, 1, 8, 4), [(0, 8, 1), (4, 12, 8), (8, 16, 12), (12, 18, 16)]);
        // What stands before the text fills the first window: nothing of it is scored.
        assert_eq!(of(14, 9, 8, 4), [(4, 12, 9), (8, 14, 12)]);
        for (count, window, stride) in [(100, 7, 6), (33, 16, 1), (50, 2, 1)] {
            let mut scored = 1;
            for span in spans(count, 1, window, stride) {
                assert!(span.first == scored && span.begin < span.first);
                scored = span.end;
            }
            assert_eq!(scored, count);
        }
    }

    #[test]
    fn bits_and_perplexity_are_those_of_a_fair_coin() {
        let coin = Likelihood {
            tokens: 4,
            logprob: -4.0 * std::f64::consts::LN_2,
            bytes: 8,
            characters: 2,
            ..Likelihood::default()
        };
        assert!((coin.perplexity() - 2.0).abs() < 1e-12);
        assert_eq!((coin.bits_per_byte(), coin.bits_per_character()), (Some(0.5), Some(2.0)));
        assert_eq!(Likelihood::default().bits_per_byte(), None);
    }

    #[test]
    fn windows_that_do_not_overlap_are_refused() {
        let of = |window, stride| Perplexity { window, stride, ..Perplexity::default() };
        assert!(of(8, 8).problem().unwrap().contains("have to overlap"));
        assert!(of(1, 0).problem().unwrap().contains("2 are the least"));
        assert_eq!(of(8, 7).problem(), None);
        assert_eq!((of(8, 0).stride_of(8), of(0, 0).stride_of(2)), (4, 1));
    }
}
