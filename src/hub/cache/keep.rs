//! What the cache holds, and whether it is still what it was: sizes, last use, hashes, updates.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::disk;
use super::folder;
use super::folder::RepoFolder;
use crate::files;
use crate::hub::error::Error;
use crate::hub::paths::HubPaths;
use crate::hub::protocol::client::Client;
use crate::hub::protocol::content_hash::{ContentHash, ContentHasher};
use crate::hub::protocol::repository::RepoKind;
use crate::hub::protocol::repository::{is_commit, is_hex};
use crate::jobs::Progress;

/// One version of a model or data set in the cache.
#[derive(Clone, Debug, PartialEq)]
pub struct CachedRevision {
    pub kind: RepoKind,

    /// `owner/name`.
    pub repo: String,
    pub commit: String,

    /// The branches and tags that pointed to it when they were last asked about.
    pub branches: Vec<String>,
    pub file_count: usize,

    /// Of all its files.
    pub bytes: u64,

    /// What deleting it would free: what no other version shares.
    pub frees: u64,

    /// When a file of it was last read or written, as far as the disk keeps count.
    pub last_used: Option<SystemTime>,
    pub folder: PathBuf,
}

/// Everything in the cache, whoever fetched it, in the order of the names.
pub fn list(paths: &HubPaths) -> Vec<CachedRevision> {
    let mut revisions = Vec::new();
    for (kind, repo) in folder::all_repos(&paths.cache) {
        let folder = RepoFolder::of(&paths.cache, kind, &repo);
        let references = folder.references();
        for commit in folder.commits() {
            let snapshot = folder.snapshot(&commit);
            let files = disk::files_below(&snapshot);
            let branches = references.iter().filter(|(_, target)| *target == commit);
            revisions.push(CachedRevision {
                kind,
                repo: repo.clone(),
                branches: branches.map(|(name, _)| name.clone()).collect(),
                file_count: files.len(),
                bytes: files.iter().map(|file| disk::file_size(file)).sum(),
                frees: folder.would_free(&commit),
                last_used: files.iter().filter_map(|file| last_used(file)).max(),
                folder: snapshot,
                commit,
            });
        }
    }
    revisions
}

fn last_used(file: &Path) -> Option<SystemTime> {
    let meta = std::fs::metadata(file).ok()?; // gone meanwhile
    // Many disks do not keep count of reading.
    meta.accessed().ok().max(meta.modified().ok())
}

/// A file of the cache that is not what its name or its listing says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    pub kind: RepoKind,
    pub repo: String,

    /// In `blobs`, where its name is the hash that it should have, or in a snapshot.
    pub path: PathBuf,

    /// What it is called in the snapshots.
    pub files: Vec<String>,

    /// 64 or 40 hexadecimal digits. `None`: it is not there at all.
    pub found: Option<String>,
}

impl Damaged {
    /// Its names in the snapshots; of one that nothing leads to any more its place.
    pub fn name(&self) -> String {
        let Self { files, path, .. } = self;
        if files.is_empty() { path.display().to_string() } else { files.join(", ") }
    }
}

/// What looking at every byte showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub file_count: usize,
    pub bytes: u64,
    pub damaged: Vec<Damaged>,

    /// Files of which no hash is known: what another program has on its way, and files that lie
    /// in a snapshot without a listing of it. They were not checked.
    pub unknown_count: usize,
}

/// How far a look at every byte is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifying {
    pub file: String,
    pub done: u64,
    pub total: u64,
}

/// A file that can be checked.
struct Checkable {
    kind: RepoKind,
    repo: String,
    path: PathBuf,
    hash: ContentHash,
    size: u64,
    names: Vec<String>,
}

