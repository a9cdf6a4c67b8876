// The sample browser: filters, list and view, and the address that names what they show.

const TYPING_MS = 200;
const NAMING_MS = 300; // Browsers throttle a page that renames itself with every key.

async function startBrowser() {
  const form = byId("filters");
  const status = byId("browser-status");
  const view = byId("sample");
  const all = await questions();
  let current = 0; // Which change the page answers to; an older one that ends late is dropped.
  let shownSample = 0;
  let started = false; // The first view leaves the address as it was opened.
  let naming;
  let own = null;
  let wanted = null;

  const row = (i) => {
    const right = own.answer[i] === all.target[i];
    const given = own.answer[i] === NONE ? report.outcomes[own.outcome[i]] : report.labels[own.answer[i]];
    return [
      el("span", { class: right ? "right" : "wrong" }, right ? "✓" : "✗", el("span", { class: "unseen" }, right ? "right" : "wrong")),
      el("bdi", { class: "id" }, `${report.datasets[all.dataset[i]].title} ${plain(all.id[i])}`),
      el("span", { class: "quiet" }, `${report.labels[all.target[i]]} → ${given}`),
    ];
  };
  const list = virtualList(byId("samples"), row, show);

  async function show(i, place) {
    const asked = ++shownSample;
    const filters = values();
    wanted = sampleKey(all, i);
    byId("place").textContent = `${count(place + 1)} of ${count(list.length)}`;
    if (started) nameAddress({ ...filters, sample: wanted });
    const nodes = await sampleView(i, runIndex(filters.run), runIndex(filters.other));
    if (asked === shownSample) view.replaceChildren(...nodes);
  }

  /** Names what is shown in the address, once nothing has changed for a moment. */
  function nameAddress(filters) {
    clearTimeout(naming);
    naming = setTimeout(() => history.replaceState(null, "", browseLink(filters)), NAMING_MS);
  }

  function values() {
    return Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
  }

  /** Says that what an address names is not here, in place of a sample that it does not name. */
  function refuse(text) {
    shownSample++;
    byId("place").textContent = "";
    view.replaceChildren(el("p", { class: "quiet" }, text));
  }

  /** Shows what passes the filters: the sample that was seen, if it does, or else the first. */
  async function apply(linked = null) {
    const change = ++current;
    // A disabled field is not among the form's values.
    form.elements.pairing.disabled = !form.elements.other.value;
    const filters = values();
    const isCurrent = () => change === current;
    const progress = (share) => {
      status.textContent = `Searching, ${percent(share, 0)}`;
    };
    const found = await matching(filters, isCurrent, progress);
    const columns = await readings(runIndex(filters.run));
    if (!isCurrent()) return;
    own = columns;
    const total = own.outcome.reduce((sum, outcome) => sum + (outcome !== ABSENT), 0);
    status.textContent = `${count(found.length)} of ${count(total)} sample${total === 1 ? "" : "s"} of this run`;
    byId("samples").hidden = !found.length;
    const at = found.find((i) => sampleKey(all, i) === wanted);
    const lost = linked && absent(linked, at !== undefined);
    if (found.length) list.fill(found, lost ? null : at);
    if (lost) refuse(lost);
    else if (!found.length) refuse("No sample passes these filters.");
  }

  /** Sets the form from an address; what it does not name, or names wrongly, is not filtered. */
  function adopt(filters) {
    for (const name of FILTERS) form.elements[name].value = isOption(name, filters[name]) ? (filters[name] ?? "") : "";
    if (isOption("run", filters.run)) form.elements.run.value = filters.run;
    wanted = filters.sample ?? wanted;
    return apply(filters);
  }

  const isOption = (name, value = "") =>
    [...(form.elements[name].options ?? [{ value }])].some((option) => option.value === value);

  /** Says what of an address is not on this page; an empty text if all is. */
  function absent(filters, isFound) {
    const wrong = ["run", ...FILTERS].find((name) => filters[name] && !isOption(name, filters[name]));
    if (wrong) return `The address asks for the ${wrong} “${plain(filters[wrong])}”, which this page does not have.`;
    if (!filters.sample || isFound) return "";
    const sample = `The address asks for the sample “${plain(filters.sample)}”`;
    const known = all.id.some((_, i) => sampleKey(all, i) === filters.sample);
    return known
      ? `${sample}, which this run does not hold or its filters leave out.`
      : `${sample}, which this page does not have.`;
  }

  let typing;
  form.elements.text.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => apply(), TYPING_MS);
  });
  form.addEventListener("change", (event) => event.target.name !== "text" && apply());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  form.addEventListener("reset", () => setTimeout(() => apply()));
  byId("previous").addEventListener("click", () => list.step(-1));
  byId("next").addEventListener("click", () => list.step(1));
  byId("browse").addEventListener("keydown", (event) => {
    const inField = event.target.closest("input, select, textarea");
    if (inField || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "j" || event.key === "n") list.step(1);
    if (event.key === "k" || event.key === "p") list.step(-1);
  });
  addEventListener("hashchange", () => {
    const filters = filtersOfHash(location.hash);
    if (!filters) return;
    adopt(filters);
    byId("browse").scrollIntoView();
  });

  const asked = filtersOfHash(location.hash);
  await (asked ? adopt(asked) : apply());
  if (asked) byId("browse").scrollIntoView();
  started = true;
}
