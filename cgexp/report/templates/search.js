/* The plots of a search, which another program has made; here they get the page's own colours. */
const plots = JSON.parse(document.getElementById("search").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");

function layout(given) {
  const css = getComputedStyle(document.documentElement), of = (name) => css.getPropertyValue(name).trim();
  const { template, title, ...rest } = given;
  const shown = {
    ...rest, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: of("--text"), size: 12 },
    margin: { l: 60, r: 20, t: 30, b: 60 }, height: 420,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: of("--quiet"), activecolor: of("--accent") },
  };
  for (const name of Object.keys(given).filter((key) => /^[xy]axis/.test(key))) {
    shown[name] = { ...given[name], gridcolor: of("--line"), zerolinecolor: of("--line"), linecolor: of("--quiet"), automargin: true };
  }
  return shown;
}

function drawAll() {
  plots.forEach((plot, i) => {
    const element = document.getElementById(`plot-${i}`);
    element.style.height = "420px";
    Plotly.react(element, plot.data, layout(plot.layout), { responsive: true, displaylogo: false });
  });
}

function openPlots() {
  drawAll();
  dark.addEventListener("change", drawAll);
  document.getElementById("plots").dataset.drawn = "yes";
}

withPlotly(openPlots);
