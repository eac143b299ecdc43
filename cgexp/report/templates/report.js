"use strict";

/* Tables: every head becomes a button that sorts its column; a second press turns the order round. */
function value(row, column) {
  const cell = row.cells[column];
  const number = Number(cell.dataset.value ?? NaN);
  return Number.isNaN(number) ? cell.textContent.trim() : number;
}

function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a === typeof b && typeof a === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const order = heads[column].getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  heads.forEach((head, index) => head.setAttribute("aria-sort", index === column ? order : "none"));
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => {
    const [left, right] = [value(a, column), value(b, column)];
    // empty cells stay below whatever the order
    return left === "" || right === "" || order === "ascending" ? compare(left, right) : compare(right, left);
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, column));
    head.append(button);
    head.setAttribute("aria-sort", "none");
  });
}

for (const input of document.querySelectorAll("[data-filters]")) {
  const rows = [...document.getElementById(input.dataset.filters).tBodies[0].rows];
  const status = input.parentElement.querySelector("[role=status]");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    status.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  });
  input.parentElement.hidden = false;
}

/* Structures. A trace is a smooth tube through its beads, which are balls on it. */
const STEPS = 5; // pieces of tube between two beads
const TUBE = 0.42, BALL = 0.75, THIN = 0.16, ATOM = 0.4; // radii, Å
const NATIVE_COLOUR = "#9aa4af";

function points(flat) {
  const found = [];
  for (let i = 0; i < flat.length; i += 3) found.push(flat.slice(i, i + 3));
  return found;
}

/* Catmull and Rom's spline through the beads: pieces of [place along the chain, x, y, z]. */
function spline(beads) {
  const at = (i) => beads[Math.min(Math.max(i, 0), beads.length - 1)];
  const found = [];
  for (let i = 0; i < beads.length - 1; i++) {
    const [p, q, r, s] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    for (let step = 0; step < STEPS; step++) {
      const t = step / STEPS;
      const along = (k) =>
        q[k] + 0.5 * t * (r[k] - p[k] + t * (2 * p[k] - 5 * q[k] + 4 * r[k] - s[k] + t * (3 * (q[k] - r[k]) + s[k] - p[k])));
      found.push([i + t, along(0), along(1), along(2)]);
    }
  }
  return [...found, [beads.length - 1, ...at(beads.length - 1)]];
}

/* Atoms as the library takes them, bonded in a row; colour: of a place along the chain. */
function atoms(pieces, colour, radius, label) {
  return pieces.map(([place, x, y, z], i) => ({
    x, y, z, elem: "C", atom: "CA", resi: Math.round(place) + 1, resn: label ? label(place) : "", serial: i, hetflag: false,
    bonds: [i - 1, i + 1].filter((j) => j >= 0 && j < pieces.length), bondOrder: [1, 1],
    style: {
      stick: { radius, color: colour(place) },
      ...(label && Number.isInteger(place) ? { sphere: { radius: BALL, color: colour(place) } } : {}),
    },
  }));
}

/* Beads with bonds of their own: balls and sticks. */
function branched(flat, data) {
  const partners = points(flat).map(() => []);
  for (const [i, j] of data.bonds) { partners[i].push(j); partners[j].push(i); }
  return points(flat).map(([x, y, z], i) => ({
    x, y, z, elem: "C", atom: "CA", resi: i + 1, resn: data.residues[i], serial: i, hetflag: false,
    bonds: partners[i], bondOrder: partners[i].map(() => 1),
    style: { stick: { radius: THIN, color: data.colours[i] }, sphere: { radius: ATOM, color: data.colours[i] } },
  }));
}

function trace(flat, data) {
  if (data.bonds) return branched(flat, data);
  const colour = (place) => data.colours[Math.round(place)];
  return atoms(spline(points(flat)), colour, TUBE, (place) => data.residues[Math.round(place)]);
}

function addNative(viewer, data) {
  if (data.native) viewer.addModel().addAtoms(atoms(spline(points(data.native)), () => NATIVE_COLOUR, THIN));
}

function hover(viewer) {
  const clear = () => { viewer.removeAllLabels(); viewer.render(); };
  const show = (atom) => {
    if (!atom.resn) return;
    viewer.removeAllLabels();
    viewer.addLabel(atom.resn, { position: atom, backgroundOpacity: 0.75, fontSize: 12, inFront: true });
    viewer.render();
  };
  viewer.setHoverable({}, true, show, clear);
}

const PLAIN = { backgroundAlpha: 0, antialias: true };

