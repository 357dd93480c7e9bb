import { median } from "../load.ts";
import type { SipFigures, SipOperation } from "./operations.ts";
import type { SipSystem } from "./systems.ts";

/** What one operation of one system showed in one round. */
export interface SipSample {
  readonly round: number;
  readonly system: SipSystem;
  readonly operation: SipOperation;
  readonly figures: SipFigures;
}

/** All that was measured of SIP servers. */
export class SipResults {
  readonly #samples: SipSample[] = [];

  add(sample: SipSample): void {
    this.#samples.push(sample);
  }

  /** Median over the rounds; `undefined` where it was not measured. */
  value(
    system: string,
    operation: string,
    metric: "perSecond" | "cpuMicros" | "crossingsPerChange",
  ): number | undefined {
    const values = this.#of(system, operation).flatMap(({ figures }) => figures[metric] ?? []);
    return values.length === 0 ? undefined : median(values);
  }

  /** Median over the rounds of how many times the CPU of another's operation in the same round it takes. */
  cpuRatio(system: string, operation: string, base: SipOperation["base"]): number | undefined {
    const below = new Map(
      this.#of(base.system, base.operation).map(({ round, figures }) => [round, figures.cpuMicros]),
    );
    const ratios = this.#of(system, operation).flatMap(({ round, figures }) => {
      const other = below.get(round);
      return figures.cpuMicros === undefined || other === undefined ? [] : figures.cpuMicros / other;
    });
    return ratios.length === 0 ? undefined : median(ratios);
  }

  /** Over all rounds, by cause. */
  failures(system: string, operation: string): ReadonlyMap<string, number> {
    const sum = new Map<string, number>();
    for (const { figures } of this.#of(system, operation)) {
      for (const [cause, count] of Object.entries(figures.failures)) sum.set(cause, (sum.get(cause) ?? 0) + count);
    }
    return sum;
  }

  /** Every operation of every system, in the order in which they were measured first. */
  rows(): readonly Pick<SipSample, "system" | "operation">[] {
    const names = new Map<string, Pick<SipSample, "system" | "operation">>();
    for (const { system, operation } of this.#samples)
      names.set(`${operation.name} ${system.name}`, { system, operation });
    return [...names.values()];
  }

  /** With names in place of systems and operations. */
  toJSON(): readonly object[] {
    return this.#samples.map(({ round, system, operation, figures }) => ({
      round,
      system: system.name,
      operation: operation.name,
      figures,
    }));
  }

  #of(system: string, operation: string): SipSample[] {
    return this.#samples.filter((sample) => sample.system.name === system && sample.operation.name === operation);
  }
}
