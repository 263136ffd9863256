"use strict";
// The charts of all reports, drawn with Observable Plot from data in the page. Every text enters the page as a text node,
// since names and titles come from foreign data.

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
};

// The data of a block that html.packed wrote.
const unpack = async (id) => {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
};

const FONT = { fontSize: "12px", fontFamily: "inherit", background: "none", overflow: "visible" };
const GRID = "var(--line)";

// A picture, with one sentence for screen readers.
const picture = (label, options) => {
  const svg = Plot.plot({ style: FONT, ...options });
  svg.setAttribute("role", "img");
  // The labels of the parts add nothing, and are not allowed without a role.
  for (const part of svg.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  svg.setAttribute("aria-label", label);
  return svg;
};

const number = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits));
const signed = (value, digits = 3) =>
  value === null || value === undefined ? "–" : (value > 0 ? "+" : value < 0 ? "−" : "±") + Math.abs(value).toFixed(digits);
const amount = (value) => (value >= 1e4 ? d3.format(".3~s")(value) : d3.format(",.4~g")(value));

// From the lowest to the highest value, and at least as wide as an axis needs.
const range = (values, least = 0.02) => {
  const [low, high] = d3.extent(values.filter((value) => value !== null));
  const missing = Math.max(0, least - (high - low)) / 2;
  return [low - missing, high + missing];
};

// Moves overlapping labels apart to a distance of at least `gap`, in units of the axis.
const apart = (labels, gap) => {
  const sorted = [...labels].sort((a, b) => a.y - b.y);
  for (let pass = 0; pass < 60; pass++) {
    for (let i = 1; i < sorted.length; i++) {
      const missing = gap - (sorted[i].y - sorted[i - 1].y);
      if (missing > 0) { sorted[i - 1].y -= missing / 2; sorted[i].y += missing / 2; }
    }
  }
  return sorted;
};

const lines = ({ names, lines, label }, width) => {
  const rows = lines.flatMap(({ name, dashed, points }) => points.map(([x, y]) => ({ name, dashed, x, y })));
  const colour = (row) => `var(--c${names.indexOf(row.name)})`;
  const ends = names.map((name) => rows.filter((row) => row.name === name && !row.dashed).at(-1)).filter(Boolean);
  const height = 170, [low, high] = d3.extent(rows, (row) => row.y);
  const gap = (14 * (high - low || 1)) / (height - 50);
  const labels = apart(ends.map((row) => ({ ...row })), gap);
  return picture(label, {
    width, height, marginLeft: 48, marginRight: names.length > 1 ? 76 : 14, marginBottom: 26,
    x: { label: "step", ticks: 4, tickFormat: "d" }, y: { label: null, ticks: 4, nice: true },
    color: { type: "identity" },
    marks: [
      Plot.gridY({ stroke: GRID, strokeOpacity: 1, ticks: 4 }),
      Plot.line(rows.filter((row) => !row.dashed), { x: "x", y: "y", z: "name", stroke: colour, strokeWidth: 1.8 }),
      Plot.line(rows.filter((row) => row.dashed), { x: "x", y: "y", z: "name", stroke: colour, strokeWidth: 1.6, strokeDasharray: "5 3" }),
      // A line of one point would be invisible.
      Plot.dot(rows.filter((row) => rows.filter((other) => other.name === row.name && other.dashed === row.dashed).length === 1), { x: "x", y: "y", fill: colour, r: 3 }),
      names.length > 1 ? Plot.text(labels, { x: "x", y: "y", text: "name", fill: colour, textAnchor: "start", dx: 6 }) : null,
    ],
  });
};

