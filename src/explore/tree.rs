//! Branches: a prompt and the ways in which it can continue, as a tree.
//!
//! Every token is run once, whatever the order in which branches are looked at: what it left in the
//! cache is kept with its node and put back. Only a model whose rope changes with the length of the
//! text (`LongRoPE`) runs a branch again where that crosses the length at which it changes, since the
//! keys of the prompt are then others.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::predictions::{Candidate, Spread, highest};
use super::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::llm::net::cache::{KvCache, Piece};
use crate::llm::{Adapter, Model};

/// The node that stands for the end of the prompt.
pub const ROOT: usize = 0;

/// Nodes that a tree can have: more than anybody looks at.
pub const MOST_NODES: usize = 10_000;

/// How many candidates of a node are kept; others are computed again from the node's hidden state.
const KEPT: usize = 100;

/// Room that the cache has beyond the prompt, so that it need not be copied while branches grow.
const ROOM: usize = 512;

/// A token of a branch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeNode {
    /// Its number, from 1 on. It keeps it when others are deleted.
    pub node: usize,

    /// The node that it goes on from. `None`: the prompt.
    pub parent: Option<usize>,
    pub id: u32,

    /// As it is shown by itself.
    pub token: String,

    /// Natural log of its probability after its parent.
    pub logprob: f64,

    /// The sum of them from the prompt on.
    pub path_logprob: f64,

    /// 1 directly after the prompt.
    pub depth: usize,

    /// Whether the model ends its turn with it: nothing comes after it.
    pub ends: bool,
}

/// A tree as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeView {
    /// Of the prompt.
    pub ids: Vec<u32>,
    pub tokens: Vec<String>,

    /// Those that were not deleted, in the order in which they were made: a parent before its
    /// children.
    pub nodes: Vec<TreeNode>,
}

/// A prompt that branches.
pub struct Tree {
    model: Arc<Model>,
    adapter: Option<Arc<Adapter>>,
    prompt: Vec<u32>,
    nodes: Vec<Node>,

    /// Holds the text up to and with the token of this node.
    cache: KvCache,
    at: usize,
}

struct Node {
    /// Of the root, nothing but its depth counts.
    shown: TreeNode,
    is_deleted: bool,
    run: Option<Run>,
}

/// What running a token gave.
struct Run {
    /// What it left in the cache.
    piece: Piece,

    /// The hidden state after the final norm.
    state: Vec<f32>,
    spread: Spread,

    /// The likeliest tokens after it with their scores.
    highest: Vec<(u32, f32)>,
}

impl Tree {
    /// Reads a prompt. Slow: reports tokens, and looks for Stop every hundred or so.
    pub fn plant(
        model: Arc<Model>,
        adapter: Option<Arc<Adapter>>,
        ids: &[u32],
        progress: &dyn Progress<Looked>,
    ) -> Result<Self, Error> {
        Subject::new(&model, adapter.as_deref()).check(ids)?;
        let mut cache = model.new_cache();
        cache.reserve((ids.len() + ROOM).min(model.config().context_length));
        let root = TreeNode {
            node: ROOT,
            parent: None,
            id: 0,
            token: String::new(),
            logprob: 0.0,
            path_logprob: 0.0,
            depth: 0,
            ends: false,
        };
        let mut states = Vec::new();
        for part in ids.chunks(128) {
            progress.check()?;
            let is_last = cache.len() + part.len() == ids.len();
            let wanted = if is_last { part.len() - 1..part.len() } else { 0..0 };
            states = model.normed_states(part, &mut cache, adapter.as_deref(), wanted)?;
            progress.emit(Looked { done: cache.len(), total: ids.len() });
        }
        let nodes = vec![Node { shown: root, is_deleted: false, run: None }];
        let mut tree = Self { model, adapter, prompt: ids.to_vec(), nodes, cache, at: ROOT };
        // The root's piece is empty: the cache never forgets the prompt.
        tree.keep_run(ROOT, tree.cache.len(), states)?;
        Ok(tree)
    }

    pub fn view(&self) -> TreeView {
        let tokenizer = self.model.tokenizer();
        TreeView {
            ids: self.prompt.clone(),
            tokens: self.prompt.iter().map(|id| tokenizer.token_text(*id)).collect(),
            nodes: self.nodes().cloned().collect(),
        }
    }

    /// Those that were not deleted, a parent before its children, without the root.
    pub fn nodes(&self) -> impl Iterator<Item = &TreeNode> {
        self.nodes[1..].iter().filter(|node| !node.is_deleted).map(|node| &node.shown)
    }

