//! The part of all calls that is traced.

/// A part of all calls, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleRatio(u32);

const WHOLE: u32 = 1_000_000;

impl SampleRatio {
    /// Reads a decimal number between 0 and 1.
    ///
    /// # Errors
    /// It is no such number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let is_number = [whole, part].iter().all(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let millionths = format!("{whole}{part:0<6}").parse().ok().filter(|&millionths| millionths <= WHOLE);
        let fits = is_number && !whole.is_empty() && part.len() <= 6 && !text.ends_with('.');
        millionths
            .filter(|_| fits)
            .map(Self)
            .ok_or_else(|| "must be a number between 0 and 1 with up to six decimals, for example 0.01".to_owned())
    }

    /// Whether a trace that begins with that random id is in this part. Every service that samples by the last 56 bits of
    /// the id takes the same ones.
    pub fn takes(self, id: u128) -> bool {
        const BITS: u32 = 56;
        let random = id & ((1 << BITS) - 1);
        random * u128::from(WHOLE) >= u128::from(WHOLE - self.0) << BITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_a_decimal_number_between_0_and_1() {
        for (text, millionths) in
            [("0", 0), ("0.0", 0), ("1", WHOLE), ("1.0", WHOLE), ("0.01", 10_000), ("0.000001", 1), ("00.5", 500_000)]
        {
            assert_eq!(SampleRatio::parse(text), Ok(SampleRatio(millionths)), "{text}");
        }
        for text in
            ["", ".5", "1.1", "1.000001", "2", "-0.1", "+0.5", "0.0000001", "0.5.5", "1e-3", "50%", "0.", " 1", "ä"]
        {
            assert!(SampleRatio::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_ratio_of_evenly_spread_ids_is_taken() {
        let taken = |ratio: &str| {
            let ratio = SampleRatio::parse(ratio).unwrap();
            (0..1000_u128).filter(|step| ratio.takes((0xab << 56) | (((2 * step + 1) << 56) / 2000))).count()
        };
        assert_eq!([taken("0"), taken("0.01"), taken("0.5"), taken("1")], [0, 10, 500, 1000]);
    }
}
