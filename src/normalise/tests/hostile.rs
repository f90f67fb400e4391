//! What no source should send, and what was sent before: any input has an outcome, soon, and reading
//! it again changes nothing.

use super::*;
use proptest::prelude::*;

/// What a posting says, as a source that publishes it in turn would write it.
fn again(posting: &Posting) -> Draft {
    let offer = &posting.offer;
    let mut fields: Vec<(Field, String)> = vec![(Field::Title, offer.title.clone())];
    if let Some(description) = &offer.description {
        fields.push((Field::Description, description.html.clone()));
    }
    if let Some(place) = offer.places.first() {
        let texts = [
            (Field::PlaceInsee, &place.insee),
            (Field::PlacePostalCode, &place.postal_code),
            (Field::PlaceCity, &place.name),
        ];
        fields.extend(
            texts
                .into_iter()
                .filter_map(|(field, text)| Some((field, text.clone()?))),
        );
    }
    if let Some(pay) = &offer.pay {
        let numbers = [(Field::PayMin, pay.min), (Field::PayMax, pay.max)];
        fields.extend(
            numbers
                .into_iter()
                .filter_map(|(field, n)| Some((field, n?.to_string()))),
        );
        if let Some(period) = pay.period {
            fields.push((Field::PayPeriod, format!("{period:?}").to_lowercase()));
        }
    }
    if let Some(time) = &offer.working_time
        && let Some(hours) = time.hours_week
    {
        fields.push((Field::Hours, hours.to_string()));
    }
    let borrowed: Vec<(Field, &str)> = fields.iter().map(|(f, t)| (*f, t.as_str())).collect();
    draft(&borrowed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn normalising_a_normalised_value_changes_nothing(
        words in prop::collection::vec(prop::sample::select(vec![
            "Infirmier", "(ère)", "DE", "H/F", "(F/H)", "CDI", "-", "/", "80%", "35h", "Vesoul", "(70)", "URGENT",
            "Aide-soignant(e)", "de nuit", "à", "Réf. 2024-118", "🚨", "EHPAD", "Mme", "Martin", "temps plein", ",", "|", "_",
        ]), 1..9),
        text in "(<p>|</p>|<li>|<b>|</b>|&amp;|Poste |de nuit |2 100 € brut |06 12 34 56 78 |\\n|- |é|[a-z ]{0,6}){0,20}",
        place in prop::sample::select(vec!["70 - VESOUL", "Vesoul (70000)", "PARIS 12", "85 - Vendée", "France", "Lure CEDEX"]),
        pay in prop::sample::select(vec!["Mensuel de 2100.0 Euros à 2300.0 Euros", "12,50 € / h", "45 à 60K€", "De 2056,00 Euros", "Annuel de"]),
    ) {
        let title = words.join(" ");
        let once = run(&draft(&[(Field::Title, &title), (Field::Description, &text), (Field::Place, place), (Field::Pay, pay), (Field::Hours, "35H00")]));
        let twice = run(&again(&once));
        prop_assert_eq!(&twice.offer.title, &once.offer.title);
        prop_assert_eq!(&twice.offer.description, &once.offer.description);
        prop_assert_eq!(twice.offer.places.first().map(|p| &p.insee), once.offer.places.first().map(|p| &p.insee));
        let amounts = |posting: &Posting| posting.offer.pay.as_ref().map(|pay| (pay.min, pay.max, pay.period));
        if amounts(&once).is_some_and(|(min, max, _)| min.is_some() || max.is_some()) {
            prop_assert_eq!(amounts(&twice), amounts(&once));
        }
        prop_assert_eq!(twice.offer.occupation.and_then(|o| o.rome_v3), once.offer.occupation.and_then(|o| o.rome_v3));
    }
}

/// Sizes that no ad has, through the whole of it.
#[test]
fn monstrous_drafts_take_linear_time() {
    let start = processor_time();
    for unit in [
        "<div>",
        "<b>x",
        "😀",
        "a b ",
        "1 ",
        "€",
        "Mme ",
        "M. X ",
        "(at) ",
        "@",
        "06 12 ",
        "renouvelable ",
        "moins de 30 ans ",
        "80 % etp ",
        "(",
        "- ",
        "\u{202e}",
        "é",
        "cdi ",
        "35h/",
        "Marie ",
        "&amp;",
        "ï¿½",
        "\\n",
    ] {
        let text = unit.repeat(300_000 / unit.len());
        let posting = run(&draft(&[
            (Field::Title, &text),
            (Field::Description, &text),
            (Field::Pay, &text),
            (Field::Hours, &text),
            (Field::Place, &text),
            (Field::EmployerName, &text),
            (Field::ContactName, &text),
            (Field::Contract, &text),
            (Field::ApplyUrl, &text),
        ]));
        assert!(posting.offer.title.chars().count() <= 200);
    }
    // What others do meanwhile does not count; something quadratic would take hours.
    let took = processor_time() - start;
    assert!(took.as_secs() < 600, "{took:?}");
}

/// Input that no source should send, and what comes of it.
#[test]
fn bad_input_has_a_stated_outcome() {
    let described = |text: &str| {
        run(&draft(&[
            (Field::Title, "IDE F/H"),
            (Field::Description, text),
        ]))
    };
    let text = |posting: &Posting| {
        let description = posting.offer.description.as_ref();
        description.map(|description| description.text.clone())
    };
    for empty in [
        "",
        " \n\t ",
        "<p></p>",
        "&nbsp;",
        "\u{202e}\u{200b}",
        "\0\u{1}\u{7}",
    ] {
        let posting = described(empty);
        assert_eq!(text(&posting), None, "{empty:?}");
        assert!(found(&posting, "description.absent").is_some());
    }
    // What a long ad says is kept whole; past any ad, its beginning is, and the member is told.
    let long = "Vous assurez les soins. ".repeat(1_000);
    let posting = described(&long);
    assert_eq!(text(&posting).as_deref(), Some(long.trim_end()));
    assert_eq!(found(&posting, "description.cut"), None);
    let enormous = described(&long.repeat(20));
    assert!(text(&enormous).is_some_and(|text| (50_000..70_000).contains(&text.len())));
    assert!(found(&enormous, "description.cut").is_some());

    for tag in [
        "b",
        "i",
        "p",
        "ul",
        "div",
        "blockquote",
        "table",
        "a href=\"x\"",
        "svg",
    ] {
        let name = tag.split(' ').next().unwrap_or_default();
        let nested = format!(
            "Soins{}\u{e9}coute{}",
            format!("<{tag}>").repeat(100_000),
            format!("</{name}>").repeat(100_000)
        );
        let posting = described(&nested);
        let shown = text(&posting).unwrap_or_default();
        assert!(shown.starts_with("Soins"), "{tag}");
        // What stood past the limit is told to be cut, and nothing else is lost.
        let cut = found(&posting, "description.cut").is_some();
        assert!(cut || shown.contains("\u{e9}coute"), "{tag}");
        let html = posting
            .offer
            .description
            .map(|d| d.html)
            .unwrap_or_default();
        assert!(html.len() < 1_000, "{tag}: {} bytes", html.len());
    }

    let emoji = "😀".repeat(10_000);
    let posting = run(&draft(&[
        (Field::Title, &emoji),
        (Field::Description, &emoji),
    ]));
    assert!(found(&posting, "title.absent").is_some(), "no word in it");
    assert!(found(&posting, "title.cut").is_some());
    assert_eq!(
        text(&posting).map(|text| text.chars().count()),
        Some(10_000)
    );

    let turned = described("\u{202e}Soins\u{202c} \u{2067}de nuit\u{2069}\u{200f}");
    assert_eq!(text(&turned).as_deref(), Some("Soins de nuit"));

    let bytes: Vec<u8> = (0..=255).cycle().take(60_000).collect();
    let binary = String::from_utf8_lossy(&bytes);
    let posting = run(&draft(&[
        (Field::Title, &binary),
        (Field::Description, &binary),
        (Field::Place, &binary),
        (Field::Pay, &binary),
        (Field::EmployerName, &binary),
    ]));
    let json = serde_json::to_string(&posting.offer).expect("a posting is JSON");
    assert!(!json.contains("\\u00"), "no control character is left");
    let pay = posting.offer.pay.unwrap_or_default();
    assert_eq!((pay.min, pay.max), (None, None));
    assert!(
        posting
            .offer
            .places
            .iter()
            .all(|place| place.insee.is_none())
    );
}

/// The families of what hostile pages try, through the whole of `normalise`: nothing that a browser
/// would run is left, and the words around it stay.
#[test]
fn hostile_html_is_disarmed() {
    for hostile in [
        "<script>alert(1)</script>",
        "<SCRIPT SRC=https://x.example/x.js></SCRIPT>",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        "<a href=\"javascript:alert(1)\">",
        "<a href=\"JaVa\tScRiPt:alert(1)\">",
        "<a href=\"&#106;avascript&colon;alert(1)\">",
        "<a href='data:text/html;base64,PHNjcmlwdD4='>",
        "<svg/onload=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        "<img src=x onerror=alert(1)>",
        "<math><mtext><style><img src onerror=alert(1)></style></mtext></math>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "&lt;script&gt;alert(1)&lt;/script&gt;<p>",
        "<!--<img src=\"--><img src=x onerror=alert(1)//\">",
        "<p style=\"background:url(javascript:alert(1))\" onclick=alert(1)>",
        "<base href=https://x.example><form action=https://x.example><input>",
        "<xmp><script>alert(1)</script></xmp>",
        "<textarea></textarea><script>alert(1)</script>",
    ] {
        let posting = run(&draft(&[(
            Field::Description,
            format!("<p>Avant</p>{hostile}<p>Après</p>").as_str(),
        )]));
        let html = posting
            .offer
            .description
            .map(|d| d.html)
            .unwrap_or_default();
        let clean = ammonia::Builder::new()
            .tags(["p", "h3", "h4", "ul", "ol", "li", "br", "strong", "em", "a"].into())
            .link_rel(Some("nofollow noopener noreferrer"))
            .clean(&html)
            .to_string();
        assert_eq!(html, clean, "{hostile}");
        let lower = html.to_lowercase();
        for bad in [
            "<script",
            "<svg",
            "<img",
            "<iframe",
            "<style",
            "<form",
            "<base",
            "onclick",
            "href=\"java",
        ] {
            assert!(!lower.contains(bad), "{hostile}: {html}");
        }
        assert!(html.contains("Avant"), "{hostile}: {html}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn normalising_is_total_and_deterministic(title in "\\PC{0,60}", text in "\\PC{0,200}", place in "[0-9A-Za-zé() ,-]{0,20}", pay in "[0-9a-zA-Z€ ,./àk-]{0,40}", hours in "[0-9hH ,%/a-z]{0,20}") {
        let fields = draft(&[
            (Field::Title, &title), (Field::Description, &text), (Field::Place, &place), (Field::Pay, &pay), (Field::Hours, &hours), (Field::Contract, &pay),
        ]);
        let once = run(&fields);
        prop_assert_eq!(&once, &run(&fields));
        for note in once.provenance.values() {
            prop_assert!((0.0..=1.0).contains(&note.confidence));
            prop_assert!(note.raw.chars().count() <= 220);
        }
        serde_json::to_string(&once).expect("a posting is JSON");
    }
}

/// What the fuzz targets feed (`fuzz/`), by a grammar of their dictionaries: for machines without
/// `cargo-fuzz`, and for long runs by `PROPTEST_CASES`.
fn rubbish(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(words).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| text.chars().take(12).collect()),
        1 => "[0-9 .,/-]{0,8}",
    ];
    prop::collection::vec(piece, 0..32).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_markup_comes_out_safe_and_stays(source in rubbish(&[
        "<", ">", "</", "<p>", "</p>", "<b", "<script>", "</script>", "<style>", "<svg ", "<a href=", "\"", "'", "javascript:",
        "https://a.example/?", "utm_source=x", "&", "amp;", "&lt;", "&#60;", "&#x26;", "&eacute;", "&nbsp;", ";", "<!--", "-->",
        "<![CDATA[", "]]>", "<ul>", "<li>", "</ul>", "<h2>", "<br>", "<td>", "\n", "- ", "•", "Ã", "Ã©", "â€™", "\u{fffd}", "\u{202e}",
        "\\n", "\\'", "😀", "é", "Mme ", "Martin", "06 12 34 56 78", "a@b.example", " (at) ", "Contact : ",
    ])) {
        let html = |source: &str| {
            let posting = run(&draft(&[(Field::Description, source)]));
            posting.offer.description.map(|d| d.html).unwrap_or_default()
        };
        let once = html(&source);
        let lower = once.to_lowercase();
        for bad in ["<script", "<svg", "<iframe", "<style", "=\"javascript:", "<img"] {
            prop_assert!(!lower.contains(bad), "{}", once);
        }
        prop_assert_eq!(html(&once), once);
    }

    #[test]
    fn any_pay_has_its_bounds_in_order(text in rubbish(&[
        "Mensuel", " de ", " à ", "Euros", "€", "k€", "K", " brut", " net", "/h", "/mois", " par an", "Annuel", "Horaire", "sur 13 mois",
        "1 800", "2.300,50", "12,5", "45", "000", "\u{a0}", "\u{202f}", "ï¿½", "-", "salaire", "smic", "indice ", "IM ", "coef ", "échelon ",
        "classe normale", "prime", "jusqu'à ", "à partir de ", "\n", "selon ", "CCN51", "9999999999", "0", "CHF", "(", "+",
    ])) {
        for field in [Field::Pay, Field::PayComment, Field::Description] {
            let posting = run(&draft(&[(field, text.as_str()), (Field::Hours, "35")]));
            let Some(pay) = posting.offer.pay else { continue };
            if let (Some(min), Some(max)) = (pay.min, pay.max) {
                prop_assert!(min <= max, "{} > {}", min, max);
            }
            for amount in [pay.min, pay.max, pay.monthly_min, pay.monthly_max, pay.hourly_min, pay.hourly_max] {
                prop_assert!(amount.is_none_or(|amount| amount.is_finite() && amount >= 0.0));
            }
            prop_assert!(pay.min.is_none() && pay.max.is_none() || pay.currency.is_some());
        }
    }
}

/// Found by a long run: a mask that begins before bold text and ends within it.
#[test]
fn a_mask_over_two_styles_leaves_no_blank_within_one() {
    let html = |source: &str| {
        let posting = run(&draft(&[(Field::Description, source)]));
        posting
            .offer
            .description
            .map(|d| d.html)
            .unwrap_or_default()
    };
    let once = html("<p>é<b>a@b.example 0</b></p>");
    assert_eq!(once, "<p>[e-mail masqué] <strong>0</strong></p>");
    assert_eq!(html(&once), once);
}

/// Found by a long run: noise between them hid that "Mme" and an occupation are no name.
#[test]
fn an_occupation_after_a_form_of_address_is_no_name() {
    let once = run(&draft(&[(Field::Title, "Mme 80% Infirmier à")]));
    assert!(!once.offer.title.contains('['), "{}", once.offer.title);
    let twice = run(&again(&once));
    assert_eq!(twice.offer.title, once.offer.title);
    assert_eq!(twice.offer.occupation, once.offer.occupation);
}
