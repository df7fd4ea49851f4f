//! From the library to the field and back: a filled prompt is put to use, and what is in the field
//! becomes a prompt.

use super::library::Prepared;
use super::{Mode, PlaygroundState, parse_stop_strings};
use crate::prompts::filled::Filled;
use crate::prompts::material::{Manner, Material, Mode as PromptMode, Settings};
use crate::state::prefs::Prefs;

impl PlaygroundState {
    /// The settings of the panel, as a prompt that says nothing gets them.
    pub fn manner(&self, prefs: &Prefs) -> Manner {
        Manner {
            sampling: prefs.sampling.clone(),
            max_new_tokens: prefs.max_new_tokens,
            stop: parse_stop_strings(&self.stop_text),
            seed: self.seed,
        }
    }

    /// Puts the open prompt, filled, into the field; its settings, into the panel's.
    pub fn use_prompt(&mut self, prepared: &Prepared, manner: &Manner, prefs: &mut Prefs) {
        let Filled { mode, system, prompt, begin } = &prepared.filled;
        let before = std::mem::replace(&mut self.prompt, format!("{prompt}{begin}"));
        if *mode == PromptMode::Chat {
            self.prompt.clone_from(prompt);
        }
        if !system.is_empty() {
            self.system.clone_from(system);
        }
        self.mode = match mode {
            PromptMode::Chat => Mode::Chat,
            PromptMode::Raw => Mode::Raw,
        };
        prefs.sampling = manner.sampling.clone();
        prefs.max_new_tokens = manner.max_new_tokens;
        let stop = manner.stop.iter().map(|stop| stop.replace('\n', "\\n").replace('\t', "\\t"));
        self.stop_text = stop.collect::<Vec<_>>().join(", ");
        self.seed = manner.seed;
        self.wants_cursor = true;
        if let Some(open) = &mut self.library.open {
            open.replaced = (!before.is_empty() && before != self.prompt).then_some(before);
        }
    }

    /// The prompt in the field and its settings, to be kept under a name.
    pub fn as_material(&self, prefs: &Prefs) -> Material {
        let Prefs { sampling, max_new_tokens, .. } = prefs;
        let stop = parse_stop_strings(&self.stop_text);
        Material {
            title: self.library.save_name.trim().to_owned(),
            mode: match self.mode {
                Mode::Chat => PromptMode::Chat,
                Mode::Raw => PromptMode::Raw,
            },
            system: self.system.clone(),
            prompt: self.prompt.clone(),
            settings: Settings {
                greedy: Some(sampling.greedy),
                temperature: Some(sampling.temperature),
                top_k: Some(sampling.top_k),
                top_p: Some(sampling.top_p),
                min_p: Some(sampling.min_p),
                typical_p: Some(sampling.typical_p),
                repetition_penalty: Some(sampling.repetition_penalty),
                no_repeat_ngram_size: Some(sampling.no_repeat_ngram_size),
                order: Some(sampling.order),
                max_new_tokens: Some(*max_new_tokens),
                stop: (!stop.is_empty()).then_some(stop),
                preset: None,
                seed: Some(self.seed),
            },
            ..Material::default()
        }
    }
}
