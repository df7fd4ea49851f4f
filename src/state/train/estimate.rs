//! What the run in the form would take, as far as it is known.

use crate::train::estimate::Estimate;
use crate::words;
use crate::words::gigabytes;

/// Seconds for what is held out from which on it is said that they can be saved.
const LONG: f64 = 300.0;

/// The estimate of the form as it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum EstimateSlot {
    /// There is no model or no data, or it could not be found out.
    #[default]
    Unknown,

    /// The rows are read (so many of so many), then the speed is measured.
    Counting(Option<(usize, usize)>),
    Known {
        estimate: Box<Estimate>,

        /// Bytes that could still be used when it was made. `None`: the system does not say.
        free: Option<u64>,
    },
}

impl EstimateSlot {
    /// `Needs about 1.2 GB of memory (9.1 GB are free here) and about 12 min`, or what is being
    /// found out.
    pub fn sentence(&self) -> Option<String> {
        let (estimate, free) = match self {
            Self::Unknown => return None,
            Self::Counting(Some((done, total))) if done < total => {
                return Some(format!("Counting memory and time · row {done} of {total}"));
            }
            Self::Counting(_) => return Some("Counting memory and time…".to_owned()),
            Self::Known { estimate, free } => (estimate, free),
        };
        let peak = gigabytes(estimate.memory.peak());
        let free = free.map_or_else(String::new, |free| format!(" ({} free here)", are(free)));
        let time = words::about_duration(estimate.time.total_secs());
        let sentence = format!("Needs about {peak} of memory{free} and {time}");
        let measuring = estimate.time.evaluation_secs;
        if measuring < LONG || measuring < estimate.time.training_secs {
            return Some(sentence);
        }
        // Nobody who brings many rows thinks of those, which have a reference too.
        let rows = estimate.held_out_rows;
        Some(format!(
            "{sentence}, much of it for the {rows} held-out rows: a smaller held-out share takes less"
        ))
    }

    /// `81,920 parameters learn; the model has 134,515,008`
    pub fn parameters_sentence(&self) -> Option<String> {
        let Self::Known { estimate, .. } = self else { return None };
        let [trained, all] = [estimate.trained_parameters, estimate.parameters]
            .map(|count| words::thousands(count as usize));
        Some(format!("{trained} parameters learn; the model has {all}"))
    }

    /// What the numbers are made of, a line each.
    pub fn breakdown(&self) -> Option<String> {
        let Self::Known { estimate, .. } = self else { return None };
        let (memory, time) = (&estimate.memory, &estimate.time);
        let mut lines = vec!["Memory at its peak".to_owned()];
        for (what, bytes) in [
            ("the base model's weights", memory.weights),
            ("adapter, gradient and optimizer", memory.adapter),
            ("kept of a batch for the backward pass", memory.kept),
            ("the layer at work, and scores", memory.work),
            ("in place of the last two, a checkpoint", memory.checkpoint),
            ("tokenizer and program", memory.program),
        ] {
            lines.push(format!("  {}  {what}", gigabytes(bytes)));
        }
        lines.push(format!("Time, {} a step", step_text(time.step_secs)));
        for (what, secs) in [
            ("steps", time.training_secs),
            ("the reference, once", time.reference_secs),
            ("measuring on held-out rows", time.evaluation_secs),
            ("sample answers", time.sample_secs),
        ] {
            if secs > 0.0 {
                lines.push(format!("  {}  {what}", words::duration(secs)));
            }
        }
        Some(lines.join("\n"))
    }

    /// Why the run does not fit, with what to change. `None`: it fits, as far as is known.
    pub fn problem(&self) -> Option<String> {
        let Self::Known { estimate, free: Some(free) } = self else { return None };
        let peak = estimate.memory.peak();
        if peak <= *free {
            return None;
        }
        let mut sentence =
            format!("The run needs about {}, and {} free", gigabytes(peak), are(*free));
        let changes: Vec<String> =
            estimate.changes.iter().map(|change| change.sentence()).collect();
        if changes.is_empty() {
            sentence.push_str(": close other programs, or take a smaller model");
        } else {
            sentence.push_str(". With ");
            sentence.push_str(&changes.join("; with "));
        }
        Some(sentence)
    }
}

/// `9.1 GB are`
fn are(bytes: u64) -> String {
    format!("{} are", gigabytes(bytes))
}

fn step_text(secs: f64) -> String {
    if secs < 9.95 { format!("{secs:.1} s") } else { words::duration(secs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::estimate::{Change, Memory, Time};

    #[test]
    fn time_that_goes_into_measuring_is_said() {
        let EstimateSlot::Known { mut estimate, free } = known(9_100_000_000) else { panic!() };
        estimate.time.evaluation_secs = 7200.0;
        let sentence = EstimateSlot::Known { estimate, free }.sentence().unwrap();
        let end = "about 2 h 11 min, much of it for the 12 held-out rows: a smaller held-out share \
                   takes less";
        assert!(sentence.ends_with(end), "{sentence}");
    }

    fn known(free: u64) -> EstimateSlot {
        let memory = Memory { weights: 1_000_000_000, kept: 200_000_000, ..Memory::default() };
        let time = Time { step_secs: 3.4, training_secs: 680.0, ..Time::default() };
        let changes = vec![Change { setting: "dtype = \"auto\"".to_owned(), peak: 300_000_000 }];
        let estimate = Estimate {
            memory,
            time,
            steps: 200,
            train_rows: 48,
            held_out_rows: 12,
            trained_parameters: 81_920,
            parameters: 134_515_008,
            changes,
        };
        EstimateSlot::Known { estimate: Box::new(estimate), free: Some(free) }
    }

    #[test]
    fn what_fits_is_said_with_its_numbers() {
        let fits = known(9_100_000_000);
        assert_eq!(
            fits.sentence().unwrap(),
            "Needs about 1.2 GB of memory (9.1 GB are free here) and about 11 min"
        );
        assert_eq!(fits.problem(), None);
        let parameters = fits.parameters_sentence().unwrap();
        assert_eq!(parameters, "81,920 parameters learn; the model has 134,515,008");
        let breakdown = fits.breakdown().unwrap();
        assert!(breakdown.contains("1.0 GB  the base model's weights"), "{breakdown}");
        assert!(breakdown.contains("3.4 s a step"), "{breakdown}");
        assert!(!breakdown.contains("reference"), "it takes no time here: {breakdown}");
    }

    #[test]
    fn what_does_not_fit_says_what_to_change() {
        assert_eq!(
            known(800_000_000).problem().unwrap(),
            "The run needs about 1.2 GB, and 800 MB are free. With dtype = \"auto\" it would need \
             300 MB"
        );
    }
}