/// Hashes every file of the cache again, or those of one repository. A link that leads nowhere
/// is damage too.
pub fn verify(
    paths: &HubPaths,
    only: Option<(RepoKind, &str)>,
    progress: &dyn Progress<Verifying>,
) -> Result<Verified, Error> {
    let mut checkable = Vec::new();
    let mut report = Verified::default();
    for (kind, repo) in folder::all_repos(&paths.cache) {
        if only.is_none_or(|wanted| wanted == (kind, repo.as_str())) {
            gather(
                &RepoFolder::of(&paths.cache, kind, &repo),
                kind,
                &repo,
                &mut checkable,
                &mut report,
            );
        }
    }
    let total = checkable.iter().map(|file| file.size).sum();
    for Checkable { kind, repo, path, hash, size, names } in checkable {
        let name = names.first().map_or(repo.as_str(), String::as_str).to_owned();
        let before = report.bytes;
        let found = hash_of(&path, &hash, size, &mut |done| {
            progress.check()?;
            progress.emit(Verifying { file: name.clone(), done: before + done, total });
            Ok(())
        })?;
        report.file_count += 1;
        report.bytes += size;
        if found != hash.digits() {
            report.damaged.push(Damaged { kind, repo, path, files: names, found: Some(found) });
        }
    }
    Ok(report)
}

/// What of a repository can be checked; the report learns of the rest.
fn gather(
    folder: &RepoFolder,
    kind: RepoKind,
    repo: &str,
    checkable: &mut Vec<Checkable>,
    report: &mut Verified,
) {
    let repo = || repo.to_owned();
    let Names { of_blobs, plain, broken } = names_of(folder);
    for path in disk::files_below(&folder.path().join("blobs")) {
        let digits = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hash = match digits.len() {
            64 if is_hex(&digits) => ContentHash::Sha256(digits),
            40 if is_hex(&digits) => ContentHash::GitBlob(digits),
            // What Python has on its way, or a mirror's own tag.
            _ => {
                report.unknown_count += 1;
                continue;
            }
        };
        let size = disk::file_size(&path);
        let names = of_blobs.get(&path).cloned().unwrap_or_default();
        checkable.push(Checkable { kind, repo: repo(), path, hash, size, names });
    }
    let mut listings = BTreeMap::new();
    for (commit, name) in plain {
        let listing = listings.entry(commit.clone());
        let listing = listing.or_insert_with(|| folder.remembered_listing(&commit));
        let listed = listing.iter().flatten().find(|file| file.path == name);
        let Some(listed) = listed else {
            report.unknown_count += 1;
            continue;
        };
        let (path, hash) = (folder.snapshot(&commit).join(&name), listed.hash.clone());
        let size = disk::file_size(&path);
        checkable.push(Checkable { kind, repo: repo(), path, hash, size, names: vec![name] });
    }
    for (path, files) in broken {
        report.damaged.push(Damaged { kind, repo: repo(), path, files, found: None });
    }
}

/// The names in the snapshots.
#[derive(Default)]
struct Names {
    /// Which of them lead to which blob.
    of_blobs: BTreeMap<PathBuf, Vec<String>>,

    /// Files that are no links: a disk without links has them all like this. With their commits.
    plain: Vec<(String, String)>,

    /// Blobs that links lead to and that are not there, with the links' names.
    broken: BTreeMap<PathBuf, Vec<String>>,
}

fn names_of(folder: &RepoFolder) -> Names {
    let mut found = Names::default();
    let blobs = folder.path().join("blobs");
    for commit in folder.commits() {
        let snapshot = folder.snapshot(&commit);
        for file in disk::files_below(&snapshot) {
            let name = file.strip_prefix(&snapshot).unwrap_or(&file);
            let name = name.to_string_lossy().replace('\\', "/");
            let Ok(target) = std::fs::read_link(&file) else {
                found.plain.push((commit.clone(), name));
                continue;
            };
            let Some(digits) = target.file_name() else { continue };
            let of = if file.exists() { &mut found.of_blobs } else { &mut found.broken };
            let known = of.entry(blobs.join(digits)).or_default();
            if !known.contains(&name) {
                known.push(name);
            }
        }
    }
    found
}

fn hash_of(
    path: &Path,
    expected: &ContentHash,
    size: u64,
    on_bytes: &mut dyn FnMut(u64) -> Result<(), Error>,
) -> Result<String, Error> {
    let at = |source| Error::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(at)?;
    let mut hasher = ContentHasher::new(expected, size);
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let count = file.read(&mut buffer).map_err(at)?;
        if count == 0 {
            return Ok(hasher.digits());
        }
        hasher.update(&buffer[..count]);
        done += count as u64;
        on_bytes(done)?;
    }
}

