//! Python's model cache, and our own folder of models: what is here, and what may be deleted.

pub(crate) mod disk;
pub mod folder;
pub mod keep;
pub mod local;
pub mod model_names;
pub mod space;
pub(crate) mod trees;
pub mod whole;
