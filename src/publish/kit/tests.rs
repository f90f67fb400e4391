use super::{
    post::{self, little_text, units},
    *,
};
use crate::publish::{
    Publish,
    testing::{Shop, publishing, publishing_with, vacancy},
    tests::{Reply, get, get_with, send},
};
use axum::{body::Body, extract::ConnectInfo, http::Request};
use resvg::usvg::{Node, Tree};
use std::{io::Read as _, net::SocketAddr};

/// What every text of a card stays away from.
const MARGIN: f32 = 40.0;

fn kit_of(shop: &Arc<Shop>, options: &KitOptions) -> Publish {
    let kit = Arc::new(Kit::new(options).unwrap());
    publishing_with(shop, |settings| settings.kit = kit)
}

/// Offers that say much, little, and too much.
fn shop() -> Arc<Shop> {
    let shop = Arc::new(Shop::default());
    shop.publish(&vacancy(1, "ch-exemple", |v| {
        v["published"] = "2026-11-20T08:00:00Z".into();
    }));
    shop.publish(&vacancy(2, "ch-exemple", |v| {
        v["published"] = "2026-11-21T08:00:00Z".into();
        v["title"] = "Aide-soignant (F/H) [nuit] *urgent* #1 {a}@b_c|d~e\\f<g>".into();
        v["contract"]["form"] = "cdd".into();
    }));
    // Without a mandate, only known from a board, and from before.
    shop.publish(&vacancy(3, "aide-domicile", |v| {
        v["published"] = "2026-11-21T08:00:00Z".into();
    }));
    shop.publish(&vacancy(4, "ch-exemple", |v| {
        v["published"] = "2026-11-21T08:00:00Z".into();
        v["sources"][0]["own"] = false.into();
    }));
    shop.publish(&vacancy(5, "ch-exemple", |_| {}));
    shop
}

#[tokio::test]
async fn offers_of_the_week_become_posts() {
    let publish = publishing(&shop());
    let kit = publish.kit(Some(publish.kit_begins()), None).await.unwrap();
    assert_eq!(kit.since.unwrap().to_string(), "2026-11-15");
    assert_eq!(kit.posts.len(), 2);
    assert_eq!(
        kit.left_out,
        [("mandate.missing", 1), ("source.aggregator_only", 1)].into()
    );
    insta::assert_snapshot!("post_text", kit.posts[1].text);
    insta::assert_snapshot!("post_commentary", kit.posts[0].commentary);
    insta::assert_snapshot!("week_text", kit.digest.as_ref().unwrap().text);
    assert_eq!(
        kit.posts[1].share,
        "https://www.linkedin.com/sharing/share-offsite/?url=https%3A%2F%2Femploi.territoire.example%2Foffres%2F70000000-0000-5000-8000-000000000001%2Finfirmier-de-nuit-f-h-vesoul"
    );
    let all = publish.kit(None, None).await.unwrap();
    assert_eq!(all.posts.len(), 3);
    let one = Some("aide-domicile".into());
    let none = publish.kit(None, one.as_ref()).await.unwrap();
    assert!(none.posts.is_empty() && none.digest.is_none());
    assert!(publish.kit(None, Some(&"nobody".into())).await.is_err());
}

#[tokio::test]
async fn a_post_says_why_the_job_feed_does_not_have_its_offer() {
    let shop = Arc::new(Shop::default());
    shop.publish(&vacancy(1, "ch-exemple", |_| {}));
    shop.publish(&vacancy(2, "ch-exemple", |v| {
        v["description"]["html"] = "<p>Poste à pourvoir.</p>".into();
        v["description"]["text"] = "Poste à pourvoir.".into();
    }));
    let publish = publishing(&shop);
    let kit = publish.kit(None, None).await.unwrap();
    let report = publish.preflight("linkedin", None).await.unwrap();
    assert_eq!((kit.posts.len(), kit.absent(), report.blocked), (2, 1, 1));
    for post in &kit.posts {
        let item = report.items.iter().find(|item| item.id == post.id).unwrap();
        assert_eq!(post.not_in_feed, item.blockers, "{}", post.id);
    }
    let page = from(
        &publish,
        "127.0.0.1:5000",
        "/admin/linkedin?depuis=tout",
        &[],
    )
    .await;
    let page = page.text();
    assert!(
        page.contains("2 à publier, dont 1 absente du flux"),
        "{page}"
    );
    assert_eq!(page.matches("mais absente du flux d’emplois").count(), 1);
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(
        publish.kit_archive(kit).await.unwrap(),
    ))
    .unwrap();
    let notes: Vec<String> = archive
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .filter(|name| name.ends_with("/flux-emplois.txt"))
        .collect();
    assert_eq!(notes.len(), 1);
    let mut text = String::new();
    let mut note = archive.by_name(&notes[0]).unwrap();
    note.read_to_string(&mut text).unwrap();
    assert!(text.contains("- Allongez"), "{text}");
}

