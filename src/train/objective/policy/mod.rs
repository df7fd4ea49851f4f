//! Policy gradients, as TRL 1.16's `GRPOTrainer` and `RLOOTrainer` have them: rewards become advantages,
//! and log-probabilities and advantages a loss with its slopes. Plain numbers; nothing is run here.

pub mod advantages;
pub mod losses;
