//! How far a coder is and how long a verdict takes them, kept up verdict by verdict: of a hundred thousand
//! items neither a frame nor a verdict has time to count anew.

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// Slots with a verdict.
    pub done: usize,

    /// By the slot's place in the plan; `NaN`: it has no verdict.
    seconds: Vec<f32>,

    /// The seconds of those that took any, in their order.
    sorted: Vec<f32>,
}

impl Pace {
    /// Of every slot of a plan the seconds of its verdict, if it has one.
    pub fn of(slots: impl Iterator<Item = Option<f32>>) -> Self {
        let seconds: Vec<f32> = slots.map(|seconds| seconds.unwrap_or(f32::NAN)).collect();
        let done = seconds.iter().filter(|seconds| !seconds.is_nan()).count();
        let mut sorted: Vec<f32> =
            seconds.iter().copied().filter(|seconds| *seconds > 0.0).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        Self { done, seconds, sorted }
    }

    /// What a slot has now.
    pub fn set(&mut self, at: usize, seconds: Option<f32>) {
        let Some(known) = self.seconds.get_mut(at) else { return };
        let (old, new) = (*known, seconds.unwrap_or(f32::NAN));
        *known = new;
        self.done = self.done + usize::from(!new.is_nan()) - usize::from(!old.is_nan());
        let place = |sorted: &[f32], seconds: f32| sorted.partition_point(|one| *one < seconds);
        if old > 0.0 {
            let at = place(&self.sorted, old);
            self.sorted.remove(at);
        }
        if new > 0.0 {
            let at = place(&self.sorted, new);
            self.sorted.insert(at, new);
        }
    }

    /// The middle of the seconds. Of fewer than three there is nothing to foretell.
    pub fn median(&self) -> Option<f32> {
        (self.sorted.len() >= 3).then(|| self.sorted[self.sorted.len() / 2])
    }

    /// The next slot without a verdict at or behind `at`, else one before it, else the end.
    pub fn next_open(&self, at: usize) -> usize {
        let at = at.min(self.seconds.len());
        let (before, behind) = self.seconds.split_at(at);
        let open = |part: &[f32]| part.iter().position(|seconds| seconds.is_nan());
        open(behind).map(|found| at + found).or_else(|| open(before)).unwrap_or(self.seconds.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_up_is_what_counting_anew_finds() {
        let mut slots: Vec<Option<f32>> = vec![None; 40];
        let mut pace = Pace::of(slots.iter().copied());
        for step in 0..400_usize {
            // Given, given once more, taken back; some took no time.
            let at = step * 17 % 40;
            slots[at] = (step % 5 != 4).then_some((step * 7 % 11) as f32);
            pace.set(at, slots[at]);
            let anew = Pace::of(slots.iter().copied());
            assert_eq!((pace.done, &pace.sorted), (anew.done, &anew.sorted), "step {step}");
            let open = |from: usize, to: usize| (from..to).find(|at| slots[*at].is_none());
            let next = open(at, 40).or_else(|| open(0, at)).unwrap_or(40);
            assert_eq!(pace.next_open(at), next);
        }
        assert_eq!(Pace::default().next_open(3), 0);
        assert_eq!(Pace::of([Some(1.0), Some(9.0)].into_iter()).median(), None);
        assert_eq!(Pace::of([Some(9.0), Some(1.0), Some(2.0)].into_iter()).median(), Some(2.0));
    }
}