/// Deletes a damaged file and the links to it: what needs it says that it is missing, and a fetch
/// brings it again.
pub fn remove_damaged(paths: &HubPaths, damaged: &Damaged) -> Result<(), Error> {
    let Damaged { kind, repo, path, files, .. } = damaged;
    let folder = RepoFolder::of(&paths.cache, *kind, repo);
    let remove = |path: &Path| {
        let removed = files::remove_if_there(path);
        removed.map_err(|source| Error::Write { path: path.to_owned(), source })
    };
    for commit in folder.commits() {
        for name in files {
            let link = folder.snapshot(&commit).join(name);
            let leads_there = std::fs::read_link(&link)
                .is_ok_and(|target| target.file_name() == path.file_name());
            if leads_there {
                remove(&link)?;
            }
        }
    }
    remove(path)
}

/// A branch that has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The commit that is in the cache, and the one on the Hub.
    pub here: String,
    pub there: String,
}

/// Whether the Hub has a newer version of what a branch pointed to when it was fetched. `None`:
/// it has not, or that branch was never fetched.
pub fn update_of(
    client: &Client,
    paths: &HubPaths,
    kind: RepoKind,
    repo: &str,
    branch: &str,
) -> Result<Option<Update>, Error> {
    let folder = RepoFolder::of(&paths.cache, kind, repo);
    let Some(here) = folder.commit_of(branch) else { return Ok(None) };
    let there = client.commit_of(kind, repo, branch)?;
    Ok((here != there).then_some(Update { here, there }))
}

