//! `tuning-fork explore`: the numbers of "Look inside" without a window.

mod attention;
mod beams;
mod clusters;
mod compare;
mod constructs;
mod cross_attention;
mod leave_one_out;
mod lens;
mod machine;
mod map;
mod meaning;
mod pairs;
mod probe;
mod read_write;
mod rows;
mod spans;
mod surprise;
pub mod table;
mod tokens;
mod tree;
mod vectors;
mod weights;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct ExploreArgs {
    #[command(subcommand)]
    view: View,
}

/// The views. Log-probabilities are natural logs, entropy and surprise are in bits, positions and
/// layers are counted from 0.
#[derive(Debug, Subcommand)]
enum View {
    /// The pieces that a tokenizer makes of a text
    Tokens(tokens::TokensArgs),

    /// How likely each token of a text is, and what else could have come
    Surprise(surprise::SurpriseArgs),

    /// Two models on one text, or two prompts' next token: KL, total variation, agreement
    Compare(compare::CompareArgs),

    /// A list of minimal pairs (words in templates): what each pair changes, with intervals
    Pairs(pairs::PairsArgs),

    /// Which words, sentences or tokens of a text an answer hangs on
    LeaveOneOut(leave_one_out::LeaveOneOutArgs),

    /// The parts of a model in their order: shapes, parameters, bytes, and how much each computes
    Machine(machine::MachineArgs),

    /// What every layer would say next, through the model's own final norm and head
    Lens(lens::LensArgs),

    /// What each position looks at: the weights of every head
    Attention(attention::AttentionArgs),

    /// The beams of an encoder-decoder (T5, BART): each step's candidates, what was dropped, the scores
    Beams(beams::BeamsArgs),

    /// What each token of an encoder-decoder's answer looked at in the text that was read
    CrossAttention(cross_attention::CrossAttentionArgs),

    /// Hide words of a text behind T5's sentinels, and see what the model fills in
    Spans(spans::SpansArgs),

    /// Texts as vectors of a layer or of an encoder: map, similarities, nearest neighbours
    Meaning(meaning::MeaningArgs),

    /// The texts of a table as points: PCA or UMAP of their vectors, and the rows nearest to a sentence
    Map(map::MapArgs),

    /// The texts of a table in clusters, which are named by their words and compared with a column
    Clusters(clusters::ClustersArgs),

    /// How well a column can be predicted from the vectors of texts alone, by cross-validation
    Probe(probe::ProbeArgs),

    /// The items of a questionnaire by what they mean: constructs, and answers that they predict
    Constructs(constructs::ConstructsArgs),

    /// A prompt and the ways in which it can continue
    Tree(tree::TreeArgs),
}

pub fn run(args: &ExploreArgs) -> anyhow::Result<()> {
    match &args.view {
        View::Tokens(args) => tokens::run(args),
        View::Surprise(args) => surprise::run(args),
        View::Compare(args) => compare::run(args),
        View::Pairs(args) => pairs::run(args),
        View::LeaveOneOut(args) => leave_one_out::run(args),
        View::Machine(args) => machine::run(args),
        View::Lens(args) => lens::run(args),
        View::Attention(args) => attention::run(args),
        View::Beams(args) => beams::run(args),
        View::CrossAttention(args) => cross_attention::run(args),
        View::Spans(args) => spans::run(args),
        View::Meaning(args) => meaning::run(args),
        View::Map(args) => map::run(args),
        View::Clusters(args) => clusters::run(args),
        View::Probe(args) => probe::run(args),
        View::Constructs(args) => constructs::run(args),
        View::Tree(args) => tree::run(args),
    }
}
