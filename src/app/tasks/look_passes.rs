//! What each view of Look inside has the model compute, and which slot that fills.

use super::look::{Look, Pass};
use super::read_tokens;
use crate::app::services::Services;
use crate::errors::one_line;
use crate::explore::error::Error;
use crate::explore::leave_one_out::{LeaveOneOutView, Unit};
use crate::explore::lens::{LensRequest, LensView};
use crate::explore::next_token::{NextComparison, Side};
use crate::explore::subject::{Looked, Subject};
use crate::explore::surprise::SurpriseView;
use crate::explore::two_models::TwoModels;
use crate::explore::word_map::{WordsRequest, WordsView};
use crate::explore::{
    attention, leave_one_out, lens, next_token, surprise, token_sides, two_models, word_map,
};
use crate::jobs::Progress;
use crate::llm::{ChatTemplate, Tokenizer};
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::beside::{Chosen, ReadBy};
use crate::state::look_inside::heads::Heads;
use crate::state::look_inside::pair::TOP;
use crate::state::look_inside::reading::{CANDIDATE_COUNT, Reading};
use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::subject;
use crate::state::look_inside::subject::PassRequest;
use crate::state::look_inside::versus::Other;

pub type ReadTokenizers = Look<Tokenizers>;
pub type MeasureSurprise = Look<Surprise>;
pub type WatchAttention = Look<Attention>;
pub type ReadLens = Look<Lens>;
pub type LeaveOut = Look<LeaveOneOut>;
pub type ComparePair = Look<Pair>;
pub type CompareModels = Look<Compare>;
pub type MapWords = Look<Meaning>;

/// The text under several tokenizers.
pub struct Tokenizers;

impl Pass for Tokenizers {
    /// The text, and whose tokenizers read it beside the loaded model's.
    type Asked = (subject::Subject, Vec<Chosen>);
    type Found = Vec<ReadBy>;
    type Kept = Vec<ReadBy>;

    const NAME: &'static str = "Reading tokenizers";
    const UNIT: &'static str = "tokenizers";
    const FAILED: &'static str = "The tokenizers could not be read";

