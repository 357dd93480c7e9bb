import { median } from "../load.ts";
import type { Figures, Metric } from "../system.ts";

/** What one operation of one system showed in one round. */
export interface Sample {
  readonly round: number;
  readonly system: string;
  readonly operation: string;
  readonly figures: Figures;
}

/** All that was measured. Figures of a system are compared with those of the raw limit of the same round. */
export class Results {
  readonly samples: Sample[] = [];

  add(sample: Sample): void {
    this.samples.push(sample);
  }

  /** Median over the rounds; `undefined` where it was not measured. */
  value(system: string, operation: string, metric: Metric): number | undefined {
    const values = this.#of(system, operation).flatMap(({ figures }) => figures[metric] ?? []);
    return values.length === 0 ? undefined : median(values);
  }

  /** Median over the rounds of how many times the metric of the raw limit's operation it is. */
  ratio(system: string, operation: string, metric: Metric, rawOperation: string): number | undefined {
    const raw = new Map(this.#of("raw", rawOperation).map(({ round, figures }) => [round, figures[metric]]));
    const ratios = this.#of(system, operation).flatMap(({ round, figures }) => {
      const above = figures[metric];
      const below = raw.get(round);
      return above === undefined || below === undefined ? [] : above / below;
    });
    return ratios.length === 0 ? undefined : median(ratios);
  }

  /** Every operation of every system in the order in which they were measured first. */
  rows(): readonly { readonly system: string; readonly operation: string }[] {
    const names = new Map(
      this.samples.map(({ system, operation }) => [`${system} ${operation}`, { system, operation }]),
    );
    return [...names.values()];
  }

  #of(system: string, operation: string): Sample[] {
    return this.samples.filter((sample) => sample.system === system && sample.operation === operation);
  }
}
