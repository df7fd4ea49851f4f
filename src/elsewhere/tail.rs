//! The rows of a log that grows somewhere else.

use serde_json::{Map, Value};

use super::manifest::Manifest;
use super::results::{self, Line};
use crate::jobs::Progress;
use crate::train::record::metrics::TrainEvent;

/// The rows that were heard.
pub(super) struct Tail {
    bytes: usize,
    train_rows: usize,
    held_out_rows: usize,
}

impl Tail {
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self { bytes: 0, train_rows: manifest.train_rows, held_out_rows: manifest.held_out.len() }
    }

    /// How many bytes of the log were heard.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whole lines; what is cut short is asked for again.
    pub(super) fn take(&mut self, rows: &str, progress: &dyn Progress<TrainEvent>) {
        let whole = rows.rfind('\n').map_or(0, |end| end + 1);
        self.bytes += whole;
        for line in rows[..whole].lines() {
            let Ok(Value::Object(row)) = serde_json::from_str(line) else { continue };
            if let Some(event) = self.event(row) {
                progress.emit(event);
            }
        }
    }

    fn event(&self, row: Map<String, Value>) -> Option<TrainEvent> {
        if let Some(steps) = row.get("planned_steps").and_then(Value::as_u64) {
            let Self { train_rows, held_out_rows, .. } = *self;
            return Some(TrainEvent::Planned { steps: steps as usize, train_rows, held_out_rows });
        }
        let step = row.get("step").and_then(Value::as_u64)? as usize;
        Some(match results::line(row, step, 0.0, self.held_out_rows)? {
            Line::Step(metrics) => TrainEvent::Step(*metrics),
            Line::Evaluation(metrics) => TrainEvent::Evaluated(*metrics),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Recorder;

    #[test]
    fn rows_are_heard_once_and_one_that_is_cut_short_is_asked_for_again() {
        let manifest = Manifest { train_rows: 8, held_out: vec![1, 3], ..Manifest::default() };
        let mut tail = Tail::of(&manifest);
        let recorder = Recorder::default();
        let first = "{\"planned_steps\": 4}\n{\"step\": 1, \"epoch\": 0.5, \"loss\": 0.69}\n";
        tail.take(&format!("{first}{{\"step\": 1, \"eval_lo"), &recorder);
        assert_eq!(tail.bytes, first.len());
        tail.take(
            "{\"step\": 1, \"eval_loss\": 0.5}\n{\"step\": 1, \"train_runtime\": 2.0}\n",
            &recorder,
        );
        let events = recorder.into_events();
        let [planned, step, evaluated] = &events[..] else { panic!("{events:?}") };
        assert!(matches!(
            planned,
            TrainEvent::Planned { steps: 4, train_rows: 8, held_out_rows: 2 }
        ));
        assert!(matches!(step, TrainEvent::Step(step) if step.loss() == 0.69));
        assert!(matches!(evaluated, TrainEvent::Evaluated(row) if row.pair_count == 2));
    }
}
