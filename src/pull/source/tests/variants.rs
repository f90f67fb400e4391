//! Forms of a service's records that its documentation names and one sample does not show: each
//! preset on a record of its own, and what is to come of it.

use super::connector;
use crate::model::{Draft, Field};
use serde_json::Value;

/// preset · what it is about · a record · `field = value` lines; `-` stands for none.
const VARIANTS: &[(&str, &str, &str, &[&str])] = &[
    (
        "ashby",
        "pay that is not to be shown, places beside the first",
        r##"{"id":"a","title":"T","isListed":true,"location":"Vesoul","shouldDisplayCompensationOnJobPostings":false,"compensation":{"compensationTierSummary":"30K","summaryComponents":[{"compensationType":"Salary","interval":"1 YEAR","currencyCode":"EUR","minValue":30000,"maxValue":40000}]},"secondaryLocations":[{"location":"Lure","address":{"postalAddress":{"addressLocality":"Lure","addressCountry":"France"}}}],"address":{"postalAddress":{"addressLocality":"Vesoul","addressCountry":"France"}},"jobUrl":"https://x.example/a"}"##,
        &[
            "pay = -",
            "pay_min = -",
            "pay_max = -",
            "places = Vesoul + Lure",
            "status = open",
        ],
    ),
    (
        "ashby",
        "several tiers of pay, an unlisted offer",
        r##"{"id":"a","title":"T","isListed":false,"shouldDisplayCompensationOnJobPostings":true,"compensation":{"summaryComponents":[{"compensationType":"Salary","interval":"1 MONTH","currencyCode":"EUR","minValue":2500,"maxValue":3000},{"compensationType":"Salary","interval":"1 MONTH","currencyCode":"EUR","minValue":2200,"maxValue":2600}]}}"##,
        &[
            "status = closed",
            "pay_min = 2200",
            "pay_max = 3000",
            "pay_period = month",
        ],
    ),
    (
        "bamboohr",
        "a hybrid internship whose place is the recruiter's",
        r##"{"id":"9","jobOpeningName":"Intern","employmentStatusLabel":"Internship","locationType":"2","location":{"city":null,"state":null},"atsLocation":{"city":"Dole","country":"France","province":"Jura"}}"##,
        &[
            "contract = internship",
            "remote = hybrid",
            "place_city = Dole",
            "place_region = Jura",
        ],
    ),
    (
        "cleverconnect",
        "an employer that stays anonymous",
        r##"{"@id":"1","title":"T","company":{"@anonymous":"true","name":"Clinique"},"link":"https://x.example/1"}"##,
        &["employer_name = -"],
    ),
    (
        "digitalrecruiters-export",
        "an ad for employees only",
        r##"{"reference":"r","title":"T","apply_url":null,"internal_apply_url":"https://intranet.example/r"}"##,
        &["visibility = internal", "apply_url = -"],
    ),
    (
        "flatchr",
        "pay as a number, pay that is hidden, telework as a word",
        r##"{"id":"row","published":true,"vacancy":{"id":"v","slug":"v-infirmier","title":"T","salary":2300,"show_salary":false,"remote":"fulltime","contract_type":"Alternance"}}"##,
        &[
            "pay_min = -",
            "pay_period = -",
            "remote = full",
            "contract = apprenticeship",
            "reference = v",
        ],
    ),
    (
        "greenhouse",
        "the pay ranges in cents, the place in the offices",
        r##"{"id":1,"title":"T","location":{"name":""},"offices":[{"name":"Siège","location":"Besançon, France"}],"pay_input_ranges":[{"min_cents":3000000,"max_cents":3600000,"currency_type":"EUR"},{"min_cents":2800000,"max_cents":3200000,"currency_type":"EUR"}],"absolute_url":"https://x.example/1","content":"&lt;p&gt;A &amp;amp; B&lt;/p&gt;"}"##,
        &[
            "pay_min = 28000.0",
            "pay_max = 36000.0",
            "place = Besançon, France",
            "description = <p>A &amp; B</p>",
        ],
    ),
    (
        "hr-xml",
        "the European form: organisation, closing date, names with a prefix",
        r##"{"DocumentID":{"@schemeVersionID":"1.3","#text":"D-1"},"PositionOpeningStatusCode":{"@name":"Closed","#text":"Closed"},"PositionProfile":{"@languageCode":"fr","PositionTitle":"Boulanger","PositionLocation":{"Address":{"ns2:CityName":"Dole","CountryCode":"FR","ns2:PostalCode":"39100"}},"PositionOrganization":{"OrganizationIdentifiers":{"OrganizationName":"La Boulangerie"}},"PositionOpenQuantity":"2","PositionFormattedDescription":{"Content":"x"},"PositionScheduleTypeCode":"FullTime","ApplicationCloseDate":"2026-12-15"}}"##,
        &[
            "reference = D-1",
            "status = closed",
            "title = Boulanger",
            "employer_name = La Boulangerie",
            "openings = 2",
            "working_time = full",
            "expires = 2026-12-15T22:59:59Z",
            "places = 39100 Dole",
            "language = fr",
        ],
    ),
    (
        "hr-xml",
        "an agency that recruits for another house",
        r##"{"PositionRecordInfo":{"Id":{"IdValue":"P"},"Status":"Active"},"PositionSupplier":[{"@relationship":"agent","EntityName":"Agence"},{"@relationship":"self","EntityName":"CH"}],"PositionProfile":{"Organization":{"OrganizationName":"CH"},"PositionDetail":{"PositionTitle":"T","PositionSchedule":{"@percentage":"80","#text":"Part Time"},"RemunerationPackage":{"BasePay":{"@currencyCode":"EUR","@baseInterval":"Annually","BasePayAmountMin":"30000"}}}}}"##,
        &[
            "intermediary = Agence",
            "employer_name = CH",
            "fte = 80",
            "working_time = part",
            "pay_period = year",
            "pay_min = 30000",
        ],
    ),
    (
        "jooble",
        "the simple form with attributes",
        r##"{"@id":"-4","link":"https://x.example/4","name":"T","region":"Vesoul","pubdate":"02.11.2026"}"##,
        &[
            "reference = -4",
            "title = T",
            "place = Vesoul",
            "published = 2026-11-02T00:00:00Z",
        ],
    ),
    (
        "kelio",
        "a postal code that is none, partial telework",
        r##"{"id":"1","name":"T","address":{"city":"Gray","postal_code":"Gray"},"remote_level":"punctual","job_type":"Permanent contract","created_at":"2025-02-27 14:31:25 UTC"}"##,
        &[
            "place_postal_code = -",
            "remote = partial",
            "contract = cdi",
            "published = 2025-02-27T14:31:25Z",
        ],
    ),
    (
        "nicoka",
        "a contract that is a code of the tenant, a name for the house alone",
        r##"{"id":3,"uid":"u","label":"Public","oLabel":"Interne","contract_type":4,"published":1}"##,
        &["title = Public", "contract = -", "status = open"],
    ),
    (
        "oracle-recruiting-cloud",
        "places beside the first, an address of its own",
        r##"{"Id":"7","Title":"T","PrimaryLocation":"Dole, France","secondaryLocations":[{"Name":"Gray, France","CountryCode":"FR"}],"ExternalUrl":"https://rh.example/7/apply"}"##,
        &[
            "places = Dole, France + Gray, France",
            "apply_url = https://rh.example/7/apply",
        ],
    ),
    (
        "personio",
        "one more office",
        r##"{"id":"4","name":"T","office":"Vesoul","additionalOffices":{"office":["Lure","Gray"]},"employmentType":"working_student"}"##,
        &["places = Vesoul + Lure + Gray", "contract = other"],
    ),
    (
        "recruitee",
        "an offer for employees, all ways of working at once",
        r##"{"id":1,"title":"T","status":"internal","remote":true,"hybrid":true,"on_site":true,"country":"Frankreich","country_code":"FR","published_at":"2026-08-05 09:41:37 UTC"}"##,
        &[
            "visibility = internal",
            "remote = hybrid",
            "place_country = FR",
            "published = 2026-08-05T09:41:37Z",
        ],
    ),
    (
        "recruitee",
        "an archived offer",
        r##"{"id":1,"title":"T","status":"archived"}"##,
        &["status = closed", "visibility = public"],
    ),
    (
        "smartrecruiters",
        "an offer that its detail says is over, in another language",
        r##"{"id":"1","name":"T","active":false,"visibility":"INTERNAL","company":{"identifier":"X"},"typeOfEmployment":{"id":"permanent","label":"Pełny etat"},"location":{"city":"Lure","country":"fr","hybrid":true}}"##,
        &[
            "status = closed",
            "visibility = internal",
            "contract = cdi",
            "remote = hybrid",
        ],
    ),
    (
        "taleez",
        "an offer for employees and everybody",
        r##"{"id":1,"label":"T","visibility":"INTERNAL_AND_PUBLIC","currentStatus":"PUBLISHED","contract":"VACATAIRE","dateFirstPublish":1793606400}"##,
        &[
            "visibility = public",
            "status = open",
            "contract = vacation",
            "public_status = vacataire",
            "published = 2026-11-02T08:00:00Z",
        ],
    ),
    (
        "taleez",
        "an offer for employees, a civil servant's post",
        r##"{"id":1,"label":"T","visibility":"INTERNAL","currentStatus":"SUSPENDED","contract":"STATUTE"}"##,
        &[
            "visibility = internal",
            "status = closed",
            "public_status = titulaire",
        ],
    ),
    (
        "taleez",
        "a visibility that nobody knows is no leave to publish",
        r##"{"id":1,"label":"T","visibility":"PRIVATE"}"##,
        &["visibility = internal"],
    ),
    (
        "talentplug",
        "the company is the agency",
        r##"{"offer_keyid":"K","job_title":"T","company_name":"Agence"}"##,
        &["intermediary = Agence", "employer_name = -"],
    ),
    (
        "talentsoft-export",
        "a vacancy that is out for everybody",
        r##"{"reference":"2026-7","creationDate":"2026-10-01T08:00:00","modificationDate":"2026-10-03T09:42:16.9","publishedOnInternet":true,"publishedOnIntranet":true,"organisation":{"id":4,"label":"CH du Lac"},"location":{"address":"Vesoul","latitude":47.62,"longitude":6.15},"jobDescription":{"title":"T","description1":"Un","description2":"Deux","contractType":{"id":1,"label":"CDD"}}}"##,
        &[
            "status = open",
            "visibility = public",
            "employer_name = CH du Lac",
            "place = Vesoul",
            "contract = cdd",
            "description = Un\nDeux",
            "updated = 2026-10-03T07:42:16.9Z",
        ],
    ),
    (
        "talentsoft-export",
        "a vacancy for employees",
        r##"{"reference":"2026-8","publishedOnInternet":false,"publishedOnIntranet":true,"jobDescription":{"title":"T"}}"##,
        &["status = open", "visibility = internal"],
    ),
    (
        "talentsoft-export",
        "a vacancy that is withdrawn",
        r##"{"reference":"2026-9","publishedOnInternet":false,"publishedOnIntranet":false,"jobDescription":{"title":"T"}}"##,
        &["status = closed", "visibility = internal"],
    ),
    (
        "talentsoft-xml",
        "a profile beside the mission, another town than the house's",
        r##"{"reference":"r","entityAdress":{"city":"Paris","postalcode":"75001"},"jobDescription":{"title":"T","missionDescription":"Mission","applicantProfileFormatted":"<p>Profil</p>","location":{"jobLocation":"Lure"},"contract":{"@clientcode":"X","#text":"VIE"}},"creationDate":"20260115"}"##,
        &[
            "description = Mission\n<p>Profil</p>",
            "place_city = Lure",
            "place_postal_code = -",
            "contract = other",
            "published = 2026-01-15T00:00:00Z",
        ],
    ),
    (
        "talentsoft-xml",
        "a place that is only the house's",
        r##"{"reference":"r","entityAdress":{"city":"Vesoul","postalcode":"70000"},"jobDescription":{"title":"T"}}"##,
        &["place_city = Vesoul", "place_postal_code = 70000"],
    ),
    (
        "talentsoft",
        "texts without their formatted twins",
        r##"{"reference":"r","title":"T","description1":"Un","description2Formatted":"<p>Deux</p>","startPublicationDate":"2025-10-03T09:42:16.853"}"##,
        &[
            "description = Un\n<p>Deux</p>",
            "published = 2025-10-03T07:42:16.853Z",
        ],
    ),
    (
        "teamtailor",
        "an unlisted offer whose status says open",
        r##"{"id":"1","attributes":{"title":"T","status":"open","human-status":"unlisted","internal":false}}"##,
        &["status = closed", "visibility = public"],
    ),
    (
        "teamtailor",
        "an internal offer",
        r##"{"id":"1","attributes":{"title":"T","status":"open","human-status":"published","internal":true}}"##,
        &["status = open", "visibility = internal"],
    ),
    (
        "welcomekit",
        "an archived offer whose status lags",
        r##"{"reference":"W","name":"T","status":"published","archived_at":"2026-11-02T10:00:00.000+01:00","contract_type":"TEMPORARY","salary":{"min":"2000","max":"2400","period":"monthly"}}"##,
        &[
            "status = closed",
            "contract = cdd",
            "pay_min = 2000",
            "pay_period = month",
        ],
    ),
    (
        "welcomekit-embed",
        "keys of older answers",
        r##"{"reference":"W","name":"T","salary_min":"2000","salary_period":"monthly","created_at":{"fr":"Le 09 Novembre 2015 à 13h26"},"websites_urls":[{"website_reference":"autre","url":"https://x.example/a"},{"website_reference":"wttj_fr","url":"https://x.example/b"}]}"##,
        &[
            "pay_min = 2000",
            "pay_period = month",
            "apply_url = https://x.example/b",
            "published = 2015-11-09T12:26:00Z",
        ],
    ),
    (
        "workable",
        "work from afar",
        r##"{"title":"T","shortcode":"S","telecommuting":true,"published_on":"2026-07-14","country":"France","city":"Dole","url":"https://x.example/S"}"##,
        &[
            "remote = remote",
            "published = 2026-07-14T00:00:00Z",
            "place_city = Dole",
        ],
    ),
    (
        "workday",
        "a number of places in the list, their names in the detail",
        r##"{"title":"T","externalPath":"/job/x_R1","locationsText":"2 Locations","postedOn":"Posted 30+ Days Ago","bulletFields":["R1"],"jobPostingInfo":{"location":"Dole","additionalLocations":["Gray"],"startDate":"2026-10-01"}}"##,
        &[
            "reference = R1",
            "places = Dole + Gray",
            "published = 2026-10-01T00:00:00Z",
        ],
    ),
    (
        "workday",
        "a list without details",
        r##"{"title":"T","externalPath":"/job/x_R1","locationsText":"9 Locations","bulletFields":["R1"]}"##,
        &["place = -", "published = -"],
    ),
];