#[test]
fn little_text_escapes_everything_but_its_hashtags() {
    let tags = ["#Infirmier".to_owned(), "#Vesoul".to_owned()];
    assert_eq!(
        little_text(
            "Infirmier (F/H) #1 a_b\n#Infirmier #Vesoul\n#Infirmiers",
            &tags
        ),
        "Infirmier \\(F/H\\) \\#1 a\\_b\n#Infirmier #Vesoul\n\\#Infirmiers"
    );
    assert_eq!(
        little_text("\\|{}@[]<>*~", &[]),
        "\\\\\\|\\{\\}\\@\\[\\]\\<\\>\\*\\~"
    );
}

/// 3,000 characters as LinkedIn counts them, in both forms, and the end of the post is never lost.
#[tokio::test]
async fn no_post_is_too_long() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("offer.txt"),
        "{{ title }}\n\n{{ description }}\n\n{{ url }}\n{{ hashtags|join(' ') }}\n",
    )
    .unwrap();
    let shop = Arc::new(Shop::default());
    for (n, word) in [
        (1, "soin "),
        (2, "(F/H) "),
        (3, "🙂 "),
        (4, "#*_ "),
        (5, "mot"),
    ] {
        shop.publish(&vacancy(n, "ch-exemple", |v| {
            v["description"]["text"] = word.repeat(4_000).into();
        }));
    }
    for n in 6..120 {
        shop.publish(&vacancy(n, "ch-exemple", |v| {
            v["title"] = format!("Infirmier (F/H) numéro {n}").into();
        }));
    }
    let options = KitOptions {
        folder: Some(folder.path().to_owned()),
        ..KitOptions::default()
    };
    let kit = kit_of(&shop, &options).kit(None, None).await.unwrap();
    for post in &kit.posts {
        for text in [&post.text, &post.commentary] {
            assert!(units(text) <= post::MOST, "{}", units(text));
            assert!(text.ends_with("#Emploi"), "{text}");
        }
        assert!(post.text.contains(&post.url));
    }
    let longest = kit
        .posts
        .iter()
        .map(|post| units(&post.text))
        .max()
        .unwrap();
    assert!(longest > 2_900, "{longest}");
    let digest = kit.digest.unwrap();
    assert_eq!(digest.offers, 119);
    for text in [&digest.text, &digest.commentary] {
        assert!(units(text) <= post::MOST && text.ends_with("#Emploi"));
        assert!(text.contains("autres offres.") && units(text) > 2_800);
    }

    // A template that is too long by itself is said to be so.
    std::fs::write(folder.path().join("offer.txt"), "mot ".repeat(900)).unwrap();
    let error = kit_of(&shop, &options).kit(None, None).await.unwrap_err();
    assert!(crate::publish::respond::chain(&error).contains("shorten the template"));
}

