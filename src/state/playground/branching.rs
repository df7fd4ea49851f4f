//! From the conversation to its branches and back.

use super::branches::Planted;
use super::turn::{LaneView, ShownToken};
use super::view::PlaygroundView;
use super::{Mode, PlaygroundState, Rendered};
use crate::explore::growth::{Growth, Plant, Seed};
use crate::llm::generate::guessing::Guesses;
use crate::llm::generate::{Answer, Lane, Prompt, StopReason};
use crate::state::scores::Position;
use crate::state::slots::AdapterSlot;

impl PlaygroundState {
    /// A new tree from the prompt in the field.
    pub fn plant(&mut self, adapter: &AdapterSlot) -> Growth {
        let prompt = match self.mode {
            Mode::Raw => Prompt::Raw(self.prompt.clone()),
            Mode::Chat => Prompt::Chat(self.messages()),
        };
        let adapter = adapter.mode();
        let question = self.prompt.clone();
        let is_chat = self.mode == Mode::Chat;
        self.branches.planted = Planted { question, is_chat, adapter, is_answer: false };
        Growth::Plant(Plant { seed: Seed::Prompt(prompt), adapter, answer: Vec::new(), fork: None })
    }

    /// A new tree from an answer, with another token at one of its places. `None`: there is no answer.
    pub fn plant_fork(&mut self, position: Position, id: u32) -> Option<Growth> {
        let lane = self.lanes.get(position.lane)?;
        let rendered = self.rendered.clone()?;
        let answer = lane.tokens.iter().map(|token| token.id).collect();
        let adapter = lane.lane.adapter;
        let (question, is_chat) = (self.question.clone(), self.asked_in == Mode::Chat);
        let is_answer = !lane.tokens.is_empty() || self.prompt.is_empty();
        self.branches.planted = Planted { question, is_chat, adapter, is_answer };
        self.view = PlaygroundView::Branches;
        Some(Growth::Plant(Plant {
            seed: Seed::Read { ids: rendered.ids, text: rendered.text },
            adapter,
            answer,
            fork: Some((position.token, id)),
        }))
    }

    /// The branch up to the selected node becomes the answer in front, from which a conversation goes
    /// on. What was in front can be had back.
    pub fn take_branch(&mut self) {
        let path = self.branches.path();
        let Some(tree) = &self.branches.tree else { return };
        if path.is_empty() {
            return;
        }
        let ends = path.last().is_some_and(|node| node.ends);
        let tokens: Vec<ShownToken> = path
            .iter()
            .filter(|node| !node.ends)
            .map(|node| ShownToken {
                id: node.id,
                text: node.token.clone(),
                probability: node.logprob.exp() as f32,
                is_guessed: false,
            })
            .collect();
        let rendered =
            Rendered { text: self.branches.prompt().to_owned(), ids: tree.view.ids.clone() };
        let answer = Answer {
            text: tree.text.clone(),
            ids: tokens.iter().map(|token| token.id).collect(),
            stop: if ends { StopReason::EndOfTurn } else { StopReason::Length },
            prompt_secs: 0.0,
            generation_secs: 0.0,
            guesses: Guesses::default(),
        };
        let Planted { question, is_chat, adapter, is_answer } = self.branches.planted.clone();
        self.make_way(is_answer || !is_chat);
        let mut lane = LaneView::new(Lane { seed: self.seed, adapter });
        lane.tokens = tokens;
        lane.answer = Some(answer);
        self.editing = None;
        if is_chat && self.prompt == question {
            self.prompt.clear();
        }
        (self.question, self.lanes, self.rendered) = (question, vec![lane], Some(rendered));
        let mode = if is_chat { Mode::Chat } else { Mode::Raw };
        (self.asked_in, self.mode, self.predicted) = (mode, mode, false);
        self.view = PlaygroundView::Talk;
        if is_chat {
            self.touch();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::growth::Grown;
    use crate::explore::tree::{TreeNode, TreeView};

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
    fn a_branch_becomes_the_answer_that_the_chat_goes_on_from() {
        let mut state = PlaygroundState { prompt: "Why?".to_owned(), ..PlaygroundState::default() };
        let growth = state.plant(&AdapterSlot::None);
        state.branches.begin(&growth);
        let nodes = vec![node(1, None, "so"), node(2, Some(1), " it is")];
        state.branches.grown(grown(nodes, 2));
        state.take_branch();
        assert_eq!(state.view, PlaygroundView::Talk);
        assert_eq!(state.lanes[0].text(), "so it is");
        state.prompt = "And then?".to_owned();
        let said: Vec<String> =
            state.messages().into_iter().map(|message| message.content).collect();
        assert_eq!(said, ["Why?", "so it is", "And then?"]);
    }
}
