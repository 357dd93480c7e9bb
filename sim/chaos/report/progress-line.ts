import type { ChaosPlan } from "../plan.ts";
import type { Progress } from "../run.ts";
import { inSeconds } from "./drawing.ts";
import { describeTrouble } from "./timeline.ts";

const barWidth = 24;

/** Where a run stands: on a terminal one line that is written over, elsewhere a line for each fault and phase. */
export class ProgressLine {
  readonly #plan: ChaosPlan;
  readonly #out: NodeJS.WriteStream;
  #phase: Progress["phase"] | undefined;
  #chaosSinceMs = 0;
  #trouble = "";

  constructor(plan: ChaosPlan, out: NodeJS.WriteStream) {
    this.#plan = plan;
    this.#out = out;
  }

  show(progress: Progress): void {
    const isNewPhase = progress.phase !== this.#phase;
    this.#phase = progress.phase;
    if (isNewPhase && progress.phase === "chaos") this.#chaosSinceMs = progress.elapsedMs;
    if (progress.trouble !== undefined) this.#trouble = describeTrouble(progress.trouble);
    if (this.#out.isTTY) return void this.#out.write(`\r\u001B[K${this.#line(progress)}`);
    if (progress.phase !== "chaos") this.#out.write(isNewPhase ? `${phases[progress.phase]}\n` : "");
    else if (progress.trouble !== undefined) {
      this.#out.write(`${inSeconds(this.#chaosMs(progress)).padStart(8)}  ${this.#trouble}\n`);
    }
  }

  /** Makes room for the report. */
  clear(): void {
    if (this.#out.isTTY) this.#out.write("\r\u001B[K");
  }

  #chaosMs({ elapsedMs }: Progress): number {
    return elapsedMs - this.#chaosSinceMs;
  }

  #line(progress: Progress): string {
    if (progress.phase !== "chaos") return phases[progress.phase];
    const done = Math.min(1, this.#chaosMs(progress) / this.#plan.chaosMs);
    const bar = "█".repeat(Math.round(done * barWidth)).padEnd(barWidth, "░");
    const left = Math.ceil((1 - done) * (this.#plan.chaosMs / 1000));
    const line = `${bar} ${left} s left  ${this.#trouble}`;
    return line.slice(0, (this.#out.columns || 80) - 1);
  }
}

const phases: Readonly<Record<Progress["phase"], string>> = {
  starting: "starting the servers …",
  chaos: "",
  healing: "all healed; everybody has to be reachable again …",
  stopping: "stopping the servers …",
};
