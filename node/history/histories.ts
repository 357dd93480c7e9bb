import type { IncomingRequest } from "../sip/stack.ts";
import type { HistoryComponents } from "./history.ts";
import { History } from "./history.ts";
import type { HistoryRemoval, HistoryRemovalComponents } from "./history-removal.ts";
import { createHistoryRemoval, REMOVAL_METHOD } from "./history-removal.ts";
import type { HistorySearch, HistorySearchComponents } from "./history-search.ts";
import { createHistorySearch, HISTORY_METHOD } from "./history-search.ts";

/** What users have written: here, and what is done about it together with the other servers. */
export interface Histories extends Pick<HistorySearch, "search">, Pick<HistoryRemoval, "remove"> {
  readonly own: History;
  /** Answers a question of another server; false when it is none about histories. */
  asked(incoming: IncomingRequest): boolean;
}

export function createHistories(
  components: HistoryComponents & HistorySearchComponents & HistoryRemovalComponents,
): Histories {
  const { search, handleQuery } = createHistorySearch(components);
  const { remove, handleStep } = createHistoryRemoval(components);
  return {
    own: new History(components),
    search,
    remove,
    asked(incoming) {
      const { method } = incoming.request;
      if (method === HISTORY_METHOD) handleQuery(incoming);
      else if (method === REMOVAL_METHOD) handleStep(incoming);
      else return false;
      return true;
    },
  };
}
