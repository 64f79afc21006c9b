// Charts of the last 15 minutes. Where a value is unknown the line has a gap.

import { fill, h, svg } from "./dom.js";
import { unknown } from "./format.js";

const WIDTH = 300;

/** The lines of a series: one for each run of known values; a dot where there is but one. */
function path(values, points, top, height) {
  const x = (at) => ((at + points - values.length) / Math.max(points - 1, 1)) * WIDTH;
  const y = (value) => height - 2 - (value / top) * (height - 4);
  let drawn = "";
  let previous = null;
  values.forEach((value, at) => {
    if (value !== null) {
      const place = `${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      drawn += previous === null ? `M${place}h0.1` : `L${place}`;
    }
    previous = value;
  });
  return drawn;
}

/** A drawing of some series of the same unit; `points` are how many fit. */
function drawing(series, points, height, label) {
  const known = series.flatMap(({ values }) => values.filter((value) => value !== null));
  const top = Math.max(...known, 1e-9);
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label, class: "drawing" },
    svg("line", { x1: 0, x2: WIDTH, y1: height - 1, y2: height - 1, class: "axis" }),
    series.map(({ values, tone }) => svg("path", { d: path(values, points, top, height), class: `line ${tone}` })));
}

/** A small line without words. */
export function sparkline(values, points, label) {
  return drawing([{ values, tone: "one" }], points, 24, label);
}

/** A chart with its name, what it is now and the most it was. `series`: [{name, values, tone}]; `format` makes text of a value. */
export class Chart {
  constructor(name, format, points) {
    this.name = name;
    this.format = format;
    this.points = points;
    this.element = h("figure", { class: "chart" });
  }

  draw(series) {
    const last = ({ values }) => values.at(-1) ?? null;
    const most = Math.max(...series.flatMap(({ values }) => values.filter((value) => value !== null)), 0);
    const said = series.map((one) => `${one.name} ${last(one) === null ? "unknown" : this.format(last(one))}`).join(", ");
    fill(this.element,
      h("figcaption", {}, h("span", { class: "chart-name" }, this.name),
        series.map((one) => h("span", { class: `now ${one.tone}` }, series.length > 1 ? `${one.name} ` : null,
          last(one) === null ? unknown("unknown now") : this.format(last(one))))),
      drawing(series, this.points, 72, `${this.name} over the last 15 minutes: now ${said}; at most ${this.format(most)}`),
      h("div", { class: "scale", "aria-hidden": "true" }, h("span", {}, "15 min ago"), h("span", {}, `max ${this.format(most)}`), h("span", {}, "now")));
  }
}
