//! A run's settings under the names of TRL and PEFT, what stands in their way, and run files; the
//! objectives and the metrics, a table each.

mod check;
mod learning;
pub mod lora;
pub mod metric;
pub mod mix;
mod mix_source;
pub mod objective;
pub mod objective_facts;
mod objective_of_texts;
mod objective_table;
mod other_keys;
mod policy;
mod policy_facts;
mod pretrain_facts;
mod reward_facts;
pub mod rewards;
pub mod run_file;
pub mod scheduler;
pub mod schema;
mod settings;
mod soft_prompt;

pub use check::ConfigProblem;
pub use learning::{ClassWeights, METHODS, Method, Named, PROBLEM_TYPES, ProblemType};
pub use lora::LoraConfig;
pub use objective::Objective;
pub use objective_facts::LOSS_TYPES;
pub use policy::{AGGREGATIONS, LEVELS, PolicyConfig, SCALES};
pub use scheduler::SchedulerType;
pub use settings::{
    DTYPES, Dtype, F_DIVERGENCES, FDivergence, PACKING_STRATEGIES, PackingStrategy,
    TRUNCATION_MODES, TrainConfig, TruncationMode,
};
pub use soft_prompt::{PROMPT_INITS, PromptInit, SoftPromptConfig};
