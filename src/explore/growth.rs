//! What is done to a tree of branches, one step at a time, and what there is to see of it after each.

use std::sync::Arc;

use super::error::Error;
use super::predictions::Candidate;
use super::subject::Looked;
use super::tree::{ROOT, Tree, TreeView};
use crate::jobs::Progress;
use crate::llm::generate::{AdapterMode, Prompt, render_prompt};
use crate::llm::{Adapter, Model};

/// How many candidates of a node are shown.
pub const CANDIDATE_COUNT: usize = 20;

/// What a tree grows from.
#[derive(Clone, Debug, PartialEq)]
pub enum Seed {
    Prompt(Prompt),

    /// A prompt as the model has read it already.
    Read {
        ids: Vec<u32>,
        text: String,
    },
}

/// A new tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Plant {
    pub seed: Seed,
    pub adapter: AdapterMode,

    /// A first branch.
    pub answer: Vec<u32>,

    /// Another token in place of that of the answer at this place.
    pub fork: Option<(usize, u32)>,
}

/// What is done to the tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Growth {
    Plant(Plant),

    /// Shows what could come after a node.
    Look {
        node: usize,
    },
    Branch {
        node: usize,
        id: u32,
    },

    /// The likeliest tokens on every leaf; the node stays selected.
    Continue {
        node: usize,
        count: usize,
    },
    Delete {
        node: usize,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Grown {
    pub view: TreeView,

    /// The node that is selected, and what could come after it.
    pub node: usize,
    pub candidates: Vec<Candidate>,

    /// In bits.
    pub entropy: f64,

    /// Nothing comes after it.
    pub is_at_end: bool,

    /// What the branch up to it adds to the prompt.
    pub text: String,

    /// What the tree takes in memory.
    pub bytes: usize,

    /// Of a new tree: the prompt as the model sees it.
    pub prompt: Option<String>,
}

/// Reads a prompt, with its first branches. Slow: reports tokens, and looks for Stop.
pub fn plant(
    model: &Arc<Model>,
    adapter: Option<Arc<Adapter>>,
    plant: &Plant,
    progress: &dyn Progress<Looked>,
) -> Result<(Tree, Grown), Error> {
    let (ids, text) = match &plant.seed {
        Seed::Prompt(prompt) => {
            let rendered = render_prompt(model, prompt)?;
            (rendered.ids, rendered.text)
        }
        Seed::Read { ids, text } => (ids.clone(), text.clone()),
    };
    let mut tree = Tree::plant(Arc::clone(model), adapter, &ids, progress)?;
    let mut node = ROOT;
    let mut path = vec![ROOT];
    for (at, id) in plant.answer.iter().enumerate() {
        progress.check()?;
        node = tree.branch(node, *id)?;
        path.push(node);
        progress.emit(Looked { done: at + 1, total: plant.answer.len() });
    }
    if let Some((at, id)) = plant.fork {
        node = tree.branch(path[at.min(path.len() - 1)], id)?;
    }
    let grown = shown(&mut tree, node, Some(text))?;
    Ok((tree, grown))
}

/// Does something to a tree; a new one is [`plant`]ed. Slow only where it goes on by many tokens:
/// being stopped there is no failure, and what is there by then stays.
pub fn grow(
    tree: &mut Tree,
    growth: &Growth,
    progress: &dyn Progress<Looked>,
) -> Result<Grown, Error> {
    let node = match *growth {
        Growth::Plant(_) => ROOT,
        Growth::Look { node } => node,
        Growth::Branch { node, id } => tree.branch(node, id)?,
        Growth::Continue { node, count } => {
            let leaves = tree.leaves();
            match tree.go_on_greedily(&leaves, count, progress) {
                Err(error) if !error.is_stop() => return Err(error),
                _ => node,
            }
        }
        Growth::Delete { node } => {
            let parent = tree.parent(node);
            tree.delete(node);
            parent
        }
    };
    shown(tree, node, None)
}

fn shown(tree: &mut Tree, node: usize, prompt: Option<String>) -> Result<Grown, Error> {
    let is_at_end = tree.is_at_end(node);
    let (candidates, entropy) = if is_at_end {
        (Vec::new(), 0.0)
    } else {
        (tree.candidates(node, CANDIDATE_COUNT)?, tree.entropy(node)?)
    };
    let (text, bytes) = (tree.text_to(node), tree.byte_len());
    Ok(Grown { view: tree.view(), node, candidates, entropy, is_at_end, text, bytes, prompt })
}
