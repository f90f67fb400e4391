// <offres-liste src limit filtres lang niveau>: the network's offers inside any page.
// No dependency, no cookie, no storage, no inline style or script: it works under a strict CSP.
// Whatever stands inside the element is shown until the offers are there, or if they never come.
(() => {
  "use strict";
  const home = new URL(document.currentScript ? document.currentScript.src : location.href).origin;

  const WORDS = {
    fr: {
      count: (n) => (n === 0 ? "Aucune offre en ce moment" : n === 1 ? "1 offre" : `${n.toLocaleString("fr-FR")} offres`),
      pages: "Pages d’offres",
      previous: "Page précédente",
      next: "Page suivante",
      published: "Publiée le ",
      failed: "Les offres ne peuvent pas être affichées pour l’instant.",
      time: { full: "Temps plein", part: "Temps partiel" },
    },
    en: {
      count: (n) => (n === 0 ? "No vacancy at the moment" : n === 1 ? "1 vacancy" : `${n.toLocaleString("en-GB")} vacancies`),
      pages: "Pages of vacancies",
      previous: "Previous page",
      next: "Next page",
      published: "Published on ",
      failed: "The vacancies cannot be shown at the moment.",
      time: { full: "Full time", part: "Part time" },
    },
  };
  const CONTRACTS = {
    cdi: "CDI", cdd: "CDD", interim: "Intérim", vacation: "Vacation", apprenticeship: "Apprentissage",
    professionalisation: "Contrat de professionnalisation", internship: "Stage", liberal: "Exercice libéral",
    takeover: "Reprise de cabinet",
  };
  const STYLE = `
    :host { display: block; color: var(--offres-texte, inherit); font: inherit; }
    [hidden] { display: none; }
    ul { list-style: none; margin: 0; padding: 0; }
    li { padding: .75em 0; border-bottom: 1px solid var(--offres-trait, #cbd5d5); }
    .titre { font: inherit; font-weight: 600; margin: 0; }
    a { color: var(--offres-lien, #0b5563); }
    a:focus-visible, button:focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
    p { margin: .2em 0 0; }
    .date { font-size: .9em; }
    nav { display: flex; gap: 1em; margin-top: 1em; }
    button { font: inherit; color: inherit; background: none; border: 1px solid currentColor; border-radius: .4em; padding: .5em 1em; cursor: pointer; }
  `;

  // As the portal writes it: neutral by itself, or with the usual mark.
  const NEUTRAL = ["f/h", "h/f", " / ", "·", "(e)", "(ne)", "(se)", "(ere)", "(trice)", "(euse)", "(rice)", "-e ", ".e"];
  const titled = (title) => {
    const folded = title.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
    return NEUTRAL.some((mark) => folded.includes(mark)) ? title : `${title} (F/H)`;
  };

  const make = (name, text, part) => {
    const node = document.createElement(name);
    if (text) node.textContent = text;
    if (part) node.setAttribute("part", part);
    return node;
  };

  class OffresListe extends HTMLElement {
    static observedAttributes = ["src", "limit", "filtres", "lang", "niveau"];

    connectedCallback() {
      if (!this.shadowRoot) {
        const root = this.attachShadow({ mode: "open" });
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(STYLE);
        root.adoptedStyleSheets = [sheet];
        // It stays for as long as the element: what is put into it later is read out.
        this.status = make("p", "", "nombre");
        this.status.setAttribute("role", "status");
        this.status.tabIndex = -1;
        this.box = make("div");
        this.box.append(this.status, make("slot"));
        root.append(this.box);
      }
      this.begin();
    }

    attributeChangedCallback() {
      if (this.isConnected && this.shadowRoot) this.begin();
    }

    begin() {
      // Cursors of the pages before: the API only leads forward.
      this.trail = [""];
      this.load(false);
    }

    get words() {
      const lang = (this.getAttribute("lang") || this.closest("[lang]")?.getAttribute("lang") || "fr").slice(0, 2);
      return { lang: lang === "en" ? "en" : "fr", ...(WORDS[lang] || WORDS.fr) };
    }

    get base() {
      return (this.getAttribute("src") || home).replace(/\/+$/, "");
    }

    async load(moveFocus) {
      this.running?.abort();
      const running = (this.running = new AbortController());
      const query = new URLSearchParams(this.getAttribute("filtres") || "");
      const limit = Math.min(Math.max(parseInt(this.getAttribute("limit"), 10) || 10, 1), 100);
      query.set("limit", String(limit));
      query.set("fields", "title,employer,places,contract,working_time,published");
      const cursor = this.trail[this.trail.length - 1];
      if (cursor) query.set("cursor", cursor);
      try {
        const reply = await fetch(`${this.base}/api/v1/vacancies?${query}`, {
          signal: running.signal, credentials: "omit", referrerPolicy: "no-referrer",
        });
        if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
        this.show(await reply.json(), moveFocus);
      } catch (error) {
        if (error.name !== "AbortError") this.fail();
      }
    }

    show(page, moveFocus) {
      const words = this.words;
      const list = make("ul", "", "liste");
      list.append(...page.items.map((offer) => this.item(offer, words)));
      const parts = [list];
      const back = this.trail.length > 1;
      if (back || page.next_cursor) {
        const nav = make("nav", "", "pages");
        nav.setAttribute("aria-label", words.pages);
        if (back) nav.append(this.button(words.previous, () => this.trail.pop()));
        if (page.next_cursor) nav.append(this.button(words.next, () => this.trail.push(page.next_cursor)));
        parts.push(nav);
      }
      this.fill(words, words.count(page.total), parts);
      if (moveFocus) this.status.focus();
      this.dispatchEvent(new CustomEvent("offres", { detail: { total: page.total }, bubbles: true }));
    }

    fill(words, said, parts) {
      this.box.lang = words.lang;
      while (this.status.nextSibling) this.status.nextSibling.remove();
      this.box.append(...parts);
      if (this.status.textContent !== said) this.status.textContent = said;
    }

    button(text, step) {
      const button = make("button", text, "bouton");
      button.type = "button";
      button.addEventListener("click", () => {
        step();
        this.load(true);
      });
      return button;
    }

    item(offer, words) {
      const item = make("li", "", "offre");
      const level = Math.min(Math.max(parseInt(this.getAttribute("niveau"), 10) || 3, 2), 6);
      const title = make(`h${level}`, "", "titre");
      title.className = "titre";
      const link = make("a", titled(offer.title), "lien");
      link.href = `${this.base}/offres/${encodeURIComponent(offer.id)}`;
      title.append(link);
      item.append(title);
      const place = offer.places?.[0];
      const facts = [
        offer.employer?.name || offer.employer?.intermediary,
        place?.name && (place.department ? `${place.name} (${place.department})` : place.name),
        CONTRACTS[offer.contract?.form],
        words.time[offer.working_time?.time],
      ].filter(Boolean);
      if (facts.length) item.append(make("p", facts.join(" · "), "details"));
      if (offer.published) {
        const date = make("p", words.published, "date");
        date.className = "date";
        const time = make("time", new Date(offer.published).toLocaleDateString(words.lang, {
          day: "numeric", month: "long", year: "numeric", timeZone: "Europe/Paris",
        }));
        time.dateTime = offer.published.slice(0, 10);
        date.append(time);
        item.append(date);
      }
      return item;
    }

    fail() {
      // The page's own fallback, most often a link to the portal, stays visible.
      this.fill(this.words, this.words.failed, [make("slot")]);
    }
  }

  if (!customElements.get("offres-liste")) customElements.define("offres-liste", OffresListe);
})();
