//! Models to begin with: of families that are computed here as transformers computes them, small
//! enough for a laptop. Shown without asking anybody, so also without a network.

/// What a model has learned to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schooling {
    /// Continues a text.
    Base,

    /// Answers what it is asked.
    Instruct,

    /// Turns a text into a vector; it does not write.
    Encoder,
}

/// A model worth beginning with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownModel {
    /// `owner/name`
    pub repo: &'static str,
    pub schooling: Schooling,

    /// In thousands, as its card or its weights say.
    pub kilo_parameters: u64,

    /// What is fetched, in megabytes: its weights as safetensors, or one GGUF file.
    pub megabytes: u64,

    /// The GGUF file that is meant, by how it is stored.
    pub variant: Option<&'static str>,
    pub licence: &'static str,

    /// Its page asks for consent first.
    pub is_gated: bool,
    pub good_for: &'static str,

    /// What a laptop needs for it.
    pub needs: &'static str,
}

impl KnownModel {
    pub fn parameters(&self) -> u64 {
        self.kilo_parameters * 1000
    }

    pub fn bytes(&self) -> u64 {
        self.megabytes * 1_000_000
    }

    pub fn name(&self) -> &'static str {
        self.repo.split_once('/').map_or(self.repo, |(_, name)| name)
    }
}

