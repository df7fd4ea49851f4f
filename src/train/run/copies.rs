//! The copies of a run's further files in its folder: what they were copied from may change. That of `data`
//! itself: see `setup.rs`.

use std::path::{Path, PathBuf};

use crate::data::forms::dataset_info as info;
use crate::data::table;
use crate::files;
use crate::jobs::Quiet;
use crate::train::config::TrainConfig;
use crate::train::config::mix::MOST_SOURCES;
use crate::train::error::Error;
use crate::train::record;
use crate::train::record::sources::SourceRows;

/// Copies the files that are mixed with a run's own, and notes of each where it was and what it is.
pub(super) fn of_mix(
    run_dir: &Path,
    config: &TrainConfig,
    sources: &mut [SourceRows],
) -> Result<(), Error> {
    for (number, source) in config.mix.iter().enumerate() {
        let bytes =
            table::json_lines(&source.data, &Quiet).map_err(|err| Error::Data(err.into()))?;
        write(&run_dir.join(record::data_file(number + 1)), &bytes)?;
        if let Some(taken) = sources.get_mut(number + 1) {
            taken.data = Some(absolute(&source.data));
            taken.data_sha256 = Some(files::sha256_of_bytes(&bytes));
        }
    }
    Ok(())
}

/// Of pairs that were made in a round of answers, the record of that round: the run then says which round it is, and
/// of which run.
pub(super) fn of_round(run_dir: &Path, data: &Path) -> Result<(), Error> {
    let Some(folder) = data.parent() else { return Ok(()) };
    // A file of that name beside anything else is somebody else's.
    if !folder.join("answers.jsonl").is_file() {
        return Ok(());
    }
    let path = folder.join(record::ROUND_FILE);
    let text = files::read_if_there(&path).map_err(|source| Error::Read { path, source })?;
    text.map_or(Ok(()), |text| write(&run_dir.join(record::ROUND_FILE), text.as_bytes()))
}

/// What a `dataset_info.json` beside the files says of them, said of their copies.
pub(super) fn dataset_info(config: &TrainConfig, data: &Path) -> Option<String> {
    let sources = config.sources(data).into_iter().enumerate();
    let copies: Vec<(&Path, String)> =
        sources.map(|(number, source)| (source.path, record::data_file(number))).collect();
    info::for_copies(copies.iter().map(|(path, name)| (*path, name.as_str())))
}

/// The same settings with the copies, under the names that the files have now.
pub(super) fn named(config: &TrainConfig) -> TrainConfig {
    let mut config = config.clone();
    if config.mix.is_empty() {
        return config;
    }
    let names = config.source_names();
    config.data_name.clone_from(&names[0]);
    for (number, source) in config.mix.iter_mut().enumerate() {
        source.name.clone_from(&names[number + 1]);
        source.data = PathBuf::from(record::data_file(number + 1));
    }
    config
}

/// Takes back the copies of a run that is refused after all.
pub(super) fn remove(run_dir: &Path) {
    files::remove_if_there(&run_dir.join(record::ROUND_FILE)).ok();
    for number in 1..=MOST_SOURCES {
        // As the others of the folder: why the run was refused matters more.
        files::remove_if_there(&run_dir.join(record::data_file(number))).ok();
    }
}

pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    files::write_atomic(path, bytes)
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}
