//! A study while somebody codes it: the item in front, what was said of it so far, and what comes next.

use super::item_list::ItemList;
use super::pace::Pace;
use super::words::words_of;
use crate::state::annotate::Shown;
use crate::state::annotate::difference::{Places, differences};
use crate::state::room::ItemKey;
use crate::study::design::Suggest;
use crate::study::folder::Folder;
use crate::study::item::{Item, Role};
use crate::study::log::{CoderLog, Verdict};
use crate::study::log_line::Suggested;
use crate::study::plan::{Slot, is_withheld};
use crate::study::value::{Span, Value};
use crate::study::variable::{FIRST, Kind, SECOND, Variable};

/// See the module.
#[derive(Debug)]
pub struct Session {
    pub folder: Folder,

    /// The place of the coder's log among the folder's.
    log: usize,
    plan: Vec<Slot>,

    /// Of pairs, which answer stands on the left at each place of the plan.
    left: Vec<u8>,

    /// How two answers are shown, and where they differ once that was asked.
    pub shown: Shown,
    differences: Option<(Slot, Option<[Places; 2]>)>,

    /// How many verdicts the coder had given when this sitting began, and when that was.
    sitting_from: usize,
    sitting_since: f64,

    /// The place in the plan; its length once all is coded.
    at: usize,
    pub draft: Draft,

    /// When the item was shown, in seconds of the app's clock.
    since: f64,

    /// What is coded, and how long it took.
    pace: Pace,

    /// Since when the coder has worked without a break.
    pub working_since: f64,
    pub guideline_open: bool,

    /// The list of the coder's items, while it lies over the item.
    pub list: Option<ItemList>,

    /// The verdict is given; its feedback or the suggestion is shown before the next item.
    pub told: Option<Told>,
}

/// What is said after a verdict.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Of a training item: variable, what was said, what is right.
    Training(Vec<(String, Option<Value>, Value)>),

    /// What a model says, by variable.
    Suggestion(Vec<(String, Value)>),
}

/// What was said of the item in front so far.
#[expect(clippy::struct_excessive_bools, reason = "each is about another part of the screen")]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// By variable.
    pub values: Vec<Option<Value>>,

    /// What stands in the field of a number or a free text, by variable.
    pub typed: Vec<String>,
    pub reason: String,
    pub reason_open: bool,

    /// The field of the reason, or of the question in front, gets the cursor.
    pub wants_reason: bool,
    pub wants_field: bool,
    pub flagged: bool,

    /// The question that keys answer.
    pub question: usize,

    /// What was scrolled to last: it is not held there against a hand at the scroll bar.
    pub in_sight: Option<InSight>,

    /// Of places in the text: the first and the last word that are marked.
    pub words: Option<(usize, usize)>,
}

/// What of the questions is brought into sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InSight {
    Question(usize),

    /// What is said after a verdict.
    Told,
}

impl Session {
    /// `now`: seconds of the app's clock.
    pub fn new(folder: Folder, log: usize, now: f64) -> Self {
        let plan = folder.plan(&folder.logs[log].coder);
        let left = folder.sides(&plan, &folder.logs[log].coder);
        let mut session = Self {
            folder,
            log,
            plan,
            left,
            shown: Shown::default(),
            differences: None,
            sitting_from: 0,
            sitting_since: now,
            at: 0,
            draft: Draft::default(),
            since: now,
            pace: Pace::default(),
            working_since: now,
            guideline_open: false,
            list: None,
            told: None,
        };
        session.sitting_from = session.coder().history().len();
        session.pace = Pace::of(session.plan.iter().map(|slot| session.seconds_of(slot)));
        session.go_on(now);
        session
    }

    pub fn coder(&self) -> &CoderLog {
        &self.folder.logs[self.log]
    }

    pub fn log_place(&self) -> usize {
        self.log
    }

    pub fn unsaved(&self) -> usize {
        self.folder.logs.iter().map(CoderLog::unsaved_count).sum::<usize>()
            + self.folder.settled.unsaved_count()
    }