    fn pass(
        _request: &PassRequest,
        (subject, chosen): (subject::Subject, Vec<Chosen>),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<Vec<ReadBy>, Error> {
        let Ok(prompt) = subject.prompt() else { return Ok(Vec::new()) };
        let read = |name: &str, tokenizer: &Tokenizer, chat: Option<&ChatTemplate>| {
            let (text, adds_special) = read_tokens::written(&prompt, chat)?;
            token_sides::side(name, tokenizer, &text, adds_special)
        };
        let model = services.model()?;
        let name = model.card().identity.name.clone();
        let mut found = vec![Ok(read(&name, model.tokenizer(), model.chat())?)];
        let total = chosen.len() + 1;
        for Chosen { name, path } in chosen {
            progress.check()?;
            progress.emit(Looked { done: found.len(), total });
            let side = services.text_of(&path).map_err(Error::from);
            let side = side.and_then(|text| read(&name, &text.0, text.1.as_ref()));
            // One that cannot be read says so in its own place.
            found.push(side.map_err(|error| (name, one_line(&error))));
        }
        Ok(found)
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<Vec<ReadBy>> {
        &mut look.beside.view
    }

    fn keep(found: Vec<ReadBy>, look: &mut LookInsideState) {
        look.beside.view = Slot::Ready(found);
    }
}

/// How much the text surprises the model.
pub struct Surprise;

impl Pass for Surprise {
    type Asked = ();
    type Found = SurpriseView;
    type Kept = Reading;

    const NAME: &'static str = "Measuring the surprise of the text";
    const UNIT: &'static str = "tokens";
    const FAILED: &'static str = "The surprise of the text could not be measured";

    fn pass(
        request: &PassRequest,
        (): (),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<SurpriseView, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        let subject = Subject::new(&model, adapter.as_deref());
        surprise::surprise(subject, &request.ids, CANDIDATE_COUNT, progress)
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<Reading> {
        &mut look.surprise
    }

    fn keep(view: SurpriseView, look: &mut LookInsideState) {
        look.surprised(view);
    }
}

/// Where a layer looks.
pub struct Attention;

impl Pass for Attention {
    /// The layer, counted from 0.
    type Asked = usize;
    type Found = Heads;
    type Kept = Heads;

    const NAME: &'static str = "Watching where the layer looks";
    const UNIT: &'static str = "layers";
    const FAILED: &'static str = "The attention of the layer could not be computed";

    fn pass(
        request: &PassRequest,
        layer: usize,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<Heads, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        let subject = Subject::new(&model, adapter.as_deref());
        Ok(Heads::new(attention::attention(subject, &request.ids, layer, progress)?))
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<Heads> {
        &mut look.attention
    }

    fn keep(heads: Heads, look: &mut LookInsideState) {
        // By now another layer may be looked at.
        if look.layer == heads.view.layer {
            look.attention = Slot::Ready(heads);
        }
    }
}

/// What every layer would say next.
pub struct Lens;

impl Pass for Lens {
    type Asked = LensRequest;
    type Found = LensView;
    type Kept = LensView;

    const NAME: &'static str = "Asking every layer what comes next";
    const UNIT: &'static str = "layers";
    const FAILED: &'static str = "The layers could not be asked";

    fn pass(
        request: &PassRequest,
        what: LensRequest,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<LensView, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        lens::lens(Subject::new(&model, adapter.as_deref()), &request.ids, &what, progress)
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<LensView> {
        &mut look.lens.view
    }

    fn keep(view: LensView, look: &mut LookInsideState) {
        look.lens.view = Slot::Ready(view);
    }
}

/// What the answer hangs on.
pub struct LeaveOneOut;

impl Pass for LeaveOneOut {
    /// Where the answer begins, and what is left out at once.
    type Asked = (usize, Unit);
    type Found = LeaveOneOutView;
    type Kept = LeaveOneOutView;

    const NAME: &'static str = "Leaving out one part after the other";
    const UNIT: &'static str = "parts";
    const FAILED: &'static str = "What the answer hangs on could not be computed";

    fn pass(
        request: &PassRequest,
        (answer, unit): (usize, Unit),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<LeaveOneOutView, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        let subject = Subject::new(&model, adapter.as_deref());
        let parts = leave_one_out::telling_parts(subject, &request.ids, answer, unit);
        leave_one_out::leave_one_out(subject, &request.ids, answer, &parts, progress)
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<LeaveOneOutView> {
        &mut look.left_out.view
    }

    fn keep(view: LeaveOneOutView, look: &mut LookInsideState) {
        look.left_out.view = Slot::Ready(view);
    }
}

/// What comes next after two prompts.
pub struct Pair;

impl Pass for Pair {
    /// The second prompt.
    type Asked = subject::Subject;
    type Found = NextComparison;
    type Kept = NextComparison;

    const NAME: &'static str = "Comparing two prompts";
    const UNIT: &'static str = "prompts";
    const FAILED: &'static str = "The two prompts could not be compared";

    fn pass(
        request: &PassRequest,
        other: subject::Subject,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<NextComparison, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        let subject = Subject::new(&model, adapter.as_deref());
        let other = read_tokens::split(&model, &other)?;
        let other: Vec<u32> = other.pieces.iter().map(|piece| piece.id).collect();
        let side = |ids| Side { subject, ids };
        next_token::next_token(side(&request.ids), side(&other), TOP, progress)
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<NextComparison> {
        &mut look.pair.view
    }

    fn keep(view: NextComparison, look: &mut LookInsideState) {
        look.pair.view = Slot::Ready(view);
    }
}

/// The text under two models.
pub struct Compare;

/// What is compared with the loaded model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareRequest {
    pub other: Other,

    /// What a model with another vocabulary reads.
    pub text: String,
}

impl Pass for Compare {
    type Asked = CompareRequest;
    type Found = TwoModels;
    type Kept = TwoModels;

    const NAME: &'static str = "Comparing two models";
    const UNIT: &'static str = "tokens";
    const FAILED: &'static str = "The two models could not be compared";

    fn pass(
        request: &PassRequest,
        CompareRequest { other, text }: CompareRequest,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<TwoModels, Error> {
        let model = services.model()?;
        let compare = |a, b| two_models::two_models(a, b, (&request.ids, &text), progress);
        let Some((path, weights)) = other.file(model.card().source.path()) else {
            let adapter = services.adapter();
            return compare(Subject::new(&model, adapter.as_deref()), Subject::new(&model, None));
        };
        let second = services.second(&path, weights, progress)?;
        // With other weights it is the same model: the adapter belongs to both.
        let adapter = services.adapter_if(request.adapter);
        let over_second = adapter.as_deref().filter(|_| matches!(other, Other::LoadedAs(_)));
        compare(Subject::new(&model, adapter.as_deref()), Subject::new(&second, over_second))
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<TwoModels> {
        &mut look.versus.view
    }

    fn keep(found: TwoModels, look: &mut LookInsideState) {
        look.versus.view = Slot::Ready(found);
    }
}

/// How the words of a list lie to each other.
pub struct Meaning;

impl Pass for Meaning {
    type Asked = WordsRequest;
    type Found = WordsView;
    type Kept = WordsView;

    const NAME: &'static str = "Reading the words of the list";
    const UNIT: &'static str = "words";
    const FAILED: &'static str = "The words of the list could not be compared";

    fn pass(
        request: &PassRequest,
        asked: WordsRequest,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<WordsView, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        word_map::word_map(Subject::new(&model, adapter.as_deref()), &asked, progress)
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<WordsView> {
        &mut look.meaning.view
    }

    fn keep(view: WordsView, look: &mut LookInsideState) {
        look.meaning.found(view);
    }
}