    /// Nodes from which no other goes on; the root, where there is none.
    pub fn leaves(&self) -> Vec<usize> {
        let has_child =
            |node: usize| self.nodes().any(|child| child.parent.unwrap_or(ROOT) == node);
        let all = std::iter::once(ROOT).chain(self.nodes().map(|node| node.node));
        all.filter(|node| !has_child(*node)).collect()
    }

    /// Whether nothing can come after a node: the model ends its turn there, or the context is full.
    pub fn is_at_end(&self, node: usize) -> bool {
        let TreeNode { ends, depth, .. } = self.nodes[node].shown;
        ends || self.prompt.len() + depth > self.model.context_with(self.adapter.as_deref())
    }

    /// The ids of the prompt and the branch up to this node, for a chat that goes on from there.
    pub fn ids_to(&self, node: usize) -> Vec<u32> {
        let path = self.path(node);
        let branch = path[1..].iter().map(|node| self.nodes[*node].shown.id);
        self.prompt.iter().copied().chain(branch).collect()
    }

    /// What a branch that ends at this node adds to the prompt, as text.
    pub fn text_to(&self, node: usize) -> String {
        let ids = self.ids_to(node);
        let (prompt, branch) = ids.split_at(self.prompt.len());
        self.model.tokenizer().decode_after(prompt, branch, false)
    }

    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The node that one goes on from; the root where there is none.
    pub fn parent(&self, node: usize) -> usize {
        self.nodes.get(node).and_then(|node| node.shown.parent).unwrap_or(ROOT)
    }

    /// The log-probability of the branch up to a node; 0 at the root.
    pub fn path_logprob(&self, node: usize) -> f64 {
        self.nodes.get(node).map_or(f64::NEG_INFINITY, |node| node.shown.path_logprob)
    }

    /// What the tree takes in memory, in bytes.
    pub fn byte_len(&self) -> usize {
        let runs = self.nodes.iter().filter_map(|node| node.run.as_ref());
        let runs = runs.map(|run| run.piece.byte_len() + size_of_val(run.state.as_slice()));
        self.cache.byte_len() + runs.sum::<usize>()
    }

    /// The likeliest tokens after a node, at most `count`. Runs the node's token if that was not
    /// done yet: one token's time.
    pub fn candidates(&mut self, node: usize, count: usize) -> Result<Vec<Candidate>, Error> {
        self.ensure_run(node)?;
        let run = self.get_run(node)?;
        let found;
        let kept = if count <= KEPT {
            &run.highest[..count.min(run.highest.len())]
        } else {
            found = highest(&self.scores(run)?, count);
            &found
        };
        let tokenizer = self.model.tokenizer();
        let candidate =
            |&(id, score): &(u32, f32)| Candidate::new(tokenizer, id, run.spread.logprob(score));
        Ok(kept.iter().map(candidate).collect())
    }

    /// In bits, of what could come after a node, over the whole vocabulary.
    pub fn entropy(&mut self, node: usize) -> Result<f64, Error> {
        self.ensure_run(node)?;
        Ok(self.get_run(node)?.spread.entropy)
    }

    /// Goes on from a node with a token: the new node, or the one that does so already.
    pub fn branch(&mut self, node: usize, id: u32) -> Result<usize, Error> {
        self.check(node)?;
        let parent = (node != ROOT).then_some(node);
        if let Some(there) = self.nodes().find(|other| other.parent == parent && other.id == id) {
            return Ok(there.node);
        }
        if self.nodes().count() >= MOST_NODES {
            return Err(Error::TreeFull { most: MOST_NODES });
        }
        let vocab_size = self.model.config().vocab_size;
        if id as usize >= vocab_size {
            return Err(Error::Model(crate::llm::Error::TokenOutOfRange { id, vocab_size }));
        }
        self.ensure_run(node)?;
        let run = self.get_run(node)?;
        let score = match run.highest.iter().find(|(other, _)| *other == id) {
            Some((_, score)) => *score,
            None => self.scores(run)?[id as usize],
        };
        let logprob = run.spread.logprob(score);
        let TreeNode { path_logprob, depth, .. } = self.nodes[node].shown;
        let new = self.nodes.len();
        let shown = TreeNode {
            node: new,
            parent,
            id,
            token: self.model.tokenizer().token_text(id),
            logprob,
            path_logprob: path_logprob + logprob,
            depth: depth + 1,
            ends: self.model.stop_ids().contains(&id),
        };
        self.nodes.push(Node { shown, is_deleted: false, run: None });
        Ok(new)
    }

