"use strict";

/* Pages with plots: plotly.js lies in the page, packed; a browser that cannot draw says so and shows the numbers. */
function unpacked(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

async function loadPlotly() {
  const script = document.createElement("script");
  script.textContent = await unpacked(document.getElementById("plotly").textContent);
  document.head.append(script);
  if (typeof Plotly === "undefined") throw new Error("plotly.js was not read");
}

function withPlotly(draw) {
  loadPlotly().then(draw).catch((error) => {
    const note = document.getElementById("no-plots");
    document.getElementById("plots").hidden = true;
    note.textContent = `This browser does not draw the figures (${error.message ?? error}). The tables have their numbers.`;
    note.hidden = false;
  });
}

