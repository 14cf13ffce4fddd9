//! Whether two sets of times come from one distribution.

use std::f64::consts::SQRT_2;

/// What two samples say.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// How far the ranks of the samples are apart, in standard deviations (Mann and Whitney).
    pub z: f64,
    /// How likely samples of one distribution are as far apart.
    pub p: f64,
    /// How likely a time of the second sample is the longer one: 0.5 if they are alike.
    pub second_is_longer: f64,
    /// How likely the largest distance of the two distribution functions is between samples of one distribution
    /// (Kolmogorov and Smirnov). It finds a difference of shape as well.
    pub shape_p: f64,
}

impl Comparison {
    pub fn of(one: &[f64], other: &[f64]) -> Self {
        let (n, m) = (one.len() as f64, other.len() as f64);
        let mut all: Vec<_> =
            one.iter().map(|value| (*value, true)).chain(other.iter().map(|value| (*value, false))).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut ranks, mut ties, mut before) = (0.0, 0.0, 0.0);
        let (mut seen_one, mut seen_other, mut distance) = (0.0, 0.0, 0.0_f64);
        for tied in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
            let count = tied.len() as f64;
            let of_one = tied.iter().filter(|(_, is_one)| *is_one).count() as f64;
            // Equal values share the mean of their ranks.
            ranks += of_one * (before + f64::midpoint(count, 1.0));
            ties += count.powi(3) - count;
            before += count;
            seen_one += of_one;
            seen_other += count - of_one;
            distance = distance.max((seen_one / n - seen_other / m).abs());
        }
        // Pairs in which the time of the first sample is the longer one; equal ones count half.
        let longer = ranks - n * (n + 1.0) / 2.0;
        let total = n + m;
        let deviation = (n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)))).sqrt();
        let away = ((longer - n * m / 2.0).abs() - 0.5).max(0.0);
        let z = if deviation > 0.0 { away / deviation } else { 0.0 };
        let weight = (n * m / total).sqrt();
        let shape_p = kolmogorov((weight + 0.12 + 0.11 / weight) * distance);
        Self { z, p: two_sided(z), second_is_longer: (n * m - longer) / (n * m), shape_p }
    }
}

/// How likely a normal value is at least so many standard deviations away (Abramowitz and Stegun, 7.1.26).
fn two_sided(z: f64) -> f64 {
    let x = z / SQRT_2;
    let t = 1.0 / 0.327_591_1_f64.mul_add(x, 1.0);
    let factors = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    factors.iter().fold(0.0, |sum: f64, factor| sum.mul_add(t, *factor)) * t * (-x * x).exp()
}

/// The distribution of Kolmogorov, from above.
fn kolmogorov(distance: f64) -> f64 {
    if distance < 0.3 {
        return 1.0;
    }
    let term = |k: u8| (-2.0 * f64::from(k).powi(2) * distance * distance).exp();
    let sum: f64 = (1..=100).step_by(2).map(|k| term(k) - term(k + 1)).sum();
    (2.0 * sum).clamp(0.0, 1.0)
}
