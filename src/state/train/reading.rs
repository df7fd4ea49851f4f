//! What the curves of a run mean, in a sentence or two. The judgements are rules of thumb; each
//! says in a comment why its threshold is what it is.

use super::curves::Curves;
use crate::state::series::Series;
use crate::train::config::Objective;
use crate::train::config::metric::Metric;

/// The DPO loss of a model that is still its own reference: a coin toss between the answers.
pub const LN_2: f64 = std::f64::consts::LN_2;

/// Fewer steps than this are noise: a batch of 4 pairs moves the loss by 0.1 on its own.
const STEPS_TO_SAY_ANYTHING: usize = 5;

/// In fewer steps than this nothing was seen often enough to be known by heart.
const STEPS_TO_MEMORISE: usize = 30;

/// From so many steps on "more of them will change little" is more than a guess.
const STEPS_TO_LEVEL: usize = 20;

/// Whether a loss at the start is that of a coin toss between the answers.
pub fn is_coin_toss(start: Option<f64>) -> bool {
    start.is_some_and(|start| (start - LN_2).abs() < 1e-9)
}

/// What the curves say now. `start`: see [`loss_at_start`].
///
/// [`loss_at_start`]: crate::train::objective::choose::loss_at_start
pub fn reading(curves: &Curves, objective: Objective, start: Option<f64>) -> String {
    let loss = curves.loss();
    if loss.is_empty() && loss.not_numbers() == 0 {
        return "The curves begin with the first step".to_owned();
    }
    if loss.not_numbers() > 0 {
        return "The loss is no longer a number: the steps are too large. Stop the run and try a \
                tenth of the learning rate"
            .to_owned();
    }
    if loss.len() < STEPS_TO_SAY_ANYTHING {
        return format!("Too early to tell: needs at least {STEPS_TO_SAY_ANYTHING} steps");
    }
    if let Some(sentence) = overfitting(curves).or_else(|| memorising(curves)) {
        return sentence;
    }
    let main = match objective {
        Objective::Dpo | Objective::Kto => dpo(curves, start),
        Objective::Sft => sft(loss),
        Objective::Pretrain => pretraining(curves),
        Objective::Orpo | Objective::Cpo => without_reference(curves),
        Objective::Classify => loss_words(loss, "the right labels become likelier"),
        Objective::Regress => loss_words(loss, "the numbers come nearer to the right ones"),
        Objective::Mlm => loss_words(loss, "the hidden words become likelier"),
        Objective::Reward => reward_model(curves),
        Objective::Grpo | Objective::Rloo => policy(curves),
    };
    match held_out(curves) {
        Some(also) => format!("{main}. {also}"),
        None => main,
    }
}

/// Which of the steps that whoever only counts stands on are below the loss now.
fn pretraining(curves: &Curves) -> String {
    let loss = curves.loss();
    let usual = || loss_words(loss, "the next tokens become likelier");
    let (Some(landmarks), Some(now)) = (curves.landmarks, loss.last()) else { return usual() };
    if now < landmarks.bigram {
        "The model knows more than which token follows which: it looks further back".to_owned()
    } else if now < landmarks.unigram {
        "The model knows more than how frequent each token is: it is learning which token follows which"
            .to_owned()
    } else if now < landmarks.uniform {
        "The model is learning how frequent each token is".to_owned()
    } else {
        usual()
    }
}

/// The held-out loss has turned while the training loss falls on.
fn overfitting(curves: &Curves) -> Option<String> {
    let held_out = curves.held_out(Metric::Loss);
    let lowest = held_out.lowest()?;
    let now = held_out.last()?;
    // Three measurements: two cannot show a turn. 2 %: the wobble of a dozen held-out pairs.
    let turned = held_out.len() >= 3 && now > lowest.y * 1.02 + 0.002;
    let still_falling =
        trend(curves.loss()) == Trend::Falling || direction_since_start(curves.loss()) < 0.0;
    (turned && still_falling).then(|| {
        format!(
            "The training loss falls, but the held-out loss has risen since step {:.0}: the model \
             is learning these pairs by heart (overfitting). An earlier stop would have done",
            lowest.x
        )
    })
}

