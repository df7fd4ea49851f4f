//! What each view of Look inside has the model compute, and which slot that fills.

use super::look::{Look, Pass};
use super::read_tokens;
use crate::app::services::Services;
use crate::explore::compare::TextComparison;
use crate::explore::error::Error;
use crate::explore::leave_one_out::{LeaveOneOutView, Unit};
use crate::explore::lens::{LensRequest, LensView};
use crate::explore::next_token::{NextComparison, Side};
use crate::explore::subject::{Looked, Subject};
use crate::explore::surprise::SurpriseView;
use crate::explore::{attention, compare, leave_one_out, lens, next_token, surprise};
use crate::jobs::Progress;
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::heads::Heads;
use crate::state::look_inside::pair::TOP;
use crate::state::look_inside::reading::{CANDIDATE_COUNT, Reading};
use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::subject;
use crate::state::look_inside::subject::PassRequest;

pub type MeasureSurprise = Look<Surprise>;
pub type WatchAttention = Look<Attention>;
pub type ReadLens = Look<Lens>;
pub type LeaveOut = Look<LeaveOneOut>;
pub type ComparePair = Look<Pair>;
pub type CompareAdapter = Look<BaseAndAdapter>;

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

/// The text with the adapter and without it.
pub struct BaseAndAdapter;

impl Pass for BaseAndAdapter {
    type Asked = ();
    type Found = TextComparison;
    type Kept = TextComparison;

    const NAME: &'static str = "Comparing the adapter with the base";
    const UNIT: &'static str = "tokens";
    const FAILED: &'static str = "The adapter could not be compared with the base model";

    fn pass(
        request: &PassRequest,
        (): (),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<TextComparison, Error> {
        let (model, adapter) = (services.model()?, services.adapter());
        let (with, without) =
            (Subject::new(&model, adapter.as_deref()), Subject::new(&model, None));
        compare::on_text(with, without, &request.ids, progress)
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<TextComparison> {
        &mut look.comparison
    }

    fn keep(comparison: TextComparison, look: &mut LookInsideState) {
        look.comparison = Slot::Ready(comparison);
    }
}
