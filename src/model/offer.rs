//! The canonical offer: what a posting and a vacancy have in common, as a recruiter in French
//! health and social care reads it. Unknown is absent, never null or empty.

use super::{ConnectorName, Finding, MemberId, PostingId, ProvenanceMap, VacancyId};
use jiff::{Timestamp, civil::Date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One ad as one source shows it, normalised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Posting {
    pub id: PostingId,
    pub connector: ConnectorName,
    /// The source's own key, unique within the connector.
    pub reference: String,
    /// The member whose own source this is; absent for an aggregator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberId>,
    #[serde(flatten)]
    pub offer: Offer,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    #[serde(default, skip_serializing_if = "ProvenanceMap::is_empty")]
    pub provenance: ProvenanceMap,
    /// What of people the source gives, for the member alone: a vacancy never has it, and it goes
    /// with the posting's erasure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
}

/// A name, mail address or telephone number that public texts do not show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    pub kind: ContactKind,
    pub value: String,
    /// The field in which it stood.
    pub field: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactKind {
    Name,
    Email,
    Phone,
}

impl Posting {
    /// An own source outranks an aggregator wherever the two disagree.
    pub fn is_own(&self) -> bool {
        self.member.is_some()
    }
}

/// The real opening: what is published. It carries no version, sequence or time of computation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Vacancy {
    pub id: VacancyId,
    /// The member whose vacancy this is, by its own source or by recognition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberId>,
    #[serde(flatten)]
    pub offer: Offer,
    /// The live postings that describe it, by (own first, connector, reference).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceRef>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceRef {
    pub posting: PostingId,
    pub connector: ConnectorName,
    pub reference: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it is the employer's own source.
    pub own: bool,
}

/// The fields that postings and vacancies share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Offer {
    /// As the source writes it, cleaned of noise (references, towns, "URGENT"), F/H kept apart.
    pub title: String,
    /// The gender-neutral form: "Infirmier / Infirmière (IDE)".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title_canonical: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occupation: Option<Occupation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employer: Option<Employer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contract>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_time: Option<WorkingTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay: Option<Pay>,
    /// Work away from the employer's sites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    /// `true` where the work is done at people's homes or on a round: the place is that of the
    /// sector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub itinerant: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Diplomas and registrations required, as short labels ("DEAS", "inscription à l'Ordre").
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diplomas: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experience: Option<Experience>,
    /// Service or unit: "Cardiologie", "USLD", "Secteur de Lure".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The employer's own number for the opening, shared by its copies elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requisition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openings: Option<Openings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
    /// Only where the source's date is real, never a computed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub starts: Option<Date>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<Apply>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// ISO 639-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default)]
    pub visibility: Visibility,
}

/// Number of identical openings; at least 1.
pub type Openings = u32;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Occupation {
    /// ROME 4.60 code; absent when only the version-3 code is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rome: Option<String>,
    /// The version-3 parent: what two occupations are compared on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rome_v3: Option<String>,
    /// The source's own label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// A regulated profession: diploma and registration are compulsory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regulated: Option<bool>,
}

/// The families of the portal's search.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Soins infirmiers
    Nursing,
    /// Aide et accompagnement
    Care,
    /// Médical
    Medical,
    /// Rééducation
    Rehabilitation,
    /// Médico-technique
    Technical,
    /// Social et éducatif
    Social,
    /// Encadrement
    Management,
    /// Logistique et administration
    Support,
    /// Outside health and social care
    Other,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Employer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The establishment's name, where it differs from the employer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub establishment: Option<String>,
    /// 14 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub siret: Option<String>,
    /// 9 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finess: Option<String>,
    /// The member of the network that this employer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberId>,
    /// Agency or board that stands between; never taken for the employer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intermediary: Option<String>,
    /// Collective agreement: "CCN51", "CCN66", "BAD", "FHP", "FPH", …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
}

/// Where the work is done. An empty `Place` is never stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// INSEE code of the commune.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insee: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Commune, département, region or country, as `precision` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Département code: "70", "2A", "971".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// WGS 84 degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
    /// ISO 3166-1 alpha-2; absent for France.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    pub precision: PlacePrecision,
}

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PlacePrecision {
    /// A point with coordinates of its own.
    Address,
    Commune,
    Department,
    Region,
    Country,
    #[default]
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contract {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<ContractForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_months: Option<f64>,
    /// Public-service statuses that the post is open to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_status: Vec<PublicStatus>,
    /// Mobility routes of the public service: `mutation`, `detachement`, `integration`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mobility: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewable: Option<bool>,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ContractForm {
    Cdi,
    Cdd,
    Interim,
    Vacation,
    Apprenticeship,
    Professionalisation,
    Internship,
    /// Liberal practice
    Liberal,
    /// Takeover of a practice
    Takeover,
    Other,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PublicStatus {
    Titulaire,
    Stagiaire,
    Contractuel,
    PraticienHospitalier,
    Vacataire,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkingTime {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours_week: Option<f64>,
    /// Share of a full-time equivalent, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fte: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shifts: Vec<Shift>,
    /// `true` when week-ends are worked; the raw text says how often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekends: Option<bool>,
    /// One week-end in N.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekend_every: Option<u32>,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Time {
    Full,
    Part,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    Day,
    Night,
    Alternating,
    /// Shifts of twelve hours
    #[serde(rename = "12h")]
    TwelveHours,
    OnCall,
    Split,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Remote {
    /// Said to be impossible
    None,
    /// Some days
    Partial,
    /// Always
    Full,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pay {
    /// In `currency` per `period`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// Number of monthly payments a year (12, 13).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub months: Option<f64>,
    /// `true` gross, `false` net.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gross: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// Where on its scale the post stands, as far as the ad says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<PayScale>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub benefits: Vec<Benefit>,
    /// Monthly equivalent, computed; same gross or net, same bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_max: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hourly_min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hourly_max: Option<f64>,
}

/// A place on a scale of the public service or of a collective agreement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PayScale {
    /// As the ad writes it: "classe normale", "1er grade", "catégorie B".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<String>,
    /// Échelon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Indice majoré, or one that is not said to be brut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Indice brut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gross_index: Option<u32>,
    /// Coefficient of a collective agreement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coefficient: Option<f64>,
}

/// What the pay rests on when no amount, or besides one: "grille FPH", "CCN51", "profil".
pub type Basis = String;
/// A benefit as a short French label: "Titres restaurant".
pub type Benefit = String;

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Description {
    /// Safe by allow-list.
    pub html: String,
    pub text: String,
    /// One line, cut at a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The parts that the source marks with a heading, in the order of the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<Section>,
}

/// A part of a description: from its heading to the next one's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Section {
    pub kind: SectionKind,
    /// As it stands in the text.
    pub heading: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SectionKind {
    /// Missions
    Tasks,
    Profile,
    /// Pay, hours, benefits
    Offer,
    Employer,
    /// How to apply
    Apply,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Experience {
    /// `false` when beginners are welcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub months: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Apply {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// Where else the same ad is said to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// The ad's page at this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partners: Vec<Partner>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Partner {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    #[default]
    Public,
    Internal,
}
