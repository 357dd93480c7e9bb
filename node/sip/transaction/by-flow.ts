import type { Flow } from "../stack.ts";
import { flowKey } from "../stack.ts";

/** What waits on connections and links, to be told when they close. */
export class ByFlow<Item> {
  readonly #items = new Map<string, Set<Item>>();

  add(flow: Flow, item: Item): void {
    const key = flowKey(flow);
    const items = this.#items.get(key);
    if (items === undefined) this.#items.set(key, new Set([item]));
    else items.add(item);
  }

  delete(flow: Flow, item: Item): void {
    const key = flowKey(flow);
    const items = this.#items.get(key);
    items?.delete(item);
    if (items?.size === 0) this.#items.delete(key);
  }

  of(flow: Flow): Iterable<Item> {
    return this.#items.get(flowKey(flow)) ?? [];
  }
}
