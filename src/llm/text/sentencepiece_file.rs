//! SentencePiece's model files (`tokenizer.model`, `spiece.model`): a protocol buffer with the
//! tokens, their scores, and how text is normalised.

/// What is read of a model file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SentencePiece {
    pub pieces: Vec<Piece>,
    pub is_bpe: bool,
    pub byte_fallback: bool,

    /// Negative: there is none.
    unknown: i64,
    begin: i64,
    end: i64,
    pub unknown_piece: String,
    begin_piece: String,
    end_piece: String,
    charsmap: Vec<u8>,
    pub spaces: Spaces,
}

/// What becomes of spaces.
#[expect(clippy::struct_excessive_bools, reason = "SentencePiece's settings")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spaces {
    /// One is put before a text.
    pub adds_first: bool,

    /// Those around a text, and all but one in a row, are left out.
    pub removes_extra: bool,

    /// They are written `▁`.
    pub escapes: bool,

    /// The one that is put before a text stands behind it instead.
    pub is_suffix: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub text: String,
    pub score: f32,
    pub role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A special token.
    Control,

    /// A word that is never split.
    UserDefined,

    /// What stands for what is no piece.
    Unknown,

    /// It is only a part of others.
    Unused,

    /// `<0x0A>`: a byte of a character that is no piece.
    Byte,
    Other,
}

impl Role {
    /// Whether it is a token of its own, whatever stands around it.
    pub fn is_added(self) -> bool {
        matches!(self, Self::Control | Self::UserDefined)
    }
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("it is not a SentencePiece model: {0}")]
pub(super) struct NotAModel(&'static str);

impl SentencePiece {
    pub fn read(bytes: &[u8]) -> Result<Self, NotAModel> {
        let mut model = Self {
            pieces: Vec::new(),
            is_bpe: false,
            byte_fallback: false,
            unknown: 0,
            begin: 1,
            end: 2,
            unknown_piece: "<unk>".to_owned(),
            begin_piece: "<s>".to_owned(),
            end_piece: "</s>".to_owned(),
            charsmap: Vec::new(),
            spaces: Spaces {
                adds_first: true,
                removes_extra: true,
                escapes: true,
                is_suffix: false,
            },
        };
        for field in Fields(bytes) {
            match field? {
                (1, Field::Bytes(piece)) => model.pieces.push(Piece::read(piece)?),
                (2, Field::Bytes(trainer)) => model.read_trainer(trainer)?,
                (3, Field::Bytes(normalizer)) => {
                    for field in Fields(normalizer) {
                        let spaces = &mut model.spaces;
                        match field? {
                            (2, Field::Bytes(charsmap)) => model.charsmap = charsmap.to_vec(),
                            (3, Field::Number(value)) => spaces.adds_first = value != 0,
                            (4, Field::Number(value)) => spaces.removes_extra = value != 0,
                            (5, Field::Number(value)) => spaces.escapes = value != 0,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if model.pieces.is_empty() { Err(NotAModel("it has no tokens")) } else { Ok(model) }
    }

    fn read_trainer(&mut self, bytes: &[u8]) -> Result<(), NotAModel> {
        for field in Fields(bytes) {
            match field? {
                (3, Field::Number(kind)) => match kind {
                    1 => self.is_bpe = false,
                    2 => self.is_bpe = true,
                    _ => return Err(NotAModel("it splits text into words or characters")),
                },
                (24, Field::Number(value)) => self.spaces.is_suffix = value != 0,
                (35, Field::Number(value)) => self.byte_fallback = value != 0,
                (40, Field::Number(id)) => self.unknown = id.cast_signed(),
                (41, Field::Number(id)) => self.begin = id.cast_signed(),
                (42, Field::Number(id)) => self.end = id.cast_signed(),
                (45, Field::Bytes(piece)) => self.unknown_piece = text(piece)?,
                (46, Field::Bytes(piece)) => self.begin_piece = text(piece)?,
                (47, Field::Bytes(piece)) => self.end_piece = text(piece)?,
                _ => {}
            }
        }
        Ok(())
    }

    pub fn unk_id(&self) -> Option<usize> {
        usize::try_from(self.unknown).ok()
    }

    /// `bos_token`, `eos_token` and `unk_token`, where there are any.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("bos_token", self.begin, &self.begin_piece),
            ("eos_token", self.end, &self.end_piece),
            ("unk_token", self.unknown, &self.unknown_piece),
        ];
        all.into_iter().filter(|(_, id, _)| *id >= 0).map(|(name, _, piece)| (name, piece.as_str()))
    }

    /// The file's table of replacements.
    pub fn charsmap_bytes(&self) -> Option<&[u8]> {
        (!self.charsmap.is_empty()).then_some(self.charsmap.as_slice())
    }
}

impl Piece {
    fn read(bytes: &[u8]) -> Result<Self, NotAModel> {
        let mut piece = Self { text: String::new(), score: 0.0, role: Role::Other };
        for field in Fields(bytes) {
            match field? {
                (1, Field::Bytes(bytes)) => piece.text = text(bytes)?,
                (2, Field::Single(score)) => piece.score = score,
                (3, Field::Number(kind)) => {
                    piece.role = match kind {
                        2 => Role::Unknown,
                        3 => Role::Control,
                        4 => Role::UserDefined,
                        5 => Role::Unused,
                        6 => Role::Byte,
                        _ => Role::Other,
                    }
                }
                _ => {}
            }
        }
        Ok(piece)
    }
}

fn text(bytes: &[u8]) -> Result<String, NotAModel> {
    let text = std::str::from_utf8(bytes).map_err(|_not_utf8| NotAModel("a token is not UTF-8"))?;
    Ok(text.to_owned())
}

/// A value of a protocol buffer.
enum Field<'a> {
    Number(u64),
    Single(f32),
    Bytes(&'a [u8]),
    Double,
}

/// The fields of a message, each with its number.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Result<u64, NotAModel> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(NotAModel("a number does not end"))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], NotAModel> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(NotAModel("it is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u64, Field<'a>), NotAModel> {
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Field::Number(self.number()?),
            1 => {
                self.take(8)?;
                Field::Double
            }
            2 => {
                let length = usize::try_from(self.number()?);
                Field::Bytes(self.take(length.unwrap_or(usize::MAX))?)
            }
            5 => {
                let bytes: [u8; 4] = self.take(4)?.try_into().expect("4 bytes were taken");
                Field::Single(f32::from_le_bytes(bytes))
            }
            _ => return Err(NotAModel("it has fields of no kind that is known")),
        };
        Ok((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), NotAModel>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}
