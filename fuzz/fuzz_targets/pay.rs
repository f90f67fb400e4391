//! Pay labels and sentences of any bytes: an answer with bounds in order, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passerelle::model::{Draft, Field, Raw};
use passerelle_fuzz::normalised;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for field in [Field::Pay, Field::PayComment, Field::Description] {
        let mut draft = Draft::default();
        draft.fields.insert(field, Raw::new(&*text, "pay"));
        let Some(pay) = normalised(&draft).pay else {
            continue;
        };
        if let (Some(min), Some(max)) = (pay.min, pay.max) {
            assert!(min <= max, "{min} > {max}");
        }
        for amount in [pay.min, pay.max, pay.monthly_min, pay.hourly_max] {
            assert!(amount.is_none_or(|amount| amount.is_finite() && amount >= 0.0));
        }
    }
});
