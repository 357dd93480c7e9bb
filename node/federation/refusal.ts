/** Why a request is not served: the final answer it gets instead. */
export interface Refusal {
  /** 300–699 */
  readonly status: number;
  /** Reason phrase; it names what was wrong, for the person who reads a trace. */
  readonly reason: string;
  /** Counts refusals of this kind, beside those of its status. */
  readonly counter?: string;
  readonly headers?: ReadonlyArray<readonly [name: string, value: string]>;
}
