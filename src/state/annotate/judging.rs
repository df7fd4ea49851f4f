//! Verdicts given, taken back, put back and changed; answers put into an order.

use serde_json::{Map, Value, json};

use super::difference::{Places, differences};
use super::draft::Draft;
use super::history::Moved;
use super::item::{Asked, Item, Mark, Phase};
use super::ranking::{Group, Ranking};
use super::{AnnotateState, Revising, Side};
use crate::data::kept::ReadError;
use crate::data::pair::{Text, Verdict};
use crate::data::record::{RECORD_VERSION, VerdictRecord, record_id};
use crate::data::remarks::Remarks;

impl AnnotateState {
    /// Whether it is asked by how much before this verdict is given.
    pub fn wants_strength(&self, verdict: Verdict) -> bool {
        let was_asked = self.draft.side == Some(verdict);
        self.judging.asks_strength && verdict.is_preference() && !was_asked
    }

    /// Gives a verdict at second `now` (`created_at`: the same in RFC 3339, UTC, with
    /// milliseconds) and goes on to the next prompt. The record is for the store. `None`: see
    /// [`Self::why_not`].
    pub fn judge(&mut self, verdict: Verdict, now: f64, created_at: &str) -> Option<VerdictRecord> {
        if self.why_not(verdict).is_some() {
            return None;
        }
        let position = self.position;
        // One of the two answers as it stands is nobody's own.
        let shown = [Side::Left, Side::Right].map(|side| self.answer(side).text.trim());
        let is_own =
            self.draft.written.as_ref().is_some_and(|own| !shown.contains(&own.text.trim()));
        if !is_own {
            self.draft.written = None;
        }
        let item = std::mem::take(&mut self.item);
        let seconds = match item.phase {
            Phase::Ready { since } => (now - since).max(0.0),
            Phase::Waiting | Phase::Answering | Phase::Halted => 0.0,
        };
        let replaces = self.revising.take().map(|revising| revising.id);
        let remarks = std::mem::take(&mut self.draft).into_remarks(verdict, replaces);
        let record = self.record(position, item, (verdict, remarks), seconds, created_at);
        self.shown_at = now;
        self.marks.set(position, Some(Mark::of(&record)));
        self.history.push(vec![(record.clone(), Some(position))]);
        self.advance();
        Some(record)
    }

    fn record(
        &mut self,
        position: usize,
        item: Item,
        (verdict, remarks): (Verdict, Remarks),
        seconds: f64,
        created_at: &str,
    ) -> VerdictRecord {
        let Item { asked, rendered_prompt, answers, left_lane, .. } = item;
        let asked = asked.unwrap_or_else(|| Asked {
            prompt: self.prompts[position].clone(),
            model: Value::Null,
            adapter: None,
            sampling: Value::Null,
            max_new_tokens: 0,
            models: None,
        });
        let Asked { prompt, model, adapter, sampling, max_new_tokens, models } = asked;
        let more = match (&self.given[position], models) {
            (Some(given), _) => given.origin(left_lane, &self.source),
            (None, Some(models)) => {
                let name = |lane: usize| Value::from(models[lane].as_str());
                let named = [("left_model", left_lane), ("right_model", 1 - left_lane)];
                named.map(|(key, lane)| (key.to_owned(), name(lane))).into_iter().collect()
            }
            (None, None) => Map::new(),
        };
        let [first, second] = answers;
        let (left, right) = if left_lane == 0 { (first, second) } else { (second, first) };
        self.history.made_count += 1;
        VerdictRecord {
            version: RECORD_VERSION,
            id: record_id(created_at, self.history.made_count),
            created_at: created_at.to_owned(),
            prompt,
            rendered_prompt,
            left,
            right,
            left_lane,
            verdict,
            seconds_taken: (seconds * 1000.0).round() / 1000.0,
            guideline: self.judging.guideline.trim().to_owned(),
            model,
            adapter,
            sampling,
            max_new_tokens,
            program: concat!("tuning-fork ", env!("CARGO_PKG_VERSION")).to_owned(),
            remarks,
            more,
        }
    }

