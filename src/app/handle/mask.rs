//! Fill the mask, in Look inside: what the view in front still lacks is computed.

use crate::app::Outward;
use crate::app::Workbench;
use crate::app::figure::exported::{Exported, FilledFigure};
use crate::app::tasks::mask_passes::{BothSides, FillMask, FitTexts, Fits, GuessFromLeft, Left};
use crate::state::look_inside::mask::{MaskState, Part};
use crate::state::look_inside::subject::PassRequest;
use crate::state::prefs::PanelId;

impl Workbench {
    /// Starts what is due: the masked model first, then the loaded one.
    pub(super) fn renew_mask(&mut self) {
        let look = &self.state.look_inside;
        if !look.is_due() {
            return;
        }
        self.outward.push(Outward::Repaint);
        let request = PassRequest { ids: Vec::new(), adapter: self.state.adapter.mode() };
        let mask = &look.mask;
        if let Some(asked) = mask.fill_asked().filter(|_| mask.is_fill_due()) {
            self.begin_pass::<BothSides>(request, asked);
        } else if mask.is_left_due() {
            let asked = (mask.text().to_owned(), mask.all_words());
            self.begin_pass::<Left>(request, asked);
        }
    }

    /// The button: each token of the text is masked by itself.
    pub(super) fn fit_texts(&mut self) {
        let mask = &mut self.state.look_inside.mask;
        let Ok(asked) = mask.fit_request() else { return };
        mask.begin_fit(asked.clone());
        self.state.notices.clear(PanelId::LookInside);
        let request = PassRequest { ids: Vec::new(), adapter: self.state.adapter.mode() };
        self.begin_pass::<Fits>(request, asked);
    }

    /// Its memory is given back; what it guessed stays, and the next question loads it again.
    pub(in crate::app) fn forget_masked(&mut self) {
        self.engine.forget_masked();
        self.state.look_inside.mask.kept = None;
    }

    pub(super) fn drop_mask_passes(&mut self) {
        self.tasks.drop_all::<FillMask>();
        self.tasks.drop_all::<GuessFromLeft>();
        self.tasks.drop_all::<FitTexts>();
    }

    pub(super) fn stop_masking(&mut self) {
        self.state.look_inside.mask.stop();
        self.tasks.stop::<FillMask>();
        self.tasks.stop::<GuessFromLeft>();
        self.tasks.stop::<FitTexts>();
    }
}

/// What the part in front shows, as it is written. What is hidden on the screen is in no picture.
pub(super) fn exported(mask: &MaskState) -> Option<Exported> {
    Some(match mask.part {
        Part::Fit => Exported::Fit(mask.fit.ready()?.clone()),
        Part::Masks => {
            let chosen = mask.chosen();
            let is_chosen = |word: Option<usize>| word.is_some_and(|word| chosen.contains(&word));
            Exported::Filled(FilledFigure {
                pieces: mask
                    .pieces()
                    .iter()
                    .map(|piece| (piece.text.clone(), is_chosen(piece.word)))
                    .collect(),
                words: chosen.iter().map(|word| mask.words()[*word].clone()).collect(),
                told: chosen.iter().map(|word| mask.is_told(*word)).collect(),
                both: mask.both.ready().cloned(),
                left: mask.left.ready().cloned(),
            })
        }
    })
}
