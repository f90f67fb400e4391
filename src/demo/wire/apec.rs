//! APEC partner export: XML, local dates `dd/mm/yyyy hh:mm:ss`, INSEE code of the commune.

use super::{cdata, local};
use crate::demo::opening::{Form, Opening};
use crate::demo::text::{Ad, escape};
use crate::demo::world::World;

/// The whole export.
pub fn apec(world: &World) -> String {
    let mut out = format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<Export_offres>\n  <Export>\n    <Partenaire>RESEAU_DEMONSTRATION</Partenaire>\n    <Date_export>{}</Date_export>\n  </Export>\n",
        local(world.day, "%d/%m/%Y %H:%M:%S")
    );
    for opening in world.shown("centres-de-sante-vallees") {
        out.push_str(&record(world, opening));
    }
    out.push_str("</Export_offres>\n");
    out
}

fn record(world: &World, opening: &Opening) -> String {
    let ad = Ad::of(opening, world.tables);
    let contract = match opening.form {
        Form::Fixed(_) => "CDD",
        Form::Liberal => "Libéral",
        _ => "CDI",
    };
    let duration = opening.form.months().map_or(0, |months| months);
    let pay = if opening.shows_pay() {
        format!(
            "{} - {} k€ brut annuel",
            opening.pay[0] * 12 / 1000,
            opening.pay[1] * 12 / 1000
        )
    } else {
        "A négocier".into()
    };
    format!(
        "  <Offre_emploi>
    <Reference_apec>{reference}</Reference_apec>
    <Date_parution>{published}</Date_parution>
    <Intitule>{title}</Intitule>
    <Oqa>Non</Oqa>
    <Nombre_postes>1</Nombre_postes>
    <Contrat>
      <Type_contrat>{contract}</Type_contrat>
      <Duree_contrat>{duration}</Duree_contrat>
    </Contrat>
    <Statut>Cadre du secteur privé</Statut>
    <Niveau_experience>Tous niveaux d'expérience acceptés</Niveau_experience>
    <Salaire_affiche>{pay}</Salaire_affiche>
    <Fonction>
      <JOB_fonction>08C</JOB_fonction>
      <Libelle_fonction>Santé, social, culture</Libelle_fonction>
    </Fonction>
    <Secteur_activite>
      <NAF_secteur>8621Z</NAF_secteur>
      <Libelle_secteur>ACTIVITÉ DES MÉDECINS GÉNÉRALISTES</Libelle_secteur>
    </Secteur_activite>
    <Texte_offre>{text}</Texte_offre>
    <Reference_client>{client}</Reference_client>
    <Nom_entreprise>{name}</Nom_entreprise>
    <Logo_entreprise>/media_entreprise/700070/logo.png</Logo_entreprise>
    <URL>{url}</URL>
    <Zone_deplacement>Pas de déplacement</Zone_deplacement>
    <Lieu>
      <COG_lieu>{insee}</COG_lieu>
      <Libelle_lieu>{city}</Libelle_lieu>
    </Lieu>
  </Offre_emploi>
",
        reference = opening.reference(),
        published = local(opening.published, "%d/%m/%Y %H:%M:%S"),
        title = cdata(&opening.title),
        pay = cdata(&pay),
        text = cdata(&format!("<p>{}</p>{}", escape(&ad.company), ad.html())),
        client = cdata(&format!("RCSV/{}", opening.number)),
        name = cdata(&opening.voice.name),
        url = cdata(&opening.url()),
        insee = opening.site.insee,
        city = escape(&opening.site.city.to_uppercase()),
    )
}