/// Every training pair is told apart and the gap still grows, while that of the held-out pairs has
/// turned: the loss need not have risen yet.
fn memorising(curves: &Curves) -> Option<String> {
    // A whole window without a single pair the wrong way round.
    let all_right = latest(curves.trained(Metric::RewardsAccuracies)) >= 0.999;
    if !all_right
        || trend(curves.trained(Metric::RewardsMargins)) != Trend::Rising
        || curves.loss().len() < STEPS_TO_MEMORISE
    {
        return None;
    }
    let start = "Accuracy is 100 % on the training pairs and the margin still grows";
    let held_out = curves.held_out(Metric::RewardsMargins);
    let (Some(peak), Some(now)) = (held_out.highest(), held_out.last()) else {
        // A margin of about 1: as far as a model gets that has only begun to tell them apart.
        let well_below = latest(curves.loss()) < 0.3;
        return well_below.then(|| {
            format!("{start}: likely overfitting, and no held-out measurement is there to tell")
        });
    };
    // 5 % of the peak: the wobble of a dozen held-out pairs.
    (now < 0.95 * peak.y).then(|| {
        format!("{start}: likely overfitting. The held-out margin peaked at step {:.0}", peak.x)
    })
}

/// What a run that samples its answers has come to.
fn policy(curves: &Curves) -> String {
    let rewards = curves.trained(Metric::Reward);
    let same = latest(curves.trained(Metric::FracRewardZeroStd));
    if same > 0.99 {
        return "All answers to a prompt get the same reward, so nothing is learned: the rules must tell the \
                answers apart"
            .to_owned();
    }
    let moved = match trend(rewards) {
        Trend::Rising => "The reward is rising",
        Trend::Falling => {
            "The reward is falling: the steps are too large, or the leash is too tight"
        }
        Trend::Level => "The reward has not moved much lately",
    };
    let lengths = curves.trained(Metric::CompletionsMeanLength);
    let grows = trend(lengths) == Trend::Rising && trend(rewards) == Trend::Rising;
    let hint = if grows {
        ". The answers grow longer with it: read the last ones, the reward may be paid for length alone"
    } else {
        ""
    };
    format!("{moved}: {:.3} in the latest rounds{hint}", latest(rewards))
}

/// How well a reward model tells the better answers.
fn reward_model(curves: &Curves) -> String {
    let accuracy = latest(curves.trained(Metric::Accuracy));
    // A batch of 4 pairs is right in 3 by chance in a quarter of all cases.
    if accuracy < 0.55 {
        return "The scores do not tell the chosen answers from the rejected ones yet".to_owned();
    }
    let margin = latest(curves.trained(Metric::Margin));
    format!(
        "The chosen answer has the higher score in {:.0} % of the latest training pairs, by {margin:.2} on \
         average",
        100.0 * accuracy
    )
}

