/* The figures of a comparison. Everything is drawn again when a metric or a parameter is chosen. */
const GREY = "#8a929b", MOST_ARMS = 40, COLOURS_OF_LINES = 24, JITTER = 0.06;
const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
const comparison = JSON.parse(document.getElementById("comparison").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const choice = { metric: 0, parameter: 0, arm: null };

const blue = () => (dark.matches ? "#56B4E9" : "#0072B2");

function layout(more) {
  const css = getComputedStyle(document.documentElement), of = (name) => css.getPropertyValue(name).trim();
  const axis = { gridcolor: of("--line"), zerolinecolor: of("--line"), linecolor: of("--quiet"), automargin: true };
  const { xaxis = {}, yaxis = {}, ...rest } = more;
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: of("--text"), size: 12 },
    margin: { l: 60, r: 20, t: 16, b: 64 }, height: 380, showlegend: false, hovermode: "closest",
    hoverlabel: { align: "left" }, modebar: { bgcolor: "rgba(0,0,0,0)", color: of("--quiet"), activecolor: of("--accent") }, xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
  };
}

/* Labels come from configs: a plot must not read them as HTML. */
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function wrapped(text) {
  return plain(text).replaceAll(", ", "<br>");
}

function cut(text, limit) {
  return plain(text.length > limit ? `${text.slice(0, limit - 1)}…` : text);
}

function axisOf(name, log) {
  return { title: { text: plain(name) }, type: log ? "log" : "linear" };
}

