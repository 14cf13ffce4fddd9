//! Where blocks are, and which one each refers to (RFC 9106 §3.4).

use argon2::{Algorithm, Params, Version};

/// Slices of each pass.
const SLICES: u32 = 4;

/// The memory of a hash, and how it is filled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub algorithm: Algorithm,
    pub version: Version,
    pub passes: u32,
    pub lanes: u32,
    /// Number of blocks of one lane in one slice: two at least.
    pub segment: u32,
}

/// Part of a lane. It refers only to itself and to segments of slices that are filled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub pass: u32,
    pub slice: u32,
    pub lane: u32,
}

impl Shape {
    pub(crate) fn new(algorithm: Algorithm, version: Version, params: &Params) -> Self {
        let (passes, lanes) = (params.t_cost(), params.p_cost());
        Self { algorithm, version, passes, lanes, segment: params.m_cost() / lanes / SLICES }
    }

    /// Number of blocks in a lane.
    pub(crate) const fn lane(self) -> u32 {
        self.segment * SLICES
    }

    /// Number of blocks in all lanes.
    pub(crate) const fn blocks(self) -> u32 {
        self.lane() * self.lanes
    }

    /// The number of the algorithm.
    pub(crate) const fn algorithm_number(self) -> u32 {
        match self.algorithm {
            Algorithm::Argon2d => 0,
            Algorithm::Argon2i => 1,
            Algorithm::Argon2id => 2,
        }
    }

    /// The segments in the order in which they are filled.
    pub(crate) fn segments(self) -> impl Iterator<Item = Segment> {
        let slices = (0..self.passes).flat_map(|pass| (0..SLICES).map(move |slice| (pass, slice)));
        slices.flat_map(move |(pass, slice)| (0..self.lanes).map(move |lane| Segment { pass, slice, lane }))
    }

    /// Whether a segment's references depend on their positions only, and not on the contents of blocks.
    pub(crate) fn is_independent(self, segment: Segment) -> bool {
        match self.algorithm {
            Algorithm::Argon2d => false,
            Algorithm::Argon2i => true,
            Algorithm::Argon2id => segment.pass == 0 && segment.slice < SLICES / 2,
        }
    }

    /// Indices of a segment's blocks. Without the first two of each lane, which are filled beforehand.
    pub(crate) const fn indices(self, segment: Segment) -> std::ops::Range<u32> {
        let first = if segment.pass == 0 && segment.slice == 0 { 2 } else { 0 };
        first..self.segment
    }

    /// Position of a segment's block.
    pub(crate) const fn position(self, segment: Segment, index: u32) -> u32 {
        segment.lane * self.lane() + segment.slice * self.segment + index
    }

    /// Position of the block before that one in its lane. Before the first comes the last.
    pub(crate) const fn position_before(self, segment: Segment, index: u32) -> u32 {
        let at = self.position(segment, index);
        if segment.slice == 0 && index == 0 { at + self.lane() - 1 } else { at - 1 }
    }

    /// Position of the block that a segment's block refers to, for a random word. It is neither the block itself nor the
    /// one before it.
    pub(crate) fn reference(self, segment: Segment, index: u32, random: u64) -> u32 {
        let Segment { pass, slice, lane } = segment;
        let [low, high] = halves(random);
        let referred = if self.lanes == 1 || (pass == 0 && slice == 0) { lane } else { high % self.lanes };
        // Of the slices before this one, all blocks. Of this segment those that are filled, without the last. The last
        // block of the slice before does not count for the first block of a segment either.
        let filled = if pass == 0 { slice * self.segment } else { self.lane() - self.segment };
        let area = if referred == lane { filled + index - 1 } else { filled - u32::from(index == 0) };
        let [_, squared] = halves(u64::from(low) * u64::from(low));
        let [_, back] = halves(u64::from(area) * u64::from(squared));
        let oldest = if pass == 0 || slice == SLICES - 1 { 0 } else { (slice + 1) * self.segment };
        let newest = oldest + area - 1;
        let in_lane = newest - back;
        let in_lane = if in_lane < self.lane() { in_lane } else { in_lane - self.lane() };
        referred * self.lane() + in_lane
    }
}

/// The lower and the upper half of a word.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is what remains")]
const fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}
