/** One line of a chart. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** A limit or a share, not a measurement. */
  readonly dashed?: boolean;
}

/** How numbers lie on an axis. */
export interface Axis {
  readonly title: string;
  readonly scale: "linear" | "log";
  /** Written where the axis is marked; by default those of the scale. */
  readonly ticks?: readonly number[];
  readonly from?: number;
  readonly to?: number;
}

/** A chart of lines. */
export interface Chart {
  readonly title: string;
  readonly subtitle?: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Single measurements are marked: not where there are hundreds. */
  readonly dots?: boolean;
}

const WIDTH = 860;
const HEIGHT = 440;
const PLOT = { left: 84, right: 640, top: 64, bottom: 376 };
/** Told apart by those who see colours differently too: Okabe and Ito's. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

interface Scale {
  readonly ticks: readonly number[];
  place(value: number): number;
}

/** A chart as an SVG document that needs nothing else. */
export function svgChart(chart: Chart): string {
  const xs = chart.series.flatMap(({ points }) => points.map(([x]) => x));
  const ys = chart.series.flatMap(({ points }) => points.map(([, y]) => y));
  const x = scaleOf(chart.x, xs, PLOT.left, PLOT.right);
  const y = scaleOf(chart.y, ys, PLOT.bottom, PLOT.top);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    label(PLOT.left, 26, chart.title, `font-size="17" font-weight="bold"`),
    ...(chart.subtitle === undefined ? [] : [label(PLOT.left, 46, chart.subtitle, `fill="#555"`)]),
    ...x.ticks.flatMap((tick) => [
      line(x.place(tick), PLOT.top, x.place(tick), PLOT.bottom, "#e5e5e5"),
      label(x.place(tick), PLOT.bottom + 20, numeral(tick), `text-anchor="middle"`),
    ]),
    ...y.ticks.flatMap((tick) => [
      line(PLOT.left, y.place(tick), PLOT.right, y.place(tick), "#e5e5e5"),
      label(PLOT.left - 8, y.place(tick) + 4, numeral(tick), `text-anchor="end"`),
    ]),
    line(PLOT.left, PLOT.bottom, PLOT.right, PLOT.bottom, "#222"),
    line(PLOT.left, PLOT.top, PLOT.left, PLOT.bottom, "#222"),
    label((PLOT.left + PLOT.right) / 2, PLOT.bottom + 46, chart.x.title, `text-anchor="middle"`),
    label(
      0,
      0,
      chart.y.title,
      `text-anchor="middle" transform="translate(20 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)"`,
    ),
    ...chart.series.flatMap((series, index) =>
      drawn(series, COLOURS[index % COLOURS.length] as string, x, y, chart.dots),
    ),
    ...legend(chart.series),
    "</svg>\n",
  ].join("\n");
}

function drawn({ points, dashed }: Series, colour: string, x: Scale, y: Scale, dots = true): string[] {
  const places = points.map(([px, py]) => [x.place(px).toFixed(1), y.place(py).toFixed(1)] as const);
  const path = places.map((place) => place.join(",")).join(" ");
  const dash = dashed === true ? ` stroke-dasharray="6 4"` : "";
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`,
    ...(dots && dashed !== true
      ? places.map(([px, py]) => `<circle cx="${px}" cy="${py}" r="3" fill="${colour}"/>`)
      : []),
  ];
}

function legend(series: readonly Series[]): string[] {
  return series.flatMap(({ name, dashed }, index) => {
    const at = PLOT.top + 10 + index * 24;
    const colour = COLOURS[index % COLOURS.length] as string;
    const dash = dashed === true ? ` stroke-dasharray="6 4"` : "";
    return [
      `<line x1="${PLOT.right + 20}" y1="${at}" x2="${PLOT.right + 46}" y2="${at}" stroke="${colour}" stroke-width="2"${dash}/>`,
      label(PLOT.right + 54, at + 4, name),
    ];
  });
}

function scaleOf(axis: Axis, values: readonly number[], start: number, end: number): Scale {
  const isLog = axis.scale === "log";
  const [low, high] = [Math.min(...values.filter((value) => !isLog || value > 0)), Math.max(...values)];
  const from = axis.from ?? (isLog ? 10 ** Math.floor(Math.log10(low)) : Math.min(0, low));
  const to = axis.to ?? (isLog ? 10 ** Math.ceil(Math.log10(high)) : roundUp(high));
  const at = isLog
    ? (value: number) => (Math.log10(Math.max(value, from)) - Math.log10(from)) / (Math.log10(to) - Math.log10(from))
    : (value: number) => (value - from) / (to - from);
  const ticks = axis.ticks ?? (isLog ? decades(from, to) : steps(from, to));
  return { ticks, place: (value) => start + at(value) * (end - start) };
}

function decades(from: number, to: number): number[] {
  const ticks: number[] = [];
  for (let tick = from; tick <= to * 1.001; tick *= 10) ticks.push(tick);
  return ticks;
}

function steps(from: number, to: number): number[] {
  const step = roundUp((to - from) / 6);
  const ticks: number[] = [];
  for (let tick = from; tick <= to * 1.001; tick += step) ticks.push(tick);
  return ticks;
}

/** The next of 1, 2, 2.5, 5 times a power of ten. */
function roundUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= value * 0.999) as number) * power;
}

/** As people write it: 12,000 or 0.5; millions in short. */
function numeral(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  return Number(value.toPrecision(6)).toLocaleString("en-GB", { maximumFractionDigits: 6 });
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${colour}"/>`;
}

function label(x: number, y: number, text: string, attributes = ""): string {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped}</text>`;
}