/// The starter model first, then from small to large; encoders after those that write. Weights are counted as they are stored:
/// 2 bytes a parameter for BF16.
pub const KNOWN: [KnownModel; 17] = [
    KnownModel {
        repo: "HuggingFaceTB/SmolLM2-135M-Instruct",
        schooling: Schooling::Instruct,
        kilo_parameters: 134_515,
        megabytes: 269,
        variant: None,
        licence: "apache-2.0",
        is_gated: false,
        good_for: "First steps and quick training runs: it answers at once, and is often wrong",
        needs: "Any laptop; trains in 2 GB",
    },
    KnownModel {
        repo: "HuggingFaceTB/SmolLM2-135M",
        schooling: Schooling::Base,
        kilo_parameters: 134_515,
        megabytes: 269,
        variant: None,
        licence: "apache-2.0",
        is_gated: false,
        good_for: "SmolLM2-135M-Instruct before it learned to answer: for comparing the two",
        needs: "Any laptop; trains in 2 GB",
    },
    KnownModel {
        repo: "openai-community/gpt2",
        schooling: Schooling::Base,
        kilo_parameters: 124_440,
        megabytes: 548,
        variant: None,
        licence: "mit",
        is_gated: false,
        good_for: "Shows in a class how a model picks its next word; the classic of 2019",
        needs: "Any laptop",
    },
    KnownModel {
        repo: "google/gemma-3-270m-it",
        schooling: Schooling::Instruct,
        kilo_parameters: 268_098,
        megabytes: 536,
        variant: None,
        licence: "gemma",
        is_gated: true,
        good_for: "Sorting and extracting short texts after a little training, in many languages",
        needs: "Any laptop",
    },
    KnownModel {
        repo: "HuggingFaceTB/SmolLM2-360M-Instruct",
        schooling: Schooling::Instruct,
        kilo_parameters: 361_821,
        megabytes: 724,
        variant: None,
        licence: "apache-2.0",
        is_gated: false,
        good_for: "Short English answers and rewriting; large enough to learn a style from pairs",
        needs: "4 GB of memory",
    },
    KnownModel {
        repo: "Qwen/Qwen2.5-0.5B-Instruct",
        schooling: Schooling::Instruct,
        kilo_parameters: 494_033,
        megabytes: 988,
        variant: None,
        licence: "apache-2.0",
        is_gated: false,
        good_for: "The usual small model of papers on training with preferences; many languages",
        needs: "4 GB of memory",
    },
    KnownModel {
        repo: "Qwen/Qwen3-0.6B",
        schooling: Schooling::Instruct,
        kilo_parameters: 596_050,
        megabytes: 1503,
        variant: None,
        licence: "apache-2.0",
        is_gated: false,
        good_for: "Thinks before it answers, which can be read along; many languages",
        needs: "4 GB of memory",
    },
    KnownModel {
        repo: "meta-llama/Llama-3.2-1B-Instruct",
        schooling: Schooling::Instruct,
        kilo_parameters: 1_235_814,
        megabytes: 2472,
        variant: None,
        licence: "llama3.2",
        is_gated: true,
        good_for: "Summaries and questions about a text; the family most tutorials are about",
        needs: "8 GB of memory",
    },
    KnownModel {
        repo: "allenai/OLMo-2-0425-1B-Instruct",
        schooling: Schooling::Instruct,
        kilo_parameters: 1_484_917,
        megabytes: 2970,
        variant: None,
        licence: "apache-2.0",
        is_gated: false,
        good_for: "Research that must name its data: everything it was trained on is published",
        needs: "8 GB of memory",
    },
    KnownModel {
        repo: "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
        schooling: Schooling::Instruct,
        kilo_parameters: 1_711_376,
        megabytes: 1056,
        variant: Some("Q4_K_M"),
        licence: "apache-2.0",
        is_gated: false,
        good_for: "Good English answers in little memory",
        needs: "4 GB of memory",
    },
    KnownModel {
        repo: "HuggingFaceTB/SmolLM3-3B",
        schooling: Schooling::Instruct,
        kilo_parameters: 3_075_099,
        megabytes: 6150,
        variant: None,
        licence: "apache-2.0",
        is_gated: false,
        good_for: "Reasoning and long texts in six languages; data and recipe are published",
        needs: "16 GB of memory",
    },
    KnownModel {
        repo: "Qwen/Qwen3-4B-GGUF",
        schooling: Schooling::Instruct,
        kilo_parameters: 4_022_468,
        megabytes: 2497,
        variant: Some("Q4_K_M"),
        licence: "apache-2.0",
        is_gated: false,
        good_for: "Labelling and judging texts: the best that a usual laptop answers with",
        needs: "8 GB of memory",
    },
    KnownModel {
        repo: "microsoft/Phi-3-mini-4k-instruct",
        schooling: Schooling::Instruct,
        kilo_parameters: 3_821_080,
        megabytes: 7642,
        variant: None,
        licence: "mit",
        is_gated: false,
        good_for: "Reasoning in English, under a licence that allows everything",
        needs: "16 GB of memory",
    },
    KnownModel {
        repo: "Qwen/Qwen3-8B-GGUF",
        schooling: Schooling::Instruct,
        kilo_parameters: 8_190_735,
        megabytes: 5028,
        variant: Some("Q4_K_M"),
        licence: "apache-2.0",
        is_gated: false,
        good_for: "The most careful answers here, slowly: a judge for what smaller models write",
        needs: "16 GB of memory",
    },
    KnownModel {
        repo: "sentence-transformers/all-MiniLM-L6-v2",
        schooling: Schooling::Encoder,
        kilo_parameters: 22_713,
        megabytes: 91,
        variant: None,
        licence: "apache-2.0",
        is_gated: false,
        good_for: "Vectors of English sentences, to find those that mean alike: small and quick",
        needs: "Any laptop",
    },
    KnownModel {
        repo: "BAAI/bge-small-en-v1.5",
        schooling: Schooling::Encoder,
        kilo_parameters: 33_360,
        megabytes: 133,
        variant: None,
        licence: "mit",
        is_gated: false,
        good_for: "Vectors of English paragraphs, for search: a step more careful than MiniLM",
        needs: "Any laptop",
    },
    KnownModel {
        repo: "intfloat/multilingual-e5-small",
        schooling: Schooling::Encoder,
        kilo_parameters: 117_654,
        megabytes: 471,
        variant: None,
        licence: "mit",
        is_gated: false,
        good_for: "Vectors in a hundred languages; it wants query: or passage: before each text",
        needs: "Any laptop",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::protocol::names::check_repo_id;

    #[test]
    fn the_list_agrees_with_itself() {
        for known in KNOWN {
            assert!(check_repo_id(known.repo).is_ok(), "{}", known.repo);
            let bytes_each = known.bytes() as f64 / known.parameters() as f64;
            // Q4_K_M takes 4.8 to 5 bits; BF16 two bytes, and more where the head is stored though
            // it is the embedding; GPT-2 and the encoders are in F32.
            let expected = match known.variant {
                Some("Q4_K_M") => 0.58..0.66,
                Some(other) => panic!("{other} has no expectation here"),
                None if known.repo.ends_with("gpt2") => 4.0..4.5,
                None if known.schooling == Schooling::Encoder => 3.98..4.02,
                None => 1.99..2.6,
            };
            assert!(expected.contains(&bytes_each), "{}: {bytes_each}", known.repo);
        }
    }
}
