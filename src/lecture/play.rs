//! Computes what a scene shows.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use super::error::PlayError;
use super::machine::machine;
use super::next::{at_temperatures, next, scores_after};
use super::played::{FilledView, GuessView, Guessed, HeadView, MapView, Played, TokenizersView};
use super::scene::{View, kept_as};
use crate::data::pair::Message;
use crate::explore::leave_one_out::{self, Unit};
use crate::explore::lens::LensRequest;
use crate::explore::mask::{MaskedModel, from_left};
use crate::explore::mask_words::{Word, places_of, words};
use crate::explore::meaning::{self, Pooled};
use crate::explore::next_token::{Side, next_token};
use crate::explore::pair_set::{FORMAT, PairSet};
use crate::explore::pass_times::pass_times;
use crate::explore::subject::{Looked, Subject};
use crate::explore::surprise::{SurpriseView, surprise};
use crate::explore::tree::{ROOT, Tree};
use crate::explore::{attention, compare, guess, lens, pair_set, token_sides, tokens, two_models};
use crate::jobs::Progress;
use crate::llm;
use crate::llm::generate::sampling::{ChainOrder, SamplingParams};
use crate::llm::{Adapter, Model, Tokenizer, Weights};

/// Candidates that are kept at each place: as many as a stage has room for.
const TOP: usize = 5;

/// Finds what a scene names beside its model.
pub trait Shelf {
    /// A second model. Slow where it has to be loaded. `named`: `None` for the file of the scene's own.
    fn second(
        &self,
        named: Option<&str>,
        weights: Weights,
        progress: &dyn Progress<Looked>,
    ) -> Result<Arc<Model>, PlayError>;

    /// A masked model. Slow where it has to be loaded.
    fn masked(&self, named: &str) -> Result<Arc<MaskedModel>, PlayError>;

    /// A tokenizer, without its model's weights.
    fn tokenizer(&self, named: &str) -> Result<Tokenizer, PlayError>;
}

/// Tokens before the ones that are measured: what a room would write.
const BEFORE: usize = 128;

