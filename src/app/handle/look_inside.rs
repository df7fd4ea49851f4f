//! Look inside: what the view in front shows is computed, and nothing else.

use super::{map, mask};
use crate::app::figure::exported::Exported;
use crate::app::host::Ask;
use crate::app::tasks::look;
use crate::app::tasks::look::Look;
use crate::app::tasks::look_passes::{
    Attention, Compare, CompareModels, ComparePair, CompareRequest, LeaveOneOut, LeaveOut, Lens,
    MapWords, Meaning, MeasureSurprise, Pair, ReadLens, ReadTokenizers, Surprise, Tokenizers,
    WatchAttention,
};
use crate::app::tasks::read_machine::ReadMachine;
use crate::app::tasks::read_tokens::ReadTokens;
use crate::app::tasks::run_pair_set::RunPairSet;
use crate::app::tasks::time_pass::TimePass;
use crate::app::{Outward, Workbench};
use crate::explore::error::Error;
use crate::llm;
use crate::state::AppState;
use crate::state::command::{LookInsideCommand, ViewCommand};
use crate::state::evaluate::form::file_name;
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::subject::PassRequest;
use crate::state::look_inside::view::{Pass, View};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

impl Workbench {
    pub(super) fn handle_look_inside(&mut self, command: &LookInsideCommand) {
        match command {
            LookInsideCommand::Renew => self.renew_look(),
            LookInsideCommand::TakeAnswer => {
                let AppState { look_inside, playground, model, adapter, .. } = &mut self.state;
                if let Some(card) = model.ready() {
                    look_inside.take(playground, card.source.path());
                    look_inside.look(model, adapter);
                    self.state.apply(ViewCommand::ShowPanel(PanelId::LookInside));
                }
            }
            LookInsideCommand::Stop => self.stop_looking(),
            LookInsideCommand::TimePass => {
                let machine = &mut self.state.look_inside.machine;
                machine.times.begin();
                let (number, before) = (machine.number(), machine.before);
                let adapter = self.state.adapter.mode();
                self.start_instead(TimePass { number, reached: None }, (before, adapter));
            }
            LookInsideCommand::ChooseTokenizer => self.ask(Ask::TokenizerFolder),
            LookInsideCommand::UseTokenizer(path) => {
                let name = file_name(path);
                self.state.look_inside.beside.add(&name, path);
            }
            LookInsideCommand::ForgetSecond => {
                self.engine.forget_second();
                self.state.look_inside.versus.forget();
            }
            LookInsideCommand::Export => {
                if let Some(exported) = exported(&self.state.look_inside) {
                    self.write_view(exported);
                }
            }
            LookInsideCommand::Fit => self.fit_texts(),
            LookInsideCommand::ForgetMasked => self.forget_masked(),
            LookInsideCommand::Map(command) => self.handle_map(command),
            LookInsideCommand::PairSet(command) => self.handle_pair_set(command.clone()),
        }
    }

    /// Starts what the view in front still lacks. What was begun for an older question is dropped.
    fn renew_look(&mut self) {
        let look = &mut self.state.look_inside;
        if look.view == View::Mask {
            self.renew_mask();
            return;
        }
        if look.view == View::Machine {
            look.machine.view.begin();
            let number = look.machine.number();
            self.start_instead(ReadMachine { number }, ());
            return;
        }
        let number = look.number();
        let Some(question) = look.question().filter(|_| look.is_due()) else { return };
        self.outward.push(Outward::Repaint);
        if look.tokens.is_empty() {
            let subject = question.subject.clone();
            look.tokens.begin();
            self.state.notices.clear(PanelId::LookInside);
            self.drop_passes();
            self.start_instead(ReadTokens { number }, subject);
        } else if let Some(request) = look.pass_request() {
            match look.view.pass() {
                None => {
                    let subject = look.subject_as_text();
                    let chosen = look.beside.chosen().to_vec();
                    self.begin_pass::<Tokenizers>(request, (subject, chosen));
                }
                Some(Pass::Surprise) => self.begin_pass::<Surprise>(request, ()),
                Some(Pass::Attention) => {
                    let layer = look.layer;
                    self.begin_pass::<Attention>(request, layer);
                }
                Some(Pass::Lens) => {
                    let what = look.lens.request();
                    self.begin_pass::<Lens>(request, what);
                }
                Some(Pass::LeaveOneOut) => {
                    let asked = (look.answer(), look.left_out.unit);
                    self.begin_pass::<LeaveOneOut>(request, asked);
                }
                Some(Pass::Pair) => {
                    if let Some(other) = look.pair.subject(look.form) {
                        self.begin_pass::<Pair>(request, other);
                    }
                }
                Some(Pass::Compare) => {
                    let (other, text) = (look.versus.other().clone(), look.text.clone());
                    self.begin_pass::<Compare>(request, CompareRequest { other, text });
                }
                Some(Pass::Meaning) => {
                    if let Some(asked) = look.words_request() {
                        look.meaning.asked(&asked);
                        self.begin_pass::<Meaning>(request, asked);
                    }
                }
            }
        }
    }

