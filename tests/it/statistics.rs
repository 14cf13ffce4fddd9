//! The test by which the benchmark of the service compares times, with known answers.

#[expect(clippy::cast_precision_loss, reason = "samples are small")]
#[path = "../../benches/service/statistics.rs"]
mod compared;

use compared::Comparison;

#[test]
#[expect(clippy::float_cmp, reason = "no rounding is possible")]
fn a_small_sample_has_the_answer_of_the_textbook() {
    // The ages at diagnosis that the documentation of scipy.stats.mannwhitneyu uses: U = 17 of 20, p = 0.1113.
    let found = Comparison::of(&[19.0, 22.0, 16.0, 29.0, 24.0], &[20.0, 11.0, 17.0, 12.0]);
    assert!((found.p - 0.111_346_9).abs() < 1e-6, "{found:?}");
    assert_eq!(found.second_is_longer, 3.0 / 20.0);
}

#[test]
fn equal_samples_are_alike_and_shifted_ones_are_not() {
    let values = |shift: f64| (0..1000_u32).map(|n| f64::from(n * 7919 % 1000) + shift).collect::<Vec<_>>();
    let same = Comparison::of(&values(0.0), &values(0.0));
    assert!(same.p > 0.99 && same.shape_p > 0.99 && same.z < 0.01, "{same:?}");
    let shifted = Comparison::of(&values(0.0), &values(100.0));
    assert!(shifted.p < 1e-9 && shifted.shape_p < 1e-4 && shifted.second_is_longer > 0.55, "{shifted:?}");
}

#[test]
fn another_shape_around_the_same_middle_is_found() {
    let narrow: Vec<_> = (0..1000_u32).map(|n| f64::from(n) / 10.0 - 49.95).collect();
    let wide: Vec<_> = narrow.iter().map(|value| value * 2.0).collect();
    let found = Comparison::of(&narrow, &wide);
    assert!(found.p > 0.9 && found.shape_p < 1e-9, "{found:?}");
}
