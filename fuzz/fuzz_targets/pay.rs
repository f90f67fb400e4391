//! Pay labels and sentences of any bytes: an answer with bounds in order, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passerelle::model::{ConnectorName, Draft, Field, Network, Raw};
use passerelle::normalise::{Context, normalise};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let connector = ConnectorName::from("fuzz");
    let network = Network::default();
    let context = Context {
        connector: &connector,
        member: None,
        network: &network,
        first_seen: jiff::Timestamp::UNIX_EPOCH,
    };
    for field in [Field::Pay, Field::PayComment, Field::Description] {
        let mut draft = Draft::default();
        draft.fields.insert(field, Raw::new(&*text, "pay"));
        let Some(pay) = normalise(&draft, &context).offer.pay else {
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
