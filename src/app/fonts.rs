//! The fonts of the system, and scripts that none of them shows: found when something is drawn in them, said
//! once.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use eframe::egui;
use eframe::egui::FontData;
use eframe::egui::epaint::text::{FallbackRequest, FontInsert, FontProvider};
use egui_system_font_provider::SystemFontProvider;
use unicode_script::{Script, UnicodeScript as _};

use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

/// Lets letters that the built-in fonts lack be shown in fonts of the system.
pub fn install_system_fonts(context: &egui::Context) {
    let has_failed = AtomicBool::new(false);
    let fonts = WhileItWorks { provider: SystemFontProvider::new(), has_failed };
    context.add_font_provider(Arc::new(fonts));
}

/// Asks no more once the provider has panicked, as fontique does where fontconfig knows no font at all.
struct WhileItWorks<P> {
    provider: P,
    has_failed: AtomicBool,
}

impl<P: FontProvider> FontProvider for WhileItWorks<P> {
    fn font_for(&self, request: &FallbackRequest<'_>) -> Option<FontInsert> {
        if self.has_failed.load(Ordering::Relaxed) {
            return None;
        }
        let font = catch_unwind(AssertUnwindSafe(|| self.provider.font_for(request)));
        font.unwrap_or_else(|_| {
            self.has_failed.store(true, Ordering::Relaxed);
            None
        })
    }
}

/// What was asked for and is not there, by name.
#[derive(Clone, Debug, Default)]
pub struct MissingScripts(Arc<Mutex<Missing>>);

#[derive(Debug, Default)]
struct Missing {
    /// Since it was told the last time.
    found: BTreeSet<&'static str>,

    /// Once in a start of the program: each text with such letters asks again.
    told: BTreeSet<&'static str>,
}

const EMOJI: &str = "emoji and symbols";

/// What a letter's script is called. `None`: it belongs to no script that a font is made for.
fn name_of(letter: char) -> Option<&'static str> {
    match letter.script() {
        Script::Hiragana | Script::Katakana => Some("Japanese"),
        Script::Han | Script::Bopomofo => Some("Chinese"),
        Script::Hangul => Some("Korean"),
        // The fonts that come with the program have the usual ones.
        Script::Latin => Some("rare Latin letters"),
        Script::Greek => Some("rare Greek letters"),
        Script::Cyrillic => Some("rare Cyrillic letters"),
        Script::Common if u32::from(letter) >= 0x2190 => Some(EMOJI),
        // Letters for private use have no meaning that anybody could show.
        Script::Common | Script::Inherited | Script::Unknown => None,
        script => Some(script.full_name()),
    }
}

impl MissingScripts {
    /// Hears of what no font has: to be called last, when the fonts of the system are asked before.
    pub fn install(&self, context: &egui::Context) {
        context.add_font_provider(Arc::new(self.clone()));
    }

    /// What was found since the last time, to tell.
    pub fn notice(&self, place: PanelId) -> Option<Notice> {
        let mut missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = std::mem::take(&mut missing.found).into_iter();
        let names: Vec<&str> = found.filter(|name| missing.told.insert(*name)).collect();
        let (last, others) = names.split_last()?;
        let named = match others {
            [] => (*last).to_owned(),
            others => format!("{} and {last}", others.join(", ")),
        };
        let summary =
            format!("No font of this computer shows {named}: boxes stand for the letters");
        let notice = Notice::info(place, summary);
        Some(notice.hint(format!(
            "{}, and start Tuning Fork again. Nothing is lost: models, files and exports have the \
             letters themselves",
            where_fonts_come_from(&names)
        )))
    }
}

fn where_fonts_come_from(names: &[&str]) -> String {
    if cfg!(target_os = "windows") {
        return "In Settings, Apps, Optional features, add the supplemental fonts of the language"
            .to_owned();
    }
    if cfg!(target_os = "macos") {
        return "Add a font of the language with Font Book, for example one of Google's Noto fonts"
            .to_owned();
    }
    let is_east_asian = |name: &str| ["Chinese", "Japanese", "Korean"].contains(&name);
    let mut packages = Vec::new();
    if names.iter().any(|name| is_east_asian(name)) {
        packages.push("fonts-noto-cjk");
    }
    if names.contains(&EMOJI) {
        packages.push("fonts-noto-color-emoji");
        packages.push("fonts-symbola");
    }
    if names.iter().any(|name| !is_east_asian(name) && *name != EMOJI) {
        packages.push("fonts-noto-core");
    }
    format!(
        "Install a font for it (Debian, Ubuntu: `sudo apt install {}`; Fedora: `google-noto-…`; Arch: \
         `noto-fonts`)",
        packages.join(" ")
    )
}

