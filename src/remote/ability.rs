//! What a server is probed for, by name.

pub const CHAT: &str = "chat";
pub const STREAMING: &str = "streaming";
pub const CHAT_LOGPROBS: &str = "log-probabilities of chats";
pub const COMPLETIONS: &str = "completions";
pub const LOGPROBS: &str = "log-probabilities";
pub const PROMPT_LOGPROBS: &str = "log-probabilities of prompts";
pub const NAMED_LOGPROBS: &str = "log-probabilities of named tokens";
pub const LABELS: &str = "probabilities of labels";
pub const VECTORS: &str = "vectors";
pub const SCHEMA: &str = "answers that fit a JSON schema";
pub const SEED: &str = "seeds";

/// Settings of the sampling beyond OpenAI's own: the field of a request, by transformers' names.
pub const TOP_K: &str = "top_k";
pub const MIN_P: &str = "min_p";
pub const TYPICAL_P: &str = "typical_p";
pub const REPETITION_PENALTY: &str = "repetition_penalty";
pub const NGRAM: &str = "no_repeat_ngram_size";