    /// Closes what lies over the answers. False: there is nothing. The list and the page with the
    /// criteria close themselves.
    pub fn close_topmost(&mut self) -> bool {
        if self.lists || self.sets_up {
            return true;
        }
        let draft = &mut self.draft;
        draft.open.take().is_some() || draft.focus.take().is_some() || draft.side.take().is_some()
    }

    /// Takes the last verdict back and puts its two answers up again, on the same sides. Of a
    /// ranking all pairs. The ids are for the store, the latest first. Work on another prompt's
    /// answers should be stopped first.
    pub fn undo(&mut self, now: f64) -> Vec<String> {
        let back = self.history.undo();
        let back = self.or_unreadable(back).unwrap_or_default();
        let ids = back.iter().map(|made| made.record.id.clone()).collect();
        for made in &back {
            self.mark_again(made.position);
        }
        self.shown_at = now;
        let Some(Moved { record, position: Some(position) }) = back.last() else {
            return ids; // nothing, or not a prompt of this queue
        };
        self.show(*position);
        if self.ranked_group().is_none() {
            self.draft = Draft::of(&record.remarks);
            self.revise(record.remarks.replaces.clone(), *position);
            self.item = Item::of(record, now);
        }
        ids
    }

    /// Puts back what was taken back last. The ids are for the store, the earliest first.
    pub fn redo(&mut self, now: f64) -> Vec<String> {
        let back = self.history.redo();
        let back = self.or_unreadable(back).unwrap_or_default();
        for made in &back {
            self.mark_again(made.position);
        }
        if let Some(position) = back.last().and_then(|made| made.position) {
            self.shown_at = now;
            self.position = position;
            self.advance();
        }
        back.into_iter().map(|made| made.record.id.clone()).collect()
    }

    fn mark_again(&mut self, position: Option<usize>) {
        if let Some(position) = position {
            self.marks.set(position, self.history.mark_at(position));
        }
    }

