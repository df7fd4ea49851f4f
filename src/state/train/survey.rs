//! The survey of the data before a run: what was found, and the row in front.

use crate::train::config::TrainConfig;
use crate::train::rows::survey::{Finding, Survey, SurveyedRow};

/// Shown in place of the curves while it is not closed.
#[derive(Clone, Debug, Default)]
pub enum SurveySlot {
    #[default]
    Closed,
    Reading {
        settings: Box<TrainConfig>,
        done: usize,
        total: usize,
    },
    Ready(Box<SurveyView>),
}

/// What was found, and what of it is shown.
#[derive(Clone, Debug)]
pub struct SurveyView {
    pub survey: Survey,

    /// The form as it was: another one may cut and split otherwise.
    pub settings: TrainConfig,

    /// Only the rows of this finding are leafed through.
    pub finding: Option<usize>,

    /// The place of the row in front among those that are leafed through.
    pub place: usize,
}

impl SurveySlot {
    pub fn begin(&mut self, settings: &TrainConfig) {
        *self = Self::Reading { settings: Box::new(settings.clone()), done: 0, total: 0 };
    }

    pub fn progress(&mut self, rows_done: usize, rows: usize) {
        if let Self::Reading { done, total, .. } = self {
            (*done, *total) = (rows_done, rows);
        }
    }

    /// It has been read. One that was closed meanwhile stays closed.
    pub fn ready(&mut self, survey: Survey) {
        if let Self::Reading { settings, .. } = self {
            let settings = (**settings).clone();
            let view = SurveyView { survey, settings, finding: None, place: 0 };
            *self = Self::Ready(Box::new(view));
        }
    }

    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Closed)
    }
}

impl SurveyView {
    /// How many rows are leafed through.
    pub fn count(&self) -> usize {
        self.shown().map_or(self.survey.rows.len(), |finding| finding.rows.len())
    }

    /// The finding whose rows are leafed through.
    pub fn shown(&self) -> Option<&Finding> {
        self.survey.findings.get(self.finding?)
    }

    /// The row in front.
    pub fn row(&self) -> Option<&SurveyedRow> {
        let index = match self.shown() {
            Some(finding) => *finding.rows.get(self.place)?,
            None => self.place,
        };
        self.survey.rows.get(index)
    }

    /// Leaf through the rows of a finding, or through all.
    pub fn show(&mut self, finding: Option<usize>) {
        (self.finding, self.place) = (finding, 0);
    }

    pub fn next(&mut self) {
        self.place = (self.place + 1).min(self.count().saturating_sub(1));
    }

    pub fn previous(&mut self) {
        self.place = self.place.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pair::Text;
    use crate::train::rows::batch::Example;
    use crate::train::rows::sequence::Sequence;
    use crate::train::rows::survey::{Concern, Part};

    fn row(line: usize) -> SurveyedRow {
        let chosen = Sequence::new(vec![1, 2], 1);
        let prompt = Text::Plain(String::new());
        let group = String::new();
        let example = Example::of_one(line, prompt, group, chosen);
        SurveyedRow { example, part: Part::Train }
    }

    #[test]
    fn the_rows_of_a_finding_are_leafed_through_and_no_further() {
        let finding = Finding { concern: Concern::Problem, rows: vec![1, 3], ..Finding::default() };
        let survey = Survey {
            findings: vec![finding],
            rows: (1..=4).map(row).collect(),
            ..Survey::default()
        };
        let mut slot = SurveySlot::default();
        slot.ready(survey.clone());
        assert!(!slot.is_open(), "closed before it was read");
        slot.begin(&TrainConfig::default());
        slot.ready(survey);
        let SurveySlot::Ready(view) = &mut slot else { panic!("it was read") };
        let line = |view: &SurveyView| view.row().map(|row| row.example.line);
        assert_eq!((view.count(), line(view)), (4, Some(1)));
        view.show(Some(0));
        assert_eq!((view.count(), line(view)), (2, Some(2)));
        view.next();
        view.next();
        assert_eq!(line(view), Some(4));
        view.previous();
        view.previous();
        assert_eq!(line(view), Some(2));
    }
}