const intervals = ({ rows, marks, digits, label }, width) => {
  const narrow = width < 420;
  const ends = rows.flatMap((row) => [row.value, ...row.ci]).filter((value) => value !== null);
  const colour = (row) =>
    row.ink ? `var(--${row.ink})` : row.clear === false ? "var(--unsure)" : row.ci[0] > marks[0] ? "var(--worse)" : row.ci[1] !== null && row.ci[1] < marks[0] ? "var(--better)" : "var(--unsure)";
  const text = (row) => signed(row.value, digits) + (narrow || row.ci[0] === null ? "" : `  ${signed(row.ci[0], digits - 1)}..${signed(row.ci[1], digits - 1)}`);
  const longest = d3.max(rows, (row) => row.name.length);
  const known = rows.filter((row) => row.ci[0] !== null);
  return picture(label, {
    width, height: 22 * rows.length + 34, marginLeft: Math.min(12 + 6.4 * longest, width * 0.42), marginRight: narrow ? 52 : 142, marginBottom: 26, marginTop: 4,
    x: { label: null, ticks: 4, domain: range([...ends, ...marks]), nice: true },
    y: { label: null, domain: rows.map((row) => row.name), tickSize: 0 },
    color: { type: "identity" },
    marks: [
      Plot.gridX({ stroke: GRID, strokeOpacity: 1, ticks: 4 }),
      Plot.ruleX(marks.slice(1), { stroke: "var(--strong)", strokeDasharray: "3 3" }),
      Plot.ruleX(marks.slice(0, 1), { stroke: "var(--text)" }),
      Plot.ruleY(known, { y: "name", x1: (row) => row.ci[0], x2: (row) => row.ci[1], stroke: colour, strokeWidth: 2 }),
      Plot.dot(rows, { y: "name", x: "value", fill: colour, r: 4 }),
      Plot.text(rows, { y: "name", text, frameAnchor: "right", textAnchor: "start", dx: 10, fill: colour, fontVariant: "tabular-nums" }),
    ],
  });
};

const bars = ({ parts, rows, unit, label }, width) => {
  const long = rows.flatMap((row) => row.amounts.map((value, i) => ({ name: row.name, part: parts[i], value, i })));
  const totals = rows.map((row) => ({ name: row.name, value: d3.sum(row.amounts) }));
  const chart = picture(label, {
    width, height: 21 * rows.length + 16, marginLeft: 122, marginRight: 62, marginTop: 2, marginBottom: 4,
    x: { axis: null, domain: [0, d3.max(totals, (row) => row.value) || 1] },
    y: { label: null, domain: rows.map((row) => row.name), tickSize: 0 },
    color: { type: "identity" },
    marks: [
      Plot.barX(long, { y: "name", x: "value", z: "part", order: "i", fill: (row) => `var(--c${row.i})`, insetTop: 2, insetBottom: 2 }),
      Plot.text(totals, { y: "name", x: "value", text: (row) => `${amount(row.value)} ${unit}`, textAnchor: "start", dx: 6 }),
    ],
  });
  if (parts.length < 2) return chart;
  const key = element("div", { class: "key" }, ...parts.map((part, i) => element("span", {}, element("i", { style: `background:var(--c${i})` }), part)));
  const both = element("div", {});
  both.append(key, chart);
  return both;
};

const columns = ({ rows, label }, width) => {
  // Label as many columns as there is room for.
  const every = Math.ceil((rows.length * 44) / width);
  return picture(label, {
    width, height: 170, marginLeft: 52, marginBottom: 26,
    x: { label: null, domain: rows.map((row) => row.at), ticks: rows.filter((_, i) => i % every === 0).map((row) => row.at), tickSize: 0 },
    y: { label: null, ticks: 4, nice: true, tickFormat: amount },
    marks: [
      Plot.gridY({ stroke: GRID, strokeOpacity: 1, ticks: 4 }),
      Plot.barY(rows, { x: "at", y: "count", fill: "var(--c0)" }),
    ],
  });
};

const KINDS = { lines, intervals, bars, columns };

// Draws again when the width changes, and when the returned function is called.
const keepDrawn = (place, draw) => {
  let drawn = 0;
  const again = (always) => {
    const width = Math.floor(place.clientWidth);
    if (width > 40 && (always || width !== drawn)) { drawn = width; place.replaceChildren(draw(width)); }
  };
  new ResizeObserver(() => again(false)).observe(place);
  return () => again(true);
};

const REDRAW = [];
document.addEventListener("DOMContentLoaded", () => {
  for (const figure of document.querySelectorAll("figure[data-kind]")) {
    const data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    REDRAW.push(keepDrawn(figure.querySelector(".plot"), (width) => KINDS[figure.dataset.kind](data, width)));
  }
});