/// Deletes a version that a branch, a tag or a commit names; returns the bytes that became free.
pub fn delete(paths: &HubPaths, kind: RepoKind, repo: &str, revision: &str) -> Result<u64, Error> {
    let folder = RepoFolder::of(&paths.cache, kind, repo);
    let commits = folder.commits();
    let commit =
        if is_commit(revision) { Some(revision.to_owned()) } else { folder.commit_of(revision) };
    let Some(commit) = commit.filter(|commit| commits.contains(commit)) else {
        let names: Vec<String> =
            folder::all_repos(&paths.cache).into_iter().map(|(_, repo)| repo).collect();
        let name = if revision == "main" { repo.to_owned() } else { format!("{repo}@{revision}") };
        let near = if commits.is_empty() {
            super::local::near_matches(repo, names.iter().map(String::as_str))
        } else {
            commits.iter().map(|commit| format!("{repo}@{commit}")).collect()
        };
        return Err(Error::NoSuchModel { name, near });
    };
    let path = folder.snapshot(&commit);
    folder.delete_snapshot(&commit).map_err(|source| Error::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{sha256_of_bytes, write_atomic};
    use crate::hub::protocol::repository::RemoteFile;
    use crate::jobs::{Quiet, Recorder};

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";

    /// Two versions of a model, which share a file, and a data set.
    fn some_cache(paths: &HubPaths) -> RepoFolder {
        let folder = RepoFolder::new(&paths.cache, "ada/small");
        for (commit, name, bytes) in [
            (OLD, "tokenizer.json", &b"shared"[..]),
            (OLD, "model.gguf", b"old weights"),
            (NEW, "tokenizer.json", b"shared"),
            (NEW, "model.gguf", b"new weights"),
        ] {
            let digits = sha256_of_bytes(bytes);
            write_atomic(&folder.blob(&digits), bytes).unwrap();
            folder.publish(commit, name, &digits).unwrap();
        }
        folder.set_ref("main", NEW).unwrap();
        let data = RepoFolder::of(&paths.cache, RepoKind::Dataset, "ada/pairs");
        let digits = sha256_of_bytes(b"{}");
        write_atomic(&data.blob(&digits), b"{}").unwrap();
        data.publish(OLD, "data/train.jsonl", &digits).unwrap();
        folder
    }

    #[test]
    fn every_version_is_listed_with_what_deleting_it_frees() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        some_cache(&paths);
        let told: Vec<String> = list(&paths)
            .iter()
            .map(|revision| {
                let CachedRevision { kind, repo, commit, branches, bytes, frees, .. } = revision;
                format!("{kind:?} {repo}@{} {branches:?} {bytes} {frees}", &commit[..1])
            })
            .collect();
        #[cfg(unix)] // where there are no links, nothing is shared
        assert_eq!(
            told,
            [
                "Dataset ada/pairs@1 [] 2 2",
                "Model ada/small@1 [] 17 11",
                "Model ada/small@2 [\"main\"] 17 11"
            ]
        );
        assert!(list(&paths).iter().all(|revision| revision.last_used.is_some()));
        assert_eq!(delete(&paths, RepoKind::Model, "ada/small", OLD).unwrap(), 11);
        assert_eq!(list(&paths).len(), 2);
        let typo = delete(&paths, RepoKind::Model, "ada/smal", "main").unwrap_err().to_string();
        assert!(typo.contains("did you mean ada/small"), "{typo}");
        assert_eq!(delete(&paths, RepoKind::Model, "ada/small", "main").unwrap(), 17);
    }

    #[test]
    #[cfg(unix)]
    fn a_damaged_file_is_named_and_its_model_is_then_incomplete() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let folder = some_cache(&paths);
        let all = verify(&paths, None, &Quiet).unwrap();
        assert_eq!((all.file_count, all.bytes, all.damaged.len()), (4, 30, 0));
        let blob = folder.blob(&sha256_of_bytes(b"new weights"));
        write_atomic(&blob, b"new weightz").unwrap();
        let events = Recorder::default();
        let only = Some((RepoKind::Model, "ada/small"));
        let report = verify(&paths, only, &events).unwrap();
        assert_eq!(report.file_count, 3);
        let last = events.into_events().pop().unwrap();
        assert_eq!((last.done, last.total), (28, 28));
        let [damaged] = report.damaged.as_slice() else { panic!("{report:?}") };
        assert_eq!((damaged.repo.as_str(), &damaged.path), ("ada/small", &blob));
        assert_eq!(damaged.files, ["model.gguf"]);
        remove_damaged(&paths, damaged).unwrap();
        assert!(!blob.exists() && !folder.snapshot(NEW).join("model.gguf").exists());
        assert!(folder.snapshot(OLD).join("model.gguf").exists(), "another version has its own");
        assert!(verify(&paths, None, &Quiet).unwrap().damaged.is_empty());
    }

    #[test]
    #[cfg(unix)]
    fn a_link_that_leads_nowhere_is_damage() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let folder = some_cache(&paths);
        std::fs::remove_file(folder.blob(&sha256_of_bytes(b"shared"))).unwrap();
        let report = verify(&paths, None, &Quiet).unwrap();
        let [missing] = report.damaged.as_slice() else { panic!("{report:?}") };
        assert_eq!((missing.name().as_str(), &missing.found), ("tokenizer.json", &None));
        remove_damaged(&paths, missing).unwrap();
        assert!(verify(&paths, None, &Quiet).unwrap().damaged.is_empty());
    }

    #[test]
    fn a_file_without_a_blob_is_held_against_the_listing() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let folder = RepoFolder::new(&paths.cache, "ada/plain");
        let file = |name: &str, hash| RemoteFile { path: name.to_owned(), size: 3, hash };
        let listing = [
            // echo -n abc | git hash-object --stdin
            file(
                "a.txt",
                ContentHash::GitBlob("f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f".to_owned()),
            ),
            file("sub/b.bin", ContentHash::Sha256(sha256_of_bytes(b"abc"))),
        ];
        for name in ["a.txt", "sub/b.bin"] {
            write_atomic(&folder.snapshot(NEW).join(name), b"abc").unwrap();
        }
        let unknown = verify(&paths, None, &Quiet).unwrap();
        assert_eq!((unknown.file_count, unknown.unknown_count), (0, 2));
        folder.remember_listing(NEW, &listing).unwrap();
        assert_eq!(folder.remembered_listing(NEW).unwrap(), listing);
        let whole = verify(&paths, None, &Quiet).unwrap();
        assert_eq!((whole.file_count, whole.unknown_count, whole.damaged.len()), (2, 0, 0));
        let path = folder.snapshot(NEW).join("sub/b.bin");
        write_atomic(&path, b"abx").unwrap();
        let report = verify(&paths, None, &Quiet).unwrap();
        let [damaged] = report.damaged.as_slice() else { panic!("{report:?}") };
        assert_eq!((damaged.name().as_str(), &damaged.path), ("sub/b.bin", &path));
        remove_damaged(&paths, damaged).unwrap();
        assert!(!path.exists());
    }
}
