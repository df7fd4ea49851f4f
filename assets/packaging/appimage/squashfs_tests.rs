use std::io::Write as _;
use std::path::PathBuf;

use super::*;

/// Made by `tests/reference/make_squashfs.py`.
fn small() -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../..");
    PathBuf::from(root).join("tests/reference/squashfs/small.squashfs")
}

fn open() -> Image {
    Image::open(File::open(small()).unwrap(), 0).unwrap()
}

fn bytes(image: &Image, path: &str) -> Vec<u8> {
    let Node::File(content) = image.find(path).unwrap() else { panic!("{path} is a file") };
    let mut bytes = vec![0; content.size as usize];
    for piece in &content.pieces {
        let read = image.read(piece).unwrap();
        bytes[piece.at as usize..][..read.len()].copy_from_slice(&read);
    }
    bytes
}

/// As `noise` of the script.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = (state * 1_103_515_245 + 12_345) % (1 << 31);
        (state >> 16 & 0xff) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn a_file_is_what_it_was_whether_its_blocks_are_packed_empty_or_shared() {
    let image = open();
    let mut expected = noise(4096);
    expected.extend([0; 4096]);
    expected.extend(b"0123456789abcdef".repeat(256));
    expected.extend(b"the end");
    assert_eq!(bytes(&image, "usr/bin/program"), expected);
    assert_eq!(bytes(&image, "AppRun"), expected, "the link leads there");
    assert_eq!(bytes(&image, "empty"), b"");
    let Node::File(program) = image.find("AppRun").unwrap() else { panic!("a file") };
    let Node::File(empty) = image.find("empty").unwrap() else { panic!("a file") };
    assert!(program.is_program && !empty.is_program);
}

#[test]
fn a_folder_with_many_names_is_read_to_its_end() {
    let image = open();
    let Node::Folder(entries) = image.find("usr/share/many").unwrap() else { panic!("a folder") };
    let names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
    let expected: Vec<String> = (0..600).map(|number| format!("file-{number:03}")).collect();
    assert_eq!(names, expected);
    for number in [0, 299, 599] {
        let read = bytes(&image, &format!("usr/share/many/file-{number:03}"));
        assert_eq!(read, format!("{number}\n").into_bytes());
    }
    assert!(matches!(image.find("usr/share/nothing").unwrap(), Node::Folder(it) if it.is_empty()));
    let err = image.find("usr/nowhere").unwrap_err();
    assert!(err.to_string().contains("it has no usr/nowhere"), "{err}");
}

#[test]
fn an_image_at_an_offset_is_read_as_one_at_the_beginning() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[7; 12_345]).unwrap();
    file.write_all(&std::fs::read(small()).unwrap()).unwrap();
    let image = Image::open(file, 12_345).unwrap();
    assert_eq!(bytes(&image, "AppRun"), bytes(&open(), "AppRun"));
}

#[test]
fn a_damaged_image_is_an_error_and_no_panic() {
    let whole = std::fs::read(small()).unwrap();
    let look = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let image = Image::open(file, 0)?;
        let Node::File(content) = image.find("AppRun")? else { return Ok(()) };
        image.find("usr/share/many/file-599")?;
        content.pieces.iter().try_for_each(|piece| image.read(piece).map(drop))
    };
    look(&whole).unwrap();
    // After the table of fragments stands only what is not read.
    let needed = u64::from_le_bytes(whole[80..88].try_into().unwrap()) as usize;
    for end in (0..needed).step_by(97) {
        assert!(look(&whole[..end]).is_err(), "cut off at byte {end}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x5a;
        // Whatever it says: it comes back, and soon.
        look(&changed).ok();
    }
}
