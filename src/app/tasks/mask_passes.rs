//! Fill the mask: what a masked model guesses, what the loaded one guesses from the left, how well texts
//! fit.

use std::ops::Range;

use super::look::{Look, Pass};
use crate::app::services::Services;
use crate::explore::error::Error;
use crate::explore::fit::Fitted;
use crate::explore::mask::{Side, from_left};
use crate::explore::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::mask::{FillAsked, FitAsked, TOP};
use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::subject::PassRequest;

pub type FillMask = Look<BothSides>;
pub type GuessFromLeft = Look<Left>;
pub type FitTexts = Look<Fits>;

/// The guesses of a masked model.
pub struct BothSides;

impl Pass for BothSides {
    type Asked = FillAsked;
    type Found = (FillAsked, Side);
    type Kept = Side;

    const NAME: &'static str = "Filling the masks";
    const UNIT: &'static str = "tokens";
    const FAILED: &'static str = "The masks could not be filled";

    fn pass(
        _request: &PassRequest,
        asked: FillAsked,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<(FillAsked, Side), Error> {
        let model = services.masked(&asked.model.path, &asked.model.name)?;
        let side = model.fill(&asked.text, &asked.hidden, TOP, progress)?;
        Ok((asked, side))
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<Side> {
        &mut look.mask.both
    }

    fn keep((asked, side): (FillAsked, Side), look: &mut LookInsideState) {
        let mask = &mut look.mask;
        mask.kept = Some(asked.model.path.clone());
        // By now other words may be hidden, or none.
        mask.both = if mask.fill_asked().as_ref() == Some(&asked) {
            Slot::Ready(side)
        } else {
            Slot::Empty
        };
    }
}

/// The guesses of the loaded model.
pub struct Left;

impl Pass for Left {
    /// The text, and its words.
    type Asked = (String, Vec<Range<usize>>);
    type Found = Side;
    type Kept = Side;

    const NAME: &'static str = "Guessing from the left";
    const UNIT: &'static str = "tokens";
    const FAILED: &'static str = "The words could not be guessed from the left";

    fn pass(
        request: &PassRequest,
        (text, words): (String, Vec<Range<usize>>),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<Side, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        from_left(Subject::new(&model, adapter.as_deref()), &text, &words, TOP, progress)
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<Side> {
        &mut look.mask.left
    }

    fn keep(side: Side, look: &mut LookInsideState) {
        look.mask.left = Slot::Ready(side);
    }
}

/// How well texts fit.
pub struct Fits;

impl Pass for Fits {
    type Asked = FitAsked;
    type Found = (FitAsked, Fitted);
    type Kept = Fitted;

    const NAME: &'static str = "Masking one token after the other";
    const UNIT: &'static str = "tokens";
    const FAILED: &'static str = "How well the text fits could not be measured";

    fn pass(
        _request: &PassRequest,
        asked: FitAsked,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<(FitAsked, Fitted), Error> {
        let model = services.masked(&asked.model.path, &asked.model.name)?;
        let found = model.fit(&asked.text, asked.other.as_deref(), progress)?;
        Ok((asked, found))
    }

    fn slot(look: &mut LookInsideState) -> &mut Slot<Fitted> {
        &mut look.mask.fit
    }

    fn keep((asked, found): (FitAsked, Fitted), look: &mut LookInsideState) {
        look.mask.kept = Some(asked.model.path);
        look.mask.fit = Slot::Ready(found);
    }
}
