//! Départements and regions of France, by the Code officiel géographique (INSEE, Licence Ouverte).

/// (code, name, region)
const DEPARTMENTS: &[(&str, &str, &str)] = &[
    ("01", "Ain", ARA),
    ("02", "Aisne", HDF),
    ("03", "Allier", ARA),
    ("04", "Alpes-de-Haute-Provence", PACA),
    ("05", "Hautes-Alpes", PACA),
    ("06", "Alpes-Maritimes", PACA),
    ("07", "Ardèche", ARA),
    ("08", "Ardennes", GE),
    ("09", "Ariège", OCC),
    ("10", "Aube", GE),
    ("11", "Aude", OCC),
    ("12", "Aveyron", OCC),
    ("13", "Bouches-du-Rhône", PACA),
    ("14", "Calvados", NOR),
    ("15", "Cantal", ARA),
    ("16", "Charente", NAQ),
    ("17", "Charente-Maritime", NAQ),
    ("18", "Cher", CVL),
    ("19", "Corrèze", NAQ),
    ("21", "Côte-d’Or", BFC),
    ("22", "Côtes-d’Armor", BRE),
    ("23", "Creuse", NAQ),
    ("24", "Dordogne", NAQ),
    ("25", "Doubs", BFC),
    ("26", "Drôme", ARA),
    ("27", "Eure", NOR),
    ("28", "Eure-et-Loir", CVL),
    ("29", "Finistère", BRE),
    ("2A", "Corse-du-Sud", "Corse"),
    ("2B", "Haute-Corse", "Corse"),
    ("30", "Gard", OCC),
    ("31", "Haute-Garonne", OCC),
    ("32", "Gers", OCC),
    ("33", "Gironde", NAQ),
    ("34", "Hérault", OCC),
    ("35", "Ille-et-Vilaine", BRE),
    ("36", "Indre", CVL),
    ("37", "Indre-et-Loire", CVL),
    ("38", "Isère", ARA),
    ("39", "Jura", BFC),
    ("40", "Landes", NAQ),
    ("41", "Loir-et-Cher", CVL),
    ("42", "Loire", ARA),
    ("43", "Haute-Loire", ARA),
    ("44", "Loire-Atlantique", PDL),
    ("45", "Loiret", CVL),
    ("46", "Lot", OCC),
    ("47", "Lot-et-Garonne", NAQ),
    ("48", "Lozère", OCC),
    ("49", "Maine-et-Loire", PDL),
    ("50", "Manche", NOR),
    ("51", "Marne", GE),
    ("52", "Haute-Marne", GE),
    ("53", "Mayenne", PDL),
    ("54", "Meurthe-et-Moselle", GE),
    ("55", "Meuse", GE),
    ("56", "Morbihan", BRE),
    ("57", "Moselle", GE),
    ("58", "Nièvre", BFC),
    ("59", "Nord", HDF),
    ("60", "Oise", HDF),
    ("61", "Orne", NOR),
    ("62", "Pas-de-Calais", HDF),
    ("63", "Puy-de-Dôme", ARA),
    ("64", "Pyrénées-Atlantiques", NAQ),
    ("65", "Hautes-Pyrénées", OCC),
    ("66", "Pyrénées-Orientales", OCC),
    ("67", "Bas-Rhin", GE),
    ("68", "Haut-Rhin", GE),
    ("69", "Rhône", ARA),
    ("70", "Haute-Saône", BFC),
    ("71", "Saône-et-Loire", BFC),
    ("72", "Sarthe", PDL),
    ("73", "Savoie", ARA),
    ("74", "Haute-Savoie", ARA),
    ("75", "Paris", IDF),
    ("76", "Seine-Maritime", NOR),
    ("77", "Seine-et-Marne", IDF),
    ("78", "Yvelines", IDF),
    ("79", "Deux-Sèvres", NAQ),
    ("80", "Somme", HDF),
    ("81", "Tarn", OCC),
    ("82", "Tarn-et-Garonne", OCC),
    ("83", "Var", PACA),
    ("84", "Vaucluse", PACA),
    ("85", "Vendée", PDL),
    ("86", "Vienne", NAQ),
    ("87", "Haute-Vienne", NAQ),
    ("88", "Vosges", GE),
    ("89", "Yonne", BFC),
    ("90", "Territoire de Belfort", BFC),
    ("91", "Essonne", IDF),
    ("92", "Hauts-de-Seine", IDF),
    ("93", "Seine-Saint-Denis", IDF),
    ("94", "Val-de-Marne", IDF),
    ("95", "Val-d’Oise", IDF),
    ("971", "Guadeloupe", "Guadeloupe"),
    ("972", "Martinique", "Martinique"),
    ("973", "Guyane", "Guyane"),
    ("974", "La Réunion", "La Réunion"),
    (
        "975",
        "Saint-Pierre-et-Miquelon",
        "Saint-Pierre-et-Miquelon",
    ),
    ("976", "Mayotte", "Mayotte"),
    ("977", "Saint-Barthélemy", "Saint-Barthélemy"),
    ("978", "Saint-Martin", "Saint-Martin"),
    ("986", "Wallis-et-Futuna", "Wallis-et-Futuna"),
    ("987", "Polynésie française", "Polynésie française"),
    ("988", "Nouvelle-Calédonie", "Nouvelle-Calédonie"),
];

const ARA: &str = "Auvergne-Rhône-Alpes";
const BFC: &str = "Bourgogne-Franche-Comté";
const BRE: &str = "Bretagne";
const CVL: &str = "Centre-Val de Loire";
const GE: &str = "Grand Est";
const HDF: &str = "Hauts-de-France";
const IDF: &str = "Île-de-France";
const NAQ: &str = "Nouvelle-Aquitaine";
const NOR: &str = "Normandie";
const OCC: &str = "Occitanie";
const PACA: &str = "Provence-Alpes-Côte d’Azur";
const PDL: &str = "Pays de la Loire";

pub fn department(code: &str) -> Option<&'static str> {
    find(code).map(|(_, name, _)| *name)
}

/// The region of a département code.
pub fn region(code: &str) -> Option<&'static str> {
    find(code).map(|(_, _, region)| *region)
}

fn find(code: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    DEPARTMENTS.iter().find(|(own, _, _)| *own == code)
}

/// Kilometres between two points (WGS 84 degrees) on a sphere: within 0.5 % in France.
pub fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (lat_a, lat_b) = (a.0.to_radians(), b.0.to_radians());
    let (dlat, dlon) = (lat_b - lat_a, (b.1 - a.1).to_radians());
    let h = (dlat / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (dlon / 2.0).sin().powi(2);
    2.0 * 6371.0 * h.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_known_once() {
        assert_eq!(DEPARTMENTS.len(), 107);
        assert!(DEPARTMENTS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(region("70"), Some("Bourgogne-Franche-Comté"));
    }

    #[test]
    fn vesoul_to_besancon_is_43_km() {
        let km = distance_km((47.6198, 6.1545), (47.2378, 6.0241));
        assert!((43.0..44.5).contains(&km), "{km}");
    }
}