/// What a scene shows. Slow: looks for Stop as its view does.
pub fn play(
    view: &View,
    (model, shelf): (&Arc<Model>, &dyn Shelf),
    adapter: Option<&Arc<Adapter>>,
    progress: &dyn Progress<Looked>,
) -> Result<Played, PlayError> {
    let subject = Subject::new(model, adapter.map(AsRef::as_ref));
    let played = match view {
        View::Words { .. } | View::Ask { .. } => Played::Words,
        View::Tokens { text, chat, .. } => {
            let (text, is_chat) = (rendered(model, text, *chat)?, *chat);
            Played::Tokens(tokens::of_text(model.tokenizer(), &text, !is_chat)?)
        }
        View::Next { text, chat, top, temperature, top_k, top_p, min_p } => {
            let ids = ids_of(subject, text, *chat)?;
            let scores = scores_after(subject, &ids, progress)?;
            let params = SamplingParams {
                temperature: *temperature as f32,
                top_k: *top_k,
                top_p: *top_p as f32,
                min_p: *min_p as f32,
                ..neutral()
            };
            Played::Next(next(subject, &ids, &scores, &params, *top)?)
        }
        View::Temperatures { text, chat, top, temperatures } => {
            let ids = ids_of(subject, text, *chat)?;
            let scores = scores_after(subject, &ids, progress)?;
            Played::Temperatures(at_temperatures(subject, &ids, &scores, temperatures, *top))
        }
        View::Surprise { text } => {
            Played::Surprise(surprise(subject, &subject.encode(text)?, TOP, progress)?)
        }
        View::Guess { text, hide, every } => {
            let view = surprise(subject, &subject.encode(text)?, TOP, progress)?;
            Played::Guess(guessed(view, hide, *every))
        }
        View::Mask { text, hide, places, every, with } => {
            let hidden = masked_words(text, hide, places, *every)?;
            let known = hidden.iter().filter(|word| !word.is_mask);
            let known: Vec<_> = known.map(|word| word.characters.clone()).collect();
            let both = shelf.masked(with)?.fill(text, &known, TOP, progress)?;
            let left = from_left(subject, text, &known, TOP, progress)?;
            let hidden = hidden.into_iter().map(|word| word.characters).collect();
            Played::Mask(FilledView { text: text.clone(), hidden, both, left })
        }
        View::Pair { text, other, top } => {
            let (a, b) = (subject.encode(text)?, subject.encode(other)?);
            let (a, b) = (Side { subject, ids: &a }, Side { subject, ids: &b });
            Played::Pair(next_token(a, b, *top, progress)?)
        }
        View::PairSet { templates, pairs, answers } => {
            let (templates, pairs, answers) = (templates.clone(), pairs.clone(), answers.clone());
            let set = PairSet { format: FORMAT, title: String::new(), templates, pairs, answers };
            let words = set.check().map_err(|error| PlayError::List(error.to_string()))?;
            Played::PairSet(pair_set::run(subject, (&set, &words), progress)?)
        }
        View::Tree { text, branches, steps } => {
            let ids = subject.encode(text)?;
            let mut tree = Tree::plant(Arc::clone(model), adapter.cloned(), &ids, progress)?;
            let mut leaves = Vec::new();
            for candidate in tree.candidates(ROOT, *branches)? {
                leaves.push(tree.branch(ROOT, candidate.id)?);
            }
            tree.go_on_greedily(&leaves, steps - 1, progress)?;
            Played::Tree(tree.view())
        }
        View::Attention { text, layer, head, .. } => {
            head_of(subject, &subject.encode(text)?, *layer, *head, progress)?
        }
        View::Lens { text, last } => {
            let request = LensRequest { last: Some(*last), top: 1, follow: None };
            Played::Lens(lens::lens(subject, &subject.encode(text)?, &request, progress)?)
        }
        View::LeaveOneOut { text, answer } => {
            let mut ids = subject.encode(text)?;
            let begins = ids.len();
            let answer = model.tokenizer().encode(answer, false);
            ids.extend(answer.map_err(crate::explore::error::Error::from)?);
            let parts = leave_one_out::telling_parts(subject, &ids, begins, Unit::Word);
            let found = leave_one_out::leave_one_out(subject, &ids, begins, &parts, progress)?;
            Played::LeaveOneOut(found)
        }
        View::Meaning { items, before, layer } => {
            // Two thirds up: what words mean is there; the last layers are busy with what comes next.
            let layer = layer.unwrap_or(model.config().layer_count() * 2 / 3);
            map_of(subject, items, before, layer, progress)?
        }
        View::Adapter { text } => {
            let base = Subject::new(model, None);
            if adapter.is_none() {
                return Err(PlayError::NoAdapter);
            }
            Played::Adapter(compare::on_text(subject, base, &base.encode(text)?, progress)?)
        }
        View::Tokenizers { text, with } => {
            let own = model.card().identity.name.clone();
            let mut sides = vec![token_sides::side(&own, model.tokenizer(), text, true)?];
            for name in with {
                let tokenizer = shelf.tokenizer(name)?;
                let short = Path::new(name).file_name().map(|name| name.to_string_lossy());
                let short = short.map_or_else(|| name.clone(), Cow::into_owned);
                sides.push(token_sides::side(&short, &tokenizer, text, true)?);
            }
            Played::Tokenizers(TokenizersView { sides })
        }
        View::TwoModels { text, with, weights } => {
            let named = (!with.is_empty()).then_some(with.as_str());
            let second = shelf.second(named, kept_as(weights), progress)?;
            // Of the same file the adapter belongs to both.
            let over = adapter.filter(|_| named.is_none()).map(AsRef::as_ref);
            let ids = subject.encode(text)?;
            let second = Subject::new(&second, over);
            let found = two_models::two_models(subject, second, (&ids, text), progress)?;
            Played::TwoModels(Box::new(found))
        }
        View::Machine { times } => {
            let times = times.then(|| pass_times(subject, BEFORE, progress)).transpose()?;
            Played::Machine(machine(model, times))
        }
    };
    Ok(played)
}

/// Settings that change nothing.
fn neutral() -> SamplingParams {
    SamplingParams {
        greedy: false,
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        typical_p: 1.0,
        repetition_penalty: 1.0,
        no_repeat_ngram_size: 0,
        order: ChainOrder::default(),
    }
}

fn rendered(model: &Model, text: &str, chat: bool) -> Result<String, PlayError> {
    if !chat {
        return Ok(text.to_owned());
    }
    let template = model.chat().ok_or(llm::Error::NoChatTemplate)?;
    Ok(template.render(&[Message::new("user", text)], true).map_err(llm::Error::from)?)
}