function draw(id, traces, more) {
  const element = document.getElementById(id);
  element.closest("figure").hidden = traces === null;
  if (traces === null) return;
  const shown = layout(more);
  element.style.height = `${shown.height}px`;
  Plotly.react(element, traces, shown, CONFIG);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function range(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
}

/* Arms by the chosen metric, the best first; those without it last. */
function ordered() {
  const { means, more } = comparison.metrics[choice.metric], sign = more ? -1 : 1;
  return comparison.labels.map((_, arm) => arm).sort((a, b) => {
    if (means[a] === null || means[b] === null) return (means[a] === null) - (means[b] === null);
    return sign * (means[a] - means[b]);
  });
}

/* The 24 steps of colour that lines have: a trace each, so that hundreds of lines are drawn at once. */
function step(value, [low, high]) {
  return Math.min(Math.floor(((value - low) / (high - low || 1)) * COLOURS_OF_LINES), COLOURS_OF_LINES - 1);
}

/* Viridis without the end that the page's own colour would hide. */
function colours() {
  const middle = ["#3b6fb0", "#2c8a9e", "#21a08c", "#28ae80", "#5ec962"];
  return dark.matches ? ["#8f7ad6", "#6f86d6", ...middle, "#addc30", "#fde725"] : ["#440154", "#472d7b", ...middle, "#9cc62f", "#c9c41c"];
}

function scale() {
  return colours().map((colour, i, all) => [i / (all.length - 1), colour]);
}

function shade(number) {
  const all = colours();
  return all[Math.min(Math.floor((number / COLOURS_OF_LINES) * all.length), all.length - 1)];
}

function colourBar([low, high], title) {
  return {
    x: [null], y: [null], mode: "markers", hoverinfo: "skip",
    marker: { color: [low], cmin: low, cmax: high, colorscale: scale(), showscale: true, colorbar: { title: { text: plain(title), side: "right" }, thickness: 14, outlinewidth: 0 } },
  };
}

function againstParameter() {
  const column = comparison.columns[choice.parameter], metric = comparison.metrics[choice.metric];
  if (!column) return draw("plot-parameter", null);
  const x = comparison.runs.map((run) => column.values[run.arm]);
  const by = new Map();
  x.forEach((value, i) => {
    if (metric.runs[i] !== null && value !== null) by.set(value, [...(by.get(value) ?? []), metric.runs[i]]);
  });
  const values = [...by.keys()].sort((a, b) => (column.numeric ? a - b : String(a).localeCompare(String(b), "en", { numeric: true })));
  const text = comparison.runs.map((run) => `${wrapped(comparison.labels[run.arm])}<br>seed ${run.seed}, ${plain(run.id)}`);
  const xaxis = column.numeric ? axisOf(column.name, column.log) : { title: { text: plain(column.name) }, type: "category", categoryorder: "array", categoryarray: values.map(plain) };
  const shown = (value) => (column.numeric ? value : plain(value));
  return draw("plot-parameter", [
    { x: x.map(shown), y: metric.runs, text, mode: "markers", type: "scatter", marker: { color: blue(), size: 7, opacity: 0.5 }, hovertemplate: "%{y:.4g}<br>%{text}<extra></extra>" },
    { x: values.map(shown), y: values.map((value) => mean(by.get(value))), mode: column.numeric ? "lines+markers" : "markers", marker: column.numeric ? { color: GREY } : { color: GREY, size: 24, symbol: "line-ew-open" }, line: { color: GREY, width: 2 }, hovertemplate: "mean %{y:.4g}<extra></extra>" },
  ], { xaxis, yaxis: axisOf(metric.name, metric.log) });
}

function plane() {
  if (comparison.plane.length < 2) return draw("plot-plane", null);
  const [x, y] = comparison.plane.map((name) => comparison.columns.find((column) => column.name === name));
  const metric = comparison.metrics[choice.metric];
  const values = (column) => [...new Set(column.values)].sort((a, b) => (column.numeric ? a - b : String(a).localeCompare(String(b), "en", { numeric: true })));
  const [across, up] = [values(x), values(y)];
  const found = up.map(() => across.map(() => []));
  comparison.runs.forEach((run, i) => {
    const value = metric.runs[i];
    if (value !== null) found[up.indexOf(y.values[run.arm])][across.indexOf(x.values[run.arm])].push(value);
  });
  const z = found.map((row) => row.map((here) => (here.length ? mean(here) : null)));
  const names = (list) => list.map((value) => plain(value === null ? "null" : value));
  return draw("plot-plane", [
    { type: "heatmap", x: names(across), y: names(up), z, colorscale: scale(), reversescale: !metric.more, xgap: 2, ygap: 2, texttemplate: across.length * up.length <= 100 ? "%{z:.3g}" : "", colorbar: { title: { text: plain(metric.name), side: "right" }, thickness: 14, outlinewidth: 0 }, hovertemplate: `${plain(x.name)} %{x}<br>${plain(y.name)} %{y}<br>%{z:.4g}<extra></extra>` },
  ], { xaxis: { title: { text: plain(x.name) }, type: "category" }, yaxis: { title: { text: plain(y.name) }, type: "category" } });
}

/* Heights between 0 and 1 along one axis of the parallel coordinates, and its ticks. */
function along(column) {
  if (!column.numeric) {
    const known = [...new Set(column.values)].sort((a, b) => String(a).localeCompare(String(b), "en", { numeric: true }));
    const height = (value) => (known.length > 1 ? known.indexOf(value) / (known.length - 1) : 0.5);
    return { heights: column.values.map(height), ticks: known.map((value) => [height(value), value]) };
  }
  const scaled = column.values.map((value) => (value === null ? null : column.log ? Math.log10(value) : value));
  const [low, high] = range(scaled);
  const height = (value) => (value === null ? null : (value - low) / (high - low || 1));
  const known = [...new Set(scaled.filter((value) => value !== null))].sort((a, b) => a - b);
  const marks = known.length <= 6 ? known : [0, 0.25, 0.5, 0.75, 1].map((part) => low + part * (high - low));
  return { heights: scaled.map(height), ticks: marks.map((mark) => [height(mark), String(Number((column.log ? 10 ** mark : mark).toPrecision(3)))]) };
}

function parallel() {
  const metric = comparison.metrics[choice.metric];
  const numbers = comparison.metrics.map((one) => ({ name: one.name, values: one.means, numeric: true, log: one.log }));
  const axes = [...comparison.columns, ...numbers];
  if (comparison.columns.length < 2) return draw("plot-parallel", null);
  const places = axes.map(along), limits = range(metric.means), arms = ordered().filter((arm) => metric.means[arm] !== null).reverse();
  const lines = new Map();
  arms.forEach((arm, rank) => {
    const number = step(metric.means[arm], limits), aside = JITTER * (rank / Math.max(arms.length - 1, 1) - 0.5);
    const line = lines.get(number) ?? { x: [], y: [], text: [] };
    places.forEach(({ heights }, i) => {
      const few = new Set(heights).size < heights.length;
      line.x.push(i);
      line.y.push(heights[arm] === null ? null : heights[arm] + (few ? aside : 0));
      line.text.push(`${wrapped(comparison.labels[arm])}<br>${plain(metric.name)} ${metric.means[arm].toPrecision(4)}`);
    });
    line.x.push(null); line.y.push(null); line.text.push("");
    lines.set(number, line);
  });
  const traces = [...lines].map(([number, line]) => ({ ...line, mode: "lines", line: { color: shade(number), width: 1.3 }, opacity: 0.85, hovertemplate: "%{text}<extra></extra>" }));
  const dashes = axes.map((_, i) => ({ type: "line", x0: i, x1: i, y0: 0, y1: 1, line: { color: GREY, width: 1 } }));
  const page = getComputedStyle(document.documentElement).getPropertyValue("--page").trim();
  const ticks = places.flatMap(({ ticks: marks }, i) => marks.map(([y, text]) => ({ x: i, y, text: plain(text), showarrow: false, xanchor: "right", xshift: -5, bgcolor: page, font: { size: 10 } })));
  return draw("plot-parallel", [...traces, colourBar(limits, metric.name)], {
    shapes: dashes, annotations: ticks, height: 420,
    xaxis: { tickvals: axes.map((_, i) => i), ticktext: axes.map(({ name }) => plain(name).replace(" (", "<br>(")), showgrid: false, zeroline: false, range: [-0.5, axes.length - 0.8] },
    yaxis: { visible: false, range: [-0.06, 1.06] },
  });
}

function arms() {
  const metric = comparison.metrics[choice.metric], shown = ordered().slice(0, MOST_ARMS), row = new Map(shown.map((arm, i) => [arm, i]));
  const runs = comparison.runs.map((run, i) => ({ ...run, value: metric.runs[i] })).filter((run) => run.value !== null && row.has(run.arm));
  const longest = matchMedia("(max-width: 40rem)").matches ? 22 : 60;
  const bars = { x: [], y: [] };
  for (const arm of shown) {
    bars.x.push(metric.means[arm], metric.means[arm], null);
    bars.y.push(row.get(arm) - 0.35, row.get(arm) + 0.35, null);
  }
  return draw("plot-arms", [
    { ...bars, mode: "lines", line: { color: GREY, width: 2.5 }, hoverinfo: "skip" },
    { x: runs.map((run) => run.value), y: runs.map((run) => row.get(run.arm)), customdata: runs.map((run) => run.arm), mode: "markers", marker: { size: 8, opacity: 0.6, color: runs.map((run) => (run.arm === comparison.baseline ? GREY : blue())) }, text: runs.map((run) => `${wrapped(comparison.labels[run.arm])}<br>seed ${run.seed}, ${plain(run.id)}`), hovertemplate: "%{x:.4g}<br>%{text}<extra></extra>" },
  ], {
    height: 124 + 19 * shown.length, margin: { l: 60, r: 20, t: 30, b: 64 }, xaxis: axisOf(metric.name, metric.log),
    annotations: comparison.note ? [{ text: plain(comparison.note), xref: "paper", yref: "paper", x: 0, y: 1, xanchor: "left", yanchor: "bottom", showarrow: false, font: { size: 10 } }] : [],
    yaxis: { tickvals: shown.map((_, i) => i), ticktext: shown.map((arm) => cut(comparison.short[arm], longest)), range: [shown.length - 0.4, -0.6], zeroline: false, tickfont: { size: 10 } },
  });
}

function curves() {
  const known = comparison.histories.map((runs, arm) => arm).filter((arm) => comparison.histories[arm].length);
  if (!known.length) return draw("plot-curves", null);
  const metric = comparison.metrics[choice.metric], limits = range(metric.means), lines = new Map();
  let low = Infinity, high = 0;
  const seen = (value) => { if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); } };
  for (const arm of [...ordered()].reverse().filter((one) => comparison.histories[one].length)) {
    const runs = comparison.histories[arm], length = Math.min(...runs.map(([epochs]) => epochs.length));
    const number = metric.means[arm] === null ? 0 : step(metric.means[arm], limits);
    const line = lines.get(number) ?? { x: [], y: [], text: [] };
    for (let i = 0; i < length; i++) {
      const values = runs.map(([, losses]) => losses[i]);
      const value = values.includes(null) ? null : mean(values);
      seen(value);
      line.x.push(runs[0][0][i]); line.y.push(value); line.text.push(wrapped(comparison.labels[arm]));
    }
    line.x.push(null); line.y.push(null); line.text.push("");
    lines.set(number, line);
  }
  const faint = choice.arm === null ? 0.85 : 0.15;
  const traces = [...lines].map(([number, line]) => ({ ...line, mode: "lines", opacity: faint, line: { color: shade(number), width: 1.4 }, hovertemplate: "epoch %{x}: %{y:.4g}<br>%{text}<extra></extra>" }));
  if (choice.arm !== null) {
    for (const [x, y] of comparison.histories[choice.arm]) traces.push({ x, y, mode: "lines", line: { color: "#D55E00", width: 1.6 }, hovertemplate: `epoch %{x}: %{y:.4g}<br>${wrapped(comparison.labels[choice.arm])}<extra></extra>` });
  }
  return draw("plot-curves", [...traces, colourBar(limits, metric.name)], { xaxis: axisOf("epoch", false), yaxis: axisOf("validation loss", low > 0 && high > 5 * low) });
}

function drawAll() {
  for (const one of [againstParameter, plane, parallel, arms, curves]) one();
}

function fill(id, names, key) {
  const select = document.getElementById(id);
  names.forEach((name, i) => select.append(new Option(name, i)));
  select.disabled = names.length < 2;
  select.addEventListener("change", () => { choice[key] = Number(select.value); drawAll(); });
  select.value = choice[key];
}

function openPlots() {
  choice.parameter = Math.max(comparison.columns.findIndex(({ name }) => name === comparison.numeric[0]), 0);
  fill("metric", comparison.metrics.map(({ name }) => name), "metric");
  fill("parameter", comparison.columns.map(({ name }) => name), "parameter");
  document.getElementById("choices").hidden = false;
  drawAll();
  document.getElementById("plot-arms").on("plotly_click", ({ points }) => {
    const arm = points[0].customdata;
    choice.arm = arm === undefined || arm === choice.arm ? null : arm;
    curves();
  });
  dark.addEventListener("change", drawAll);
  document.getElementById("plots").dataset.drawn = "yes";
}

withPlotly(openPlots);