    /// The slot in front. `None`: all is coded.
    pub fn slot(&self) -> Option<Slot> {
        self.plan.get(self.at).copied()
    }

    pub fn item(&self) -> Option<&Item> {
        self.item_at(self.at)
    }

    /// The place of the plan that is in front; its length once all is coded.
    pub fn place(&self) -> usize {
        self.at
    }

    pub fn item_at(&self, at: usize) -> Option<&Item> {
        self.folder.items.get(self.plan.get(at)?.item)
    }

    pub fn verdict_at(&self, at: usize) -> Option<&Verdict> {
        let slot = self.plan.get(at)?;
        self.coder().verdict(slot.item, slot.pass)
    }

    /// Of pairs, which answer stands on the left: 0 is the first.
    pub fn left(&self) -> Option<u8> {
        self.left.get(self.at).copied()
    }

    /// The two answers in front as they stand on the screen, left and right.
    pub fn answers(&self) -> Option<[&str; 2]> {
        let [first, second] = self.item()?.answers.as_deref()?;
        Some(if self.left()? == 0 { [first, second] } else { [second, first] })
    }

    /// Where the two in front differ. `None`: they are too long.
    pub fn differences(&mut self) -> Option<[Places; 2]> {
        let slot = self.slot()?;
        if self.differences.as_ref().is_none_or(|(known, _)| *known != slot) {
            let found = self.answers().and_then(|[left, right]| differences(left, right));
            self.differences = Some((slot, found));
        }
        self.differences.as_ref()?.1.clone()
    }

