//! Which part of the image is wanted, and how the program is started.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{MemfdFlags, memfd_create};

use crate::squashfs::{Content, Image, Node, Place};
use crate::system;

/// The program in the image: `AppRun` leads to it.
const PROGRAM: &str = "AppRun";
const HELP: &str = "\
Options of the AppImage; all others are the program's own:
  --appimage-extract [BEGINNING]  writes what it holds (whose path begins so) into ./squashfs-root
  --appimage-offset               prints where the squashfs image begins in this file
  --appimage-version              prints what kind of AppImage this is
  --appimage-help                 prints this
The program is unpacked into memory: --appimage-mount is not needed, and there is none.";

pub fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(err) => {
            say(&err.to_string());
            ExitCode::from(127)
        }
    }
}

fn say(text: &str) {
    // Without a stderr there is nobody to tell.
    writeln!(io::stderr(), "{text}").ok();
}

fn start() -> io::Result<ExitCode> {
    // The file itself, by whatever name it was started.
    let own = File::open("/proc/self/exe")?;
    let offset = end_of_elf(&own)?;
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let first = arguments.first().and_then(|argument| argument.to_str()).unwrap_or_default();
    match first {
        "--appimage-offset" => writeln!(io::stdout(), "{offset}")?,
        "--appimage-help" => writeln!(io::stdout(), "{HELP}")?,
        "--appimage-version" => {
            let version = env!("CARGO_PKG_VERSION");
            writeln!(io::stdout(), "AppImage of type 2, beginning of Tuning Fork {version}")?;
        }
        "--appimage-extract" => {
            let wanted = arguments.get(1).map(|wanted| wanted.to_string_lossy().into_owned());
            let image = Image::open(own, offset)?;
            extract(
                &image,
                image.root,
                Path::new("squashfs-root"),
                "",
                &wanted.unwrap_or_default(),
            )?;
        }
        "--appimage-mount" => return Err(io::Error::other(HELP)),
        _ => {
            if first == "--appimage-extract-and-run" {
                arguments.remove(0);
            }
            return run(&Image::open(own, offset)?, &arguments);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the program that is running ends in its file, and the image begins: after its table of
/// sections, which linkers put last.
fn end_of_elf(own: &File) -> io::Result<u64> {
    let mut head = [0; 64];
    own.read_exact_at(&mut head, 0)?;
    let number = |at: usize, width: usize| {
        head[at..at + width].iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
    };
    // e_shoff, e_shentsize, e_shnum of a 64-bit file.
    Ok(number(0x28, 8) + number(0x3a, 2) * number(0x3c, 2))
}

/// Becomes the program, which is then this process.
fn run(image: &Image, arguments: &[OsString]) -> io::Result<ExitCode> {
    let Node::File(content) = image.find(PROGRAM)? else {
        return Err(io::Error::other(
            "This AppImage is damaged: AppRun is no file. Download it again",
        ));
    };
    if let Some(obstacle) = system::obstacle() {
        return Err(io::Error::other(obstacle));
    }
    let memory = in_memory()?;
    unpack(image, &content, &memory)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
    let refused = command(&path, arguments).exec();
    if refused.kind() != io::ErrorKind::PermissionDenied {
        return Err(io::Error::new(
            refused.kind(),
            format!("The program could not be started: {refused}"),
        ));
    }
    // A system may forbid to start what lies in memory (vm.memfd_noexec).
    run_from_disk(image, &content, arguments)
}

fn command(program: &Path, arguments: &[OsString]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    // What other AppImages tell their programs, too.
    if let Ok(own) = fs::read_link("/proc/self/exe") {
        command.env("APPIMAGE", &own).arg0(own);
    }
    if let Some(called) = std::env::args_os().next() {
        command.env("ARGV0", called);
    }
    if let Ok(folder) = std::env::current_dir() {
        command.env("OWD", folder);
    }
    command
}

/// An empty file that lies in memory and goes with this process.
fn in_memory() -> io::Result<File> {
    // Closed when the program starts: the kernel has it open by then.
    let flags = MemfdFlags::CLOEXEC;
    // Since Linux 6.3 it is said that the file is to be started; before, that is an unknown flag.
    let memory = memfd_create("tuning-fork", flags | MemfdFlags::EXEC);
    Ok(File::from(memory.or_else(|_unknown| memfd_create("tuning-fork", flags))?))
}

/// All cores unpack: the blocks of a file do not need each other.
fn unpack(image: &Image, content: &Content, into: &File) -> io::Result<()> {
    into.set_len(content.size)?;
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<()> {
        while let Some(piece) = content.pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            into.write_all_at(&image.read(piece)?, piece.at)?;
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut result = work();
        for other in others {
            let theirs =
                other.join().unwrap_or_else(|_panic| Err(io::Error::other("unpacking failed")));
            result = result.and(theirs);
        }
        result
    })
}

fn run_from_disk(image: &Image, content: &Content, arguments: &[OsString]) -> io::Result<ExitCode> {
    let folders = ["XDG_RUNTIME_DIR", "TMPDIR", "XDG_CACHE_HOME", "HOME"];
    let folders = folders.iter().filter_map(std::env::var_os).map(PathBuf::from);
    let mut last = io::Error::from(io::ErrorKind::PermissionDenied);
    for folder in folders.chain([PathBuf::from("/tmp")]) {
        let place = folder.join(format!(".tuning-fork-{}", std::process::id()));
        match run_from(&place, image, content, arguments) {
            Ok(code) => return Ok(code),
            // A folder may be full, or may not be allowed to hold programs.
            Err(err) => last = err,
        }
    }
    Err(io::Error::other(format!(
        "No folder was found from which the program can be started ({last}): set TMPDIR to one that may hold programs"
    )))
}

fn run_from(
    place: &Path,
    image: &Image,
    content: &Content,
    arguments: &[OsString],
) -> io::Result<ExitCode> {
    let file = File::create_new(place)?;
    let started = unpack(image, content, &file).and_then(|()| {
        file.set_permissions(fs::Permissions::from_mode(0o700))?;
        drop(file);
        command(place, arguments).status()
    });
    // It goes whether it ran or not.
    fs::remove_file(place)?;
    let code = started?.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Writes what lies in a folder of the image and begins with `wanted`.
fn extract(image: &Image, place: Place, into: &Path, path: &str, wanted: &str) -> io::Result<()> {
    match image.node(place)? {
        Node::Folder(entries) => {
            for entry in entries {
                let path =
                    format!("{path}{}{}", if path.is_empty() { "" } else { "/" }, entry.name);
                let may_hold = path.starts_with(wanted) || wanted.starts_with(&format!("{path}/"));
                if may_hold {
                    extract(image, entry.place, &into.join(&entry.name), &path, wanted)?;
                }
            }
            fs::create_dir_all(into)
        }
        Node::File(content) => {
            fs::create_dir_all(into.parent().unwrap_or(into))?;
            let file = File::create(into)?;
            unpack(image, &content, &file)?;
            file.set_permissions(fs::Permissions::from_mode(if content.is_program {
                0o755
            } else {
                0o644
            }))
        }
        Node::Link(target) => {
            fs::create_dir_all(into.parent().unwrap_or(into))?;
            // Of an earlier time, perhaps.
            fs::remove_file(into).ok();
            std::os::unix::fs::symlink(target, into)
        }
    }
}
