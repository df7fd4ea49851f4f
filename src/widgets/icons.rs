//! The icons of the window, named by what they stand for.

use egui_material_icons::icons;

pub use egui_material_icons::MaterialIcon;

pub const MODELS: MaterialIcon = icons::ICON_DEPLOYED_CODE;
pub const PLAYGROUND: MaterialIcon = icons::ICON_CHAT;
pub const ANNOTATE: MaterialIcon = icons::ICON_BALANCE;
pub const EVALUATE: MaterialIcon = icons::ICON_FACT_CHECK;
pub const TRAIN: MaterialIcon = icons::ICON_MODEL_TRAINING;
pub const ADAPTER: MaterialIcon = icons::ICON_LAYERS;

/// Chosen and rejected differ by shape as well as by colour.
pub const CHOSEN: MaterialIcon = icons::ICON_THUMB_UP;
pub const REJECTED: MaterialIcon = icons::ICON_THUMB_DOWN;
pub const PROBLEM: MaterialIcon = icons::ICON_WARNING;
pub const BUG: MaterialIcon = icons::ICON_BUG_REPORT;
pub const INFO: MaterialIcon = icons::ICON_INFO;
pub const DONE: MaterialIcon = icons::ICON_CHECK_CIRCLE;

pub const ADD: MaterialIcon = icons::ICON_ADD;
pub const BACK: MaterialIcon = icons::ICON_ARROW_BACK;
pub const DOWN: MaterialIcon = icons::ICON_ARROW_DOWNWARD;
pub const NEXT: MaterialIcon = icons::ICON_ARROW_FORWARD;
pub const LOCK: MaterialIcon = icons::ICON_LOCK;
pub const PAUSE: MaterialIcon = icons::ICON_PAUSE;
pub const SETTINGS: MaterialIcon = icons::ICON_SETTINGS;
pub const UP: MaterialIcon = icons::ICON_ARROW_UPWARD;
pub const VERIFY: MaterialIcon = icons::ICON_VERIFIED;
pub const WEB_PAGE: MaterialIcon = icons::ICON_OPEN_IN_NEW;
pub const SUBTRACT: MaterialIcon = icons::ICON_REMOVE;
pub const CLOSE: MaterialIcon = icons::ICON_CLOSE;
pub const COPY: MaterialIcon = icons::ICON_CONTENT_COPY;
pub const DELETE: MaterialIcon = icons::ICON_DELETE;
pub const DICE: MaterialIcon = icons::ICON_CASINO;
pub const DOWNLOAD: MaterialIcon = icons::ICON_DOWNLOAD;
pub const EDIT: MaterialIcon = icons::ICON_EDIT;
pub const EJECT: MaterialIcon = icons::ICON_EJECT;
pub const EXPORT: MaterialIcon = icons::ICON_UPLOAD_FILE;
pub const FILE: MaterialIcon = icons::ICON_FILE_OPEN;
pub const FOLDER: MaterialIcon = icons::ICON_FOLDER_OPEN;
pub const HISTORY: MaterialIcon = icons::ICON_HISTORY;
pub const KEYBOARD: MaterialIcon = icons::ICON_KEYBOARD;
pub const LEFT: MaterialIcon = icons::ICON_CHEVRON_LEFT;
pub const LIBRARY: MaterialIcon = icons::ICON_LIBRARY_BOOKS;
pub const LOOK: MaterialIcon = icons::ICON_VISIBILITY;
pub const MENU: MaterialIcon = icons::ICON_MENU;
pub const MENU_OPEN: MaterialIcon = icons::ICON_MENU_OPEN;
pub const MORE: MaterialIcon = icons::ICON_MORE_HORIZ;
pub const PLAY: MaterialIcon = icons::ICON_PLAY_ARROW;
pub const REFRESH: MaterialIcon = icons::ICON_REFRESH;
pub const RIGHT: MaterialIcon = icons::ICON_CHEVRON_RIGHT;
pub const SEARCH: MaterialIcon = icons::ICON_SEARCH;
pub const SEND: MaterialIcon = icons::ICON_SEND;
pub const SERVE: MaterialIcon = icons::ICON_DNS;
pub const STOP: MaterialIcon = icons::ICON_STOP;
pub const TUNE: MaterialIcon = icons::ICON_TUNE;
pub const LIGHT: MaterialIcon = icons::ICON_LIGHT_MODE;
pub const DARK: MaterialIcon = icons::ICON_DARK_MODE;
pub const PROJECTOR: MaterialIcon = icons::ICON_CO_PRESENT;

/// Whitespace made visible, as glyphs of the icon font: the text fonts lack `␣`.
pub const SPACE_MARK: MaterialIcon = icons::ICON_SPACE_BAR;
pub const NEWLINE_MARK: MaterialIcon = icons::ICON_KEYBOARD_RETURN;
pub const TAB_MARK: MaterialIcon = icons::ICON_KEYBOARD_TAB;
