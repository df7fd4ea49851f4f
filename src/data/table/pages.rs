//! Pages of a Parquet file, unpacked and looked at before they are decoded.
//!
//! The `parquet` crate takes a library in C for Zstandard, and makes room for what a page declares.
//! Here every codec is in Rust, and no page becomes larger than its column says that it is. For
//! that the crate is told that nothing is packed, and what it hands out is unpacked here.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use parquet::basic::{Compression, CompressionCodec, Type as Physical};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedPageReader};
use parquet::record::reader::RowIter;
use parquet::schema::types::{ColumnDescriptor, Type};

use super::open::Frames;

/// A file whose pages are looked at before they are decoded.
pub(super) struct Checked {
    pub file: Arc<File>,
    pub metadata: ParquetMetaData,
}

struct CheckedGroup<'a> {
    file: &'a Arc<File>,
    metadata: &'a RowGroupMetaData,
}

struct CheckedPages {
    pages: SerializedPageReader<File>,
    codec: CompressionCodec,

    /// No page of the column is larger, in bytes.
    most_bytes: usize,

    /// What a value of the column takes in a dictionary at least.
    least_bits: usize,
}

impl FileReader for Checked {
    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }

    fn num_row_groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    fn get_row_group(&self, index: usize) -> Result<Box<dyn RowGroupReader + '_>, ParquetError> {
        let metadata = self.metadata.row_group(index);
        Ok(Box::new(CheckedGroup { file: &self.file, metadata }))
    }

    fn get_row_iter(&self, columns: Option<Type>) -> Result<RowIter<'_>, ParquetError> {
        RowIter::from_file(columns, self)
    }
}

impl RowGroupReader for CheckedGroup<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.metadata
    }

    fn num_columns(&self) -> usize {
        self.metadata.num_columns()
    }

    fn get_column_page_reader(&self, index: usize) -> Result<Box<dyn PageReader>, ParquetError> {
        let column = self.metadata.column(index);
        let codec = column.compression_codec();
        if codec == CompressionCodec::LZO {
            return Err(general("it is packed with LZO, which is not read here"));
        }
        let unpacked = column.clone().into_builder().set_compression(Compression::UNCOMPRESSED);
        let rows = usize::try_from(self.metadata.num_rows()).unwrap_or(0);
        let pages =
            SerializedPageReader::new(Arc::clone(self.file), &unpacked.build()?, rows, None)?;
        let most_bytes = usize::try_from(column.uncompressed_size()).unwrap_or(0);
        let least_bits = least_bits(column.column_descr());
        Ok(Box::new(CheckedPages { pages, codec, most_bytes, least_bits }))
    }

    fn get_column_bloom_filter(&self, _index: usize) -> Option<&Sbbf> {
        None
    }

    fn get_row_iter(&self, columns: Option<Type>) -> Result<RowIter<'_>, ParquetError> {
        RowIter::from_row_group(columns, self)
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        let mut page = self.pages.get_next_page()?;
        match &mut page {
            None => {}
            Some(Page::DataPage { buf, .. }) => *buf = self.unpacked(buf)?.into(),
            Some(Page::DataPageV2 {
                buf,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed,
                ..
            }) => {
                // The levels before the values are never packed.
                let levels = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
                if *is_compressed && self.codec != CompressionCodec::UNCOMPRESSED {
                    if levels > buf.len() {
                        return Err(general("a page is shorter than what it declares"));
                    }
                    let mut whole = buf[..levels].to_vec();
                    whole.extend(self.unpacked(&buf[levels..])?);
                    *buf = whole.into();
                }
            }
            Some(Page::DictionaryPage { buf, num_values, .. }) => {
                *buf = self.unpacked(buf)?.into();
                let (declared, most) = (*num_values as usize, buf.len() * 8 / self.least_bits);
                if declared > most {
                    let problem = format!("a dictionary of {declared} values has room for {most}");
                    return Err(general(&problem));
                }
            }
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.pages.skip_next_page()
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl CheckedPages {
    fn unpacked(&self, packed: &[u8]) -> Result<Vec<u8>, ParquetError> {
        // A page without values.
        if packed.is_empty() {
            return Ok(Vec::new());
        }
        let most = self.most_bytes;
        let bytes = match self.codec {
            CompressionCodec::UNCOMPRESSED => return Ok(packed.to_vec()),
            CompressionCodec::SNAPPY => {
                let len = snap::raw::decompress_len(packed).map_err(|error| damaged(&error))?;
                // Three bytes stand for 64 at most.
                if len > most || len / 24 > packed.len() {
                    return Err(general("a page declares more than it holds"));
                }
                snap::raw::Decoder::new().decompress_vec(packed).map_err(|error| damaged(&error))?
            }
            CompressionCodec::GZIP => read(flate2::read::MultiGzDecoder::new(packed), most)?,
            CompressionCodec::ZSTD => read(Frames::new(packed), most)?,
            CompressionCodec::BROTLI => {
                read(brotli_decompressor::Decompressor::new(packed, 4096), most)?
            }
            CompressionCodec::LZ4_RAW => lz4(packed, most)?,
            CompressionCodec::LZ4 => match hadoop_lz4(packed, most) {
                Some(bytes) => bytes,
                None => lz4(packed, most)?,
            },
            CompressionCodec::LZO => Vec::new(), // refused before
        };
        if bytes.len() > most {
            return Err(general("a page holds more than its column declares"));
        }
        Ok(bytes)
    }
}

fn read(from: impl Read, most: usize) -> Result<Vec<u8>, ParquetError> {
    let mut bytes = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
    Ok(bytes)
}

fn lz4(packed: &[u8], most: usize) -> Result<Vec<u8>, ParquetError> {
    // A byte stands for 255 at most.
    let most = most.min(packed.len().saturating_mul(256));
    lz4_flex::block::decompress(packed, most).map_err(|error| damaged(&error))
}

/// What Hadoop makes of LZ4: blocks, each with its length unpacked and packed before it.
fn hadoop_lz4(mut packed: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !packed.is_empty() {
        let (len, rest) = packed.split_first_chunk::<4>()?;
        let (packed_len, rest) = rest.split_first_chunk::<4>()?;
        let len = u32::from_be_bytes(*len) as usize;
        let (block, rest) = rest.split_at_checked(u32::from_be_bytes(*packed_len) as usize)?;
        if bytes.len() + len > most || len / 256 > block.len() {
            return None;
        }
        bytes.extend(lz4_flex::block::decompress(block, len).ok()?);
        packed = rest;
    }
    Some(bytes)
}

fn general(problem: &str) -> ParquetError {
    ParquetError::General(problem.to_owned())
}

fn damaged(error: &dyn std::error::Error) -> ParquetError {
    ParquetError::General(format!("a page cannot be unpacked: {error}"))
}

fn least_bits(column: &ColumnDescriptor) -> usize {
    match column.physical_type() {
        Physical::BOOLEAN => 1,
        Physical::INT32 | Physical::FLOAT | Physical::BYTE_ARRAY => 32, // of a text, its length
        Physical::INT64 | Physical::DOUBLE => 64,
        Physical::INT96 => 96,
        Physical::FIXED_LEN_BYTE_ARRAY => {
            usize::try_from(column.type_length()).unwrap_or(0).max(1) * 8
        }
    }
}