    /// Goes on from every node of `from` with the likeliest token, `count` times, or until the
    /// model ends its turn or the context is full. Gives the new leaves. Slow: reports tokens and
    /// looks for Stop at each; what is there then stays.
    pub fn go_on_greedily(
        &mut self,
        from: &[usize],
        count: usize,
        progress: &dyn Progress<Looked>,
    ) -> Result<Vec<usize>, Error> {
        let total = from.len() * count;
        let mut leaves = Vec::with_capacity(from.len());
        for (branch, &start) in from.iter().enumerate() {
            let mut leaf = start;
            for step in 0..count {
                progress.check()?;
                if self.is_at_end(leaf) {
                    break;
                }
                self.ensure_run(leaf)?;
                let Some(&(best, _)) = self.get_run(leaf)?.highest.first() else { break };
                leaf = self.branch(leaf, best)?;
                progress.emit(Looked { done: branch * count + step + 1, total });
            }
            leaves.push(leaf);
        }
        Ok(leaves)
    }

    /// Deletes a branch: a node and all that goes on from it.
    pub fn delete(&mut self, node: usize) {
        if node == ROOT || node >= self.nodes.len() {
            return;
        }
        for at in node..self.nodes.len() {
            let parent = self.nodes[at].shown.parent.unwrap_or(ROOT);
            if at == node || self.nodes[parent].is_deleted {
                self.nodes[at].is_deleted = true;
                self.nodes[at].run = None;
            }
        }
    }

    fn check(&self, node: usize) -> Result<(), Error> {
        match self.nodes.get(node) {
            Some(found) if !found.is_deleted => Ok(()),
            _ => Err(Error::NoSuchNode { node }),
        }
    }

    /// From the root to a node, both among them.
    fn path(&self, node: usize) -> Vec<usize> {
        let mut path = vec![node];
        let mut at = node;
        while at != ROOT {
            at = self.nodes[at].shown.parent.unwrap_or(ROOT);
            path.push(at);
        }
        path.reverse();
        path
    }

    /// All scores after a node that was run.
    fn scores(&self, run: &Run) -> Result<Vec<f32>, Error> {
        Ok(self.model.scores_of(&run.state, self.adapter.as_deref())?)
    }

    /// Runs a node's token, and those before it, unless that was done earlier.
    fn ensure_run(&mut self, node: usize) -> Result<(), Error> {
        self.check(node)?;
        for at in self.path(node) {
            if self.nodes[at].run.is_none() {
                self.run_token(at)?;
            }
        }
        Ok(())
    }

    /// What that gave.
    fn get_run(&self, node: usize) -> Result<&Run, Error> {
        self.nodes[node].run.as_ref().ok_or(Error::NoSuchNode { node })
    }

    /// Runs the token of a node whose parent was run.
    fn run_token(&mut self, node: usize) -> Result<(), Error> {
        let TreeNode { parent, id, depth, .. } = self.nodes[node].shown;
        let adapter = self.adapter.clone();
        let adapter = adapter.as_deref();
        let (start, config) = (self.prompt.len() + depth - 1, self.model.config());
        let class = |length: usize| config.length_class(length);
        let (whole, prompt) = (class(start + 1), class(self.prompt.len()));
        let states = if whole == prompt && whole == class(self.cache.turned_for) {
            self.go_to(parent.unwrap_or(ROOT));
            self.model.normed_states(&[id], &mut self.cache, adapter, 0..1)?
        } else {
            // Keys are turned otherwise.
            let ids = self.ids_to(node);
            self.cache.truncate(0);
            self.model.normed_states(&ids, &mut self.cache, adapter, start..start + 1)?
        };
        self.at = node;
        self.keep_run(node, start, states)
    }

    /// Brings the cache to the end of a node that was run.
    fn go_to(&mut self, node: usize) {
        if node == self.at {
            return;
        }
        let (here, there) = (self.path(self.at), self.path(node));
        let common = here.iter().zip(&there).take_while(|(one, other)| one == other).count();
        let pieces: Vec<&Piece> = there[common - 1..]
            .iter()
            .filter_map(|node| self.nodes[*node].run.as_ref().map(|run| &run.piece))
            .collect();
        self.cache.put_back(&pieces);
        self.at = node;
    }

    /// `start`: how many tokens the cache held before the node's; `state`: (1, width).
    fn keep_run(&mut self, node: usize, start: usize, state: Vec<f32>) -> Result<(), Error> {
        let mut scores = self.model.scores_of(&state, self.adapter.as_deref())?;
        let highest = highest(&scores, KEPT);
        let position = self.cache.len() - 1;
        let spread = Spread::of(&mut scores).ok_or(Error::NotNumbers { position })?;
        let piece = self.cache.piece(start);
        self.nodes[node].run = Some(Run { piece, state, spread, highest });
        Ok(())
    }
}
