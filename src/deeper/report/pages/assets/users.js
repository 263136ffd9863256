"use strict";
// The persona browser. A user's data is unpacked when the user is chosen, and everything is drawn anew.

const browse = async () => {
  const index = await unpack("index");
  const isUpdater = (method) => index.updaters.includes(method);
  // One sentence on a method that is not an updater.
  const about = (method) => (isUpdater(method) ? null : method === "frozen" ? "This persona is never updated." : `A control: the model reads ${index.sees[method]}.`);
  const blocks = new Map();
  const at = (id) => document.getElementById(id);
  const state = { user: null, round: 0 };
  let personas = [], windows = [];

  const option = (value, text = value) => element("option", { value }, text);
  const domains = Object.keys(index.domains).filter((name) => index.users.some((user) => user.domain === name));
  at("domain").append(option("", "all domains"), ...domains.map((name) => option(name, index.domains[name].name)));
  at("domain").closest("label").hidden = domains.length < 2;
  at("method").append(...index.methods.map((name) => option(name, wordsOf(name))));
  at("beside").append(option("", "nothing"), ...index.methods.map((name) => option(name, wordsOf(name))));
  at("method").value = index.methods.includes("refine") ? "refine" : (index.methods.find(isUpdater) ?? index.methods[0]);

  // The change of a user's error in the last round: against the first persona (frozen) on the same window, or, without one,
  // against the method's own first round.
  const change = (i, method) => {
    const own = index.errors[method]?.[i];
    if (!own) return null;
    const last = own.findLastIndex((value) => value !== null);
    const frozen = method === "frozen" ? undefined : index.errors.frozen?.[i]?.[last];
    const [from, fixed] = frozen === undefined || frozen === null ? [own[0], false] : [frozen, true];
    return last < 1 || from === null ? null : { from, to: own[last], by: own[last] - from, fixed };
  };

  const list = (event) => {
    const method = at("method").value, words = at("find").value.trim().toLowerCase();
    const rows = index.users.map((user, i) => ({ ...user, i, change: change(i, method) }))
      .filter((row) => (!at("domain").value || row.domain === at("domain").value) && row.user.toLowerCase().includes(words));
    const side = { improved: -1, worsened: 1 }[at("order").value];
    const kept = side ? rows.filter((row) => row.change && row.change.by * side > 0.0005) : rows;
    if (side) kept.sort((a, b) => side * (b.change.by - a.change.by));
    at("user").replaceChildren(...kept.map((row) => option(row.i, `${row.change ? `${signed(row.change.by, 2)}  ` : ""}${row.user}`)));
    at("found").textContent = `${kept.length} of ${index.users.length} users`;
    const known = rows.find((row) => row.change);
    at("measure").textContent = known
      ? `Before each user: the error of ${wordsOf(method)} in the last round minus ${known.change.fixed ? "that of the first persona (frozen) on the same window" : "that in its first round"}. Below 0 is better.`
      : "";
    if (!kept.length) { state.user = null; at("user-view").replaceChildren(element("p", { class: "dim" }, "No user matches.")); at("previous").disabled = at("next").disabled = true; return; }
    const stays = event?.target !== at("order") && kept.some((row) => row.i === state.user);
    choose(stays ? state.user : kept[0].i);
  };

  const choose = async (i) => {
    state.user = i;
    at("user").value = String(i);
    at("previous").disabled = at("user").selectedIndex <= 0;
    at("next").disabled = at("user").selectedIndex >= at("user").length - 1;
    const block = Math.floor(i / index.users_per_block);
    if (!blocks.has(block)) blocks.set(block, unpack(`block-${block}`));
    const found = (await blocks.get(block))[i % index.users_per_block];
    if (state.user !== i) return; // Another user was chosen meanwhile.
    ({ personas, windows } = found);
    draw();
  };

  const persona = (method, k) => {
    if (method === "no_persona") return personas.find((row) => row.method === method);
    if (method === "frozen" || (k === 0 && isUpdater(method))) return personas.find((row) => row.method === "initialise");
    return personas.find((row) => row.method === method && row.stage === "final" && row.k === k);
  };

  // The highest bar of the window fills the height, which keeps its items comparable.
  const strip = (prediction, i, rating, labels) => {
    const values = labels.map(Number), share = prediction.percent[i];
    const width = 170, height = 30;
    const bars = values.map((value, j) => ({ j, share: share[j], isPoint: value === prediction.rounded[i] }));
    const svg = Plot.plot({
      width, height, margin: 0, marginBottom: 9, style: FONT, axis: null, color: { type: "identity" },
      x: { type: "band", domain: d3.range(values.length), padding: values.length > 20 ? 0 : 0.12 }, y: { domain: [0, Math.max(20, d3.max(prediction.percent.flat()))] },
      marks: [
        Plot.ruleY([0], { stroke: "var(--line)" }),
        Plot.barY(bars, { x: "j", y: "share", fill: (bar) => (bar.isPoint ? "var(--point)" : "var(--share)") }),
        rating === null ? null : Plot.dot([values.findIndex((value) => Math.abs(value - rating) < 1e-3)], { x: (j) => j, y: 0, dy: 5, r: 3.6, fill: "var(--given)" }),
      ],
    });
    svg.setAttribute("aria-hidden", "true");
    svg.style.maxWidth = "100%";
    return svg;
  };

  const gap = (predicted, rating) => {
    if (rating === null) return element("td", { class: "off dim" }, "no rating");
    const by = predicted - rating;
    const size = element("span", { class: by > 0 ? "high" : by < 0 ? "low" : "dim" }, by === 0 ? "correct" : `${d3.format("~g")(Math.abs(by))} too ${by > 0 ? "high" : "low"}`);
    return element("td", { class: "off" }, size);
  };

  const table = (caption, k, prediction, labels, pictures) => {
    // The model reads predictions rounded to the scale; errors are measured before rounding.
    const shown = pictures ? prediction.points : prediction.rounded;
    const all = windows[k].map(([title, rating], i) => ({ title, rating, i, by: rating === null ? 0 : shown[i] - rating }));
    // Discrepancies start with the largest; correct predictions follow in one line below.
    const rows = pictures ? all : all.filter((row) => row.by !== 0).sort((a, b) => Math.abs(b.by) - Math.abs(a.by));
    const middle = pictures ? [element("th", { scope: "col" }, `${labels[0]} to ${labels.at(-1)}`)] : [];
    const head = element("tr", {}, element("th", { scope: "col", class: "title" }, "item"), ...middle,
      element("th", { scope: "col", class: "amount" }, "predicted"), element("th", { scope: "col", class: "amount" }, "rated"), element("th", { scope: "col", class: "off" }, "off by"));
    const body = rows.map(({ title, rating, i }) =>
      element("tr", {}, element("th", { scope: "row", class: "title" }, element("bdi", {}, title)),
        ...(pictures ? [element("td", {}, strip(prediction, i, rating, labels))] : []),
        element("td", {}, d3.format("~g")(shown[i])), element("td", {}, rating === null ? "–" : d3.format("~g")(rating)), gap(shown[i], rating)));
    return element("table", { class: pictures ? "window" : "window plain" }, element("caption", { class: "hidden" }, caption), element("thead", {}, head), element("tbody", {}, ...body));
  };

  const compared = (before, now) => {
    const pieces = Diff.diffWordsWithSpace(before, now);
    return element("p", { class: "persona" }, ...pieces.map((piece) => (piece.added ? element("ins", {}, piece.value) : piece.removed ? element("del", {}, piece.value) : piece.value)));
  };

  const why = (method, t, before, labels) => {
    if (!isUpdater(method)) return [];
    const found = persona(method, t);
    if (t === 0) return [element("h4", {}, "Origin"), element("p", { class: "dim" }, "It was written from the ratings of W0 alone. There was no prediction yet."), ...evidence(found, 0), given(0)];
    const same = before && personas.find((row) => row.method === method && row.k === t && row.stage === "final")?.text === before.text;
    const made = [element("h4", {}, same ? "What the model was shown" : "Why it changed"), element("p", { class: "dim" }, `The model was shown ${index.sees[method]} (W${t}).`)];
    const short = personas.find((row) => row.method === method && row.k === t && row.stage === "short_term");
    if (short) made.push(element("blockquote", {}, short.text));
    made.push(...evidence(found, t));
    const prediction = before?.predicted[t];
    if (!prediction || prediction.failure) {
      made.push(element("p", { class: "dim" }, `No prediction of W${t} from the previous persona${prediction ? `: ${prediction.failure}` : ""}.`), given(t));
      return made;
    }
    if (method !== "refine") made.push(element("p", { class: "dim" }, "For comparison, the predictions of the previous persona:"));
    const right = windows[t].filter(([, rating], i) => rating === prediction.rounded[i]), unrated = windows[t].filter(([, rating]) => rating === null);
    if (right.length + unrated.length < windows[t].length) made.push(table(`Discrepancies of W${t}, predicted from the previous persona`, t, prediction, labels, false));
    if (right.length) made.push(listed("Predicted correctly", right));
    if (unrated.length) made.push(listed("Without a rating", unrated));
    return made;
  };

  // What the prompt said below the items, line by line.
  const evidence = (found, t) => !found?.evidence.length ? [] : [
    element("p", { class: "dim" }, found.search ? `What all ratings of W${t} show (each candidate was told what its half shows):` : "What the prompt said of these ratings:"),
    element("ul", { class: "evidence" }, ...found.evidence.map((line) => element("li", {}, element("bdi", {}, line))))];

  const listed = (head, items) => element("p", { class: "note" }, `${head}: `, ...items.flatMap(([title], i) => [i ? "; " : "", element("bdi", {}, title)]), ".");

  const given = (k) => element("details", {}, element("summary", {}, `Ratings of W${k}`),
    element("ul", {}, ...windows[k].map(([title, rating]) => element("li", {}, element("bdi", {}, title), `: ${rating === null ? "no rating" : d3.format("~g")(rating)}`))));

  const nextWindow = (found, t, labels, error) => {
    const made = [element("h4", {}, `Predictions of W${t + 1}, which the persona has not seen`)];
    const prediction = found?.predicted[t + 1];
    if (!windows[t + 1]) made.push(element("p", { class: "dim" }, "The user has no further window."));
    else if (!prediction || prediction.failure) made.push(element("p", { class: "alarm" }, `There is no prediction${prediction ? `: ${prediction.failure}` : ""}.`), given(t + 1));
    else made.push(element("p", {}, "Error (MAE): ", element("strong", {}, number(error)), error === null ? " (no item has a rating)" : ""),
      table(`Predictions of W${t + 1}`, t + 1, prediction, labels, true));
    return made;
  };

  const notes = (found) => {
    const made = [];
    if (found.failure) made.push(element("p", { class: "alarm" }, `The model gave no text (${found.failure}). The previous persona was kept.`));
    if (found.leaks.length) made.push(element("p", { class: "alarm" }, `It contains titles or ratings: ${found.leaks.join(", ")}.`));
    if (found.search) made.push(element("p", { class: "dim" }, found.search.gain === null ? `None of ${found.search.n} candidates was better. The previous persona was kept.` : `The best of ${found.search.n} candidates, by ${number(found.search.gain)}.`));
    return made;
  };

  const side = (method) => {
    const t = state.round, labels = index.domains[index.users[state.user].domain].labels;
    const found = persona(method, t), before = t > 0 ? persona(method, t - 1) : null;
    const error = index.errors[method]?.[state.user]?.[t] ?? null;
    const made = element("div", { class: "side", style: `--ink:var(--${method})` }, element("h3", {}, `${wordsOf(method)}, round ${t}`));
    if (!found) { made.append(element("p", { class: "dim" }, "There is no persona for this round.")); return made; }
    if (about(method)) made.append(element("p", { class: "dim" }, about(method)));
    const fresh = before && before !== found;
    made.append(!found.text ? element("p", { class: "persona dim" }, "This persona is empty.")
      : fresh && at("diff").checked ? compared(before.text, found.text) : element("p", { class: "persona" }, found.text));
    if (fresh && before.text === found.text) made.append(element("p", { class: "dim" }, "The text did not change."));
    made.append(...notes(found), ...why(method, t, before, labels), ...nextWindow(found, t, labels, error));
    return made;
  };

  const course = (methods) => {
    const lines = ["user_median", ...methods].filter((name, i, all) => index.errors[name] && all.indexOf(name) === i);
    const rows = lines.flatMap((method) => index.errors[method][state.user].map((mae, t) => ({ method, t, mae }))).filter((row) => row.mae !== null);
    const place = element("div", { class: "plot" });
    if (!rows.length) return place;
    const label = `Error of this user by round: ${lines.map((method) => `${wordsOf(method)} ${index.errors[method][state.user].map((mae) => number(mae, 2)).join(", ")}`).join("; ")}`;
    const ends = lines.map((method) => rows.filter((row) => row.method === method).at(-1)).filter(Boolean).map((row) => ({ ...row, y: row.mae }));
    const [low, high] = range(rows.map((row) => row.mae));
    keepDrawn(place, (width) => picture(label, {
      width: Math.min(width, 640), height: 140, marginLeft: 40, marginRight: 18 + 6.3 * d3.max(lines, (name) => name.length), marginBottom: 24, marginTop: 26,
      x: { domain: [0, index.rounds || 1], ticks: d3.range(index.rounds + 1), tickFormat: "d", label: null, tickSize: 0 },
      y: { domain: [low, high], nice: true, ticks: 3, tickSize: 0, label: "error by round", labelArrow: "none" }, color: { type: "identity" },
      marks: [
        Plot.gridY({ stroke: GRID, strokeOpacity: 1, ticks: 3 }),
        Plot.ruleX([state.round], { stroke: "var(--strong)", strokeDasharray: "2 3" }),
        Plot.line(rows, { x: "t", y: "mae", z: "method", stroke: (row) => `var(--${row.method})`, strokeWidth: 2 }),
        Plot.dot(rows, { x: "t", y: "mae", fill: (row) => `var(--${row.method})`, r: (row) => (row.t === state.round ? 5 : 3) }),
        Plot.text(apart(ends, (15 * (high - low)) / 88), { x: index.rounds || 1, y: "y", text: (row) => wordsOf(row.method), fill: (row) => `var(--${row.method})`, textAnchor: "start", dx: 10 }),
      ],
    }));
    return place;
  };

  const key = () => element("div", { class: "key", "aria-hidden": "true" }, ...[["--share", "predicted distribution"], ["--point", "predicted rating"]].map(([name, text]) =>
    element("span", {}, element("i", { style: `background:var(${name})` }), text)), element("span", {}, element("i", { class: "round", style: "background:var(--given)" }), "rating by the user"));

  const draw = () => {
    const user = index.users[state.user];
    const methods = [at("method").value, at("beside").value].filter((name, i, all) => name && all.indexOf(name) === i);
    const size = `${domains.length > 1 ? `${index.domains[user.domain].name}. ` : ""}${windows.length} windows of up to ${d3.max(windows, (window) => window.length)} ratings.`;
    at("user-view").replaceChildren(element("h3", {}, element("bdi", {}, user.user)), element("p", { class: "dim" }, size),
      course(methods), key(), element("div", { class: "sides" }, ...methods.map(side)));
    at("status").textContent = `${user.user}, round ${state.round}`;
  };

  const steps = d3.range(index.rounds + 1).map((t) => element("label", {}, element("input", { type: "radio", name: "round", value: t, checked: t === 0, onchange: () => { state.round = t; if (state.user !== null) draw(); } }), String(t)));
  at("steps").append(...steps);
  for (const name of ["domain", "order", "method"]) at(name).addEventListener("change", list);
  at("find").addEventListener("input", list);
  at("beside").addEventListener("change", () => state.user !== null && draw());
  at("diff").addEventListener("change", () => state.user !== null && draw());
  at("user").addEventListener("change", () => choose(Number(at("user").value)));
  for (const [id, by] of [["previous", -1], ["next", 1]]) at(id).addEventListener("click", () => { at("user").selectedIndex += by; choose(Number(at("user").value)); });
  list();
  document.documentElement.dataset.ready = "yes";
};

browse();
