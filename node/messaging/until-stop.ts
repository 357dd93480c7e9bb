/** What is waited for until this server stops: then its waiters go on without it. */
export class UntilStop {
  /** How each that is waited for is given up. */
  readonly #giveUp = new Set<() => void>();

  /** Resolves as `awaited` does, or with `undefined` as soon as this server stops. */
  async wait<Value>(awaited: Promise<Value>): Promise<Value | undefined> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const giveUp = (): void => resolve(undefined);
    this.#giveUp.add(giveUp);
    return Promise.race([awaited, promise]).finally(() => this.#giveUp.delete(giveUp));
  }

  stop(): void {
    for (const giveUp of this.#giveUp) giveUp();
  }
}
