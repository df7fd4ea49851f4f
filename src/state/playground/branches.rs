//! The branches of the Playground: an answer as a tree that forks where somebody wants it to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::explore::growth::{Grown, Growth};
use crate::explore::tree::{ROOT, TreeNode, TreeView};
use crate::llm::generate::AdapterMode;

/// Tokens that follow each other without a fork.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// Another stretch, in the list of [`BranchesState::stretches`]. `None`: the prompt.
    pub parent: Option<usize>,
    pub nodes: Vec<usize>,

    /// Nothing comes after it in the tree.
    pub is_leaf: bool,
}

/// How the question of the tree stands to the conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planted {
    pub question: String,

    /// It goes through the chat template.
    pub is_chat: bool,
    pub adapter: AdapterMode,

    /// It was grown from the answer in front.
    pub is_answer: bool,
}

/// The view.
#[derive(Debug)]
pub struct BranchesState {
    pub tree: Option<Grown>,

    /// Tokens that "Continue greedily" adds to every leaf.
    pub count: usize,
    number: u64,
    rendered: String,

    /// What the tree grows from.
    pub planted: Planted,
    progress: Option<(usize, usize)>,
    is_running: bool,
    model: PathBuf,
}

impl Default for BranchesState {
    fn default() -> Self {
        Self {
            tree: None,
            count: 10,
            number: 0,
            rendered: String::new(),
            planted: Planted::default(),
            progress: None,
            is_running: false,
            model: PathBuf::new(),
        }
    }
}

impl BranchesState {
    /// The state, if this is its tree.
    pub fn of(&mut self, number: u64) -> Option<&mut Self> {
        (self.number == number).then_some(self)
    }

    /// Something is about to be done. The number of the tree that it is done to.
    pub fn begin(&mut self, growth: &Growth) -> u64 {
        if matches!(growth, Growth::Plant(_)) {
            self.number += 1;
            self.tree = None;
        }
        self.is_running = true;
        self.progress = None;
        self.number
    }

    pub fn reached(&mut self, done: usize, total: usize) {
        self.progress = Some((done, total));
    }

    pub fn ended(&mut self) {
        self.is_running = false;
        self.progress = None;
    }

    pub fn grown(&mut self, grown: Grown) {
        if let Some(prompt) = &grown.prompt {
            self.rendered.clone_from(prompt);
        }
        self.tree = Some(grown);
    }

    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// While something takes long.
    pub fn progress(&self) -> Option<(usize, usize)> {
        self.progress.filter(|_| self.is_running)
    }

    /// A tree belongs to the model that it was grown with.
    pub fn follow(&mut self, model: &Path) {
        if self.model != model {
            let number = self.number + 1;
            *self = Self { number, model: model.to_owned(), count: self.count, ..Self::default() };
        }
    }

    /// The prompt as the model sees it, once it was read.
    pub fn prompt(&self) -> &str {
        &self.rendered
    }

    pub fn adapter(&self) -> AdapterMode {
        self.planted.adapter
    }

    /// Leaves of the tree, and all its tokens.
    pub fn counts(&self) -> (usize, usize) {
        let Some(tree) = &self.tree else { return (0, 0) };
        let leaves = self.stretches().iter().filter(|stretch| stretch.is_leaf).count();
        (leaves, tree.view.nodes.len())
    }

    /// The tree as stretches, a parent before its children.
    pub fn stretches(&self) -> Vec<Stretch> {
        let Some(tree) = &self.tree else { return Vec::new() };
        let mut children: BTreeMap<usize, Vec<&TreeNode>> = BTreeMap::new();
        for node in &tree.view.nodes {
            children.entry(node.parent.unwrap_or(ROOT)).or_default().push(node);
        }
        let none = Vec::new();
        let of = |node: usize| children.get(&node).unwrap_or(&none);
        let mut stretches: Vec<Stretch> = Vec::new();
        // (parent stretch, first node), the last of the list next.
        let mut open: Vec<(Option<usize>, usize)> =
            of(ROOT).iter().rev().map(|node| (None, node.node)).collect();
        while let Some((parent, first)) = open.pop() {
            let mut nodes = vec![first];
            let mut last = first;
            while let [only] = of(last).as_slice() {
                last = only.node;
                nodes.push(last);
            }
            let index = stretches.len();
            let next = of(last);
            stretches.push(Stretch { parent, nodes, is_leaf: next.is_empty() });
            open.extend(next.iter().rev().map(|node| (Some(index), node.node)));
        }
        stretches
    }

    /// The nodes from the prompt to the one that is selected.
    pub fn path(&self) -> Vec<&TreeNode> {
        let Some(tree) = &self.tree else { return Vec::new() };
        let mut path = Vec::new();
        let mut at = Some(tree.node);
        while let Some(node) = at.and_then(|number| find(&tree.view, number)) {
            path.push(node);
            at = node.parent;
        }
        path.reverse();
        path
    }
}

/// A node by its number; nodes lie in the order of their numbers.
pub fn find(view: &TreeView, number: usize) -> Option<&TreeNode> {
    let place = view.nodes.binary_search_by_key(&number, |node| node.node).ok()?;
    view.nodes.get(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(node: usize, parent: Option<usize>, token: &str) -> TreeNode {
        TreeNode {
            node,
            parent,
            id: node as u32,
            token: token.to_owned(),
            logprob: -0.5,
            path_logprob: -1.0,
            depth: 1,
            ends: false,
        }
    }

    fn grown(nodes: Vec<TreeNode>, selected: usize) -> Grown {
        let view = TreeView { ids: vec![1, 2], tokens: Vec::new(), nodes };
        let candidates = Vec::new();
        let text = "so it is".to_owned();
        let prompt = Some("user: why?".to_owned());
        Grown {
            view,
            node: selected,
            candidates,
            entropy: 1.0,
            is_at_end: false,
            text,
            bytes: 0,
            prompt,
        }
    }

    #[test]
    fn tokens_without_a_fork_are_one_stretch() {
        let mut branches = BranchesState::default();
        // 1 - 2 - 3, and 4 beside 3; 5 beside 1.
        let nodes = vec![
            node(1, None, "a"),
            node(2, Some(1), "b"),
            node(3, Some(2), "c"),
            node(4, Some(2), "d"),
            node(5, None, "e"),
        ];
        branches.grown(grown(nodes, 3));
        let stretches = branches.stretches();
        let nodes: Vec<_> = stretches.iter().map(|stretch| stretch.nodes.clone()).collect();
        assert_eq!(nodes, [vec![1, 2], vec![3], vec![4], vec![5]]);
        let parents: Vec<_> = stretches.iter().map(|stretch| stretch.parent).collect();
        assert_eq!(parents, [None, Some(0), Some(0), None]);
        assert_eq!(branches.counts(), (3, 5));
        let path: Vec<usize> = branches.path().iter().map(|node| node.node).collect();
        assert_eq!(path, [1, 2, 3]);
    }

    #[test]
    fn a_tree_is_gone_with_its_model() {
        let mut branches = BranchesState::default();
        branches.follow(Path::new("one"));
        branches.grown(grown(vec![node(1, None, "a")], 1));
        branches.follow(Path::new("one"));
        assert!(branches.tree.is_some());
        branches.follow(Path::new("other"));
        assert!(branches.tree.is_none());
    }
}
