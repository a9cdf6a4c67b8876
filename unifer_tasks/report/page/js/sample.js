// One sample in full. Everything that a model wrote is shown as text.

const MOST_ITEMS = 60; // A model that repeats itself names a sign a thousand times.

/** Returns the nodes of a sample's view. */
async function sampleView(i, run, other) {
  const place = i % report.chunk;
  const [all, known, block, ...columns] = await Promise.all([
    questions(), meanings(), responses(run, Math.floor(i / report.chunk)),
    ...report.runs.map((_, k) => readings(k)),
  ]);
  const rationale = rationaleOf(block, place, known);
  const dataset = report.datasets[all.dataset[i]];
  const own = columns[run];
  return [
    el("h3", {}, dataset.title, " ", el("bdi", { class: "id" }, plain(all.id[i]))),
    el(
      "div", { class: "sample-head" },
      await picture(viewOf(dataset, run, own, i), dataset, all, i),
      el(
        "dl", { class: "facts" },
        ...fact("Truth", report.labels[all.target[i]]),
        ...fact("Answer", verdict(own, all, i)),
        ...fact("Outcome", report.outcomes[own.outcome[i]]),
        ...(block.corrupted[place] ? fact("Image", `corrupted for this run: ${block.corrupted[place]}`) : []),
        ...fact("Rationale argues for", rationale?.argued.join(", ") || "none of the labels"),
      ),
    ),
    el("details", { class: "question" }, el("summary", {}, "Question"), el("p", {}, questionAsked(run, dataset.key))),
    ...responseView(block, place, rationale),
    answersOfAll(all, columns, i, run, other),
  ];
}

const fact = (term, value) => [el("dt", {}, term), el("dd", {}, value)];

const questionAsked = (run, dataset) =>
  shown(report.runs[run].questions[dataset] ?? "Not recorded by the run, or not the same for all its samples.");

/** Reads a packed rationale: where it lies, its cues, what it argues for and how it contradicts itself. */
function rationaleOf(block, place, known) {
  const packed = block.rationales[place];
  if (!packed) return null;
  const [start, length, flat, argued, contradictions] = packed;
  const cues = [];
  for (let k = 0, at = start; k < flat.length; k += 3) {
    at += flat[k];
    cues.push({ start: at, end: at + flat[k + 1], ...known[flat[k + 2]] });
  }
  return { start, end: start + length, cues, argued: argued.map((k) => report.labels[k]), contradictions };
}

function verdict({ answer }, all, i) {
  const right = answer[i] === all.target[i];
  const given = answer[i] === NONE ? "none" : report.labels[answer[i]];
  return el("span", { class: right ? "right" : "wrong" }, `${right ? "✓" : "✗"} ${given}, ${right ? "right" : "wrong"}`);
}

/** The images that a run was shown: the dataset's own, or those that its variant corrupts. */
const viewOf = (dataset, run, own, i) =>
  report.runs[run].corrupts && own.outcome[i] !== ABSENT ? `${dataset.images}.${report.runs[run].corrupts}` : dataset.images;

async function picture(view, dataset, all, i) {
  const source = await imageSource(view, all.image[i]);
  const nothing = (text) => el("div", { class: "no-image" }, text);
  if (!source) return nothing(report.images ? "No image of this id in the data" : "Images are not part of this page");
  const image = el("img", {
    src: source, alt: `The face of ${dataset.title} ${plain(all.id[i])}`, decoding: "async",
    error: () => image.replaceWith(nothing("The image's file is not beside the page")),
  });
  return image;
}

function responseView({ texts, labels, leftOut }, place, rationale) {
  const text = texts[place];
  if (text == null) {
    const said = place in labels ? ["Only a label was given: ", el("q", {}, ...shown(labels[place]))] : ["No response was received."];
    return [el("h4", {}, "Response"), el("p", { class: "quiet" }, ...said)];
  }
  const body = rationale
    ? [
        ...shown(text.slice(0, rationale.start)),
        el("span", { class: "rationale" }, ...marked(text, rationale)),
        ...shown(text.slice(rationale.end)),
      ]
    : shown(text);
  return [
    el("h4", {}, "Response"),
    el("p", { class: "response", dir: "auto", tabindex: "0", role: "region", "aria-label": "Response" }, ...body),
    ...(place in leftOut ? [el("p", { class: "quiet" }, `${count(leftOut[place])} characters are left out in place of “⋯”, with the signs in them; the run's own files hold the whole response.`)] : []),
    el("h4", {}, "Action units that the rationale names"),
    cueList(text, rationale),
    ...contradictionList(text, rationale),
  ];
}

/** Returns a rationale with its cues in marks; of cues that overlap, the first. */
function marked(text, { start, end, cues }) {
  const nodes = [];
  let from = start;
  for (const cue of cues.toSorted((a, b) => a.start - b.start)) {
    if (cue.start < from) continue;
    nodes.push(...shown(text.slice(from, cue.start)), mark(text, cue));
    from = cue.end;
  }
  return [...nodes, ...shown(text.slice(from, end))];
}

const mark = (text, { start, end, meaning, present }) =>
  el("mark", { class: present ? "" : "denied", title: meaning }, ...shown(text.slice(start, end)));

function cueList(text, rationale) {
  if (!rationale) return el("p", { class: "quiet" }, "There is no well-formed rationale.");
  if (!rationale.cues.length) return el("p", { class: "quiet" }, "None.");
  const items = rationale.cues.map((cue) => el("li", {}, mark(text, cue), ` ${cue.meaning}`));
  return el("ul", { class: "cues" }, ...first(items));
}

function contradictionList(text, rationale) {
  if (!rationale?.contradictions.length) return [];
  const items = rationale.contradictions.map(([first, second, reason]) =>
    el("li", {}, mark(text, rationale.cues[first]), " and ", mark(text, rationale.cues[second]), `: ${reason}`));
  return [el("h4", {}, "Cues that exclude each other"), el("ul", { class: "cues" }, ...first(items))];
}

/** The first of a list's items, and how many others there are. */
function first(items) {
  const others = items.length - MOST_ITEMS;
  return others > 0 ? [...items.slice(0, MOST_ITEMS), el("li", { class: "quiet" }, `and ${count(others)} more`)] : items;
}

function answersOfAll(all, columns, i, run, other) {
  const rows = report.runs.map(({ name }, k) => {
    const answered = columns[k].outcome[i] !== ABSENT;
    const link = el("a", { href: browseLink({ run: name, sample: sampleKey(all, i) }) }, plain(name));
    const attributes = k === run ? { "aria-current": "true" } : k === other ? { class: "other" } : {};
    return el("li", attributes, link, " ", answered ? verdict(columns[k], all, i) : "not in this run");
  });
  return el("details", { class: "answers", open: report.runs.length < 7 },
    el("summary", {}, "Every run's answer"), el("ul", {}, ...rows));
}

const sampleKey = (all, i) => `${report.datasets[all.dataset[i]].key}:${all.id[i]}`;