fn ids_of(subject: Subject<'_>, text: &str, chat: bool) -> Result<Vec<u32>, PlayError> {
    if !chat {
        return Ok(subject.encode(text)?);
    }
    let text = rendered(subject.model, text, true)?;
    let ids = subject.model.tokenizer().encode(&text, false);
    Ok(ids.map_err(crate::explore::error::Error::from)?)
}

/// The words that a scene hides, and the masks that are typed in its text.
fn masked_words(
    text: &str,
    hide: &[String],
    places: &[usize],
    every: usize,
) -> Result<Vec<Word>, PlayError> {
    let named = places_of(text, hide).map_err(PlayError::NoSuchWord)?;
    let is_hidden = |at: usize| {
        named.contains(&at)
            || places.contains(&(at + 1))
            || (every > 0 && (at + 1).is_multiple_of(every))
    };
    let all = words(text).into_iter().enumerate();
    Ok(all.filter(|(at, word)| word.is_mask || is_hidden(*at)).map(|(_, word)| word).collect())
}

/// Words to hide are taken where they first stand; every n-th counts from the beginning.
fn guessed(view: SurpriseView, hide: &[String], every: usize) -> GuessView {
    let words: Vec<_> = leave_one_out::parts(&view.tokens, Unit::Word);
    let bare = |word: &std::ops::Range<usize>| {
        let text = view.tokens[word.clone()].concat();
        text.trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
    };
    let chosen = if hide.is_empty() {
        guess::hidden(&words, &guess::Hide::Every(every))
    } else {
        let place = |wanted: &String| words.iter().skip(1).position(|word| bare(word) == *wanted);
        let mut places: Vec<usize> = hide.iter().filter_map(place).map(|at| at + 1).collect();
        places.sort_unstable();
        guess::hidden(&words, &guess::Hide::Chosen(places))
    };
    // What only closes a sentence stays in sight.
    let without_end = chosen.into_iter().filter_map(|mut word| {
        let is_part = |at: usize| view.tokens[at].chars().any(char::is_alphanumeric);
        while word.end > word.start && !is_part(word.end - 1) {
            word.end -= 1;
        }
        (!word.is_empty()).then_some(word)
    });
    let chosen: Vec<_> = without_end.collect();
    let hidden = guess::guess(&view, &chosen).into_iter().map(|word| Guessed {
        tokens: word.tokens,
        probability: word.logprob.exp(),
        guesses: word.guesses,
    });
    GuessView { hidden: hidden.collect(), ids: view.ids, tokens: view.tokens }
}

fn head_of(
    subject: Subject<'_>,
    ids: &[u32],
    layer: usize,
    head: usize,
    progress: &dyn Progress<Looked>,
) -> Result<Played, PlayError> {
    let count = subject.model.config().layer_count();
    if layer >= count {
        return Err(PlayError::NoSuchLayer { layer, count });
    }
    let found = attention::attention(subject, ids, layer, progress)?;
    if head >= found.heads {
        return Err(PlayError::NoSuchHead { head, count: found.heads });
    }
    let rows = found.head(head).chunks_exact(found.time.max(1)).enumerate();
    let weights = rows.map(|(at, row)| row[..=at].to_vec()).collect();
    let tokens = subject.token_texts(ids);
    Ok(Played::Attention(HeadView { layer, head, ids: ids.to_vec(), tokens, weights }))
}

fn map_of(
    subject: Subject<'_>,
    items: &[String],
    before: &str,
    layer: usize,
    progress: &dyn Progress<Looked>,
) -> Result<Played, PlayError> {
    let texts = items.iter().map(|item| subject.encode(&format!("{before}{item}")));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let vectors = meaning::vectors_of_layer(subject, &texts, layer, Pooled::Last, progress)?;
    let found = meaning::meaning(vectors);
    let at = |row: &Vec<f64>, place: usize| row.get(place).copied().unwrap_or(0.0);
    let share = |place: usize| found.variance_share.get(place).copied().unwrap_or(0.0);
    Ok(Played::Meaning(MapView {
        items: items.to_vec(),
        layer,
        coordinates: found.coordinates.iter().map(|row| [at(row, 0), at(row, 1)]).collect(),
        variance_share: [share(0), share(1)],
    }))
}
