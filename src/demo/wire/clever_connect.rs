//! CleverConnect (Meteojob) feed: XML whose places, contracts and salaries stand in attributes.

use super::cdata;
use crate::demo::opening::{Form, Opening};
use crate::demo::text::{Ad, escape};
use crate::demo::world::World;

/// The whole feed.
pub fn clever_connect(world: &World) -> String {
    let mut out = format!(
        "<source>\n<publisher>Association Grand Chêne (démonstration)</publisher>\n<publisherUrl>https://rejoindre.grand-chene.example</publisherUrl>\n<lastBuildDate>{}</lastBuildDate>\n",
        world.day.strftime("%Y-%m-%dT%H:%M:%S.847Z")
    );
    for opening in world.shown("association-grand-chene") {
        out.push_str(&record(world, opening));
    }
    out.push_str("</source>\n");
    out
}

fn record(world: &World, opening: &Opening) -> String {
    let ad = Ad::of(opening, world.tables);
    let site = opening.site;
    let (code, label) = match opening.form {
        Form::Fixed(_) => ("fixed_term", "CDD"),
        _ => ("permanent", "CDI"),
    };
    let length = opening
        .form
        .months()
        .map(|months| {
            format!(
                "<length value=\"{months}\" unit=\"month\">\n{}\n</length>\n",
                cdata(&format!(" {months} month "))
            )
        })
        .unwrap_or_default();
    let (time, time_label) = if opening.is_full_time() {
        ("full_time", " Temps Plein ")
    } else {
        ("part_time", " Temps Partiel ")
    };
    let text = |text: &str| cdata(&format!(" {text} "));
    format!(
        "<job id=\"{id}\" reference=\"AGC-{number}\" lang=\"fr\">
<title>\n{title}\n</title>
<description>\n{description}\n</description>
<link>\n{link}\n</link>
<publicationDate>{published}</publicationDate>
<lastModificationDate>{updated}</lastModificationDate>
<position>\n{position}\n</position>
<industry>\n{industry}\n</industry>
<company id=\"00070\" anonymous=\"false\">
<name>\n{name}\n</name>
<description>\n{intro}\n</description>
</company>
<workplace>
<locations>
<location label=\"{city} (70)\" lat=\"{lat}\" lng=\"{lon}\">
<city>\n{city_text}\n</city>
<postalCode>\n{postal}\n</postalCode>
<department code=\"70\">\n{department}\n</department>
<state code=\"27\">\n{state}\n</state>
<country code=\"FR\">\n{country}\n</country>
</location>
</locations>
</workplace>
<contract>
<types>
<type code=\"{code}\">\n{label}\n</type>
</types>
{length}</contract>
<workSchedule>
<types>
<type code=\"{time}\">\n{time_label}\n</type>
</types>
</workSchedule>
<profile>
<description>\n{profile}\n</description>
<degrees>
<degree code=\"none\">\n{degree}\n</degree>
</degrees>
<experienceLevels>
<experienceLevel code=\"beginner\">\n{experience}\n</experienceLevel>
</experienceLevels>
</profile>
</job>
",
        id = opening.reference(),
        number = opening.number,
        title = text(&opening.title),
        description = text(&format!("{}{}", ad.job_html(), ad.conditions_html())),
        link = text(&opening.url()),
        published = opening.published.strftime("%Y-%m-%dT%H:%M:%S.131Z"),
        updated = opening.updated.strftime("%Y-%m-%dT%H:%M:%S.133Z"),
        position = text(&format!("{} (H/F)", opening.job.title[0])),
        industry = text("Action sociale"),
        name = text(&opening.voice.name),
        intro = text(&format!("<p>{}</p>", escape(&ad.company))),
        city = escape(&site.city),
        lat = site.lat,
        lon = site.lon,
        city_text = text(&site.city),
        postal = text(&site.postal),
        department = text("Haute-Saône"),
        state = text("Bourgogne-Franche-Comté"),
        country = text("France"),
        label = text(label),
        time_label = cdata(time_label),
        profile = text(&ad.profile_html()),
        degree = text(&opening.job.diploma),
        experience = text("débutant à 1 an"),
    )
}
