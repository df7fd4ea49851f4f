//! Sizes of a model that is born, for a scaling series: `2x64x4` is two layers of width 64 with four heads.

use std::fmt;

use toml::Value;

use crate::llm::Shapes;
use crate::llm::newborn::Newborn;

/// So many sizes where nothing else is said.
pub const USUAL: usize = 3;

/// More are a mistake: each is a run, and the smallest would have no width left.
const MOST: usize = 8;

/// What of a shape makes it larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
}

impl fmt::Display for Size {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layers, width, heads } = self;
        write!(into, "{layers}x{width}x{heads}")
    }
}

impl Size {
    pub fn of(newborn: &Newborn) -> Self {
        Self {
            layers: newborn.num_hidden_layers,
            width: newborn.hidden_size,
            heads: newborn.num_attention_heads,
        }
    }

    /// `2x64x4`, or the same with `×`.
    fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(['x', 'X', '×']).map(|part| part.trim().parse().ok());
        let parts: Option<Vec<usize>> = parts.collect();
        let Some([layers, width, heads]) = parts.as_deref() else {
            return Err(format!(
                "`{text}` is not a size: write layers x width x heads, as in 2x64x4"
            ));
        };
        Ok(Self { layers: *layers, width: *width, heads: *heads })
    }

    /// A shape of this size; the feed-forward part and the heads of keys grow with it.
    pub fn applied(self, newborn: &Newborn) -> Newborn {
        let shares = newborn.num_attention_heads / newborn.num_key_value_heads.max(1);
        let is_shared = shares > 1 && self.heads.is_multiple_of(shares);
        let intermediate_size = match newborn.intermediate_size {
            0 => 0,
            own => (own * self.width).div_ceil(newborn.hidden_size.max(1)),
        };
        Newborn {
            num_hidden_layers: self.layers,
            hidden_size: self.width,
            num_attention_heads: self.heads,
            num_key_value_heads: if is_shared { self.heads / shares } else { self.heads },
            intermediate_size,
            ..newborn.clone()
        }
    }

    /// The same as keys of a run file.
    pub fn changes(self, newborn: &Newborn) -> Vec<(String, Value)> {
        let shape = self.applied(newborn);
        let mut keys = vec![
            ("num_hidden_layers", shape.num_hidden_layers),
            ("hidden_size", shape.hidden_size),
            ("num_attention_heads", shape.num_attention_heads),
            ("num_key_value_heads", shape.num_key_value_heads),
        ];
        if newborn.intermediate_size > 0 {
            keys.push(("intermediate_size", shape.intermediate_size));
        }
        let change = |(key, value): (&str, usize)| {
            (format!("newborn.{key}"), Value::Integer(value.cast_signed() as i64))
        };
        keys.into_iter().map(change).collect()
    }
}