fn dpo(curves: &Curves, start: Option<f64>) -> String {
    let loss = latest(curves.loss());
    let margin = latest(curves.trained(Metric::RewardsMargins));
    // 0.02 of margin is 0.01 of DPO's own loss: nobody would see it in an answer.
    if margin < -0.02 {
        return "The rewards are the wrong way round: the model leans towards the rejected \
                answers. A lower learning rate usually helps"
            .to_owned();
    }
    if is_coin_toss(start) && loss > LN_2 + 0.01 {
        return "The loss is above 0.693, where it began, although most pairs are the right way \
                round: a few are far on the wrong side. A lower learning rate usually helps"
            .to_owned();
    }
    if is_coin_toss(start) && loss > LN_2 - 0.01 {
        return "Little has changed yet: the loss is still about 0.693, a coin toss between \
                chosen and rejected"
            .to_owned();
    }
    if margin < 0.02 {
        return "Little has changed yet: chosen and rejected answers are about as likely as \
                before"
            .to_owned();
    }
    let (chosen, rejected) = (
        latest(curves.trained(Metric::RewardsChosen)),
        latest(curves.trained(Metric::RewardsRejected)),
    );
    let gap = trend(curves.trained(Metric::RewardsMargins));
    // Rewards are measured from the reference, so their sign is the direction since the start,
    // free of the noise that answers of different lengths bring into the log-probabilities.
    match (chosen < 0.0, rejected < 0.0, gap) {
        (true, true, Trend::Rising) => "Chosen and rejected are both becoming less likely; the \
             gap grows because rejected falls faster"
            .to_owned(),
        (false, false, Trend::Rising) => "Chosen and rejected are both becoming more likely; the \
             gap grows because chosen rises faster"
            .to_owned(),
        (false, true, Trend::Rising) => "Chosen answers are becoming more likely and rejected \
             ones less likely: the gap grows from both sides"
            .to_owned(),
        (true, true, _) => {
            format!(
                "Chosen and rejected have both become less likely, rejected more so; {}",
                gap.of_gap()
            )
        }
        (false, false, _) => {
            format!(
                "Chosen and rejected have both become more likely, chosen more so; {}",
                gap.of_gap()
            )
        }
        (false, true, _) => format!(
            "Chosen answers have become more likely and rejected ones less likely; {}",
            gap.of_gap()
        ),
        (true, false, _) => "Rejected answers have become more likely than chosen ones in the \
             latest steps: the pairs may contradict each other"
            .to_owned(),
    }
}

/// ORPO and CPO: there is no reference, so a reward says how likely an answer is, not how much likelier
/// it has become.
fn without_reference(curves: &Curves) -> String {
    let loss = loss_words(curves.loss(), "the pairs fit it better than some steps ago");
    let margin = curves.trained(Metric::RewardsMargins);
    let gap = direction_since_start(margin);
    match (latest(margin) > 0.0, gap > 0.0) {
        (true, true) => format!("{loss}. The chosen answers lead, and by more than at the start"),
        (true, false) => format!("{loss}. The chosen answers lead, as they did at the start"),
        (false, true) => {
            format!("{loss}. The rejected answers are still likelier, by less than at the start")
        }
        (false, false) => format!("{loss}. The rejected answers are still likelier"),
    }
}

fn sft(loss: &Series) -> String {
    loss_words(loss, "the model finds the chosen answers likelier than some steps ago")
}

fn loss_words(loss: &Series, falling: &str) -> String {
    match (trend(loss), direction_since_start(loss)) {
        (Trend::Falling, _) => return format!("The loss is falling: {falling}"),
        (Trend::Rising, change) if change > 0.0 => {
            "The loss is above where it began. A lower learning rate usually helps"
        }
        (Trend::Rising, _) => {
            "The loss is rising again, and still below where it began. A lower learning rate \
             usually helps"
        }
        (_, change) if change < 0.0 && loss.len() < STEPS_TO_LEVEL => {
            "The loss is below where it began"
        }
        (_, change) if change < 0.0 => {
            "The loss has levelled off below where it began: more steps will change little"
        }
        _ => "The loss has not moved yet. More steps or a higher learning rate may be needed",
    }
    .to_owned()
}

/// What the held-out pairs say, where there are some.
fn held_out(curves: &Curves) -> Option<String> {
    let share = curves.held_out(Metric::RewardsAccuracies).last()?;
    Some(format!("On the held-out pairs the chosen answer wins in {:.0} % of pairs", share * 100.0))
}

/// Where a curve has been going lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    Falling,
    Level,
    Rising,
}

impl Trend {
    fn of_gap(self) -> &'static str {
        match self {
            Self::Falling => "the gap between them is shrinking",
            Self::Level => "the gap between them holds",
            Self::Rising => "the gap between them grows",
        }
    }
}

