//! The first blocks of a hash, and its tag (RFC 9106 §3.2 and §3.3).

use std::iter;

use argon2::Block;
use blake2::Blake2bVarCore;
use blake2::digest::array::Array;
use blake2::digest::block_api::{UpdateCore, VariableOutputCore};
use blake2::digest::block_buffer::LazyBuffer;
use zeroize::{Zeroize, Zeroizing};

use crate::position::Shape;
use crate::{Input, Unsupported};

/// Bytes of the longest digest.
const DIGEST: usize = 64;

/// Fills the first two blocks of each lane.
pub(crate) fn begin(
    shape: Shape,
    memory_kib: u32,
    input: &Input<'_>,
    tag_bytes: u32,
    memory: &mut [Block],
) -> Result<(), Unsupported> {
    let Input { password, salt, secret, associated_data } = *input;
    let algorithm = shape.algorithm_number();
    let numbers = [shape.lanes, tag_bytes, memory_kib, shape.passes, shape.version.into(), algorithm];
    let numbers = numbers.map(u32::to_le_bytes);
    let mut parts: Vec<&[u8]> = numbers.iter().map(<[u8; 4]>::as_slice).collect();
    let [password_bytes, salt_bytes, secret_bytes, data_bytes] =
        [length(password)?, length(salt)?, length(secret)?, length(associated_data)?];
    parts.extend([&password_bytes, password, &salt_bytes, salt, &secret_bytes, secret, &data_bytes, associated_data]);
    let mut first = Zeroizing::new([0; DIGEST]);
    digest(parts, &mut *first)?;
    for (lane, blocks) in (0_u32..).zip(lanes(shape, memory)) {
        for (index, block) in (0_u32..).zip(blocks.iter_mut().take(2)) {
            let mut bytes = Zeroizing::new([0; Block::SIZE]);
            long_digest(&[&*first, &index.to_le_bytes(), &lane.to_le_bytes()], &mut *bytes)?;
            let (words, _) = bytes.as_chunks();
            for (word, bytes) in block.as_mut().iter_mut().zip(words) {
                *word = u64::from_le_bytes(*bytes);
            }
        }
    }
    Ok(())
}

/// Fills the tag from the last blocks of all lanes.
pub(crate) fn end(shape: Shape, memory: &mut [Block], tag: &mut [u8]) -> Result<(), Unsupported> {
    let mut bytes = Zeroizing::new([0; Block::SIZE]);
    for block in lanes(shape, memory).filter_map(|lane| lane.last()) {
        let (bytes, _) = bytes.as_chunks_mut();
        for (bytes, word) in bytes.iter_mut().zip(block.as_ref()) {
            *bytes = (u64::from_le_bytes(*bytes) ^ word).to_le_bytes();
        }
    }
    long_digest(&[&*bytes], tag)
}

fn lanes(shape: Shape, memory: &mut [Block]) -> impl Iterator<Item = &mut [Block]> {
    memory.chunks_exact_mut(usize::try_from(shape.lane()).unwrap_or(usize::MAX))
}

/// The function `H'` of the RFC, which has an output of any length.
fn long_digest(parts: &[&[u8]], mut out: &mut [u8]) -> Result<(), Unsupported> {
    let length = length(out)?;
    let parts = iter::once(length.as_slice()).chain(parts.iter().copied());
    if out.len() <= DIGEST {
        return digest(parts, out);
    }
    let mut link = Zeroizing::new([0; DIGEST]);
    digest(parts, &mut *link)?;
    // Half of each digest, and the whole of the last one.
    while let Some((half, rest)) = out.split_first_chunk_mut::<{ DIGEST / 2 }>() {
        half.copy_from_slice(link.first_chunk().unwrap_or(&[0; DIGEST / 2]));
        out = rest;
        let before = link.clone();
        if out.len() <= DIGEST {
            return digest([before.as_slice()], out);
        }
        digest([before.as_slice()], &mut *link)?;
    }
    Ok(())
}

/// `BLAKE2b` with an output of up to 64 bytes.
fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>, out: &mut [u8]) -> Result<(), Unsupported> {
    let mut core = Blake2bVarCore::new(out.len()).map_err(|_| Unsupported)?;
    let mut buffer = LazyBuffer::default();
    for part in parts {
        buffer.digest_blocks(part, |blocks| core.update_blocks(blocks));
    }
    let mut whole = Array::default();
    core.finalize_variable_core(&mut buffer, &mut whole);
    for (out, byte) in out.iter_mut().zip(&whole) {
        *out = *byte;
    }
    whole.as_mut_slice().zeroize();
    Ok(())
}

fn length(bytes: &[u8]) -> Result<[u8; 4], Unsupported> {
    Ok(u32::try_from(bytes.len())?.to_le_bytes())
}