    /// What was read, or nothing and why.
    fn or_unreadable<T>(&mut self, read: Result<T, ReadError>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(err) => {
                self.unreadable = Some(err.to_string());
                None
            }
        }
    }

    /// The next verdict takes the place of this one.
    fn revise(&mut self, id: Option<String>, position: usize) {
        // Another verdict may count for the prompt, or none; then there is none to be shown.
        let record = self.history.at(position).ok().flatten();
        self.revising = id.map(|id| {
            let record = record.filter(|record| record.id == id);
            Revising { id, record }
        });
    }

    /// Goes to any prompt of the queue. What was said of it is shown, and the next verdict takes its
    /// place. Work on another prompt's answers should be stopped first.
    pub fn go_to(&mut self, position: usize, now: f64) {
        if position >= self.prompts.len() {
            return;
        }
        self.shown_at = now;
        self.show(position);
        let record = self.history.at(position);
        let Some(record) = self.or_unreadable(record).flatten() else { return };
        self.draft = Draft::of(&record.remarks);
        self.item = Item::of(&record, now);
        self.revising = Some(Revising { id: record.id.clone(), record: Some(record) });
    }

    /// The place of the prompt in front, from 0, and whether it has a verdict that the next one takes
    /// the place of.
    pub fn place(&self) -> (usize, bool) {
        (self.position, self.revising.is_some())
    }

    /// The place before or after what is in front: one pair, or all pairs of a ranking.
    pub fn neighbour(&self, forward: bool) -> Option<usize> {
        let front = self.ranked_group().map_or(self.position..self.position + 1, Group::places);
        if forward {
            (front.end < self.prompts.len()).then_some(front.end)
        } else {
            front.start.checked_sub(1)
        }
    }

    /// What stands at a place of the queue, and what was said of it.
    pub fn listed(&self, position: usize) -> Option<(&Text, Option<Mark>)> {
        Some((self.prompts.get(position)?, self.marks.at(position)))
    }

    /// What was said of the prompt in front, while it is being changed.
    pub fn said_before(&self) -> Option<&VerdictRecord> {
        self.revising.as_ref()?.record.as_deref()
    }

    /// Where the two answers in front differ: of the left one, of the right one. `None`: they are not
    /// both there, or too long.
    pub fn differences(&mut self) -> Option<[Places; 2]> {
        let key = self.pair_key()?;
        if self.differences.as_ref().is_none_or(|(known, _)| *known != key) {
            let [left, right] = [Side::Left, Side::Right].map(|side| self.answer(side));
            self.differences = Some((key, differences(&left.text, &right.text)));
        }
        self.differences.as_ref()?.1.clone()
    }

    /// The answers to the prompt in front, of which there are more than two.
    pub(super) fn group(&self) -> Option<&Group> {
        let at = self.groups.partition_point(|group| group.first <= self.position);
        self.groups[..at].last().filter(|group| group.places().contains(&self.position))
    }

    /// The same, where they are put into an order: none of their pairs was judged yet.
    fn ranked_group(&self) -> Option<&Group> {
        let group = self.group().filter(|_| self.ranks)?;
        self.marks.are_open(group.places()).then_some(group)
    }

    /// Whether the queue has prompts with more than two answers.
    pub fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// The answers that are put into an order, as they stand on the screen, and the order so far.
    pub fn ranking(&self) -> Option<(Vec<&str>, &Ranking)> {
        let group = self.ranked_group()?;
        let shown = &self.ranking.shown;
        let texts = shown.iter().map(|answer| group.answers[*answer].text.as_str()).collect();
        Some((texts, &self.ranking))
    }

    pub fn ranking_mut(&mut self) -> &mut Ranking {
        &mut self.ranking
    }

    /// Gives the verdicts that follow from the order, and goes on to the next prompt.
    pub fn keep_ranking(&mut self, now: f64, created_at: &str) -> Vec<VerdictRecord> {
        let Some(group) = self.ranked_group().cloned().filter(|_| self.ranking.is_complete())
        else {
            return Vec::new();
        };
        let seconds = (now - self.shown_at).max(0.0) / group.pairs() as f64;
        let Draft { reason, flagged, .. } = std::mem::take(&mut self.draft);
        let ranking = std::mem::take(&mut self.ranking);
        let mut made = Vec::new();
        for (position, (one, other)) in (group.first..).zip(group.compared()) {
            let Some(given) = self.given[position].clone() else { continue };
            let left_lane = self.draw_at(position).1;
            let (left, right) = if left_lane == 0 { (one, other) } else { (other, one) };
            let Some(verdict) = ranking.verdict(left, right) else { continue };
            let item = given.item(&self.prompts[position], left_lane, self.shown_at);
            // The same words are a tie, whatever their places in the order.
            let verdict = if item.has_equal_answers() { Verdict::Tie } else { verdict };
            // The order has one reason and one flag; nothing else is said of its pairs.
            let said = Draft { reason: reason.clone(), flagged, ..Draft::default() };
            let said = (verdict, said.into_remarks(verdict, None));
            let mut record = self.record(position, item, said, seconds, created_at);
            let first = made.first().map(|(first, _): &(VerdictRecord, _)| first);
            let id = first.map_or(&record.id, |first| &first.id).clone();
            record
                .more
                .insert("ranking".to_owned(), json!({"id": id, "answers": group.answers.len()}));
            self.marks.set(position, Some(Mark::of(&record)));
            made.push((record, Some(position)));
        }
        let records = made.iter().map(|(record, _)| record.clone()).collect();
        self.history.push(made);
        self.shown_at = now;
        self.advance();
        records
    }

    /// Has pairs of these models come first, from the next one on: what is being read stays.
    pub fn prefer_next(&mut self, models: Vec<[String; 2]>) {
        self.preferred = models;
    }

    /// Has pairs of these models come first.
    pub fn prefer(&mut self, models: Vec<[String; 2]>) {
        self.preferred = models;
        let is_untouched = self.draft == Draft::default() && !self.ranking.is_begun();
        if self.is_given() && self.revising.is_none() && is_untouched {
            self.advance();
        }
    }

    /// Whether the comparisons that tell the most come first.
    pub fn prefers(&self) -> bool {
        !self.preferred.is_empty()
    }
}