/// Every text of a tree, with the corners of its box.
fn texts(tree: &Tree) -> Vec<(String, [f32; 4])> {
    fn walk(group: &resvg::usvg::Group, found: &mut Vec<(String, [f32; 4])>) {
        for node in group.children() {
            match node {
                Node::Group(group) => walk(group, found),
                Node::Text(text) => {
                    let chunks = text.chunks().iter().map(|chunk| chunk.text().to_owned());
                    let b = text.abs_bounding_box();
                    found.push((chunks.collect(), [b.left(), b.top(), b.right(), b.bottom()]));
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(tree.root(), &mut found);
    found
}

fn faces() -> Vec<Face> {
    let long = "Infirmier coordinateur / Infirmière coordinatrice de soins palliatifs à domicile, secteur nord, temps plein, prise de poste dès que possible ".repeat(3);
    let offer = |title: &str, employer: &str, place: &str, facts: &[&str]| Face {
        kind: "offer",
        kicker: "Logistique et administration".into(),
        title: title.into(),
        employer: employer.into(),
        place: Some(place.into()),
        facts: facts.iter().map(|fact| (*fact).to_owned()).collect(),
        date: Some("Publiée le 22 septembre 2026".into()),
        lines: Vec::new(),
    };
    vec![
        offer("IDE (F/H)", "CH", "Gy (70)", &["CDI"]),
        offer(
            &long,
            &long,
            &long,
            &["Contrat de professionnalisation", "Temps partiel", &long],
        ),
        offer(
            &"Anticonstitutionnellement".repeat(20),
            &"W".repeat(300),
            &"M".repeat(90),
            &["CDI"],
        ),
        offer(
            "Œuvre d’été : éàçùîôÉÀÇ « ça » – 100 €\u{202f}! 🙂 中文 \u{1}",
            "L’Haÿ-les-Roses",
            "Þ",
            &[],
        ),
        offer("", "", "", &[]),
        offer(
            "a & b < c > \"d\" 'e' ]]>",
            "{{ x }} & co",
            "<script>",
            &["<b>"],
        ),
        Face {
            kind: "week",
            kicker: "Offres d’emploi".into(),
            title: "1\u{a0}234 nouvelles offres d’emploi".into(),
            date: Some("Depuis le 22 septembre 2026".into()),
            lines: vec![
                long.clone(),
                "x".into(),
                long.clone(),
                long,
                "et 1230 autres".into(),
            ],
            ..Face::default()
        },
    ]
}

use super::card::{Face, Hub};

fn hubs() -> [Hub; 2] {
    let text = "Groupement hospitalier de territoire de la Haute-Saône et du Territoire de Belfort réunis, ".repeat(2);
    [
        Hub {
            territory: "Santé 70".into(),
            host: "offres.example".into(),
            notice: None,
        },
        Hub {
            territory: text.clone(),
            host: format!("{}.example", "sous-domaine.".repeat(9)),
            notice: Some(text),
        },
    ]
}

/// Nothing leaves the safe area, whatever the words; every word is in one of the two sizes of text
/// that the palette is made for.
#[test]
fn no_text_leaves_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let logo = folder.path().join("logo.svg");
    std::fs::write(
        &logo,
        "<svg xmlns='http://www.w3.org/2000/svg' width='900' height='60'><rect width='900' height='60' fill='#c00'/></svg>",
    )
    .unwrap();
    for logo in [None, Some(logo)] {
        let options = KitOptions {
            logo,
            ..KitOptions::default()
        };
        let kit = Kit::new(&options).unwrap();
        for hub in hubs() {
            for face in faces() {
                let svg = kit.svg(&hub, &face).unwrap();
                let tree = kit.letters.read(&svg).unwrap();
                for (text, [left, top, right, bottom]) in texts(&tree) {
                    assert!(
                        left >= MARGIN && top >= MARGIN - 5.0,
                        "{text}: {left} {top}"
                    );
                    assert!(
                        right <= 1200.0 - MARGIN && bottom <= 627.0 - MARGIN,
                        "{text}: {right} {bottom}"
                    );
                }
                let all: String = texts(&tree).into_iter().map(|(text, _)| text).collect();
                if face.title.starts_with("a &") {
                    assert!(all.contains("a & b < c > \"d\" 'e' ]]>"), "{all}");
                    assert!(all.contains("<script>") && all.contains("{{ x }}"));
                }
                let png = kit.letters.png(&svg).unwrap();
                assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
                let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
                assert_eq!((side(16), side(20)), (1200, 627));
            }
        }
    }
}

/// No two texts of a card lie over one another.
#[test]
fn no_text_covers_another() {
    let kit = Kit::default();
    for hub in hubs() {
        for face in faces() {
            let tree = kit.letters.read(&kit.svg(&hub, &face).unwrap()).unwrap();
            let all = texts(&tree);
            for (number, (text, a)) in all.iter().enumerate() {
                for (other, b) in &all[number + 1..] {
                    let across = a[0] < b[2] - 1.0 && b[0] < a[2] - 1.0;
                    // Boxes hold the room of accents and tails: a fifth may be shared.
                    let room = 0.22 * (a[3] - a[1]).min(b[3] - b[1]);
                    let down = a[1] < b[3] - room && b[1] < a[3] - room;
                    assert!(!(across && down), "{text:?} {a:?} over {other:?} {b:?}");
                }
            }
        }
    }
}

#[test]
fn what_the_operator_brings_is_checked_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |options: &KitOptions| Kit::new(options).unwrap_err().to_string();
    for (key, value) in [("background", "teal"), ("accent", "#12")] {
        let mut options = KitOptions::default();
        match key {
            "accent" => options.accent = Some(value.into()),
            _ => options.background = Some(value.into()),
        }
        let said = fault(&options);
        assert!(
            said.contains(&format!("territory.{key}: {value:?} is no colour")),
            "{said}"
        );
    }
    for (name, bytes, says) in [
        ("a.gif", &b"GIF89a"[..], "neither PNG nor JPEG nor SVG"),
        ("b.png", b"\x89PNG\r\n\x1a\nbroken", "cannot be drawn"),
        ("c.svg", b"<svg", "cannot be drawn"),
        ("d.svg", &vec![b' '; 2_000_000], "too many"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let said = fault(&KitOptions {
            logo: Some(path),
            ..KitOptions::default()
        });
        assert!(said.contains(name) && said.contains(says), "{said}");
    }
    let missing = KitOptions {
        logo: Some(folder.path().join("none.png")),
        ..KitOptions::default()
    };
    assert!(fault(&missing).contains("none.png"));
    for (name, text, line, says) in [
        ("offer.txt", "Bonjour\n{{ titel }}\n", "line 2", "titel"),
        ("offer.txt", "{{ title }\n", "line 1", "offer.txt"),
        (
            "week.txt",
            "a\n\n{% for o in offers %}{{ o }}{% endfor %}",
            "line 3",
            "offers",
        ),
        ("card.svg", "<svg>\n{{ colour }}</svg>", "line 2", "colour"),
        (
            "card.svg",
            "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
            "card.svg",
            "1200 × 627",
        ),
        ("card.svg", "<p>", "card.svg", "no SVG"),
        (
            "offer.txt",
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            "line 1",
            "offer.txt",
        ),
    ] {
        let kit = folder.path().join("kit");
        std::fs::create_dir_all(&kit).unwrap();
        std::fs::write(kit.join(name), text).unwrap();
        let said = fault(&KitOptions {
            folder: Some(kit.clone()),
            ..KitOptions::default()
        });
        assert!(
            said.contains(name) && said.contains(line) && said.contains(says),
            "{said}"
        );
        std::fs::remove_file(kit.join(name)).unwrap();
    }
}

#[tokio::test]
async fn the_archive_is_whole_and_the_same_each_time() {
    let publish = publishing(&shop());
    let archive = async || {
        let kit = publish.kit(None, None).await.unwrap();
        publish.kit_archive(kit).await.unwrap()
    };
    let bytes = archive().await;
    assert_eq!(bytes, archive().await);
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let names: Vec<String> = zip
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    insta::assert_debug_snapshot!("archive_names", names);
    let mut listed = String::new();
    zip.by_name("kit.json")
        .unwrap()
        .read_to_string(&mut listed)
        .unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["posts"].as_array().unwrap().len(), 3);
    let mut tags = String::new();
    let name = names
        .iter()
        .find(|name| name.ends_with("opengraph.html"))
        .unwrap();
    zip.by_name(name)
        .unwrap()
        .read_to_string(&mut tags)
        .unwrap();
    assert!(
        tags.contains("<meta property=\"og:image:width\" content=\"1200\">"),
        "{tags}"
    );
}

#[tokio::test]
async fn the_page_of_an_offer_shows_its_card() {
    let shop = shop();
    let publish = publishing(&shop);
    let offer = vacancy(2, "ch-exemple", |v| {
        v["title"] = "Aide-soignant (F/H) [nuit] *urgent* #1 {a}@b_c|d~e\\f<g>".into();
    });
    let page = get(&publish, &crate::publish::portal::offer_path(&offer))
        .await
        .text();
    for wanted in [
        "<meta property=\"og:image\" content=\"https://emploi.territoire.example/offres/70000000-0000-5000-8000-000000000002/carte.png\">",
        "<meta property=\"og:image:width\" content=\"1200\">",
        "<meta property=\"og:image:height\" content=\"627\">",
        "<meta property=\"og:title\" content=\"Aide-soignant (F/H) [nuit] *urgent* #1 {a}@b_c|d~e\\f&lt;g&gt; – Vesoul (70)\">",
        "<meta name=\"twitter:card\" content=\"summary_large_image\">",
    ] {
        assert_eq!(page.matches(wanted).count(), 1, "{wanted}\n{page}");
    }
    assert_eq!(page.matches("\"og:url\"").count(), 1);
    let list = get(&publish, "/").await.text();
    assert_eq!(
        (
            list.matches("\"og:title\"").count(),
            list.matches("og:image").count()
        ),
        (1, 0)
    );

    let path = format!("/offres/{}/carte.png", offer.id);
    let card = get(&publish, &path).await;
    assert_eq!(
        (card.status.as_u16(), card.header("content-type")),
        (200, "image/png")
    );
    let tag = card.header("etag").to_owned();
    let again = get_with(&publish, &path, &[("if-none-match", &tag)]).await;
    assert_eq!(again.status, 304);
    shop.close(offer.id, crate::model::TombstoneReason::Filled, None);
    assert_eq!(get(&publish, &path).await.status, 410);
    for unknown in [
        "/offres/x/carte.png",
        "/offres/70000000-0000-5000-8000-0000000000ff/carte.png",
    ] {
        assert_eq!(get(&publish, unknown).await.status, 404);
    }
}

/// A request from an address, with headers.
async fn from(publish: &Publish, peer: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::get(path).header("host", "127.0.0.1:8070");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    send(publish, request).await
}

#[tokio::test]
async fn the_administration_is_for_who_has_the_key_or_sits_here() {
    let paths = [
        "/admin/linkedin",
        "/admin/linkedin/kit.zip?depuis=tout",
        "/admin/linkedin/semaine.png",
    ];
    let shop = shop();
    let open = publishing(&shop);
    let keyed = publishing_with(&shop, |settings| {
        settings.admin_key = Some(blake3::hash(b"a-long-key-of-16"));
    });
    for path in paths {
        for here in ["127.0.0.1:5000", "[::1]:5000", "[::ffff:127.0.0.1]:5000"] {
            assert_eq!(
                from(&open, here, path, &[]).await.status,
                200,
                "{path} {here}"
            );
        }
        // From elsewhere, through a proxy, by a name that somebody pointed here, or from nowhere.
        for peer in ["192.0.2.7:5000", "[2001:db8::1]:5000", "10.0.0.1:5000"] {
            assert_eq!(
                from(&open, peer, path, &[]).await.status,
                403,
                "{path} {peer}"
            );
        }
        for header in [
            ("x-forwarded-for", "192.0.2.7"),
            ("forwarded", "for=192.0.2.7"),
            ("x-real-ip", "192.0.2.7"),
            ("via", "1.1 proxy"),
        ] {
            let reply = from(&open, "127.0.0.1:5000", path, &[header]).await;
            assert_eq!(reply.status, 403, "{path} {header:?}");
        }
        let mut rebound = Request::get(path).header("host", "evil.example");
        rebound
            .extensions_mut()
            .unwrap()
            .insert(ConnectInfo::<SocketAddr>("127.0.0.1:5000".parse().unwrap()));
        assert_eq!(
            send(&open, rebound.body(Body::empty()).unwrap())
                .await
                .status,
            403
        );
        assert_eq!(get(&open, path).await.status, 403);

        // With a key, only the key counts: from anywhere, as a password or as a token.
        for right in [
            "Basic YWRtaW46YS1sb25nLWtleS1vZi0xNg==",
            "Bearer a-long-key-of-16",
        ] {
            let reply = from(&keyed, "192.0.2.7:5000", path, &[("authorization", right)]).await;
            assert_eq!(
                (reply.status.as_u16(), reply.header("cache-control")),
                (200, "no-store")
            );
        }
        for wrong in [
            "Basic YWRtaW46eA==",
            "Basic %%%",
            "Bearer x",
            "Digest a",
            "",
            "Basic YWRtaW4=",
        ] {
            let reply = from(&keyed, "127.0.0.1:5000", path, &[("authorization", wrong)]).await;
            assert_eq!(reply.status, 401, "{path} {wrong}");
            assert!(reply.header("www-authenticate").starts_with("Basic realm="));
        }
    }
    let page = from(
        &open,
        "127.0.0.1:5000",
        "/admin/linkedin?depuis=2026-11-01",
        &[],
    )
    .await
    .text();
    assert!(
        page.contains("3 à publier") && page.contains("1 de structures sans mandat"),
        "{page}"
    );
    assert!(page.contains("name=\"robots\" content=\"noindex"));
    for path in [
        "/admin/linkedin?depuis=2026-11-22",
        "/admin/linkedin?depuis=9999-12-31",
    ] {
        let none = from(&open, "127.0.0.1:5000", path, &[]).await;
        assert!(none.text().contains("Aucune offre à publier"), "{path}");
    }
    let odd = from(&open, "127.0.0.1:5000", "/admin/linkedin?depuis=%00zz", &[]).await;
    assert_eq!(odd.status, 200);
}
