import { getHeapStatistics } from "node:v8";

/**
 * How many of something fit into a part of what V8 lets the heap grow to. By Node that goes by the machine's memory, 4 GiB at most; `--max-old-space-size` says otherwise.
 * @param part of 1
 * @param bytesEach heap that one takes
 */
export function fittingIntoHeap(part: number, bytesEach: number): number {
  return Math.floor((part * getHeapStatistics().heap_size_limit) / bytesEach);
}