/// A box for each letter of a script from right to left. Without, its letters are taken together
/// with the words around them, and those run backwards, too.
fn boxes(script: &str) -> Option<FontInsert> {
    let font: &'static [u8] = match script {
        "Hebrew" => include_bytes!("../../assets/boxes/hebrew.ttf"),
        "Arabic" => include_bytes!("../../assets/boxes/arabic.ttf"),
        _ => return None,
    };
    Some(FontInsert::new(&format!("boxes:{script}"), FontData::from_static(font), Vec::new()))
}

impl FontProvider for MissingScripts {
    fn font_for(&self, request: &FallbackRequest<'_>) -> Option<FontInsert> {
        let first = request.cluster.chars().next()?;
        let name = name_of(first)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).found.insert(name);
        boxes(name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use eframe::egui::FontFamily;

    use super::*;

    fn said(letters: &str) -> Option<Notice> {
        let missing = MissingScripts::default();
        for letter in letters.chars() {
            let request =
                FallbackRequest { cluster: &letter.to_string(), family: &FontFamily::Proportional };
            let is_theirs = ["Hebrew", "Arabic"].map(Some).contains(&name_of(letter));
            assert_eq!(missing.font_for(&request).is_some(), is_theirs, "boxes for {letter}");
        }
        let notice = missing.notice(PanelId::Playground);
        assert!(missing.notice(PanelId::Playground).is_none(), "said once");
        notice
    }

    #[test]
    fn scripts_without_a_font_are_named_with_where_fonts_come_from() {
        let notice = said("สวัสดี今日न").unwrap();
        assert_eq!(
            notice.summary,
            "No font of this computer shows Chinese, Devanagari and Thai: boxes stand for the \
             letters"
        );
        let hint = notice.hint.unwrap();
        if cfg!(target_os = "linux") {
            assert!(hint.contains("fonts-noto-cjk fonts-noto-core"), "{hint}");
        }
        assert!(said("🫠").unwrap().summary.contains("emoji"));
        let notice = said("\u{1DF00}").unwrap();
        assert!(notice.summary.contains("shows rare Latin letters:"), "{}", notice.summary);
        assert!(said("שלום, مرحبا").unwrap().summary.contains("Arabic and Hebrew"));
    }

    #[test]
    fn what_was_told_is_not_told_again_with_the_next_text() {
        let missing = MissingScripts::default();
        let ask = |letters: &[&str]| {
            for cluster in letters {
                let request = FallbackRequest { cluster, family: &FontFamily::Proportional };
                missing.font_for(&request);
            }
        };
        ask(&["今", "한"]);
        assert!(missing.notice(PanelId::Train).unwrap().summary.contains("Chinese and Korean:"));
        ask(&["今"]);
        assert_eq!(missing.notice(PanelId::Train), None);
        ask(&["한", "ไ"]);
        let summary = missing.notice(PanelId::Train).unwrap().summary;
        assert!(summary.contains("shows Thai:"), "{summary}");
    }

    #[test]
    fn a_system_whose_fonts_cannot_be_read_is_asked_once() {
        struct Broken(AtomicUsize);
        impl FontProvider for Broken {
            fn font_for(&self, _: &FallbackRequest<'_>) -> Option<FontInsert> {
                self.0.fetch_add(1, Ordering::Relaxed);
                panic!("no font at all");
            }
        }
        let provider = Broken(AtomicUsize::new(0));
        let fonts = WhileItWorks { provider, has_failed: AtomicBool::new(false) };
        let request = FallbackRequest { cluster: "今", family: &FontFamily::Proportional };
        assert!(fonts.font_for(&request).is_none());
        assert!(fonts.font_for(&request).is_none());
        assert_eq!(fonts.provider.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_no_font_can_show_is_not_asked_for() {
        assert!(said("\u{e000}\u{10ffff}").is_none(), "private use, and no letter at all");
    }
}