/// Parameters that a preset insists on.
fn with(preset: &str) -> String {
    let catalogue = crate::pull::connector::Catalogue::embedded();
    let file = crate::pull::connector::describe(preset, &catalogue).expect("a preset");
    file.parameters
        .iter()
        .filter(|(_, parameter)| parameter.required)
        .map(|(key, parameter)| {
            if parameter.secret {
                format!("{key} = {{ env = \"SECRET\" }}\n")
            } else {
                format!("{key} = \"https://x.example\"\n")
            }
        })
        .collect()
}

fn said(draft: &Draft, name: &str) -> String {
    if name == "places" {
        let place = |map: &std::collections::BTreeMap<Field, crate::model::Raw>| {
            [Field::PlacePostalCode, Field::PlaceCity, Field::Place]
                .into_iter()
                .filter_map(|field| map.get(&field).map(|raw| raw.value().to_owned()))
                .fold(String::new(), |said, value| match said.as_str() {
                    "" => value,
                    known if known.contains(&value) => said,
                    _ => format!("{said} {value}"),
                })
        };
        let places: Vec<String> = draft.places.iter().map(place).collect();
        return places.join(" + ");
    }
    let field: Field = serde_json::from_value(Value::from(name)).expect("a field");
    draft.value(field).unwrap_or("-").to_owned()
}

#[test]
fn every_form_that_the_documentation_names_is_read() {
    let mut wrong = Vec::new();
    for (preset, about, record, expected) in VARIANTS {
        let text = format!("name = \"x\"\nuse = \"{preset}\"\n[with]\n{}", with(preset));
        let connector = connector(&text);
        let record: Value = serde_json::from_str(record).expect("JSON");
        let draft = match connector.map(&record) {
            Ok(draft) => draft,
            Err(problems) => {
                wrong.push(format!("{preset}, {about}: {problems:?}"));
                continue;
            }
        };
        for line in *expected {
            let (name, value) = line.split_once(" = ").expect("a line");
            let found = said(&draft, name);
            if found != value {
                wrong.push(format!(
                    "{preset}, {about}: {name} is {found:?}, not {value:?}"
                ));
            }
        }
        if !draft.problems.is_empty() {
            wrong.push(format!("{preset}, {about}: {:?}", draft.problems));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
