import type { Place } from "../plan.ts";

/** Hues that differ for most eyes, then others around the circle. */
const palette = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8844", "#7766cc", "#88aa66"];

/** The colour of a place of a server. */
export function colourOf(place: Place): string {
  return palette[place - 1] ?? `hsl(${(place * 137) % 360} 45% 55%)`;
}

/** For the text of HTML and SVG elements, and attributes in double quotes. */
export function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** `12.3 s` */
export function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** From the time of a run to a place on the picture. */
export class Scale {
  readonly fromMs: number;
  readonly toMs: number;
  readonly #left: number;
  readonly #pixelsPerMs: number;

  constructor(fromMs: number, toMs: number, left: number, right: number) {
    this.fromMs = fromMs;
    this.toMs = toMs;
    this.#left = left;
    this.#pixelsPerMs = (right - left) / Math.max(1, toMs - fromMs);
  }

  /** Pixels, to a tenth. */
  x(atMs: number): number {
    return Math.round((this.#left + (atMs - this.fromMs) * this.#pixelsPerMs) * 10) / 10;
  }

  width(fromMs: number, toMs: number): number {
    return Math.round((toMs - fromMs) * this.#pixelsPerMs * 10) / 10;
  }

  /** `12.3 s to 15.0 s (2.7 s)` */
  span(fromMs: number, toMs: number): string {
    const since = (atMs: number) => inSeconds(atMs - this.fromMs);
    return `${since(fromMs)} to ${since(toMs)} (${inSeconds(toMs - fromMs)})`;
  }
}