/// Sizes as they are typed: how many (3: the chosen shape and two smaller ones), or which (1x32x2, 2x64x4).
pub fn parse(text: &str, newborn: &Newborn) -> Result<Vec<Size>, String> {
    let text = text.trim();
    if let Ok(count) = text.parse::<usize>() {
        return derived(newborn, count);
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let sizes: Vec<Size> = parts.map(Size::parse).collect::<Result<_, _>>()?;
    checked(sizes, newborn)
}

/// `sizes = 3`, or `sizes = ["1x32x2", "2x64x4"]`.
pub fn of_value(value: &Value, newborn: &Newborn) -> Result<Vec<Size>, String> {
    match value {
        Value::Integer(count) => derived(newborn, usize::try_from(*count).unwrap_or(0)),
        Value::Array(list) if list.iter().all(Value::is_str) => {
            let texts = list.iter().filter_map(Value::as_str);
            let sizes = texts.map(Size::parse).collect::<Result<_, _>>()?;
            checked(sizes, newborn)
        }
        other => Err(format!(
            "`sizes` is {other}; expected how many (sizes = 3), or which, as layers x width x heads \
             (sizes = [\"1x32x2\", \"2x64x4\"])"
        )),
    }
}

/// The chosen shape and smaller ones, the smallest first: each about a quarter of the next, since layers and width
/// shrink together by the third root of four and parameters are about 12 x layers x width².
fn derived(newborn: &Newborn, count: usize) -> Result<Vec<Size>, String> {
    if !(2..=MOST).contains(&count) {
        return Err(format!("a series has 2 to {MOST} sizes, and {count} were asked for"));
    }
    let chosen = Size::of(newborn);
    let mut sizes = Vec::with_capacity(count);
    for place in (0..count).rev() {
        let smaller = 4_f64.powf(place as f64 / 3.0);
        let layers = (chosen.layers as f64 / smaller).round().max(1.0);
        // What layers cannot give, because they are whole, the width gives.
        let rest = 4_f64.powf(place as f64) * layers / chosen.layers.max(1) as f64;
        let width = chosen.width as f64 / rest.sqrt();
        let mut heads = chosen.heads.max(1);
        while heads > 1 && width < (8 * heads) as f64 {
            heads /= 2; // a head of less than eight numbers says little
        }
        let step = 2 * heads;
        let width = ((width / step as f64).round() as usize).max(1) * step;
        sizes.push(Size { layers: layers as usize, width, heads });
    }
    if let Some(last) = sizes.last_mut() {
        *last = chosen;
    }
    sizes.dedup();
    if sizes.len() < count {
        return Err(format!(
            "the shape {chosen} is too small for {count} sizes below each other: choose a larger one, or name the \
             sizes"
        ));
    }
    checked(sizes, newborn)
}

/// A size that cannot be is named with what is wrong.
fn checked(sizes: Vec<Size>, newborn: &Newborn) -> Result<Vec<Size>, String> {
    if sizes.len() < 2 {
        return Err("one size is no series: name two or more".to_owned());
    }
    for (place, size) in sizes.iter().enumerate() {
        if sizes[..place].contains(size) {
            return Err(format!("the size {size} is there twice: take one of them out"));
        }
        if let Some((field, message)) = size.applied(newborn).problems().first() {
            return Err(format!("the size {size}: {field} {message}"));
        }
    }
    Ok(sizes)
}

/// Parameters without embeddings: without the table of tokens, learned positions, and the head, as Kaplan et al.
/// (2020) count them. `None`: there is no such model.
pub fn without_embeddings(newborn: &Newborn) -> Option<u64> {
    if !newborn.problems().is_empty() {
        return None;
    }
    const ANY_VOCABULARY: usize = 8; // it is left out of the count
    let shapes = Shapes::of(&newborn.config(ANY_VOCABULARY).ok()?);
    let tables: usize = shapes.tables.iter().map(|table| table.outputs * table.inputs).sum();
    shapes.parameter_count().checked_sub(tables as u64)
}

/// Whether two shapes differ in their size alone, so that their losses can be compared: same family, same
/// tokenizer, same context.
pub fn differ_in_size_alone(one: &Newborn, other: &Newborn) -> bool {
    let rest = |newborn: &Newborn| Newborn {
        intermediate_size: 0,
        num_hidden_layers: 0,
        hidden_size: 0,
        num_attention_heads: 0,
        num_key_value_heads: 0,
        ..newborn.clone()
    };
    rest(one) == rest(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::newborn::Architecture;

    #[test]
    fn the_chosen_shape_has_smaller_ones_of_a_quarter_below_it() {
        let newborn = Newborn::default();
        let sizes = parse("3", &newborn).unwrap();
        let words: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["1x40x4", "2x56x4", "3x96x4"]);
        let counts: Vec<u64> =
            sizes.iter().map(|size| without_embeddings(&size.applied(&newborn)).unwrap()).collect();
        for pair in counts.windows(2) {
            let times = pair[1] as f64 / pair[0] as f64;
            assert!((2.5..6.0).contains(&times), "{counts:?}");
        }
        for count in 2..=6 {
            let large = Newborn { num_hidden_layers: 12, hidden_size: 768, ..newborn.clone() };
            let sizes = parse(&count.to_string(), &large).unwrap();
            assert_eq!((sizes.len(), *sizes.last().unwrap()), (count, Size::of(&large)));
        }
    }

    #[test]
    fn embeddings_positions_and_the_head_are_not_counted() {
        // Llama, a layer: 4 d² of attention, 3 d m of the feed-forward part, 2 d of norms; one norm at the end.
        let llama = Newborn { hidden_size: 32, num_hidden_layers: 2, ..Newborn::default() };
        let (d, m) = (32, llama.mlp_width() as u64);
        assert_eq!(without_embeddings(&llama), Some(2 * (4 * d * d + 3 * d * m + 2 * d) + d));
        let own_head = Newborn { tie_word_embeddings: false, ..llama.clone() };
        assert_eq!(without_embeddings(&own_head), without_embeddings(&llama));
        // GPT-2, a layer: 12 d² and 13 d of weights and biases with its norms; a norm with a bias at the end.
        let gpt2 = Newborn { model_type: Architecture::Gpt2, ..llama };
        assert_eq!(without_embeddings(&gpt2), Some(2 * (12 * d * d + 13 * d) + 2 * d));
    }

    #[test]
    fn sizes_that_cannot_be_are_named() {
        let newborn = Newborn::default();
        for (text, words) in [
            ("1", "a series has 2 to 8 sizes"),
            ("99", "a series has 2 to 8 sizes"),
            ("2x64x4, 3x90x4", "the size 3x90x4: newborn.hidden_size must be a multiple of twice"),
            ("2x64x4, 3x96", "`3x96` is not a size"),
            ("2x64x4", "one size is no series"),
            ("", "one size is no series"),
            ("2x64x4, 2x64x4", "is there twice"),
            ("8", "too small for 8 sizes"),
            ("0x64x4, 2x64x4", "num_hidden_layers must be between"),
        ] {
            let said = parse(text, &newborn).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
        let listed = parse("1x32x2, 2×64×4", &newborn).unwrap();
        assert_eq!(listed[1], Size { layers: 2, width: 64, heads: 4 });
    }

    #[test]
    fn heads_that_are_shared_and_the_feed_forward_part_grow_with_the_size() {
        let newborn =
            Newborn { num_key_value_heads: 2, intermediate_size: 192, ..Newborn::default() };
        let size = Size { layers: 6, width: 192, heads: 8 };
        let larger = size.applied(&newborn);
        assert_eq!((larger.num_key_value_heads, larger.intermediate_size), (4, 384));
        assert!(differ_in_size_alone(&newborn, &larger));
        let other = Newborn { vocab_size: 300, ..larger };
        assert!(!differ_in_size_alone(&newborn, &other));
        let changes = size.changes(&newborn);
        let keys: Vec<String> =
            changes.iter().map(|(key, value)| format!("{key} {value}")).collect();
        assert_eq!(keys[4], "newborn.intermediate_size 384");
    }
}
