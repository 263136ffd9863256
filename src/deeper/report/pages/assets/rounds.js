"use strict";
// Error by round: the chosen methods in colour with intervals and names, the others as thin lines behind them.

const boxes = [...document.querySelectorAll("#methods input")];
const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
const wordsOf = (method) => method.replaceAll("_", " ");

KINDS.rounds = ({ lines, small, label }, width) => {
  const shown = chosen();
  const rows = lines.flatMap(({ method, dash, points }) =>
    points.map(([t, mae, low, high, users]) => ({ method, dash, t, mae, low, high, users })));
  const front = shown.map((method) => rows.filter((row) => row.method === method)).filter((found) => found.length);
  const last = d3.max(rows, (row) => row.t);
  const height = small ? 190 : Math.max(300, Math.min(440, width * 0.5));
  // The chosen methods fill the height; lines of other methods may be cut off.
  const values = (front.length ? front.flat() : rows).flatMap((row) => [row.mae, row.low, row.high]);
  const [low, high] = range(values);
  const names = front.map((found) => found.at(-1));
  const room = small || !names.length ? 14 : 18 + 6.3 * d3.max(names, (row) => row.method.length);
  const step = (width - 44 - room) / (last + 1);
  const spread = Math.min(5, (step * 0.7) / Math.max(1, front.length));
  const labels = apart(names.map((row) => ({ ...row, y: row.mae })), (15 * (high - low)) / (height - 60));
  const description = (row) =>
    `${wordsOf(row.method)}, round ${row.t}\n${number(row.mae)}${row.low === null ? "" : ` (${number(row.low, 2)}..${number(row.high, 2)})`}\n${row.users} users`;
  return picture(label, {
    width, height, marginLeft: 44, marginRight: room, marginBottom: step < 52 ? 34 : 40, marginTop: 22,
    x: { type: "linear", domain: [-0.12, last + 0.12], label: step < 52 ? "round" : null, ticks: d3.range(last + 1), tickSize: 0,
      tickFormat: (t) => (step < 52 ? `${t}` : `round ${t}\non W${t + 1}`) },
    y: { domain: [low, high], nice: true, ticks: small ? 4 : 6, tickSize: 0, label: "error (MAE)", labelArrow: "none" },
    color: { type: "identity" },
    marks: [
      Plot.gridY({ stroke: GRID, strokeOpacity: 1, ticks: small ? 4 : 6 }),
      Plot.line(rows.filter((row) => !shown.includes(row.method)), { x: "t", y: "mae", z: "method", stroke: "var(--strong)", strokeOpacity: 0.5, strokeWidth: 1, clip: true }),
      ...front.map((found, i) => {
        const ink = `var(--${found[0].method})`, dx = (i - (front.length - 1) / 2) * spread;
        return [
          Plot.ruleX(found.filter((row) => row.low !== null), { x: "t", y1: "low", y2: "high", stroke: ink, strokeWidth: 1.4, strokeOpacity: 0.55, dx }),
          Plot.line(found, { x: "t", y: "mae", stroke: ink, strokeWidth: 2, strokeDasharray: found[0].dash || "none", dx }),
          Plot.dot(found, { x: "t", y: "mae", fill: ink, r: small ? 2.5 : 3.5, dx }),
        ];
      }),
      small ? null : Plot.text(labels, { x: () => last + 0.12, y: "y", text: (row) => wordsOf(row.method), fill: (row) => `var(--${row.method})`, textAnchor: "start", dx: 8, fontWeight: 500 }),
      Plot.tip(front.flat(), Plot.pointer({ x: "t", y: "mae", title: description })),
    ],
  });
};

for (const box of boxes) box.addEventListener("change", () => REDRAW.forEach((again) => again()));
for (const button of document.querySelectorAll("#methods button")) {
  button.addEventListener("click", () => {
    const group = button.dataset.methods.split(" ");
    for (const box of boxes) box.checked = group.includes(box.value);
    REDRAW.forEach((again) => again());
  });
}