    pub(super) fn begin_pass<P: look::Pass>(&mut self, request: PassRequest, asked: P::Asked) {
        let look = &mut self.state.look_inside;
        P::slot(look).begin();
        let pass = Look::<P>::new(look.number());
        self.start_instead(pass, (request, asked));
    }

    /// Nobody waits for what belongs to an older question.
    fn drop_passes(&mut self) {
        self.tasks.drop_all::<ReadTokenizers>();
        self.tasks.drop_all::<MeasureSurprise>();
        self.tasks.drop_all::<WatchAttention>();
        self.tasks.drop_all::<ReadLens>();
        self.tasks.drop_all::<LeaveOut>();
        self.tasks.drop_all::<ComparePair>();
        self.tasks.drop_all::<CompareModels>();
        self.tasks.drop_all::<MapWords>();
        self.drop_mask_passes();
    }

    /// Esc, or the button: what is computed stops.
    pub(super) fn stop_looking(&mut self) {
        self.stop_mapping();
        self.stop_masking();
        self.tasks.stop::<ReadTokens>();
        self.tasks.stop::<TimePass>();
        self.tasks.stop::<RunPairSet>();
        self.tasks.stop::<ReadTokenizers>();
        self.tasks.stop::<MeasureSurprise>();
        self.tasks.stop::<WatchAttention>();
        self.tasks.stop::<ReadLens>();
        self.tasks.stop::<LeaveOut>();
        self.tasks.stop::<ComparePair>();
        self.tasks.stop::<CompareModels>();
        self.tasks.stop::<MapWords>();
    }

    /// Tells why a view stays empty, unless it was stopped or another question is in front.
    pub(in crate::app) fn tell_look_failed(&mut self, number: u64, summary: &str, error: &Error) {
        let stopped = matches!(error, Error::Cancelled(_) | Error::Model(llm::Error::Cancelled(_)));
        let is_told = !stopped;
        if is_told && self.state.look_inside.number() == number {
            self.state.notices.push(Notice::error(PanelId::LookInside, summary, error));
        }
    }
}

/// What the view in front shows. `None`: nothing yet.
fn exported(look: &LookInsideState) -> Option<Exported> {
    Some(match look.view {
        View::Tokens if look.beside.is_wanted() && look.beside.view.ready().is_some() => {
            let sides = look.beside.sides().cloned().collect();
            Exported::Tokenizers { sides, part: look.beside.part }
        }
        View::Tokens => Exported::Tokens(look.tokens.ready()?.clone()),
        View::Surprise => {
            Exported::Surprise { view: look.surprise.ready()?.view.clone(), is_hidden: None }
        }
        View::Guess => {
            let reading = look.surprise.ready()?;
            let is_hidden = |token: usize| {
                reading.word_of(token).is_some_and(|word| look.guess.is_hidden(word))
            };
            let is_hidden = (0..reading.view.ids.len()).map(is_hidden).collect();
            Exported::Surprise { view: reading.view.clone(), is_hidden: Some(is_hidden) }
        }
        View::Mask => mask::exported(&look.mask)?,
        View::Attention => {
            let (heads, pieces) = (look.attention.ready()?, &look.tokens.ready()?.pieces);
            let view = heads.view.clone();
            let shown = || pieces.iter().take(view.time);
            let ids = shown().map(|piece| piece.id).collect();
            let tokens = shown().map(|piece| piece.token.clone()).collect();
            let head = look.head.min(view.heads.saturating_sub(1));
            Exported::Attention { ids, tokens, head, view }
        }
        View::Lens => Exported::Lens(look.lens.view.ready()?.clone()),
        View::LeaveOneOut => Exported::LeaveOneOut(look.left_out.view.ready()?.clone()),
        View::Pair => {
            let (text, other) = (look.text.clone(), look.pair.asked().to_owned());
            Exported::Pair { prompts: [text, other], view: look.pair.view.ready()?.clone() }
        }
        View::PairSet => Exported::PairSet(look.pair_set.results().to_vec()),
        View::Compare => {
            let other = look.versus.other();
            let names = [other.beside().to_owned(), other.name().to_owned()];
            Exported::Compare { names, view: Box::new(look.versus.view.ready()?.clone()) }
        }
        View::Meaning => Exported::Words(look.meaning.view.ready()?.clone()),
        View::Map => map::exported(&look.map)?,
        View::Machine => {
            let before = look.machine.before;
            let machine = look.machine.view.ready()?.clone();
            Exported::Machine { machine, before, times: look.machine.times.ready().cloned() }
        }
    })
}