/// The latest steps against as many before them.
pub fn trend(series: &Series) -> Trend {
    let window = window(series);
    let values: Vec<_> = series.recent().rev().take(2 * window).map(|point| point.y).collect();
    if values.len() < 2 * window {
        return Trend::Level;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (now, before) = (mean(&values[..window]), mean(&values[window..]));
    // 3 % of the value, and an absolute floor for values around zero.
    let noticeable = 0.03 * before.abs() + 0.002;
    match now - before {
        change if change > noticeable => Trend::Rising,
        change if change < -noticeable => Trend::Falling,
        _ => Trend::Level,
    }
}

/// How far the latest steps are from the first ones; 0 if that is within 1 %.
fn direction_since_start(series: &Series) -> f64 {
    let first = series.first_mean(window(series)).unwrap_or(0.0);
    let change = latest(series) - first;
    if change.abs() <= 0.01 * first.abs() { 0.0 } else { change }
}

fn latest(series: &Series) -> f64 {
    series.latest_mean(window(series)).unwrap_or(0.0)
}

/// A fifth of the run, so that noise averages out, and at most 50 steps, so that news comes through.
fn window(series: &Series) -> usize {
    (series.len() / 5).clamp(2, 50)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::record::metrics::{EvalMetrics, StepMetrics};

    fn step(step: usize, loss: f64, rewards: (f64, f64)) -> StepMetrics {
        let (chosen, rejected) = rewards;
        let values = [
            (Metric::Loss, loss),
            (Metric::RewardsChosen, chosen),
            (Metric::RewardsRejected, rejected),
            (Metric::RewardsMargins, chosen - rejected),
            (Metric::RewardsAccuracies, 0.0),
        ];
        StepMetrics { step, values: values.into(), ..StepMetrics::default() }
    }

    fn evaluation(step: usize, metric: Metric, value: f64) -> EvalMetrics {
        EvalMetrics { step, values: [(metric, value)].into(), ..EvalMetrics::default() }
    }

    /// A DPO run whose rewards go in a straight line to `chosen` and `rejected`.
    fn dpo_run(steps: usize, chosen: f64, rejected: f64) -> Curves {
        let mut curves = Curves::default();
        for number in 1..=steps {
            let share = number as f64 / steps as f64;
            let (rewards_chosen, rewards_rejected) = (chosen * share, rejected * share);
            let loss = (1.0 + (rewards_rejected - rewards_chosen).exp()).ln();
            curves.push(&step(number, loss, (rewards_chosen, rewards_rejected)));
        }
        curves
    }

    fn sft_run(losses: impl IntoIterator<Item = f64>) -> Curves {
        let mut curves = Curves::default();
        for (index, loss) in losses.into_iter().enumerate() {
            let values = [(Metric::Loss, loss)].into();
            curves.push(&StepMetrics { step: index + 1, values, ..StepMetrics::default() });
        }
        curves
    }

    #[test]
    fn the_sentence_follows_the_rewards() {
        let table = [
            (-1.0, -3.0, "both becoming less likely; the gap grows because rejected falls faster"),
            (3.0, 1.0, "both becoming more likely; the gap grows because chosen rises faster"),
            (1.0, -2.0, "the gap grows from both sides"),
            (0.002, -0.002, "still about 0.693"),
            (-2.0, 1.0, "leans towards the rejected answers"),
        ];
        for (chosen, rejected, expected) in table {
            let sentence = reading(&dpo_run(40, chosen, rejected), Objective::Dpo, Some(LN_2));
            assert!(sentence.contains(expected), "{chosen} {rejected}: {sentence}");
        }
    }

    #[test]
    fn a_gap_that_stopped_growing_is_not_called_growing() {
        let mut curves = dpo_run(20, -1.0, -3.0);
        for number in 21..=60 {
            curves.push(&step(number, 0.127, (-1.0, -3.0)));
        }
        let sentence = reading(&curves, Objective::Dpo, Some(LN_2));
        assert!(sentence.ends_with("the gap between them holds"), "{sentence}");
    }

    #[test]
    fn a_held_out_loss_that_turns_is_called_overfitting() {
        let mut curves = dpo_run(60, 1.0, -3.0);
        for (step, loss) in [(20, 0.5), (40, 0.4), (60, 0.45)] {
            curves.push_evaluation(&evaluation(step, Metric::Loss, loss));
        }
        let sentence = reading(&curves, Objective::Dpo, Some(LN_2));
        assert!(sentence.contains("has risen since step 40"), "{sentence}");
        assert!(sentence.contains("overfitting"), "{sentence}");
    }

    #[test]
    fn a_gap_that_grows_past_full_accuracy_is_held_against_the_held_out_gap() {
        let mut curves = Curves::default();
        for number in 1..=60 {
            let share = number as f64 / 60.0;
            let loss = (1.0 + (-4.0 * share).exp()).ln();
            let mut all_right = step(number, loss, (share, -3.0 * share));
            all_right.values.set(Metric::RewardsAccuracies, 1.0);
            curves.push(&all_right);
        }
        let sentence = reading(&curves, Objective::Dpo, Some(LN_2));
        assert!(sentence.ends_with("no held-out measurement is there to tell"), "{sentence}");
        for (step, margin) in [(20, 0.5), (40, 0.8)] {
            curves.push_evaluation(&evaluation(step, Metric::RewardsMargins, margin));
        }
        let sentence = reading(&curves, Objective::Dpo, Some(LN_2));
        assert!(!sentence.contains("overfitting"), "still growing there: {sentence}");
        curves.push_evaluation(&evaluation(60, Metric::RewardsMargins, 0.6));
        let sentence = reading(&curves, Objective::Dpo, Some(LN_2));
        assert!(sentence.ends_with("The held-out margin peaked at step 40"), "{sentence}");
    }

    #[test]
    fn a_held_out_loss_that_falls_is_not() {
        let mut curves = dpo_run(60, 1.0, -3.0);
        for (step, loss) in [(20, 0.5), (40, 0.4), (60, 0.35)] {
            let mut metrics = evaluation(step, Metric::Loss, loss);
            metrics.values.set(Metric::RewardsAccuracies, 0.75);
            curves.push_evaluation(&metrics);
        }
        let sentence = reading(&curves, Objective::Dpo, Some(LN_2));
        assert!(!sentence.contains("overfitting"), "{sentence}");
        assert!(sentence.ends_with("the chosen answer wins in 75 % of pairs"), "{sentence}");
    }

    #[test]
    fn a_loss_that_is_no_number_says_what_to_do() {
        let sentence = reading(&sft_run([0.5, 0.4, f64::NAN]), Objective::Sft, None);
        assert!(sentence.contains("a tenth of the learning rate"), "{sentence}");
    }

    #[test]
    fn two_steps_are_too_early() {
        assert!(reading(&sft_run([2.0, 1.9]), Objective::Sft, None).starts_with("Too early"));
        assert!(reading(&Curves::default(), Objective::Dpo, Some(LN_2)).contains("first step"));
    }

    #[test]
    fn sft_is_read_from_its_loss() {
        let falling = (0..40).map(|step| 3.0 - 0.05 * f64::from(step));
        let level = (0..80).map(|step| if step < 20 { 3.0 - 0.1 * f64::from(step) } else { 1.0 });
        let still = (0..40).map(|_| 2.5);
        let rising = (0..40).map(|step| 2.0 + 0.05 * f64::from(step));
        assert!(reading(&sft_run(falling), Objective::Sft, None).contains("is falling"));
        assert!(reading(&sft_run(level), Objective::Sft, None).contains("levelled off"));
        assert!(reading(&sft_run(still), Objective::Sft, None).contains("has not moved"));
        assert!(reading(&sft_run(rising), Objective::Sft, None).contains("above where it began"));
    }

    #[test]
    fn another_loss_is_not_held_against_a_coin_toss() {
        let mut curves = dpo_run(20, 0.1, -0.05);
        for number in 21..=30 {
            curves.push(&step(number, 24.719, (0.1, -0.048)));
        }
        let sentence = reading(&curves, Objective::Dpo, Some(25.0));
        assert!(sentence.starts_with("Chosen answers have become more likely"), "{sentence}");
    }

    #[test]
    fn a_few_steps_have_not_levelled_off() {
        let sentence = reading(&sft_run([3.0, 2.0, 2.9, 2.2, 2.4, 2.3]), Objective::Sft, None);
        assert!(!sentence.contains("levelled off"), "{sentence}");
    }
}