/* A grid of ensembles and basins in one canvas, which turn together; a column for each ensemble on a narrow screen, and
   where there is one basin. */
function drawGrid(element, data) {
  const [n, m] = [data.ensembles.length, data.basins.length];
  const upright = m === 1 || matchMedia("(max-width: 40rem)").matches;
  const [rows, cols] = upright ? [m, n] : [n, m];
  element.replaceChildren();
  const grid = $3Dmol.createViewerGrid(element, { rows, cols, control_all: true }, { ...PLAIN });
  const labels = document.createElement("div");
  labels.className = "labels";
  labels.style.gridTemplate = `repeat(${rows}, 1fr) / repeat(${cols}, 1fr)`;
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) {
      const [e, b] = upright ? [col, row] : [row, col];
      const ensemble = data.ensembles[e], cell = ensemble.cells[b], viewer = grid[row][col];
      const label = document.createElement("div"), name = document.createElement("b");
      name.textContent = data.basins[b];
      label.append(name, ensemble.label, document.createElement("br"), cell ? `${cell.share} %` : "not visited");
      label.classList.toggle("empty", !cell);
      labels.append(label);
      addNative(viewer, data);
      if (cell) viewer.addModel().addAtoms(trace(cell.ca, data));
      hover(viewer);
    }
  }
  element.append(labels);
  const traces = data.ensembles.flatMap((ensemble) => ensemble.cells).filter(Boolean).map((cell) => cell.ca);
  for (const viewer of grid.flat()) look(viewer, traces, element.clientWidth / cols, element.clientHeight / rows);
}

/* Seen along z from as far as all of ``traces`` need in a window of this shape, so that sizes can be compared. */
function look(viewer, traces, width, height) {
  const tangent = Math.tan(Math.PI / 18); // of half the camera's field of view, 20 degrees
  const need = ([x, y]) => Math.max((Math.abs(x) * height) / width, Math.abs(y));
  const widest = Math.max(...traces.flatMap(points).map(need)) + 2 * BALL;
  viewer.zoomTo();
  viewer.setView([0, 0, 0, 150 - (1.15 * widest) / tangent, 0, 0, 0, 1]);
  viewer.render();
}

/* The wheel scrolls the page, unless with Ctrl; a finger does, unless the reader wants to turn. */
function spare(element) {
  element.addEventListener("wheel", (event) => event.ctrlKey || event.stopPropagation(), { capture: true });
  if (!matchMedia("(pointer: coarse)").matches) return;
  const button = document.getElementById("turn");
  document.getElementById("touch").hidden = false;
  element.classList.add("still");
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(!element.classList.toggle("still")));
  });
}

function play(data) {
  const stage = document.getElementById("stage");
  const viewer = $3Dmol.createViewer(stage, { ...PLAIN });
  const [slider, button, output] = ["frame", "play", "time"].map((id) => document.getElementById(id));
  const show = () => {
    const index = slider.valueAsNumber;
    output.textContent = data.trajectory.notes[index];
    viewer.removeAllModels();
    addNative(viewer, data);
    viewer.addModel().addAtoms(trace(data.trajectory.ca[index], data));
    viewer.render();
  };
  let timer = 0;
  button.addEventListener("click", () => {
    clearInterval(timer);
    const starts = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(starts));
    button.textContent = starts ? "Pause" : "Play";
    const step = () => {
      slider.value = (slider.valueAsNumber + 1) % data.trajectory.ca.length;
      show();
    };
    if (starts) timer = setInterval(step, 100);
  });
  slider.addEventListener("input", show);
  show();
  look(viewer, data.trajectory.ca, stage.clientWidth, stage.clientHeight);
  spare(stage);
}

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

async function openView(element) {
  const script = document.createElement("script");
  script.textContent = await unpack(document.getElementById("library").textContent);
  document.head.append(script);
  const data = JSON.parse(document.getElementById("structures").textContent);
  element.hidden = false;
  spare(element);
  drawGrid(element, data);
  matchMedia("(max-width: 40rem)").addEventListener("change", () => drawGrid(element, data));
  if (data.trajectory) {
    document.getElementById("player").hidden = false;
    play(data);
  }
  if (document.getElementById("landscape")) openLandscape(data);
  element.dataset.drawn = "yes";
}

const view = document.getElementById("view");
if (view) {
  openView(view).catch((error) => {
    view.hidden = true;
    const note = document.getElementById("no-view");
    note.textContent = `This browser does not show the structures in space (${error.message ?? error}). The table has the numbers.`;
    note.hidden = false;
  });
}
