"use strict";

/* Maps whose tiles show a frame each; report.js calls it when its library is there. Sizes are those of landscape.html. */
const LEFT = 46, TOP = 6, WIDTH = 366, HEIGHT = 284;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function tileSize(map, side) {
  const [n1, n2] = [map.n1, map.n2];
  return [(WIDTH / n1) * side, (HEIGHT / n2) * side];
}

/* The visited tile at a place, or -1. */
function tileAt(map, place) {
  return map.places.findIndex(([i, j]) => i === place[0] && j === place[1]);
}

/* From a tile the nearest one that was visited in a direction; steps aside count double. The tile itself if none is. */
function neighbour(map, tile, [right, up]) {
  const [i, j] = map.places[tile];
  let best = tile, least = Infinity;
  map.places.forEach(([k, l], other) => {
    const ahead = (k - i) * right + (l - j) * up;
    const aside = Math.abs((k - i) * up) + Math.abs((l - j) * right);
    if (ahead > 0 && ahead + 2 * aside < least) [best, least] = [other, ahead + 2 * aside];
  });
  return best;
}

function openLandscape(structures) {
  const data = JSON.parse(document.getElementById("landscape-data").textContent), chosen = data.maps.map((map) => map.start);
  for (const part of document.querySelectorAll("#landscape .scripted")) part.hidden = false;
  const stage = document.getElementById("place"), note = document.getElementById("place-note");
  const viewer = $3Dmol.createViewer(stage, { ...PLAIN });
  const inAngstrom = (trace) => trace.map((tenths) => tenths / 10);

  const choose = (number, tile) => {
    const map = data.maps[number], [width, height] = tileSize(map, data.side), [i, j] = map.places[tile];
    chosen[number] = tile;
    data.maps.forEach((_, other) => {
      document.querySelector(`#map-${other} .chosen`).setAttribute("visibility", other === number ? "visible" : "hidden");
    });
    const box = { x: LEFT + i * width, y: TOP + HEIGHT - (j + 1) * height, width, height };
    const mark = document.querySelector(`#map-${number} .chosen`);
    for (const [name, value] of Object.entries(box)) mark.setAttribute(name, value);
    for (const button of document.querySelectorAll("#maps button")) {
      const same = Number(button.dataset.map) === number && Number(button.dataset.tile) === tile;
      button.setAttribute("aria-pressed", String(same));
    }
    note.textContent = `${map.name}: ${map.notes[tile]}.`;
    viewer.removeAllModels();
    addNative(viewer, structures);
    viewer.addModel().addAtoms(trace(inAngstrom(map.ca[tile]), structures));
    viewer.render();
  };

  data.maps.forEach((map, number) => {
    const svg = document.getElementById(`map-${number}`);
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("role", "application");
    svg.setAttribute("aria-describedby", "place-note");
    svg.addEventListener("click", (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const [width, height] = tileSize(map, data.side);
      const tile = tileAt(map, [Math.floor((at.x - LEFT) / width), Math.floor((TOP + HEIGHT - at.y) / height)]);
      if (tile >= 0) choose(number, tile);
      else note.textContent = `${map.name}: no frame lies there.`;
    });
    svg.addEventListener("keydown", (event) => {
      if (!(event.key in ARROWS)) return;
      event.preventDefault();
      choose(number, neighbour(map, chosen[number], ARROWS[event.key]));
    });
  });
  for (const button of document.querySelectorAll("#maps button")) {
    button.addEventListener("click", () => choose(Number(button.dataset.map), Number(button.dataset.tile)));
  }
  choose(data.maps.length - 1, chosen[data.maps.length - 1]);
  look(viewer, data.maps.flatMap((map) => map.ca).map(inAngstrom), stage.clientWidth, stage.clientHeight);
  spare(stage);
}