    /// The label that says that the answer on a side (0 is the left) is better.
    pub fn label_of_side(&self, side: u8) -> &'static str {
        if self.left().unwrap_or_default() == side { FIRST } else { SECOND }
    }

    /// A value in the words of the screen: of two answers, by their sides.
    pub fn shown_value(&self, variable: &str, value: &Value) -> String {
        let of_better =
            self.folder.study.codebook.named(variable).is_some_and(|(_, v)| v.kind == Kind::Better);
        match value {
            Value::Words(words) if of_better && [FIRST, SECOND].contains(&words.as_str()) => {
                let is_left = words == self.label_of_side(0);
                (if is_left { "the left answer" } else { "the right answer" }).to_owned()
            }
            value => value.shown(),
        }
    }

    /// What ends this sitting: so many items, or minutes, of which the coder was told before. `None`: it
    /// goes on.
    pub fn sitting_over(&self, now: f64) -> Option<(usize, f64)> {
        let study = &self.folder.study;
        let minutes = (now - self.sitting_since) / 60.0;
        let given = self.coder().history().len().saturating_sub(self.sitting_from);
        let enough = study.stop_after_items.is_some_and(|most| given >= most as usize);
        let long = study.stop_after_minutes.is_some_and(|most| minutes >= f64::from(most));
        let is_over = given > 0 && self.told.is_none() && self.slot().is_some();
        (is_over && (enough || long)).then_some((given, minutes))
    }

    /// A new sitting begins.
    pub fn sit_again(&mut self, now: f64) {
        (self.sitting_from, self.sitting_since) = (self.coder().history().len(), now);
        (self.working_since, self.since) = (now, now);
    }

    /// The text in front and the question in front, for the phones of a room. `None`: all is coded, or
    /// the text is there to learn or to check.
    pub fn in_front(&self) -> Option<ItemKey> {
        let item = self.slot()?.item;
        let is_coded = self.folder.items.get(item)?.role == Role::Coding;
        is_coded.then_some(ItemKey { item, variable: self.draft.question })
    }

    /// Whether this text is in front, whichever of its questions is.
    pub fn has_in_front(&self, key: ItemKey) -> bool {
        self.slot().is_some_and(|slot| slot.item == key.item)
    }

    pub fn variables(&self) -> &[Variable] {
        &self.folder.study.codebook.variables
    }

    /// Slots with a verdict, and all of them.
    pub fn progress(&self) -> (usize, usize) {
        (self.pace.done, self.plan.len())
    }

    /// Of a slot that is coded, how long it took.
    fn seconds_of(&self, slot: &Slot) -> Option<f32> {
        Some(self.coder().verdict(slot.item, slot.pass)?.seconds)
    }

    /// Something may have been said of the slot in front, or taken back.
    fn count(&mut self) {
        if let Some(slot) = self.slot() {
            let seconds = self.seconds_of(&slot);
            self.pace.set(self.at, seconds);
        }
    }

    /// How long the rest takes, in seconds, by the median of what was coded.
    pub fn seconds_left(&self) -> Option<f64> {
        let (done, all) = self.progress();
        Some(f64::from(self.pace.median()?) * (all - done) as f64)
    }

    /// Whether the coder has been told to take a break.
    pub fn break_due(&self, now: f64) -> bool {
        let after = self.folder.study.break_after;
        after.is_some_and(|minutes| now - self.working_since > f64::from(minutes) * 60.0)
    }

    /// What a model says of the item, if the coder may see it now.
    pub fn suggestion(&self) -> Vec<(String, Value)> {
        if self.folder.study.suggestions.when == Suggest::Before {
            self.suggested()
        } else {
            Vec::new()
        }
    }

    /// What a model says of the item and is not withheld.
    fn suggested(&self) -> Vec<(String, Value)> {
        let Some(slot) = self.slot() else { return Vec::new() };
        let study = &self.folder.study;
        let item = &self.folder.items[slot.item];
        let rule = &study.suggestions;
        let hidden = rule.when == Suggest::Never
            || item.role != Role::Coding
            || is_withheld(study.seed, &self.coder().coder, &item.id, rule.withheld);
        let of = self.folder.suggestions.get(&slot.item).filter(|_| !hidden);
        of.map(|values| values.iter().map(|(n, value)| (n.clone(), value.clone())).collect())
            .unwrap_or_default()
    }

    /// Goes to the next item without a verdict, behind this place or before it.
    fn go_on(&mut self, now: f64) {
        self.show(self.pace.next_open(self.at), now);
        self.ask(0);
    }

    /// Shows a place of the plan, with what was said of it.
    fn show(&mut self, at: usize, now: f64) {
        self.at = at;
        self.since = now;
        self.told = None;
        self.count();
        let count = self.variables().len();
        let mut draft = Draft {
            values: vec![None; count],
            typed: vec![String::new(); count],
            ..Draft::default()
        };
        if let Some(verdict) =
            self.slot().and_then(|slot| self.coder().verdict(slot.item, slot.pass))
        {
            draft.flagged = verdict.flagged;
            draft.reason = verdict.reason.as_deref().unwrap_or_default().to_owned();
            draft.reason_open = !draft.reason.is_empty();
            for (place, value) in verdict.values.iter() {
                let place = usize::from(*place);
                if matches!(self.variables()[place].kind, Kind::Number | Kind::Text)
                    && value.is_known()
                {
                    draft.typed[place] = value.to_cell();
                }
                draft.values[place] = Some(value.clone());
            }
        }
        self.draft = draft;
    }

    /// To a place of the plan, coded or not.
    pub fn go_to(&mut self, at: usize, now: f64) {
        if at < self.plan.len() {
            self.show(at, now);
        }
    }

    /// One place back, coded or not.
    pub fn back(&mut self, now: f64) {
        self.show(self.at.saturating_sub(1), now);
    }

    pub fn can_go_back(&self) -> bool {
        self.at > 0 && !self.plan.is_empty()
    }

    /// Shows the item of a verdict that was taken back or put back.
    pub fn show_item(&mut self, (item, pass): (usize, u8), now: f64) {
        let at = self.plan.iter().position(|slot| slot.item == item && slot.pass == pass);
        self.show(at.unwrap_or(self.at), now);
    }

    /// Gives the question in front a label: chooses it, or of several switches it.
    pub fn choose(&mut self, label: &str) {
        let question = self.draft.question;
        let Some(variable) = self.variables().get(question).cloned() else { return };
        let value = match variable.kind {
            Kind::Choices => {
                let mut chosen = match self.draft.values[question].take() {
                    Some(Value::Labels(labels)) => labels,
                    _ => Vec::new(),
                };
                if chosen.iter().any(|known| known == label) {
                    chosen.retain(|known| known != label);
                } else {
                    chosen.push(label.to_owned());
                }
                let labels = variable.labels();
                Value::Labels(labels.into_iter().filter(|known| chosen.contains(known)).collect())
            }
            Kind::Spans => {
                self.mark(label);
                return;
            }
            _ => Value::words(label),
        };
        self.draft.values[question] = Some(value);
        if variable.kind != Kind::Choices {
            self.next_question();
        }
    }

    /// "Don't know" of the question in front.
    pub fn do_not_know(&mut self) {
        let question = self.draft.question;
        if self.variables().get(question).is_some_and(|variable| !variable.must_decide) {
            self.draft.values[question] = Some(Value::DontKnow);
            self.draft.typed[question].clear();
            self.next_question();
        }
    }

    /// To the next question, if there is one.
    pub fn next_question(&mut self) {
        if self.draft.question + 1 < self.variables().len() {
            self.ask(self.draft.question + 1);
        }
    }

    /// So many questions on, or back.
    pub fn move_question(&mut self, by: isize) {
        let last = self.variables().len().saturating_sub(1);
        self.ask(self.draft.question.saturating_add_signed(by).min(last));
    }

    /// Puts a question in front. What is typed into one gets the cursor: no key leads there otherwise.
    pub fn ask(&mut self, question: usize) {
        self.draft.question = question;
        self.draft.wants_field = self.types_in(question);
    }

    /// Whether a question is answered in a field.
    pub fn types_in(&self, question: usize) -> bool {
        let kind = self.variables().get(question).map(|variable| variable.kind);
        matches!(kind, Some(Kind::Number | Kind::Text))
    }

    /// Gives the marked words a label, or takes it from them.
    fn mark(&mut self, label: &str) {
        let (Some((from, to)), Some(item)) = (self.draft.words, self.item()) else { return };
        let words = words_of(&item.text);
        let (Some(first), Some(last)) = (words.get(from.min(to)), words.get(from.max(to))) else {
            return;
        };
        let span = Span { start: first.0, end: last.1, label: label.to_owned() };
        let question = self.draft.question;
        let mut spans = match self.draft.values[question].take() {
            Some(Value::Spans(spans)) => spans,
            _ => Vec::new(),
        };
        if spans.contains(&span) {
            spans.retain(|known| *known != span);
        } else {
            spans.push(span);
        }
        spans.sort_by(|a, b| (a.start, a.end, &a.label).cmp(&(b.start, b.end, &b.label)));
        self.draft.values[question] = Some(Value::Spans(spans));
    }

    /// Moves the mark by so many words; `extend`: its end only.
    pub fn move_words(&mut self, by: isize, extend: bool) {
        let Some(item) = self.item() else { return };
        let count = words_of(&item.text).len();
        if count == 0 {
            return;
        }
        let step = |at: usize| at.saturating_add_signed(by).min(count - 1);
        self.draft.words = Some(match self.draft.words {
            None => (0, 0),
            Some((from, to)) if extend => (from, step(to)),
            Some((_, to)) => (step(to), step(to)),
        });
    }

    /// What stands in the way of the next item, as a sentence.
    pub fn obstacle(&self) -> Option<String> {
        let item = self.item()?;
        for (place, variable) in self.variables().iter().enumerate() {
            match self.value(place) {
                Err(problem) => return Some(problem),
                Ok(None) if variable.optional || variable.kind == Kind::Spans => {}
                Ok(None) => return Some(format!("{} has no answer yet", shown_name(variable))),
                Ok(Some(value)) => {
                    if let Some(problem) = variable.refusal(&value, &item.text) {
                        return Some(problem);
                    }
                }
            }
        }
        None
    }

    /// What is said of a variable, with what is typed; places that nobody marked are no places.
    fn value(&self, place: usize) -> Result<Option<Value>, String> {
        let variable = &self.variables()[place];
        let known = &self.draft.values[place];
        match variable.kind {
            Kind::Number | Kind::Text if *known != Some(Value::DontKnow) => {
                variable.parse(&self.draft.typed[place])
            }
            Kind::Spans if known.is_none() => Ok(Some(Value::Spans(Vec::new()))),
            _ => Ok(known.clone()),
        }
    }

    /// The first question that has no answer.
    pub fn first_open(&self) -> Option<usize> {
        (0..self.variables().len()).find(|place| matches!(self.value(*place), Ok(None)))
    }

    /// The verdict on the item in front. `None`: see [`Self::obstacle`].
    pub fn verdict(&self, now: f64, at: &str) -> Option<Verdict> {
        if self.obstacle().is_some() {
            return None;
        }
        let slot = self.slot()?;
        let mut values = Vec::new();
        for place in 0..self.variables().len() {
            if let Ok(Some(value)) = self.value(place) {
                values.push((place as u16, value));
            }
        }
        let study = &self.folder.study;
        let first = study.codebook.variables.first().map(|variable| variable.name.as_str());
        let all = self.folder.suggestions.get(&slot.item);
        let of_first = all.and_then(|values| values.get(first.unwrap_or_default())).cloned();
        let suggestion = of_first
            .filter(|_| study.suggestions.when != Suggest::Never)
            .filter(|_| self.folder.items[slot.item].role == Role::Coding)
            .map(|value| Suggested { value, seen: !self.seen().is_empty() })
            .map(Box::new);
        let reason = self.draft.reason.trim();
        Some(Verdict {
            item: slot.item,
            pass: slot.pass,
            values: values.into(),
            at: at.into(),
            seconds: (now - self.since).clamp(0.0, 1e6) as f32,
            flagged: self.draft.flagged,
            left: self.left(),
            reason: (!reason.is_empty()).then(|| reason.into()),
            guideline: study.codebook.guideline_version.as_str().into(),
            suggestion,
        })
    }

    /// What of a model's suggestion the coder has in view now.
    fn seen(&self) -> Vec<(String, Value)> {
        match &self.told {
            Some(Told::Suggestion(shown)) => shown.clone(),
            _ => self.suggestion(),
        }
    }

    /// The verdict is kept: feedback or the suggestion is shown, or the next item.
    pub fn given(&mut self, now: f64) {
        let Some(slot) = self.slot() else { return };
        self.count();
        let told_before = self.told.take();
        let item = &self.folder.items[slot.item];
        if told_before.is_none() {
            if item.role == Role::Training {
                let verdict = self.coder().verdict(slot.item, slot.pass);
                let said = |name: &String| {
                    let (place, _) = self.folder.study.codebook.named(name)?;
                    verdict?.value(place).cloned()
                };
                let right = item.expected.iter();
                let rows = right.map(|(name, right)| (name.clone(), said(name), right.clone()));
                self.told = Some(Told::Training(rows.collect()));
                return;
            }
            let shown = self.suggested();
            if self.folder.study.suggestions.when == Suggest::After && !shown.is_empty() {
                self.told = Some(Told::Suggestion(shown));
                return;
            }
        }
        self.at += 1;
        self.go_on(now);
    }

    /// Whether what is in front differs from the verdict that is kept.
    pub fn is_changed(&self) -> bool {
        let Some(slot) = self.slot() else { return false };
        let Some(kept) = self.coder().verdict(slot.item, slot.pass) else { return true };
        let Some(new) = self.verdict(0.0, "") else { return true };
        (&new.values, new.flagged, &new.reason) != (&kept.values, kept.flagged, &kept.reason)
    }
}

/// What a person calls a variable.
pub fn shown_name(variable: &Variable) -> String {
    format!("“{}”", variable.name)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
